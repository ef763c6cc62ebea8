//! `agents` and `bindings`: who answers, and where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::ExecMode;
use crate::config::schema::ordered;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<AgentsConfig>)]
pub struct AgentsConfig {
    /// Id of the agent that answers where nothing else is said.
    pub default: String,
    /// Most answers in work at one time, over all agents; more wait.
    #[schemars(range(min = 1, max = 1024), extend("x-advanced" = true, "x-reload" = "restart"))]
    pub max_concurrent_runs: u32,
    /// The agents, by id: 1 to 64 of a-z 0-9 . _ -
    pub entries: BTreeMap<String, AgentConfig>,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        let main = AgentConfig { name: "Claw".to_owned(), ..AgentConfig::default() };
        Self {
            default: "main".to_owned(),
            max_concurrent_runs: 32,
            entries: BTreeMap::from([("main".to_owned(), main)]),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<AgentConfig>)]
pub struct AgentConfig {
    /// What people see; the id where absent, and `Claw` for `main`.
    #[schemars(length(max = 64))]
    pub name: String,
    /// `provider/model`, or `auto`: the first configured provider, else a model server found on this machine, else
    /// the built-in guide.
    #[schemars(length(min = 1, max = 256), example = &"auto", example = &"anthropic/claude-sonnet-4-5")]
    pub model: String,
    /// Models that are tried in turn when the first fails.
    #[schemars(length(max = 16), extend("x-advanced" = true))]
    pub fallbacks: Vec<String>,
    pub tools: AgentTools,
    /// How the agent looks.
    pub identity: AgentIdentity,
    /// Stands before every conversation, instead of the built-in text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100_000))]
    pub system_prompt: Option<String>,
    /// Path of the folder that the agent works in; its own folder below the home where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096), extend("x-advanced" = true))]
    pub workspace: Option<String>,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            model: "auto".to_owned(),
            fallbacks: Vec::new(),
            tools: AgentTools::default(),
            identity: AgentIdentity::default(),
            system_prompt: None,
            workspace: None,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<AgentTools>)]
pub struct AgentTools {
    /// Which tools the agent has.
    pub profile: ToolProfile,
    /// Whether its commands ask, instead of what `tools.exec.mode` says for all agents.
    #[schemars(extend("x-advanced" = true))]
    pub mode: AgentMode,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentMode {
    /// As for all agents.
    #[default]
    Inherit,
    /// Nothing runs.
    Deny,
    /// What stays inside the sandbox runs; all else asks.
    Ask,
    /// What a saved rule allows runs, nothing else.
    Allowlist,
    /// Everything runs without a question.
    Full,
}

impl AgentMode {
    /// The mode that counts, where all agents have `all`.
    pub fn or(self, all: ExecMode) -> ExecMode {
        match self {
            Self::Inherit => all,
            Self::Deny => ExecMode::Deny,
            Self::Ask => ExecMode::Ask,
            Self::Allowlist => ExecMode::Allowlist,
            Self::Full => ExecMode::Full,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolProfile {
    /// None: the agent only talks.
    None,
    /// Files, commands and web pages, with approvals.
    #[default]
    Standard,
    /// Also sessions, cron, devices and plugins.
    Full,
}

impl ToolProfile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<AgentIdentity>)]
pub struct AgentIdentity {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub emoji: Option<String>,
    /// Path or address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub avatar: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<Binding>)]
pub struct Binding {
    /// Id of the agent that answers.
    pub agent: String,
    /// Where; every key that is given must fit.
    #[serde(rename = "match")]
    pub matches: BindingMatch,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<BindingMatch>)]
pub struct BindingMatch {
    /// Channel id, such as `telegram`.
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// Discord: id of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild: Option<String>,
    /// Discord: ids of roles, one of which the sender has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Slack: id of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<Peer>)]
pub struct Peer {
    /// `direct`, `group`, `channel` or `thread`.
    #[schemars(extend("enum" = ["direct", "group", "channel", "thread"]))]
    pub kind: String,
    /// The platform's id; any of that kind where absent. Numbers in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}
