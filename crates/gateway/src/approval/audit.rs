//! The record of approvals: rows that are only ever added and chain by hash, so that a change, a cut or a swap shows.
//!
//! A row's hash is SHA-256 over the hash before it, its place, its time, its kind and its text, each with its length. The
//! head goes to the log at each start and each hour. Whoever can rewrite the database and the log, as any program of the
//! same user can, is beyond this.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::Timestamp;
use simpleclaw_protocol::methods::approvals::{
    AuditAbout, AuditBad, AuditEntry, AuditHead, AuditKind, AuditVerifyResult,
};

use crate::home::hex;
use crate::store::audit::{AuditRow, Head, head, insert};
use crate::store::{Store, StoreError, Tx, to_word};

/// Rows checked between two looks at everything else.
const PAGE: u32 = 500;
/// Where the chain begins, so that no other table's hashes can stand for it.
const START: &[u8] = b"simpleclaw audit 1";

/// Adds a row, in the transaction of what it tells of.
pub async fn append(tx: &mut Tx, kind: AuditKind, about: &AuditAbout, at: i64) -> Result<(), StoreError> {
    let last = head(tx).await?;
    let (seq, kind, body) = (last.seq + 1, to_word(&kind)?, serde_json::to_string(about)?);
    let hash = hash(&last.hash, seq, at, &kind, &body);
    insert(tx, &AuditRow { seq, at, kind, body, previous: last.hash, hash }).await
}

fn hash(previous: &[u8], seq: i64, at: i64, kind: &str, body: &str) -> Vec<u8> {
    let mut sum = Sha256::new();
    for part in [START, previous, &seq.to_be_bytes(), &at.to_be_bytes(), kind.as_bytes(), body.as_bytes()] {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    }
    sum.finalize().to_vec()
}

/// A row as clients see it; `None` where somebody wrote what is none.
pub fn entry(row: &AuditRow) -> Option<AuditEntry> {
    Some(AuditEntry {
        seq: row.seq.unsigned_abs(),
        at: Timestamp(row.at),
        kind: serde_json::from_value(Value::from(row.kind.as_str())).ok()?,
        about: serde_json::from_str(&row.body).ok()?,
    })
}

/// The walk along the chain.
#[derive(Default)]
struct Walk {
    at: Head,
}

impl Walk {
    /// The next row, or what is wrong with it.
    fn step(&mut self, row: AuditRow) -> Result<(), AuditBad> {
        let expected = self.at.seq + 1;
        if row.seq != expected {
            return Err(bad(expected, "it is missing"));
        }
        if row.previous != self.at.hash {
            return Err(bad(row.seq, "it does not follow the row before it"));
        }
        if row.hash != hash(&row.previous, row.seq, row.at, &row.kind, &row.body) {
            return Err(bad(row.seq, "it was changed after it was written"));
        }
        self.at = Head { seq: row.seq, hash: row.hash };
        Ok(())
    }

    /// Where the rows end: whether this is where they are to end.
    fn end(&self, head: Option<&Head>) -> Result<(), AuditBad> {
        let next = self.at.seq + 1;
        match head {
            None if self.at.seq == 0 => Ok(()),
            None => Err(bad(next, "where the record ends was erased, so rows may be missing from here on")),
            Some(head) if head.seq > self.at.seq => Err(bad(next, "it is missing")),
            Some(head) if head.seq < self.at.seq => Err(bad(head.seq + 1, "the gateway did not write it")),
            Some(head) if head.hash != self.at.hash => Err(bad(self.at.seq, "it was changed after it was written")),
            Some(_) => Ok(()),
        }
    }
}

fn bad(seq: i64, why: &str) -> AuditBad {
    AuditBad { seq: seq.unsigned_abs(), why: why.to_owned() }
}

