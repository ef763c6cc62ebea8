mod chat;
mod item;
mod lifecycle;
mod session;
mod tray;
mod tray_host;
mod webdriver;
