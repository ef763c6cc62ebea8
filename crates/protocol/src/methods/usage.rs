//! `usage.*`: what model calls used and cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource;

resource! {
    UsageSummary "usage.summary" Read ReadOnly (UsageSummaryParams) -> UsageSummaryResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageSummaryParams {
    /// How many days, today included; 30 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 366))]
    pub days: Option<u32>,
}

/// Days are those of the gateway's clock and time zone, as `2026-11-22`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSummaryResult {
    /// The first day that is counted.
    pub from: String,
    /// Today.
    pub to: String,
    pub total: UsageTotals,
    pub caps: UsageCapState,
    /// Oldest first; days without a call are left out.
    pub days: Vec<DayUsage>,
    /// Most expensive first, as the next two; the first 100 of each.
    pub agents: Vec<AgentUsage>,
    pub models: Vec<ModelUsage>,
    pub sessions: Vec<SessionUsage>,
}

/// Calls of models, those that failed included, and what they used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageTotals {
    /// That called a model.
    pub runs: u64,
    pub calls: u64,
    /// Of them, how many the provider failed.
    pub failed_calls: u64,
    /// Cached ones included.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Of the input, what the provider read from its cache.
    pub cached_tokens: u64,
    pub cost_usd: f64,
    /// Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
    pub estimated_calls: u64,
    /// Calls of models whose price nobody knows; they are not in `costUsd`.
    pub unpriced_calls: u64,
}

/// `usage.caps` of the configuration, and how far they are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageCapState {
    pub today_usd: f64,
    /// Since the first of the month.
    pub month_usd: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_cap_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_cap_usd: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayUsage {
    pub day: String,
    #[serde(flatten)]
    pub usage: UsageTotals,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentUsage {
    pub agent_id: String,
    #[serde(flatten)]
    pub usage: UsageTotals,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelUsage {
    /// `provider/model`
    pub model: String,
    #[serde(flatten)]
    pub usage: UsageTotals,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUsage {
    pub session_key: String,
    #[serde(flatten)]
    pub usage: UsageTotals,
}
