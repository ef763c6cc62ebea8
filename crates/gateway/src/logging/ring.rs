//! The last so many entries, each with a number, so that a reader can go on where it left off.

use std::collections::VecDeque;

pub struct Ring<T> {
    entries: VecDeque<T>,
    capacity: usize,
    /// Number of the next entry; the oldest kept one is this less their count.
    next: u64,
    /// Tells this ring's cursors from those of an earlier process.
    id: u32,
}

impl<T: Clone> Ring<T> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, next: 0, id: rand::random() }
    }

    pub fn push(&mut self, entry: T) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.next += 1;
    }

    /// Entries since `cursor`, or the newest, oldest first, at most `limit`; and the cursor behind them. A cursor of
    /// an earlier process, or of entries no longer kept, starts at the oldest. `None` where it is no cursor.
    pub fn tail(&self, cursor: Option<&str>, limit: usize) -> Option<(Vec<T>, String)> {
        let kept = self.entries.len() as u64;
        let oldest = self.next - kept;
        let start = match cursor {
            None => self.next.saturating_sub(limit as u64).max(oldest),
            Some(cursor) => match self.number(cursor)? {
                Some(number) => number.max(oldest),
                None => oldest,
            },
        };
        let skip = usize::try_from(start - oldest).unwrap_or(usize::MAX);
        let entries: Vec<T> = self.entries.iter().skip(skip).take(limit).cloned().collect();
        let next = start + entries.len() as u64;
        Some((entries, format!("{:08x}-{next:x}", self.id)))
    }

    /// `Some(None)`: of an earlier process.
    fn number(&self, cursor: &str) -> Option<Option<u64>> {
        let (id, number) = cursor.split_once('-')?;
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        if id.len() != 8 || !plain(id) || !plain(number) {
            return None;
        }
        let (id, number) = (u32::from_str_radix(id, 16).ok()?, u64::from_str_radix(number, 16).ok()?);
        match id == self.id {
            true => (number <= self.next).then_some(Some(number)),
            false => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_everything_once_and_in_order() {
        let mut ring = Ring::new(10);
        let mut cursor = None;
        let mut read = Vec::new();
        for n in 0..25 {
            ring.push(n);
            if n % 3 == 0 || n == 24 {
                let (entries, next) = ring.tail(cursor.as_deref(), 4).expect("its own cursor");
                read.extend(entries);
                cursor = Some(next);
            }
        }
        assert_eq!(read, (0..25).collect::<Vec<_>>());
    }

    #[test]
    fn where_a_cursor_starts() {
        let mut ring = Ring::new(3);
        let start = ring.tail(None, 5).expect("no cursor").1;
        for n in 0..10 {
            ring.push(n);
        }
        let tail = |cursor: Option<&str>, limit| ring.tail(cursor, limit).map(|(entries, _)| entries);
        assert_eq!(tail(None, 2), Some(vec![8, 9]));
        assert_eq!(tail(None, 99), Some(vec![7, 8, 9]));
        assert_eq!(tail(None, 0), Some(vec![]));
        assert_eq!(tail(Some(&start), 99), Some(vec![7, 8, 9]), "older than what is kept");
        let other = if start.starts_with('0') { "1" } else { "0" };
        assert_eq!(tail(Some(&format!("{other}{}", &start[1..])), 1), Some(vec![7]), "of an earlier process");
        let end = ring.tail(None, 1).expect("no cursor").1;
        assert_eq!(tail(Some(&end), 9), Some(vec![]));
        let beyond = format!("{}-ff", &start[..8]);
        for bad in ["", "-", "x", "12", "+2345678-1", "12345678-", "12345678-+1", "123456789-1", "é2345678-1", &beyond]
        {
            assert_eq!(tail(Some(bad), 1), None, "{bad}");
        }
    }
}
