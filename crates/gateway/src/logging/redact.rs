//! Keeps secrets out of lines: tokens by their shape, other secrets by their text.

use std::sync::{PoisonError, RwLock};

/// Shorter ones may be everyday words, and hiding those would spoil every line.
const MIN_SECRET_BYTES: usize = 6;
const MAX_SECRETS: usize = 1000;
/// A token's digits. A checksum looks the same and goes as well.
const TOKEN_DIGITS: usize = 64;
const HIDDEN: &str = "…";

/// Each with when it was last registered. Longest first, so that a secret within another does not leave the rest of it.
static SECRETS: RwLock<Vec<(u64, String)>> = RwLock::new(Vec::new());

/// Keeps a text out of every line from now on. Texts under 6 bytes are not kept, and of more than 1,000 those that were
/// registered last.
pub fn register_secret(secret: &str) {
    let escaped = secret.escape_debug().to_string();
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let now = secrets.iter().map(|(last, _)| last + 1).max().unwrap_or_default();
    for form in [secret, &escaped] {
        if let Some((last, _)) = secrets.iter_mut().find(|(_, known)| known == form) {
            *last = now;
        } else if form.len() >= MIN_SECRET_BYTES {
            secrets.push((now, form.to_owned()));
        }
    }
    while secrets.len() > MAX_SECRETS {
        let oldest = secrets.iter().map(|(last, _)| *last).min();
        secrets.retain(|(last, _)| Some(*last) != oldest);
    }
    secrets.sort_by_key(|(_, known)| std::cmp::Reverse(known.len()));
}

/// The text without secrets.
pub fn redact(text: &str) -> String {
    let mut text = hide_tokens(text);
    for (_, secret) in SECRETS.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), HIDDEN);
        }
    }
    text
}

fn hide_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if digits.len() >= TOKEN_DIGITS { HIDDEN } else { digits });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_by_their_shape() {
        let token = "0123456789abcdef".repeat(4);
        let cases = [
            (format!("#token={token}"), "#token=…"),
            (format!("x{token} y {token}"), "x… y …"),
            (token.to_uppercase(), "…"),
            (format!("{token}0"), "…"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(&text), expected);
        }
        let shorter = format!("{} é {}", &token[1..], &token[..40]);
        assert_eq!(redact(&shorter), shorter);
    }

    #[test]
    fn registered_secrets_go_in_every_form() {
        for secret in ["redact-me", "redact-me-longer", "redact\"quo\nted", "tiny"] {
            register_secret(secret);
        }
        assert_eq!(redact("a redact-me-longer b redact-me"), "a … b …");
        assert_eq!(redact(&format!("{:?}", "x redact\"quo\nted")), "\"x …\"");
        assert_eq!(redact("a tiny word"), "a tiny word");
    }
}
