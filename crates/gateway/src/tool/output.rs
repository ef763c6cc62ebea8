//! Bounds of what a tool says: to the model, which pays for every word, and as it comes, to whoever looks on.

/// Most that one result gives a model, in bytes.
pub const MAX_RESULT: usize = 48 * 1024;

/// The start and the end of a text that is too long, with what is missing said between them.
pub fn middle_cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let start = text.floor_char_boundary(most / 2);
    let end = text.ceil_char_boundary(text.len() - most / 2);
    let (head, tail) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    format!("{head}\n[… {} bytes are left out here …]\n{tail}", end - start)
}

/// The start of a text that is too long.
pub fn end_cut(text: &mut String, most: usize) -> bool {
    let too_long = text.len() > most;
    text.truncate(text.floor_char_boundary(most));
    too_long
}

/// What a program has printed and nobody has read yet; its end, where that is too much.
#[derive(Debug, Default)]
pub struct Printed {
    unread: String,
    lost: u64,
}

impl Printed {
    pub fn push(&mut self, text: &str) {
        self.unread.push_str(text);
        self.lost += keep_end(&mut self.unread, MAX_RESULT);
    }

    /// What came since this was asked last.
    pub fn take_unread(&mut self) -> String {
        let text = std::mem::take(&mut self.unread);
        match std::mem::take(&mut self.lost) {
            0 => text,
            lost => format!("[… {lost} bytes are left out here …]\n{text}"),
        }
    }
}

/// Cuts the start of a text that is too long; how much went.
fn keep_end(text: &mut String, most: usize) -> u64 {
    let start = text.ceil_char_boundary(text.len().saturating_sub(most));
    text.drain(..start);
    start as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_both_ends() {
        assert_eq!(middle_cut("short", 10), "short");
        let cut = middle_cut(&"é".repeat(100), 21);
        assert_eq!(cut, format!("{0}\n[… 180 bytes are left out here …]\n{0}", "é".repeat(5)));
        let mut text = "ééé".to_owned();
        assert!(end_cut(&mut text, 3));
        assert_eq!(text, "é");
        assert!(!end_cut(&mut text, 3));
    }

    #[test]
    fn what_is_printed_without_end_is_kept_at_its_end() {
        let mut printed = Printed::default();
        printed.push("first\n");
        assert_eq!((printed.take_unread().as_str(), printed.take_unread().as_str()), ("first\n", ""));
        for number in 0..20_000 {
            printed.push(&format!("line {number} é\n"));
        }
        let unread = printed.take_unread();
        assert!(unread.starts_with("[… ") && unread.ends_with("line 19999 é\n") && unread.len() <= MAX_RESULT + 100);
    }
}
