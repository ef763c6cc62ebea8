//! What went wrong with a provider, in words a person can act on, and in kinds a program can.
//!
//! Every message of this crate is made here, in one place, so that it is bounded, free of
//! control characters and free of the API key, even if a server sends the key back.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::http::ApiKey;

/// Longest message, in characters.
const MAX_MESSAGE: usize = 500;
/// Longest quotation of the server in a message, so that the advice after it still fits.
const MAX_QUOTE: usize = 260;
/// Shorter keys are placeholders such as `none`, and words of the messages themselves.
const MIN_SECRET: usize = 8;

/// A model call, or a listing of models, that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// Provider id as in the configuration.
    pub provider: String,
    /// Model id without the provider prefix, if one was called.
    pub model: Option<String>,
    pub kind: ProviderErrorKind,
    /// What happened, with whom, and what to do: one line, at most 500 characters, no secret.
    pub message: String,
    /// The status, where an HTTP answer was the failure.
    pub http_status: Option<u16>,
    /// How long the server asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl ProviderError {
    /// Whether the same call may succeed later without a person doing anything.
    pub fn retryable(&self) -> bool {
        use ProviderErrorKind::{Cut, Network, RateLimit, Timeout};
        matches!(self.kind, RateLimit | Timeout | Network | Cut)
    }
}

/// The kinds of failure that a caller treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderErrorKind {
    /// The key is missing, wrong or not allowed to do this.
    Auth,
    /// Too many requests; waiting helps.
    RateLimit,
    /// No credit left; waiting does not help.
    Quota,
    /// The conversation does not fit the model.
    Context,
    /// No answer in time.
    Timeout,
    /// Not reachable, broken, or speaking something else.
    Network,
    /// The answer ended in the middle.
    Cut,
    /// The server refuses the request as it is.
    Request,
}

impl ProviderErrorKind {
    /// The kind's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Context => "context",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Cut => "cut",
            Self::Request => "request",
        }
    }
}

/// Whose call it is: the source of every [`ProviderError`] about it.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub provider: String,
    pub model: Option<String>,
    /// Scheme, host and port of the server, for messages.
    pub server: String,
    pub key: Option<ApiKey>,
}

impl Origin {
    /// An error of this call; `text` says what happened and what to do.
    pub fn error(&self, kind: ProviderErrorKind, text: &str) -> ProviderError {
        let subject = match &self.model {
            Some(model) => format!("{}/{model}", self.provider),
            None => self.provider.clone(),
        };
        // Redacted before it is clipped: a half of a key would not be found any more.
        let message = self.redact(format!("{subject}: {text}"));
        ProviderError {
            provider: self.provider.clone(),
            model: self.model.clone(),
            kind,
            message: clip(&message, MAX_MESSAGE),
            http_status: None,
            retry_after_ms: None,
        }
    }

    /// An HTTP answer other than success. `body` may be anything.
    pub fn status(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> ProviderError {
        let said = said_by_server(body);
        let kind = kind_of_status(status.as_u16(), &body.to_lowercase());
        let what = format!("{} (HTTP {})", what(kind), status.as_u16());
        let retry_after_ms = retry_after_ms(headers).or_else(|| retry_after_in(body));
        let advice = match (kind, retry_after_ms) {
            (ProviderErrorKind::RateLimit, Some(ms)) => format!("Try again in {} s.", ms.div_ceil(1000)),
            _ => advice(kind).to_owned(),
        };
        ProviderError {
            http_status: Some(status.as_u16()),
            retry_after_ms,
            ..self.error(kind, &self.sentence(&what, said.as_deref(), &advice))
        }
    }

    /// An error object that came inside an answer which had begun well.
    pub fn event(&self, body: &Value) -> ProviderError {
        let error = body.get("error").unwrap_or(body);
        let kind = kind_of_event(error);
        let said = said_by_server(&body.to_string());
        self.error(kind, &self.sentence(what(kind), said.as_deref(), advice(kind)))
    }

    /// The HTTP exchange itself failed. `started` says whether the answer had begun.
    pub fn transport(&self, error: &reqwest::Error, started: bool) -> ProviderError {
        let server = &self.server;
        if error.is_connect() {
            let text = format!("cannot connect to {server}. Is the server running, and is baseUrl right?");
            self.error(ProviderErrorKind::Network, &text)
        } else if error.is_timeout() {
            self.error(ProviderErrorKind::Timeout, &format!("{server} did not answer in time. Try again."))
        } else if started {
            self.cut()
        } else {
            let text = format!("the connection to {server} broke before it answered. Try again.");
            self.error(ProviderErrorKind::Network, &text)
        }
    }

    /// The answer stopped without its end marker.
    pub fn cut(&self) -> ProviderError {
        let text = format!("{} cut the answer off before its end. Try again.", self.server);
        self.error(ProviderErrorKind::Cut, &text)
    }

    /// The server speaks something else than the configured API.
    pub fn garbage(&self, what: &str) -> ProviderError {
        let text = format!("{} sent {what}. Is baseUrl the address of a model API?", self.server);
        self.error(ProviderErrorKind::Network, &text)
    }

    /// More of them, or longer ones, than any model means.
    pub fn too_many_calls(&self) -> ProviderError {
        self.garbage("more tool calls than can be right")
    }

    fn sentence(&self, what: &str, said: Option<&str>, advice: &str) -> String {
        let said = said.map(|said| clip(&self.redact(said.to_owned()), MAX_QUOTE));
        match said {
            Some(said) => format!("{what}: {said} {advice}"),
            None => format!("{what}. {advice}"),
        }
    }

    fn redact(&self, text: String) -> String {
        match &self.key {
            Some(key) if key.expose().len() >= MIN_SECRET => text.replace(key.expose(), "[key]"),
            _ => text,
        }
    }
}

fn what(kind: ProviderErrorKind) -> &'static str {
    match kind {
        ProviderErrorKind::Auth => "the server refused the API key",
        ProviderErrorKind::RateLimit => "too many requests",
        ProviderErrorKind::Quota => "the account has no credit left",
        ProviderErrorKind::Context => "the conversation is too long for this model",
        ProviderErrorKind::Timeout => "the server gave up waiting for the model",
        ProviderErrorKind::Network => "the server failed",
        ProviderErrorKind::Cut => "the answer was cut off",
        ProviderErrorKind::Request => "the server refused the request",
    }
}

