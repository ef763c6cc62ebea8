//! Session keys: who an exchange belongs to, as one canonical string. Which keys exist is the gateway's to say.

use std::fmt;

/// Words that cannot name a client's session because they start another kind of key.
const RESERVED: &[&str] = &["main", "cron", "subagent"];

/// Channel ids, reserved in keys even where no such channel is configured.
pub const CHANNELS: &[&str] = &[
    "telegram",
    "discord",
    "slack",
    "matrix",
    "irc",
    "webhook",
    "whatsapp",
    "signal",
    "imessage",
    "email",
    "xmpp",
    "mattermost",
    "mqtt",
    "nostr",
    "webchat",
    "googlechat",
    "msteams",
    "line",
    "feishu",
];

/// A parsed session key. `Display` gives the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SessionKey {
    /// `agent:<id>:main`
    Main { agent: String },
    /// `agent:<id>:<name>`, opened by a client.
    Chat { agent: String, name: String },
    /// Anything a channel, cron or a sub-agent made; clients may use it only where it exists.
    Other { agent: String, rest: String },
}

/// Why a text is no session key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub &'static str);

impl SessionKey {
    /// Reads a key; `main` alone is the main session of `default_agent`.
    pub fn parse(text: &str, default_agent: &str) -> Result<Self, KeyError> {
        if text == "main" {
            return Ok(Self::Main { agent: default_agent.to_owned() });
        }
        if text.len() > 512 {
            return Err(KeyError("a session key has at most 512 characters"));
        }
        if text.chars().any(|c| c.is_uppercase()) {
            return Err(KeyError("a session key has no capital letters"));
        }
        let mut parts = text.splitn(3, ':');
        let (Some("agent"), Some(agent), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError("a session key is `main` or `agent:<id>:<name>`"));
        };
        if !valid_name(agent) {
            return Err(KeyError(
                "the agent id in a session key is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit",
            ));
        }
        let agent = agent.to_owned();
        if rest == "main" {
            return Ok(Self::Main { agent });
        }
        if let Some((kind, more)) = rest.split_once(':') {
            let known = kind == "cron" || kind == "subagent" || CHANNELS.contains(&kind);
            let plain = !more.is_empty() && more.chars().all(|c| c.is_ascii_graphic());
            return match known && plain {
                true => Ok(Self::Other { agent, rest: rest.to_owned() }),
                false => Err(KeyError("the part after the agent names no known kind of session")),
            };
        }
        if RESERVED.contains(&rest) || CHANNELS.contains(&rest) {
            return Err(KeyError("this session name is reserved"));
        }
        match valid_name(rest) {
            true => Ok(Self::Chat { agent, name: rest.to_owned() }),
            false => Err(KeyError("a session name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit")),
        }
    }

    pub fn agent(&self) -> &str {
        match self {
            Self::Main { agent } | Self::Chat { agent, .. } | Self::Other { agent, .. } => agent,
        }
    }

    /// Whether a client's first message may create the session.
    pub fn client_may_create(&self) -> bool {
        matches!(self, Self::Main { .. } | Self::Chat { .. })
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main { agent } => write!(f, "agent:{agent}:main"),
            Self::Chat { agent, name } => write!(f, "agent:{agent}:{name}"),
            Self::Other { agent, rest } => write!(f, "agent:{agent}:{rest}"),
        }
    }
}

/// `[a-z0-9][a-z0-9._-]{0,63}`: agent ids and session names.
pub fn valid_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut bytes = text.bytes();
    text.len() <= 64 && bytes.next().is_some_and(plain) && bytes.all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("main", "agent:claw:main"),
            ("agent:claw:main", "agent:claw:main"),
            ("agent:a1:notes.2-x_y", "agent:a1:notes.2-x_y"),
            ("agent:a:telegram:default:direct:42", "agent:a:telegram:default:direct:42"),
            ("agent:a:cron:daily", "agent:a:cron:daily"),
        ] {
            assert_eq!(SessionKey::parse(text, "claw").map(|key| key.to_string()).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn refused_forms() {
        let long = format!("agent:a:{}", "x".repeat(65));
        for text in [
            "",
            "Main",
            "agent:",
            "agent:a",
            "agent:a:",
            "agent::main",
            "agent:a:Notes",
            "agent:a:cron",
            "agent:a:subagent",
            "agent:a:telegram",
            "agent:a:-x",
            "agent:a:x y",
            "agent:a:x:y",
            "agent:a:telegram:",
            "agent:../x:main",
            "user:a:main",
            "agent:a:é",
            "agent:a:cron:\n",
            long.as_str(),
        ] {
            assert!(SessionKey::parse(text, "main").is_err(), "{text:?}");
        }
    }
}
