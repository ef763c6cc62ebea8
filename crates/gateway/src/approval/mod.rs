//! Whether something that an agent wants may happen, and what a person is shown of it.
//!
//! - `action` – what a tool would do, complete: decided on, shown, frozen
//! - `command` – text into words, words into a program with an identity
//! - `rule` – what was allowed for longer than once
//! - `decide` – allow, ask or forbid; pure
//! - `show` – text in which nothing hides

pub mod action;
pub mod command;
pub mod decide;
pub mod rule;
pub mod show;

/// For the fuzzer: any bytes as the text of a command.
#[cfg(feature = "testing")]
pub fn survive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert_eq!(show::unescaped(&show::escaped(text)).as_deref(), Some(text), "what is shown says what is meant");
    if let command::Parsed::Simple(words) = command::parse(text) {
        assert!(!words.is_empty() && !words.iter().any(|word| word.contains(char::is_control)), "{text:?}");
        // The same words in quotes are no other command.
        let quoted = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        if let command::Parsed::Simple(again) = command::parse(&quoted)
            && words.iter().all(|word| !word.contains('\''))
        {
            assert_eq!(again, words, "{text:?}");
        }
    }
}
