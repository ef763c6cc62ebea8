//! `events.subscribe`: what this connection wants to see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, resource};

resource! {
    EventsSubscribe "events.subscribe" Read ReadOnly (EventsSubscribeParams) -> EventsSubscribeResult;
}

/// The answer to `events.subscribe`: an empty object.
pub type EventsSubscribeResult = NoParams;

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsSubscribeParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Selection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Selection>,
}

/// `"all"`, or a list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Selection {
    All(AllTag),
    Only(#[schemars(length(max = 1000), inner(length(min = 1, max = 512)))] Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllTag {
    All,
}
