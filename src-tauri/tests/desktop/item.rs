//! One tray item: its properties, and its menu read and clicked as a panel does it.

use std::collections::HashMap;

use zbus::Connection;
use zbus::zvariant::{OwnedValue, Structure, Value};

use super::session::until;

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

pub struct Item {
    bus: Connection,
    name: String,
}

/// An entry of the menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    id: i32,
    pub label: String,
    pub enabled: bool,
    pub checked: bool,
    pub separator: bool,
    pub entries: Vec<Entry>,
}

impl Item {
    pub fn new(bus: Connection, name: String) -> Self {
        Self { bus, name }
    }

    async fn property(&self, name: &str) -> OwnedValue {
        let interface = Some("org.freedesktop.DBus.Properties");
        let path = "/StatusNotifierItem";
        let arguments = (ITEM, name);
        let call = self.bus.call_method(Some(self.name.as_str()), path, interface, "Get", &arguments);
        let answer = call.await.unwrap_or_else(|error| panic!("{name}: {error}"));
        answer.body().deserialize().expect("a variant")
    }

    /// The text that a panel shows to whoever points at the icon.
    pub async fn tooltip(&self) -> String {
        let value = self.property("ToolTip").await;
        let Value::Structure(tooltip) = &*value else { panic!("{value:?}") };
        let [_, _, _, Value::Str(text)] = tooltip.fields() else { panic!("{tooltip:?}") };
        text.to_string()
    }

    /// Width of the icon, and its pixels.
    pub async fn icon(&self) -> OwnedValue {
        self.property("IconPixmap").await
    }

    pub async fn status(&self) -> String {
        let value = self.property("Status").await;
        let Value::Str(status) = &*value else { panic!("{value:?}") };
        status.to_string()
    }

    /// A left click.
    pub async fn activate(&self) {
        let path = "/StatusNotifierItem";
        let call = self.bus.call_method(Some(self.name.as_str()), path, Some(ITEM), "Activate", &(0_i32, 0_i32));
        call.await.expect("activates");
    }

    async fn try_menu_call<B>(&self, member: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let path = self.property("Menu").await;
        let Value::ObjectPath(path) = &*path else { panic!("{path:?}") };
        self.bus.call_method(Some(self.name.as_str()), path.as_str(), Some(MENU), member, body).await
    }

    async fn menu_call<B>(&self, member: &str, body: &B) -> zbus::Message
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.try_menu_call(member, body).await.unwrap_or_else(|error| panic!("{member}: {error}"))
    }

    /// The whole menu as it is now.
    pub async fn menu(&self) -> Vec<Entry> {
        self.menu_call("AboutToShow", &(0_i32,)).await;
        let answer = self.menu_call("GetLayout", &(0_i32, -1_i32, Vec::<&str>::new())).await;
        let body = answer.body();
        let layout: Structure<'_> = body.deserialize().expect("a layout");
        let [_, root] = layout.fields() else { panic!("{layout:?}") };
        entry(root).entries
    }

    /// The texts of the first level, separators left out.
    pub async fn labels(&self) -> Vec<String> {
        self.menu().await.into_iter().filter(|entry| !entry.separator).map(|entry| entry.label).collect()
    }

    pub async fn entry(&self, label: &str) -> Option<Entry> {
        find(&self.menu().await, label)
    }

    /// Waits until an entry is as wanted.
    pub async fn until_entry(&self, label: &str, wanted: impl Fn(&Entry) -> bool) -> Entry {
        until(&format!("the menu's {label}"), async || self.entry(label).await.filter(|entry| wanted(entry))).await
    }

    /// Waits until the status line, which comes first, has these words.
    pub async fn until_status(&self, words: &str) {
        let what = format!("the status line says {words}");
        until(&what, async || self.labels().await.first().is_some_and(|line| line.contains(words)).then_some(())).await;
    }

    /// Chooses an entry as soon as it can be chosen. A menu that was rebuilt since it was read does not know the entry
    /// any more; a panel then draws it anew, and so does this.
    pub async fn click(&self, label: &str) {
        until(&format!("a click on {label}"), async || {
            let entry = self.until_entry(label, |entry| entry.enabled).await;
            match self.try_menu_call("Event", &(entry.id, "clicked", Value::from(""), 0_u32)).await {
                Ok(_) => Some(()),
                // An app that ended before it could answer has heard the click.
                Err(zbus::Error::MethodError(name, ..)) if name.ends_with(".NoReply") => Some(()),
                Err(_) => None,
            }
        })
        .await;
    }
}

fn find(entries: &[Entry], label: &str) -> Option<Entry> {
    entries.iter().find_map(|entry| match entry.label == label {
        true => Some(entry.clone()),
        false => find(&entry.entries, label),
    })
}

/// Reads `(ia{sv}av)`, as it is or in a variant.
fn entry(value: &Value<'_>) -> Entry {
    let value = match value {
        Value::Value(inner) => inner,
        other => other,
    };
    let Value::Structure(node) = value else { panic!("{value:?}") };
    let [Value::I32(id), Value::Dict(properties), Value::Array(children)] = node.fields() else { panic!("{node:?}") };
    let properties: HashMap<String, OwnedValue> =
        properties.try_clone().and_then(|copy| copy.try_into()).expect("properties");
    let text = |name: &str| match properties.get(name).map(|value| &**value) {
        Some(Value::Str(text)) => text.to_string(),
        _ => String::new(),
    };
    Entry {
        id: *id,
        // A single underscore marks the key of the entry.
        label: text("label").replace("__", "\0").replace('_', "").replace('\0', "_"),
        enabled: !matches!(properties.get("enabled").map(|value| &**value), Some(Value::Bool(false))),
        checked: matches!(properties.get("toggle-state").map(|value| &**value), Some(Value::I32(1))),
        separator: text("type") == "separator",
        entries: children.iter().map(entry).collect(),
    }
}
