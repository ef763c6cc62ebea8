//! Class 12 of the advisories: what is shown decodes one to one to what runs.

use proptest::prelude::*;

use super::*;

/// What is shown, for each trick.
#[test]
fn nothing_hides() {
    for (text, shown) in [
        // Seen as it is.
        ("", ""),
        ("ls -la /tmp", "ls -la /tmp"),
        ("a  b", "a  b"),
        ("naïve façade.txt", "naïve façade.txt"),
        ("Straße, Łódź, dạng", "Straße, Łódź, dạng"),
        ("привет мир", "привет мир"),
        ("файл2.txt", "файл2.txt"),
        ("日本語のファイル", "日本語のファイル"),
        ("README中文", "README中文"),
        ("한국어", "한국어"),
        ("नमस्ते", "नमस्ते"),
        ("שלום", "שלום"),
        ("🦀 €5", "🦀 €5"),
        ("$(x) `y` \"z\" 'w'", "$(x) `y` \"z\" 'w'"),
        // The sign that escapes.
        ("\\", "\\\\"),
        ("\\u{202e}", "\\\\u{202e}"),
        ("\\n", "\\\\n"),
        // Controls.
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\\tb"),
        ("\0", "\\u{0}"),
        ("\u{1b}[2K", "\\u{1b}[2K"),
        ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"),
        ("rm\u{8}\u{8}ls", "rm\\u{8}\\u{8}ls"),
        // Spaces.
        (" a ", "\\u{20}a\\u{20}"),
        ("  ", "\\u{20}\\u{20}"),
        ("a\u{a0}b", "a\\u{a0}b"),
        ("a\u{2003}b\u{3000}c", "a\\u{2003}b\\u{3000}c"),
        ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
        ("a\u{3164}b", "a\\u{3164}b"),
        ("\u{2800}", "\\u{2800}"),
        // Without a width.
        ("a\u{200b}b", "a\\u{200b}b"),
        ("a\u{200d}b\u{200c}", "a\\u{200d}b\\u{200c}"),
        ("\u{feff}ls", "\\u{feff}ls"),
        ("a\u{ad}b\u{2060}", "a\\u{ad}b\\u{2060}"),
        ("x\u{fe0f}", "x\\u{fe0f}"),
        ("x\u{e0101}", "x\\u{e0101}"),
        ("a\u{e0041}\u{e0042}", "a\\u{e0041}\\u{e0042}"),
        ("a\u{34f}b", "a\\u{34f}b"),
        // Direction.
        ("gpj\u{202e}exe.", "gpj\\u{202e}exe."),
        ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
        ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
        ("/home/אב/1", "/home/\\u{5d0}\\u{5d1}/1"),
        // Looks like another word.
        ("p\u{430}ypal.com", "p\\u{430}ypal.com"),
        ("\u{440}\u{430}\u{443}", "\\u{440}\\u{430}\\u{443}"),
        ("g\u{3bf}\u{3bf}gle", "g\\u{3bf}\\u{3bf}gle"),
        ("\u{ff52}\u{ff4d}", "\\u{ff52}\\u{ff4d}"),
        ("\u{1d42b}\u{1d426}", "\\u{1d42b}\\u{1d426}"),
        ("s\u{131}te", "s\\u{131}te"),
        ("\u{212a}elvin", "\\u{212a}elvin"),
        ("\u{13a0}B", "\\u{13a0}B"),
        // Looks like another sign.
        ("a\u{2044}b\u{2215}c", "a\\u{2044}b\\u{2215}c"),
        ("rm \u{2010}rf", "rm \\u{2010}rf"),
        ("\u{2019}", "\\u{2019}"),
        ("a\u{37e}b", "a\\u{37e}b"),
        ("a\u{ff1b}b", "a\\u{ff1b}b"),
        // The same letter, spelled in another way; marks that do not belong.
        ("cafe\u{301}", "cafe\\u{301}"),
        ("\u{301}a", "\\u{301}a"),
        ("=\u{338}", "=\\u{338}"),
        ("a\u{20dd}", "a\\u{20dd}"),
        // In use by nobody, or not yet.
        ("\u{e000}", "\\u{e000}"),
        ("\u{378}", "\\u{378}"),
        ("\u{fffe}", "\\u{fffe}"),
    ] {
        assert_eq!(escaped(text), shown, "{text:?}");
        assert_eq!(unescaped(shown).as_deref(), Some(text), "{shown:?}");
    }
}

