//! The configuration as types: every key of `config.yaml`, its default, and, in the docstrings, what the reference
//! page and the forms say about it.
//!
//! A key's `x-order` is its place in the struct; `x-secret` and the title follow from its name (`schema`). Said here
//! by hand: `x-advanced`, and `x-reload` where a change needs a restart. Bounds that a schema can say stand here as
//! well; rules between keys are in `check`.

mod agents;
mod desktop;
mod gateway;
mod models;
mod policy;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simpleclaw_protocol::methods::chat::QueueMode;

pub use agents::{
    AgentConfig, AgentIdentity, AgentMode, AgentTools, AgentsConfig, Binding, BindingMatch, Peer, ToolProfile,
};
pub use desktop::DesktopConfig;
pub use gateway::{Approve, GatewayConfig, Mode, Role, TlsConfig, UserConfig};
pub use models::{Api, ModelConfig, ModelCost, ModelInput, ModelsConfig, ProviderConfig};
pub use policy::{ApprovalsConfig, ExecConfig, ExecMode, RunsConfig, SandboxUse, ToolsConfig, UsageCaps, UsageConfig};

use super::mask::mask_value;
use super::schema::ordered;

/// SimpleClaw's configuration
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<Config>)]
pub struct Config {
    /// How clients reach the gateway, and who they are.
    pub gateway: GatewayConfig,
    /// Who answers.
    pub agents: AgentsConfig,
    /// Which agent answers where. The first match wins, the most specific kind of match first.
    pub bindings: Vec<Binding>,
    /// What the agents think with.
    pub models: ModelsConfig,
    /// Chat platforms, by channel id. What an entry holds is the channel's own to say.
    pub channels: BTreeMap<String, Value>,
    /// How conversations are told apart, and what input does that meets a running answer.
    pub session: SessionConfig,
    /// What agents may do on this machine.
    pub tools: ToolsConfig,
    /// Questions before something runs.
    pub approvals: ApprovalsConfig,
    /// How long one answer may take.
    pub runs: RunsConfig,
    /// What the models may cost.
    pub usage: UsageConfig,
    /// Files in messages.
    pub attachments: AttachmentsConfig,
    /// Work at set times.
    pub cron: CronConfig,
    /// Programs that add channels, providers and tools.
    pub plugins: PluginsConfig,
    /// How other devices find the gateway.
    #[schemars(extend("x-advanced" = true))]
    pub discovery: DiscoveryConfig,
    /// What is written to `logs/`.
    pub logging: LoggingConfig,
    /// The app in the tray.
    pub desktop: DesktopConfig,
}

/// Without secrets: what channels and plugins hold may have some as text.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        mask_value(&mut value, &[]);
        write!(f, "Config({value})")
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<SessionConfig>)]
pub struct SessionConfig {
    /// Which direct messages share one conversation.
    pub dm_scope: DmScope,
    /// What input does that arrives during a run.
    pub queue: QueueMode,
    /// Most inputs that wait in one session; more are refused.
    #[schemars(range(min = 1, max = 10_000), extend("x-advanced" = true))]
    pub max_queued: u32,
    /// Accounts that belong to one person, by a name for that person: `eve: [telegram:42, discord:77]`.
    #[schemars(extend("x-advanced" = true))]
    pub identity_links: BTreeMap<String, Vec<String>>,
    /// When a conversation starts anew by itself.
    pub reset: ResetConfig,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            dm_scope: DmScope::PerChannelPeer,
            queue: QueueMode::Followup,
            max_queued: 100,
            identity_links: BTreeMap::new(),
            reset: ResetConfig::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DmScope {
    /// All direct messages of an agent are one conversation.
    Main,
    /// One for each person, over all channels.
    PerPeer,
    /// One for each person on each channel.
    PerChannelPeer,
    /// One for each person on each account of each channel.
    PerAccountChannelPeer,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<ResetConfig>)]
pub struct ResetConfig {
    pub mode: ResetMode,
    /// For `daily`: the hour of this machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 23))]
    pub at_hour: Option<u8>,
    /// For `idle`: minutes without a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 525_600))]
    pub idle_minutes: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResetMode {
    /// Never.
    #[default]
    None,
    /// Once a day, at `atHour`.
    Daily,
    /// After `idleMinutes` without a message.
    Idle,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<AttachmentsConfig>)]
pub struct AttachmentsConfig {
    /// Largest file, in megabytes.
    #[schemars(range(min = 1, max = 16))]
    pub max_mb: u32,
}

impl Default for AttachmentsConfig {
    fn default() -> Self {
        Self { max_mb: 16 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<CronConfig>)]
pub struct CronConfig {
    pub enabled: bool,
}

impl Default for CronConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<PluginsConfig>)]
pub struct PluginsConfig {
    /// Ids of the plugins that run.
    pub enabled: Vec<String>,
    /// Settings, by plugin id. What an entry holds is the plugin's own to say.
    pub entries: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<DiscoveryConfig>)]
pub struct DiscoveryConfig {
    /// What the local network is told.
    pub mdns: Mdns,
    /// Whether Tailscale makes the gateway reachable.
    pub tailscale: Tailscale,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mdns {
    /// Nothing.
    #[default]
    Off,
    /// That a gateway is here.
    Minimal,
    /// Its name and version as well.
    Full,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tailscale {
    #[default]
    Off,
    /// Within the own Tailscale network.
    Serve,
    /// For the internet.
    Funnel,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<LoggingConfig>)]
pub struct LoggingConfig {
    /// The least important kind of line that is kept.
    #[schemars(extend("enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub level: String,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}
