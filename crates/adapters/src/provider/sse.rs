//! A bounded reader of server-sent events: bytes in, the `data` of each event out.
//!
//! Event names, ids and retry times are read over: no provider whose stream comes through here
//! uses them.

use std::collections::VecDeque;

/// Longest event, and longest line, in bytes.
pub(super) const MAX_EVENT: usize = 1024 * 1024;

/// Why a stream is not server-sent events as we read them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SseFault {
    TooLong,
    NotUtf8,
}

/// Takes chunks cut anywhere, also inside a character or between CR and LF.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    data: Vec<u8>,
    /// An event may be empty but for its `data` line, so emptiness of `data` says nothing.
    has_data: bool,
    after_cr: bool,
}

impl SseParser {
    /// Reads `bytes` and appends the events they complete.
    pub fn push(&mut self, bytes: &[u8], events: &mut VecDeque<String>) -> Result<(), SseFault> {
        for &byte in bytes {
            let second_of_crlf = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                _ if second_of_crlf => {}
                b'\n' | b'\r' => self.end_line(events)?,
                _ if self.line.len() >= MAX_EVENT => return Err(SseFault::TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// What stands there unfinished when the stream has ended: a last event without its
    /// empty line.
    pub fn rest(&mut self) -> Result<Option<String>, SseFault> {
        let mut events = VecDeque::new();
        self.end_line(&mut events)?;
        self.end_line(&mut events)?;
        Ok(events.pop_front())
    }

    fn end_line(&mut self, events: &mut VecDeque<String>) -> Result<(), SseFault> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                let data = std::mem::take(&mut self.data);
                events.push_back(String::from_utf8(data).map_err(|_| SseFault::NotUtf8)?);
            }
            return Ok(());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.data.len() + value.len() >= MAX_EVENT {
                return Err(SseFault::TooLong);
            }
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events_of(bytes: &[u8], chunk: usize) -> Vec<String> {
        let mut parser = SseParser::default();
        let mut events = VecDeque::new();
        for part in bytes.chunks(chunk) {
            parser.push(part, &mut events).expect("well-formed");
        }
        events.into()
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let stream =
            "\u{feff}: hello\r\nevent: x\r\ndata: a🦀\r\n\r\ndata:b\rdata: c\r\rdata\n\ndata: d\r\ndata: e\r\n\r\n";
        for chunk in 1..=stream.len() {
            assert_eq!(events_of(stream.as_bytes(), chunk), ["a🦀", "b\nc", "d\ne"], "chunks of {chunk}");
        }
    }

    #[test]
    fn an_unfinished_event_is_the_rest() {
        let mut parser = SseParser::default();
        let mut events = VecDeque::new();
        parser.push(b"data: [DONE]", &mut events).expect("well-formed");
        assert!(events.is_empty());
        assert_eq!(parser.rest(), Ok(Some("[DONE]".to_owned())));
        assert_eq!(parser.rest(), Ok(None));
    }

    #[test]
    fn an_endless_line_or_event_is_refused() {
        let mut events = VecDeque::new();
        let line = vec![b'x'; MAX_EVENT + 1];
        assert_eq!(SseParser::default().push(&line, &mut events), Err(SseFault::TooLong));
        let event = "data: 12345678\n".repeat(MAX_EVENT / 8);
        assert_eq!(SseParser::default().push(event.as_bytes(), &mut events), Err(SseFault::TooLong));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut events = VecDeque::new();
        assert_eq!(SseParser::default().push(b"data: \xff\xfe\n\n", &mut events), Err(SseFault::NotUtf8));
    }
}
