//! The database: whether it is whole, whether this program may use it, and how large it is.

use std::path::Path;

use super::{Finding, State, quoted};
use crate::home::Home;
use crate::store::{Offline, StoreError, damage, newest_schema};

/// A write-ahead log that grew past this was not taken back into the database for long.
const LARGE_LOG: u64 = 256 << 20;

pub async fn examine(home: &Home) -> Vec<Finding> {
    let mut findings = current(home).await;
    findings.extend(damage::moved_aside(home).iter().map(|folder| {
        let words = format!("a damaged one was moved aside, and a new one begun: {}", folder.display());
        Finding::new("database", State::Warning, words).remedy(format!(
            "stop the gateway, then: simpleclaw backup restore FILE --force; to do without what it held: rm -r {}",
            quoted(folder)
        ))
    }));
    findings
}

async fn current(home: &Home) -> Vec<Finding> {
    let path = home.db_path();
    if !path.exists() && !damage::lost_its_file(&path) {
        return vec![Finding::new("database", State::Note, "none yet: the next start makes it")];
    }
    let (size, log) = (damage::size(&path), damage::size(&damage::beside(&path, "-wal")));
    let running = home.read_lock();
    let looked = look(&path, running.is_none() && log == 0).await;
    if home.read_lock() != running {
        let words = "a gateway started or stopped while the database was read";
        return vec![Finding::new("database", State::Note, words).remedy("simpleclaw doctor")];
    }
    let mut findings = vec![match looked {
        Ok((_, problems)) if !problems.is_empty() => damaged(&problems.join("; ")),
        Ok((schema, _)) if schema > newest_schema() => {
            Finding::new("database", State::Error, StoreError::Newer(format!("schema {schema}")).to_string())
                .remedy("install the version that was here last, or a newer one")
        }
        Ok((schema, _)) => {
            let next = if schema < newest_schema() { ", which the next start brings up to date" } else { "" };
            let words = format!("whole, {} MB, schema {schema}{next}", size / 1_000_000);
            Finding::new("database", State::Ok, words)
        }
        Err(StoreError::Damaged(words)) => damaged(&words),
        Err(error) => Finding::new("database", State::Error, error.to_string())
            .remedy(format!("ls -la {}", quoted(&home.state_dir()))),
    }];
    if log > LARGE_LOG {
        let words = format!("the write-ahead log has {} MB", log / 1_000_000);
        findings.push(Finding::new("database", State::Warning, words).remedy("simpleclaw call gateway.restart"));
    }
    findings
}

fn damaged(words: &str) -> Finding {
    Finding::new("database", State::Error, format!("it is damaged: {words}"))
        .remedy("stop the gateway, then: simpleclaw backup restore FILE --force")
}

async fn look(path: &Path, untouched: bool) -> Result<(i64, Vec<String>), StoreError> {
    let mut database = Offline::open(path, untouched).await?;
    let problems = database.problems().await?;
    let schema = database.schema().await?;
    database.close().await?;
    Ok((schema, problems))
}
