//! `agents.*`: who answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, resource};

resource! {
    AgentsList "agents.list" Read ReadOnly (NoParams) -> AgentsListResult;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentsListResult {
    pub default_id: String,
    pub agents: Vec<AgentRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentRow {
    pub id: String,
    pub name: String,
    pub identity: AgentIdentity,
    pub model: AgentModel,
    /// Absolute path.
    pub workspace: String,
    pub tools: AgentTools,
    pub session_count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentIdentity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentModel {
    /// As configured: `provider/model` or `auto`.
    pub primary: String,
    /// What `auto` stands for now.
    pub resolved: String,
    pub fallbacks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTools {
    pub profile: String,
}
