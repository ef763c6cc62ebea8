//! What a command prints: text without broken characters, streamed as it comes, and kept within a limit.

use std::collections::VecDeque;

/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A piece of output, in the order in which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub stream: Stream,
    pub text: String,
}

/// Bytes that come in pieces, as text. What is no UTF-8 becomes U+FFFD; a character that is cut by the end of a piece waits
/// for its rest.
#[derive(Debug, Default)]
pub struct Decoder {
    /// At most three bytes: the beginning of a character.
    rest: Vec<u8>,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut left = all.as_slice();
        loop {
            match str::from_utf8(left) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => {
                    let (valid, after) = left.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    let Some(bad) = error.error_len() else {
                        self.rest = after.to_vec();
                        return text;
                    };
                    text.push('\u{fffd}');
                    left = after.get(bad..).unwrap_or_default();
                }
            }
        }
    }

    /// The beginning of a character whose rest never came.
    pub fn finish(&mut self) -> Option<&'static str> {
        (!std::mem::take(&mut self.rest).is_empty()).then_some("\u{fffd}")
    }
}

/// The beginning and the end of a text of any length, each half of a limit; what lies between is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    limit: usize,
    head: String,
    head_full: bool,
    tail: VecDeque<u8>,
    /// All bytes of text that came.
    pub total: u64,
}

impl Kept {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, head: String::new(), head_full: false, tail: VecDeque::new(), total: 0 }
    }

    pub fn push(&mut self, text: &str) {
        self.total = self.total.saturating_add(text.len() as u64);
        let mut rest = text;
        if !self.head_full {
            let room = (self.limit / 2).saturating_sub(self.head.len());
            let cut = text.floor_char_boundary(room);
            let (head, after) = text.split_at(cut);
            self.head.push_str(head);
            self.head_full = !after.is_empty();
            rest = after;
        }
        let room = self.limit - self.limit / 2;
        let rest = rest.as_bytes();
        let rest = rest.get(rest.len().saturating_sub(room)..).unwrap_or_default();
        let over = (self.tail.len() + rest.len()).saturating_sub(room);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend(rest);
    }

    /// Bytes that are not kept.
    pub fn omitted(&self) -> u64 {
        self.total.saturating_sub((self.head.len() + self.tail.len()) as u64)
    }

    /// Head, a line that says how much is missing, tail.
    pub fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let mut tail = [front, back].concat();
        // The cut may have gone through a character.
        let broken = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let omitted = self.omitted();
        if omitted == 0 {
            return format!("{}{}", self.head, String::from_utf8_lossy(&tail));
        }
        tail.drain(..broken);
        let omitted = omitted + broken as u64;
        format!("{}\n[… {omitted} bytes left out …]\n{}", self.head, String::from_utf8_lossy(&tail))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_cut_by_a_boundary_are_whole_again() {
        let mut decoder = Decoder::default();
        let pieces: [&[u8]; 5] = [b"a\xe2", b"\x82", b"\xacb\xff", b"\xf0\x9f", b"x"];
        let text: String = pieces.iter().map(|piece| decoder.push(piece)).collect();
        assert_eq!((text.as_str(), decoder.finish()), ("a€b\u{fffd}\u{fffd}x", None));
        assert_eq!((decoder.push(b"\xe2").as_str(), decoder.finish(), decoder.finish()), ("", Some("\u{fffd}"), None));
    }

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        let mut kept = Kept::new(8);
        kept.push("abc");
        assert_eq!((kept.text().as_str(), kept.omitted()), ("abc", 0));
        kept.push("defgh");
        assert_eq!((kept.text().as_str(), kept.omitted()), ("abcdefgh", 0));
        kept.push("ijk");
        assert_eq!((kept.text().as_str(), kept.omitted()), ("abcd\n[… 3 bytes left out …]\nhijk", 3));
        let mut kept = Kept::new(8);
        kept.push(&"€".repeat(1000));
        assert_eq!((kept.text().as_str(), kept.total), ("€\n[… 2994 bytes left out …]\n€", 3000));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(1_usize..9, 1..20)) {
            let mut decoder = Decoder::default();
            let mut text = String::new();
            let (mut left, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
            while !left.is_empty() {
                let (piece, after) = left.split_at((*cuts.next().unwrap()).min(left.len()));
                text.push_str(&decoder.push(piece));
                left = after;
            }
            text.extend(decoder.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn never_more_than_the_limit_and_nothing_uncounted(texts in proptest::collection::vec(".{0,40}", 0..40), limit in 0_usize..100) {
            let mut kept = Kept::new(limit);
            texts.iter().for_each(|text| kept.push(text));
            let all: usize = texts.iter().map(String::len).sum();
            prop_assert!(kept.head.len() + kept.tail.len() <= limit);
            prop_assert_eq!(kept.total, all as u64);
            prop_assert!(texts.concat().starts_with(&kept.head));
        }
    }
}
