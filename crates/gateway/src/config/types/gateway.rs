//! `gateway`: addresses, TLS, users.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::schema::ordered;
use crate::config::secret::SecretRef;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<GatewayConfig>)]
pub struct GatewayConfig {
    /// One user, or several.
    #[schemars(extend("x-reload" = "restart"))]
    pub mode: Mode,
    /// `loopback` (this machine only), `all` (every address), or one IP address. Beyond loopback
    /// needs a proxy in front that ends TLS, see `behindTlsProxy`.
    #[schemars(length(min = 1, max = 64), example = &"loopback", example = &"all", example = &"192.168.1.5")]
    pub bind: String,
    /// TCP port; 0 takes any free one, for tests.
    pub port: u16,
    /// Encryption of the connections.
    #[schemars(extend("x-advanced" = true, "x-reload" = "restart"))]
    pub tls: TlsConfig,
    /// Exact web origins that may connect besides the gateway's own, as `https://host` or `https://host:port`.
    #[schemars(length(max = 100), extend("x-advanced" = true))]
    pub allowed_origins: Vec<String>,
    /// Names under which the gateway may be addressed besides localhost and the bound address.
    #[schemars(length(max = 100), extend("x-advanced" = true))]
    pub allowed_hosts: Vec<String>,
    /// Says that a proxy in front ends TLS, so that the gateway may listen beyond loopback without.
    #[schemars(extend("x-advanced" = true))]
    pub behind_tls_proxy: bool,
    /// The users of mode `shared`, by name. The `token` file stays the owner's.
    #[schemars(extend("x-advanced" = true, "x-reload" = "restart"))]
    pub users: BTreeMap<String, UserConfig>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Local,
            bind: "loopback".to_owned(),
            port: 18789,
            tls: TlsConfig::default(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            behind_tls_proxy: false,
            users: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One user.
    Local,
    /// Several users, see `gateway.users`.
    Shared,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = ordered::<TlsConfig>)]
pub struct TlsConfig {
    pub enabled: bool,
    /// Path of the certificate chain, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// Path of its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Makes an own certificate, whose fingerprint clients pin.
    pub auto_generate: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ordered::<UserConfig>)]
pub struct UserConfig {
    /// What the user's clients connect with.
    pub token: SecretRef,
    #[serde(default)]
    pub role: Role,
    /// Ids of the agents whose sessions, approvals and files the user sees. An owner sees all.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Which questions the user may answer.
    #[serde(default)]
    pub approve: Approve,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// The own agents.
    #[default]
    Member,
    /// Looks only.
    Viewer,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approve {
    /// Those of the own agents.
    #[default]
    Own,
    All,
    None,
}
