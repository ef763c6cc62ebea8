mod chat;
mod item;
mod lifecycle;
mod real_model;
mod session;
mod tray;
mod tray_host;
mod webdriver;
