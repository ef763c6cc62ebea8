//! Rules that a schema cannot say: between keys, and of the forms of texts.
//!
//! Elsewhere: types, bounds and unknown keys (`validate`). Not checked: whether an agent that a binding names, a
//! model or a channel exists; those may come and go while the gateway runs.

use std::net::IpAddr;

use simpleclaw_protocol::methods::chat::QueueMode;
use simpleclaw_protocol::session::valid_name;

use super::issues::Issues;
use super::mask::{self, MASK, shown_key};
use super::substitute::has_variable;
use super::tree::{Kind, Node, escape};
use super::{Config, Mode};

/// An id of an agent, a provider or a user.
const NAME_WORDS: &str = "must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit";

/// Secrets as they stand in the file, before variables are put in.
pub fn literal_secrets(tree: &Node, issues: &mut Issues) {
    for node in mask::secrets(tree) {
        match &node.kind {
            Kind::Text(text) if text.trim_end() == MASK => {
                issues.error("", node.place, format!("`{MASK}` hides a secret and is none; write the secret itself"));
            }
            Kind::Text(text) if !has_variable(text) => issues.warning(
                "",
                node.place,
                "a secret stands here as text; `simpleclaw secrets move-from-config` moves it and leaves {secret: name} here",
            ),
            _ => {}
        }
    }
}

/// Keys of the contract that this version does not act on yet, and what is so meanwhile. Whoever sets one is told.
const NOT_BUILT: &[(&str, &str)] = &[
    ("/gateway/mode", "whoever has the token is the one user"),
    (
        "/gateway/tls/enabled",
        "connections are not encrypted; let a proxy end TLS in front and set `behindTlsProxy: true`",
    ),
    ("/bindings", "the default agent answers"),
    ("/channels", "nothing connects to a chat platform"),
    ("/session/dmScope", "it is for chat channels"),
    ("/session/identityLinks", "it is for chat channels"),
    ("/session/reset", "a conversation starts anew only where somebody resets it"),
    ("/approvals/approvers", "it is for chat channels"),
    ("/plugins", "no plugin is loaded"),
    ("/discovery", "nothing is announced"),
];

pub fn check(config: &Config, tree: &Node, issues: &mut Issues) {
    gateway(config, tree, issues);
    not_built(config, tree, issues);
    agents(config, tree, issues);
    for (id, provider) in &config.models.providers {
        let pointer = format!("/models/providers/{}", escape(&shown_key(id)));
        if !valid_name(id) || id == "builtin" {
            issues.error(&pointer, tree.place_of(&pointer), format!("a provider's id {NAME_WORDS}, and not `builtin`"));
        }
        if provider.base_url.as_deref().is_some_and(|url| !is_http(url)) {
            let pointer = format!("{pointer}/baseUrl");
            issues.error(&pointer, tree.place_of(&pointer), "must be an address that starts with http:// or https://");
        }
    }
}

fn not_built(config: &Config, tree: &Node, issues: &mut Issues) {
    if matches!(config.session.queue, QueueMode::Steer | QueueMode::Collect) {
        let words = "this mode is not part of this version: input waits its turn, as with `followup`";
        issues.warning("/session/queue", tree.place_of("/session/queue"), words);
    }
    let [set, default] = [config, &Config::default()].map(|config| serde_json::to_value(config).unwrap_or_default());
    for (pointer, meanwhile) in NOT_BUILT {
        if set.pointer(pointer) != default.pointer(pointer) {
            let words = format!("this is not part of this version: {meanwhile}");
            issues.warning(pointer, tree.place_of(pointer), words);
        }
    }
}

fn gateway(config: &Config, tree: &Node, issues: &mut Issues) {
    let gateway = &config.gateway;
    let mut error = |pointer: &str, words: &str| issues.error(pointer, tree.place_of(pointer), words);
    let beyond_loopback = match gateway.bind.as_str() {
        "loopback" => false,
        "all" => true,
        address => match address.parse::<IpAddr>() {
            Ok(address) => !address.to_canonical().is_loopback(),
            Err(_) => {
                error("/gateway/bind", "must be `loopback`, `all` or an IP address");
                false
            }
        },
    };
    if beyond_loopback && !gateway.behind_tls_proxy {
        error("/gateway/bind", "beyond loopback needs `behindTlsProxy: true` and a proxy in front that ends TLS");
    }
    let tls = &gateway.tls;
    if tls.enabled && !tls.auto_generate && (tls.cert.is_none() || tls.key.is_none()) {
        error("/gateway/tls", "needs `cert` and `key`, or `autoGenerate: true`");
    }
    for (index, origin) in gateway.allowed_origins.iter().enumerate() {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        if host.is_empty() || host.contains(|c: char| matches!(c, '/' | '?' | '#' | '*') || c.is_whitespace()) {
            error(&format!("/gateway/allowedOrigins/{index}"), "must be exact, as https://host or https://host:port");
        }
    }
    if gateway.mode == Mode::Local && !gateway.users.is_empty() {
        error("/gateway/users", "only mode `shared` has users; write `mode: shared` or remove them");
    }
    for name in gateway.users.keys().filter(|name| !valid_name(name)) {
        error(&format!("/gateway/users/{}", escape(&shown_key(name))), &format!("a user's name {NAME_WORDS}"));
    }
}

fn agents(config: &Config, tree: &Node, issues: &mut Issues) {
    let agents = &config.agents;
    if !agents.entries.contains_key(&agents.default) {
        let message = match agents.entries.keys().find(|id| valid_name(id)) {
            Some(id) => format!("`default` must be one of the agents in `entries`, such as `{id}`"),
            None => "`entries` needs at least one agent".to_owned(),
        };
        issues.error("/agents/default", tree.place_of("/agents/default"), message);
    }
    for (id, agent) in &agents.entries {
        let pointer = format!("/agents/entries/{}", escape(&shown_key(id)));
        if !valid_name(id) {
            issues.error(&pointer, tree.place_of(&pointer), format!("an agent's id {NAME_WORDS}"));
        }
        let fallbacks = agent.fallbacks.iter().enumerate();
        let models = fallbacks.map(|(index, model)| (format!("fallbacks/{index}"), model));
        for (key, model) in models.chain([("model".to_owned(), &agent.model)]) {
            let named = model.split_once('/').is_some_and(|(provider, id)| !provider.is_empty() && !id.is_empty());
            if !named && model != "auto" {
                let pointer = format!("{pointer}/{key}");
                issues.error(&pointer, tree.place_of(&pointer), "must be `auto` or `provider/model`");
            }
        }
    }
}

fn is_http(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}
