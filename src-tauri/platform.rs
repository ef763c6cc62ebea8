//! What differs between systems and has no home in Tauri.

use std::sync::{Mutex, PoisonError};

/// Whether windows can be shown. Asked before Tauri, which would end in a panic.
pub fn has_display() -> bool {
    #[cfg(target_os = "linux")]
    return gtk::init().is_ok();
    #[cfg(not(target_os = "linux"))]
    true
}

/// Hands this launch to an app that runs already; whether there is one. The plugin does the same everywhere, but in the
/// middle of a start, and on Linux a process that ends there does not always end well: this is asked before.
#[cfg(target_os = "linux")]
pub fn hand_over() -> bool {
    // As the plugin names it, after the app's identifier.
    const NAME: &str = "org.simpleclaw.desktop.SingleInstance";
    const PATH: &str = "/org/simpleclaw/desktop/SingleInstance";
    let Ok(bus) = zbus::blocking::connection::Builder::session()
        .and_then(|bus| bus.method_timeout(std::time::Duration::from_secs(5)).build())
    else {
        return false;
    };
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let folder = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
    bus.call_method(Some(NAME), PATH, Some("org.SingleInstance.DBus"), "ExecuteCallback", &(arguments, folder)).is_ok()
}

/// Whether the bar with the tray is dark, so that the icon must be light. Nobody can be asked on most systems: this is
/// the best guess.
pub fn panel_is_dark() -> bool {
    #[cfg(target_os = "linux")]
    {
        use gtk::prelude::GtkSettingsExt as _;
        let gnome = std::env::var("XDG_CURRENT_DESKTOP").is_ok_and(|names| names.contains("GNOME"));
        // GNOME's bar is dark in both of its styles; other panels follow the theme.
        gnome
            || gtk::Settings::default().is_some_and(|settings| {
                let named = settings.gtk_theme_name().is_some_and(|name| name.to_lowercase().contains("dark"));
                named || settings.is_gtk_application_prefer_dark_theme()
            })
    }
    #[cfg(not(target_os = "linux"))]
    true
}

/// The hosts that could show a tray icon, as they come.
#[cfg(target_os = "linux")]
pub struct TrayHosts(zbus::fdo::NameOwnerChangedStream);

#[cfg(target_os = "linux")]
impl TrayHosts {
    /// Watches from now on; an error where the session has no message bus.
    pub async fn watch() -> zbus::Result<Self> {
        let bus = zbus::Connection::session().await?;
        let names = zbus::fdo::DBusProxy::new(&bus).await?;
        Ok(Self(names.receive_name_owner_changed_with_args(&[(0, "org.kde.StatusNotifierWatcher")]).await?))
    }

    /// Waits until one appears; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<()> {
        use futures_util::StreamExt as _;

        loop {
            let change = self.0.next().await?;
            if change.args().is_ok_and(|args| args.new_owner.is_some()) {
                return Some(());
            }
        }
    }
}

/// Calls `crashed` when the process that draws the window's page dies.
pub fn on_page_crash(window: &tauri::WebviewWindow, crashed: impl Fn() + Send + 'static) {
    #[cfg(target_os = "linux")]
    {
        use webkit2gtk::WebViewExt as _;
        let connected = window.with_webview(move |view| {
            view.inner().connect_web_process_terminated(move |_, _| crashed());
        });
        if let Err(error) = connected {
            tracing::warn!(%error, "crashes of this window's page will not be noticed");
        }
    }
    // Elsewhere Tauri (macOS) and WebView2 show or reload a dead page themselves.
    #[cfg(not(target_os = "linux"))]
    let _ = (window, crashed);
}

/// What the session or a person sends to end this process. From the moment that this exists it no longer ends at once.
pub struct EndSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl EndSignals {
    /// Called inside the runtime.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            Ok(())
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
}

/// The system's clipboard. Kept open, because on X11 whoever copied must be there when somebody pastes.
#[derive(Default)]
pub struct Clipboard(Mutex<Option<arboard::Clipboard>>);

impl Clipboard {
    /// Puts a text there; a failure is logged.
    pub fn copy(&self, text: String) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let copied = match open.take().map_or_else(arboard::Clipboard::new, Ok) {
            Ok(mut clipboard) => clipboard.set_text(text).map(|()| *open = Some(clipboard)),
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            tracing::warn!(%error, "nothing was copied");
        }
    }
}