/// Walks the whole chain; names the first row that is not as it was written.
pub async fn verify(store: &Store) -> Result<AuditVerifyResult, StoreError> {
    let mut walk = Walk::default();
    let mut stopped_at = None;
    let found = 'walk: loop {
        let page = store.audit_rows(walk.at.seq, PAGE).await?;
        if page.is_empty() {
            // Read after the rows, so that it is never older than they are. What came between is looked at once more.
            let head = store.audit_head().await?;
            let more = head.as_ref().is_some_and(|head| head.seq > walk.at.seq);
            if more && stopped_at != Some(walk.at.seq) {
                stopped_at = Some(walk.at.seq);
                continue;
            }
            break walk.end(head.as_ref()).err();
        }
        for row in page {
            if let Err(bad) = walk.step(row) {
                break 'walk Some(bad);
            }
        }
    };
    let head = AuditHead { seq: walk.at.seq.unsigned_abs(), hash: hex(&walk.at.hash) };
    Ok(AuditVerifyResult { ok: found.is_none(), rows: head.seq, head, first_bad: found })
}

/// Says in the log where the record ends, so that a shorter or other one can be told from it.
pub async fn log_head(store: &Store) {
    match store.audit_head().await {
        Ok(head) => {
            let head = head.unwrap_or_default();
            // Half of it: 64 digits in a row are what a token looks like, which no log keeps.
            let mut hash = hex(&head.hash);
            hash.truncate(32);
            tracing::info!(seq = head.seq, hash, "the head of the audit log");
        }
        Err(error) => {
            tracing::warn!(target: "diagnostic", source = "approvals", code = "audit.no_head", "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: i64) -> Vec<AuditRow> {
        let mut rows: Vec<AuditRow> = Vec::new();
        for seq in 1..=count {
            let previous = rows.last().map(|row| row.hash.clone()).unwrap_or_default();
            let (at, kind, body) = (seq * 10, "requested".to_owned(), format!("{{\"approvalId\":\"{seq}\"}}"));
            let hash = hash(&previous, seq, at, &kind, &body);
            rows.push(AuditRow { seq, at, kind, body, previous, hash });
        }
        rows
    }

    fn first_bad(rows: Vec<AuditRow>, head: Option<Head>) -> Option<u64> {
        let mut walk = Walk::default();
        let walked = rows.into_iter().try_for_each(|row| walk.step(row));
        walked.and_then(|()| walk.end(head.as_ref())).err().map(|bad| bad.seq)
    }

    #[test]
    fn every_kind_of_change_is_found_at_its_row() {
        let whole = chain(5);
        let head = whole.last().map(|row| Head { seq: row.seq, hash: row.hash.clone() });
        let with = |change: fn(&mut Vec<AuditRow>)| {
            let mut rows = whole.clone();
            change(&mut rows);
            first_bad(rows, head.clone())
        };
        assert_eq!(with(|_| {}), None);
        assert_eq!(with(|rows| rows[2].body = "{}".to_owned()), Some(3));
        assert_eq!(with(|rows| rows[2].at += 1), Some(3));
        assert_eq!(with(|rows| rows[2].kind = "resolved".to_owned()), Some(3));
        assert_eq!(with(|rows| drop(rows.remove(1))), Some(2));
        assert_eq!(with(|rows| drop(rows.pop())), Some(5));
        assert_eq!(with(Vec::clear), Some(1));
        assert_eq!(
            with(|rows| {
                rows.swap(1, 2);
                (rows[1].seq, rows[2].seq) = (2, 3);
            }),
            Some(2)
        );
        // Rewritten with a hash that fits its text: the next row gives it away.
        let forged = |rows: &mut Vec<AuditRow>| {
            let row = &mut rows[2];
            row.body = "{}".to_owned();
            row.hash = hash(&row.previous, row.seq, row.at, &row.kind, &row.body);
        };
        assert_eq!(with(forged), Some(4));
        assert_eq!(first_bad(whole.clone(), None), Some(6));
        assert_eq!(first_bad(chain(6), head), Some(6));
        assert_eq!(first_bad(vec![], None), None);
    }

    #[test]
    fn parts_cannot_be_moved_from_one_to_the_next() {
        assert_ne!(hash(b"", 1, 1, "ab", "c"), hash(b"", 1, 1, "a", "bc"));
        assert_ne!(hash(b"a", 1, 1, "", ""), hash(b"", 1, 1, "a", ""));
    }
}
