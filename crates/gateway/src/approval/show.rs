//! What a person is shown is what would happen: text in which nothing is hidden, moved, or passes for something else,
//! and from which the exact text can be read back.
//!
//! `\\`, `\n`, `\r`, `\t` and `\u{hex}` stand for signs that would not be seen as themselves: controls, signs without
//! a width, signs that turn the direction of writing, other spaces than the ordinary one, spaces at the ends, what is
//! not in Unicode's composed form, and letters that make a word look like another one.

use std::fmt::Write as _;
use std::path::Path;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::is_nfc;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _, skeleton};

/// Most marks on one letter; a pile of them covers what stands around.
const MAX_MARKS: usize = 3;

/// One line: what it gives is read back by `unescaped`, and different texts give different lines.
pub fn escaped(text: &str) -> String {
    escape(text, Start::Shown)
}

/// Several lines, escaped one by one. Their indentation stays as it is.
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(|line| escape(line, Start::Kept)).collect::<Vec<_>>().join("\n")
}

/// A path; bytes that are no text become `\xff`.
pub fn escaped_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        shown.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// The text that `escaped` was given; `None` for what it never gives.
#[cfg(any(test, feature = "testing"))]
pub fn unescaped(shown: &str) -> Option<String> {
    read_back(shown, false).and_then(|bytes| String::from_utf8(bytes).ok())
}

/// The same for `escaped_path`: the bytes of the path.
#[cfg(all(unix, any(test, feature = "testing")))]
pub fn unescaped_path(shown: &str) -> Option<Vec<u8>> {
    read_back(shown, true)
}

#[cfg(any(test, feature = "testing"))]
fn read_back(shown: &str, is_path: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = shown.chars();
    while let Some(sign) = rest.next() {
        let sign = match sign {
            '\\' => match rest.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let (hex, behind) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                    rest = behind.chars();
                    char::from_u32(u32::from_str_radix(hex, 16).ok()?)?
                }
                'x' if is_path => {
                    let (hex, behind) = rest.as_str().split_at_checked(2)?;
                    rest = behind.chars();
                    // What is below it is text.
                    bytes.push(u8::from_str_radix(hex, 16).ok().filter(|byte| *byte >= 0x80)?);
                    continue;
                }
                _ => return None,
            },
            sign => sign,
        };
        bytes.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(bytes)
}

/// What becomes of spaces before the first other sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Shown,
    Kept,
}

fn escape(text: &str, start: Start) -> String {
    let body = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - before - body.len();
    let mut shown = String::with_capacity(text.len());
    // A line of spaces alone has only an end.
    let kept = start == Start::Kept && !body.is_empty();
    (0..before).for_each(|_| if kept { shown.push(' ') } else { code(&mut shown, ' ') });
    put_body(&mut shown, body);
    (0..after).for_each(|_| code(&mut shown, ' '));
    shown
}

fn put_body(shown: &mut String, body: &str) {
    // Letters that run from right to left move the signs around them, unless there is nothing but letters.
    let turned = body.contains(is_right_to_left) && body.contains(|sign: char| sign.is_ascii_graphic());
    let mut rest = body;
    while let Some(sign) = rest.chars().next() {
        let end = rest.find(|sign| !is_of_word(sign)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(if end == 0 { sign.len_utf8() } else { end });
        rest = behind;
        match end {
            0 => put_sign(shown, sign),
            _ => put_word(shown, word, turned),
        }
    }
}

/// A sign that belongs to no word.
fn put_sign(shown: &mut String, sign: char) {
    match sign {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        ' ' => shown.push(' '),
        _ if sign.is_ascii_graphic() => shown.push(sign),
        // A slash, a dash or a quote that is none.
        _ if is_hidden(sign) || is_right_to_left(sign) || looks_ascii(sign.encode_utf8(&mut [0; 4])) => {
            code(shown, sign);
        }
        _ => shown.push(sign),
    }
}

/// A run of letters, digits and their marks.
fn put_word(shown: &mut String, word: &str, turned: bool) {
    if word.is_ascii() {
        shown.push_str(word);
        return;
    }
    // Scripts mixed as no language mixes them, letters that are in use nowhere, one script written to look like
    // another, and the same letter spelled in a second way.
    let doubtful =
        word.detect_restriction_level() > RestrictionLevel::HighlyRestrictive || looks_ascii(word) || !is_nfc(word);
    let mut marks = MAX_MARKS;
    for sign in word.chars() {
        // A mark without a letter would go to the sign before.
        marks = if is_mark(sign) { marks + 1 } else { 0 };
        let hide = doubtful
            || is_hidden(sign)
            || is_general_mark(sign)
            || marks > MAX_MARKS
            || (turned && is_right_to_left(sign));
        if hide && !sign.is_ascii() { code(shown, sign) } else { shown.push(sign) }
    }
}

fn code(shown: &mut String, sign: char) {
    let _ = write!(shown, "\\u{{{:x}}}", u32::from(sign));
}

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || is_mark(sign)
}

fn is_mark(sign: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    !sign.is_ascii() && matches!(get_general_category(sign), NonspacingMark | SpacingMark | EnclosingMark)
}

/// Marks that go on any letter, and can so make another one of it. Those of one script stay on its letters.
fn is_general_mark(sign: char) -> bool {
    matches!(sign,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Whether nothing would be seen, or something other than a sign.
fn is_hidden(sign: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned,
    };
    // Blank or without a width, though their category does not say so.
    let blank = matches!(sign,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fffc}' | '\u{16fe4}' | '\u{1d159}'
        | '\u{13441}' | '\u{13442}' | '\u{e0000}'..='\u{e0fff}');
    blank
        || matches!(
            get_general_category(sign),
            Control
                | Format
                | LineSeparator
                | ParagraphSeparator
                | PrivateUse
                | SpaceSeparator
                | Surrogate
                | Unassigned
        )
}

fn is_right_to_left(sign: char) -> bool {
    matches!(sign,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

/// Whether it could be taken for ASCII, which it is not.
fn looks_ascii(text: &str) -> bool {
    skeleton(text).all(|sign| sign.is_ascii())
}

#[cfg(test)]
mod tests;
