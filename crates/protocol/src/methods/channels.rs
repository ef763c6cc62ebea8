//! `channels.*`: the state of each account, measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource;
use crate::health::ChannelAccount;

resource! {
    ChannelsStatus "channels.status" Read ReadOnly (ChannelsStatusParams) -> ChannelsStatusResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelsStatusParams {
    /// Ask each platform now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub channel: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelsStatusResult {
    pub channels: Vec<ChannelRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelRow {
    pub id: String,
    pub kind: String,
    pub accounts: Vec<ChannelAccount>,
}
