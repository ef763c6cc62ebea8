//! The icon in the tray and its menu, drawn from a [`State`].
//!
//! On Linux there may be no host for it (GNOME without an extension, a panel that starts late): the app then goes on
//! without, and the icon comes when a host does. Deliberately elsewhere: what icon and menu say (`state`), what a click
//! does (`app`).

use std::sync::{Mutex, PoisonError};

use tauri::image::Image;
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager as _, Wry};
use tauri_plugin_autostart::ManagerExt as _;

use crate::action::Action;
use crate::app::{self, Desktop};
use crate::menu::Entry;
use crate::platform;
use crate::state::{Icon, State};

const ID: &str = "simpleclaw";

/// What the tray shows at this moment.
#[derive(Default)]
pub struct Tray(Mutex<Option<Shown>>);

struct Shown {
    icon: TrayIcon,
    drawn: Drawn,
}

#[derive(PartialEq)]
struct Drawn {
    icon: Icon,
    tooltip: String,
    /// Beside the icon, where a system has a place for it: how many wait.
    title: Option<String>,
    menu: Vec<Entry>,
}

/// Shows the icon, now or when a host for it appears. Called on the main thread, once.
pub fn start(app: &AppHandle) {
    if let Err(error) = show(app) {
        tracing::warn!(%error, "no tray icon for now");
    }
    #[cfg(target_os = "linux")]
    tauri::async_runtime::spawn(show_when_possible(app.clone()));
}

/// Once shown, the backend itself registers with every later host.
#[cfg(target_os = "linux")]
async fn show_when_possible(app: AppHandle) {
    let mut hosts = match platform::TrayHosts::watch().await {
        Ok(hosts) => hosts,
        Err(error) => {
            tracing::warn!(%error, "without a message bus this session cannot have a tray icon");
            return;
        }
    };
    // A host may have come between the first try and the watch, so there is a second one before any news.
    loop {
        let (done, shown) = tokio::sync::oneshot::channel();
        let handle = app.clone();
        let asked = app.run_on_main_thread(move || {
            let _ = done.send(show(&handle));
        });
        match (asked, shown.await) {
            (Ok(()), Ok(Ok(()))) => return,
            (Ok(()), Ok(Err(error))) => tracing::debug!(%error, "still no tray host"),
            // The app ends.
            _ => return,
        }
        if hosts.next().await.is_none() {
            return;
        }
    }
}

/// Makes the icon, unless it is there.
fn show(app: &AppHandle) -> tauri::Result<()> {
    let desktop = app.state::<Desktop>();
    let mut shown = desktop.tray.0.lock().unwrap_or_else(PoisonError::into_inner);
    if shown.is_some() {
        return Ok(());
    }
    let drawn = draw(app, &desktop.link.state().borrow());
    let icon = TrayIconBuilder::with_id(ID)
        .icon(image(drawn.icon))
        .icon_as_template(cfg!(target_os = "macos"))
        .tooltip(&drawn.tooltip)
        .menu(&menu(app, &drawn.menu)?)
        .show_menu_on_left_click(cfg!(target_os = "macos"))
        .on_menu_event(|app, event| match Action::parse(event.id().as_ref()) {
            Some(action) => app::act(app, action),
            None => tracing::warn!(id = event.id().as_ref(), "a menu entry without an action"),
        })
        .on_tray_icon_event(|tray, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                app::act(tray.app_handle(), Action::OpenChat);
            }
        })
        .build(app)?;
    icon.set_title(drawn.title.as_deref())?;
    *shown = Some(Shown { icon, drawn });
    Ok(())
}

/// Draws what is different. Called on the main thread; `anew` also where the system may have changed a check mark.
pub fn update(app: &AppHandle, anew: bool) {
    let desktop = app.state::<Desktop>();
    let mut shown = desktop.tray.0.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(shown) = shown.as_mut() else { return };
    let drawn = draw(app, &desktop.link.state().borrow());
    if let Err(error) = change(app, shown, &drawn, anew) {
        tracing::warn!(%error, "the tray could not be updated");
    }
    shown.drawn = drawn;
}