fn advice(kind: ProviderErrorKind) -> &'static str {
    match kind {
        ProviderErrorKind::Auth => "Check the provider's apiKey.",
        ProviderErrorKind::RateLimit => "Wait a little and try again.",
        ProviderErrorKind::Quota => "Check the account's plan and billing.",
        ProviderErrorKind::Context => "Start a new session or shorten this one.",
        ProviderErrorKind::Timeout | ProviderErrorKind::Network | ProviderErrorKind::Cut => {
            "Try again, or choose another model."
        }
        ProviderErrorKind::Request => "Check the model's name and the provider's baseUrl.",
    }
}

/// `body` in lower case.
fn kind_of_status(status: u16, body: &str) -> ProviderErrorKind {
    match status {
        401 | 403 => ProviderErrorKind::Auth,
        402 => ProviderErrorKind::Quota,
        429 if is_quota(body) => ProviderErrorKind::Quota,
        429 => ProviderErrorKind::RateLimit,
        // Anthropic's answer to an empty account.
        400 if body.contains("credit balance is too low") => ProviderErrorKind::Quota,
        400 | 413 if is_context(body) => ProviderErrorKind::Context,
        408 | 504 => ProviderErrorKind::Timeout,
        300..500 => ProviderErrorKind::Request,
        _ => ProviderErrorKind::Network,
    }
}

fn kind_of_event(error: &Value) -> ProviderErrorKind {
    if let Some(status) = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()) {
        return kind_of_status(status, &error.to_string().to_lowercase());
    }
    let text = error.to_string().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["insufficient_quota", "billing", "credit balance"]) {
        ProviderErrorKind::Quota
    } else if has(&["rate_limit", "rate limit", "resource_exhausted"]) {
        ProviderErrorKind::RateLimit
    } else if has(&["authentication_error", "permission_error", "invalid_api_key"]) {
        ProviderErrorKind::Auth
    } else if is_context(&text) {
        ProviderErrorKind::Context
    } else if has(&["invalid_request_error", "not_found_error"]) {
        ProviderErrorKind::Request
    } else {
        ProviderErrorKind::Network
    }
}

fn is_quota(body: &str) -> bool {
    ["insufficient_quota", "billing", "credit"].iter().any(|word| body.contains(word))
}

fn is_context(body: &str) -> bool {
    [
        "context length",
        "context_length",
        "context window",
        "context size",
        "maximum context",
        "prompt is too long",
        "input is too long",
        "too many tokens",
        "input token count",
    ]
    .iter()
    .any(|words| body.contains(words))
}

/// `Retry-After` in whole seconds, or the more exact header some providers add.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    number("retry-after-ms").or_else(|| number("retry-after")?.checked_mul(1000))
}

/// Gemini says it in the body, as `"retryDelay": "34.1s"`.
fn retry_after_in(body: &str) -> Option<u64> {
    let json: Value = serde_json::from_str(body).ok()?;
    let details = json.pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    // Out of range saturates; what is not a number is 0, which is as good as nothing.
    Some((seconds * 1000.0) as u64).filter(|ms| *ms > 0)
}

/// The server's own words, from the shapes of error that providers use, or a short plain text.
fn said_by_server(body: &str) -> Option<String> {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(json) => ["/error/message", "/0/error/message", "/message", "/error", "/detail"]
            .iter()
            .find_map(|path| json.pointer(path)?.as_str().map(str::to_owned))?,
        // A page of HTML says nothing to a person.
        Err(_) if body.trim_start().starts_with('<') => return None,
        Err(_) => body.to_owned(),
    };
    let text = text.trim();
    (!text.is_empty()).then(|| if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") })
}

/// At most `limit` characters on one line, without control characters.
fn clip(text: &str, limit: usize) -> String {
    let mut clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clipped: String = clean.by_ref().take(limit).collect();
    if clean.next().is_some() {
        clipped.pop();
        clipped.push('…');
    }
    clipped
}
