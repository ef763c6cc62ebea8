//! `tools`, `approvals`, `runs`, `usage`: what agents may do, how long, and for how much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::schema::ordered;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<ToolsConfig>)]
pub struct ToolsConfig {
    /// Commands.
    pub exec: ExecConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<ExecConfig>)]
pub struct ExecConfig {
    pub mode: ExecMode,
    /// Whether commands run isolated.
    pub sandbox: SandboxUse,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecMode {
    /// Nothing runs.
    Deny,
    /// What stays inside the sandbox runs; all else asks.
    #[default]
    Ask,
    /// What a saved rule allows runs, nothing else.
    Allowlist,
    /// Everything runs without a question.
    Full,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxUse {
    /// Where this machine can.
    #[default]
    Auto,
    /// Or nothing runs.
    Require,
    Off,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<ApprovalsConfig>)]
pub struct ApprovalsConfig {
    /// A question without an answer for so long is refused.
    #[schemars(range(min = 1, max = 10_080))]
    pub timeout_minutes: u32,
    /// Senders on channels who may answer, as `channel:account:id`.
    #[schemars(length(max = 100))]
    pub approvers: Vec<String>,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self { timeout_minutes: 30, approvers: Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<RunsConfig>)]
pub struct RunsConfig {
    /// Longest time of one answer, questions to the user not counted.
    #[schemars(range(min = 1, max = 1440))]
    pub timeout_minutes: u32,
    /// Longest wait for a model's first byte.
    #[schemars(range(min = 1, max = 3600), extend("x-advanced" = true))]
    pub first_byte_seconds: u32,
    /// Longest silence in a model's answer.
    #[schemars(range(min = 1, max = 3600), extend("x-advanced" = true))]
    pub idle_seconds: u32,
}

impl Default for RunsConfig {
    fn default() -> Self {
        Self { timeout_minutes: 60, first_byte_seconds: 120, idle_seconds: 300 }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<UsageConfig>)]
pub struct UsageConfig {
    /// What may be spent; 50 % and 80 % warn, 100 % pauses.
    pub caps: UsageCaps,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<UsageCaps>)]
pub struct UsageCaps {
    /// US dollars a day; no bound where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub day_usd: Option<f64>,
    /// US dollars a month; no bound where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub month_usd: Option<f64>,
}
