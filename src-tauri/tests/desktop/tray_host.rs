//! A tray host as a desktop has one: the watcher where items register.

use tokio::sync::watch;
use zbus::Connection;
use zbus::message::Header;

use super::item::Item;
use super::session::{Session, until};

const NAME: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";

struct Watcher {
    items: watch::Sender<Vec<String>>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        // Either the item's bus name, or only its path, and then the sender is who it is.
        let name = match service.starts_with('/') {
            true => header.sender().map_or_else(String::new, ToString::to_string),
            false => service,
        };
        self.items.send_modify(|items| items.push(name));
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.borrow().clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// Lives as long as this value.
pub struct TrayHost {
    bus: Connection,
    items: watch::Receiver<Vec<String>>,
}

impl TrayHost {
    pub async fn start(session: &Session) -> Self {
        let (sender, items) = watch::channel(Vec::new());
        let bus = connect(session).await;
        bus.object_server().at(PATH, Watcher { items: sender }).await.expect("serves");
        bus.request_name(NAME).await.expect("is free");
        Self { bus, items }
    }

    /// The newest item, once there is one.
    pub async fn item(&self) -> Item {
        let name = until("a tray item", async || self.items.borrow().last().cloned()).await;
        Item::new(self.bus.clone(), name)
    }

    pub fn count(&self) -> usize {
        self.items.borrow().len()
    }

    /// As when a panel ends.
    pub async fn stop(self) {
        self.bus.release_name(NAME).await.expect("had it");
        self.bus.close().await.expect("closes");
    }
}

pub async fn connect(session: &Session) -> Connection {
    let builder = zbus::connection::Builder::address(session.bus_address.as_str()).expect("an address");
    builder.build().await.expect("a bus")
}