/// Every sign alone, and between two letters: it comes back, and what is shown of it is seen.
#[test]
fn each_sign_of_unicode_is_seen_or_spelled() {
    // The planes that have signs, and the one of the tags.
    for sign in ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{e0fff}').chain('\u{10fff0}'..=char::MAX) {
        let alone = escaped(&sign.to_string());
        assert_eq!(unescaped(&alone), Some(sign.to_string()), "{sign:?}");
        assert!(alone.chars().all(is_seen), "{sign:?} is shown as {alone:?}");
        assert!(!alone.is_empty(), "{sign:?} is not shown");
        let between = escaped(&format!("a{sign}b"));
        assert_eq!(unescaped(&between), Some(format!("a{sign}b")), "{sign:?}");
        assert!(between.chars().all(is_seen), "{sign:?} is shown as {between:?}");
    }
}

fn is_seen(sign: char) -> bool {
    sign == ' ' || (!sign.is_control() && !is_hidden(sign))
}

#[test]
fn lines_stay_lines_and_keep_their_indentation() {
    for (text, shown) in [
        ("", ""),
        ("a\nb\n", "a\nb\n"),
        ("if x:\n    y \n", "if x:\n    y\\u{20}\n"),
        ("a\n  \nb", "a\n\\u{20}\\u{20}\nb"),
        ("a\r\nb", "a\\r\nb"),
        ("\techo", "\\techo"),
    ] {
        assert_eq!(escaped_lines(text), shown, "{text:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_text_is_spelled() {
    use std::os::unix::ffi::OsStrExt as _;
    for (bytes, shown) in [
        (&b"/a\xff\xfe/b"[..], "/a\\xff\\xfe/b"),
        (b"/a\\xff", "/a\\\\xff"),
        ("/é \n".as_bytes(), "/é \\n"),
        (b"/a \xe2\x82/", "/a\\u{20}\\xe2\\x82/"),
    ] {
        assert_eq!(escaped_path(Path::new(std::ffi::OsStr::from_bytes(bytes))), shown);
        assert_eq!(unescaped_path(shown).as_deref(), Some(bytes), "{shown:?}");
    }
    for shown in ["\\x", "\\xf", "\\xé", "\\x41", "\\xgg"] {
        assert_eq!(unescaped_path(shown), None, "{shown:?}");
    }
}

#[test]
fn what_was_never_shown_is_not_read() {
    for shown in ["\\", "\\x41", "\\u", "\\u{", "\\u{}", "\\u{zz}", "\\u{110000}", "\\u{d800}"] {
        assert_eq!(unescaped(shown), None, "{shown:?}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let shown = escaped(&text);
        prop_assert_eq!(unescaped(&shown), Some(text));
        prop_assert!(shown.chars().all(is_seen), "{:?}", shown);
        prop_assert!(!shown.starts_with(' ') && !shown.ends_with(' '));
    }

    /// Of the signs that tricks are made of.
    #[test]
    fn tricks_come_back(text in "[ab \\\\un{}09\t\n\r\u{0}\u{1b}\u{a0}\u{200b}\u{202e}\u{2066}\u{430}\u{43e}\u{301}\u{5d0}\u{feff}\u{ff41}é中]{0,24}") {
        let shown = escaped(&text);
        prop_assert_eq!(unescaped(&shown), Some(text.clone()));
        let lines: Option<Vec<_>> = escaped_lines(&text).split('\n').map(unescaped).collect();
        prop_assert_eq!(lines.map(|lines| lines.join("\n")), Some(text));
    }
}
