//! `desktop`: what the tray app does beside the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::schema::ordered;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<DesktopConfig>)]
pub struct DesktopConfig {
    /// Keys that stop all answers, wherever the focus is, such as `CmdOrCtrl+Alt+Shift+Period`; or `off`.
    #[schemars(length(min = 1, max = 64))]
    pub stop_all_hotkey: String,
}

impl Default for DesktopConfig {
    fn default() -> Self {
        Self { stop_all_hotkey: "CmdOrCtrl+Alt+Shift+Period".to_owned() }
    }
}
