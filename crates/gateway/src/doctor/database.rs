//! The database: whether it is whole, whether this program may use it, and how large it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Finding, State};
use crate::home::Home;
use crate::store::{Offline, StoreError, newest_schema};

/// A write-ahead log that grew past this was not taken back into the database for long.
const LARGE_LOG: u64 = 256 << 20;

pub async fn examine(home: &Home) -> Vec<Finding> {
    let path = home.db_path();
    let Ok(about) = fs::metadata(&path) else {
        return vec![Finding::new("database", State::Note, "none yet: the next start makes it")];
    };
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    let log = fs::metadata(PathBuf::from(log)).map_or(0, |about| about.len());
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
            let words = format!("whole, {} MB, schema {schema}{next}", about.len() / 1_000_000);
            Finding::new("database", State::Ok, words)
        }
        Err(error) => damaged(&error.to_string()),
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