fn change(app: &AppHandle, shown: &Shown, drawn: &Drawn, anew: bool) -> tauri::Result<()> {
    if shown.drawn.icon != drawn.icon {
        shown.icon.set_icon_with_as_template(Some(image(drawn.icon)), cfg!(target_os = "macos"))?;
    }
    if shown.drawn.tooltip != drawn.tooltip {
        shown.icon.set_tooltip(Some(&drawn.tooltip))?;
    }
    if shown.drawn.title != drawn.title {
        shown.icon.set_title(drawn.title.as_deref())?;
    }
    if anew || shown.drawn.menu != drawn.menu {
        shown.icon.set_menu(Some(menu(app, &drawn.menu)?))?;
    }
    Ok(())
}

fn draw(app: &AppHandle, state: &State) -> Drawn {
    let launch_at_login = app.autolaunch().is_enabled().unwrap_or_default();
    // Elsewhere the title is the name of the item, or drawn over its neighbours.
    let title = Some(state.waiting()).filter(|count| cfg!(target_os = "macos") && *count > 0).map(|n| n.to_string());
    Drawn { icon: state.icon(), tooltip: state.tooltip(), title, menu: state.menu(launch_at_login) }
}

fn menu(app: &AppHandle, entries: &[Entry]) -> tauri::Result<Menu<Wry>> {
    let menu = Menu::new(app)?;
    for entry in entries {
        menu.append(item(app, entry)?.as_ref())?;
    }
    Ok(menu)
}

fn item(app: &AppHandle, entry: &Entry) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    let no_key = None::<&str>;
    Ok(match entry {
        Entry::Text(words) => Box::new(MenuItem::new(app, literal(words), false, no_key)?),
        Entry::Item { action, label, enabled } => {
            Box::new(MenuItem::with_id(app, action.id(), literal(label), *enabled, no_key)?)
        }
        Entry::Check { action, label, enabled, checked } => {
            Box::new(CheckMenuItem::with_id(app, action.id(), literal(label), *enabled, *checked, no_key)?)
        }
        Entry::Submenu { label, enabled, entries } => {
            let submenu = Submenu::new(app, literal(label), *enabled)?;
            for entry in entries {
                submenu.append(item(app, entry)?.as_ref())?;
            }
            Box::new(submenu)
        }
        Entry::Separator => Box::new(PredefinedMenuItem::separator(app)?),
    })
}

/// In a label `&` marks the letter that the keyboard chooses; a name means its own.
fn literal(label: &str) -> String {
    label.replace('&', "&&")
}

/// Twice the usual size: hosts scale down, and screens with many pixels get sharp edges.
fn image(icon: Icon) -> Image<'static> {
    if cfg!(target_os = "macos") {
        return match icon {
            Icon::Ready => tauri::include_image!("icons/tray/ready-template-44.png"),
            Icon::Working => tauri::include_image!("icons/tray/working-template-44.png"),
            Icon::NeedsYou => tauri::include_image!("icons/tray/needs-you-template-44.png"),
            Icon::Degraded => tauri::include_image!("icons/tray/degraded-template-44.png"),
            Icon::Paused => tauri::include_image!("icons/tray/paused-template-44.png"),
        };
    }
    match (icon, platform::panel_is_dark()) {
        (Icon::Ready, true) => tauri::include_image!("icons/tray/ready-dark-44.png"),
        (Icon::Ready, false) => tauri::include_image!("icons/tray/ready-light-44.png"),
        (Icon::Working, true) => tauri::include_image!("icons/tray/working-dark-44.png"),
        (Icon::Working, false) => tauri::include_image!("icons/tray/working-light-44.png"),
        (Icon::NeedsYou, true) => tauri::include_image!("icons/tray/needs-you-dark-44.png"),
        (Icon::NeedsYou, false) => tauri::include_image!("icons/tray/needs-you-light-44.png"),
        (Icon::Degraded, true) => tauri::include_image!("icons/tray/degraded-dark-44.png"),
        (Icon::Degraded, false) => tauri::include_image!("icons/tray/degraded-light-44.png"),
        (Icon::Paused, true) => tauri::include_image!("icons/tray/paused-dark-44.png"),
        (Icon::Paused, false) => tauri::include_image!("icons/tray/paused-light-44.png"),
    }
}
