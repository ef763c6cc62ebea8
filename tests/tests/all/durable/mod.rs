//! What must survive: a kill, a restart, a full disk, a damaged database (promises P1, P6 and P11 of the design).

mod damage;
mod disk;
mod kill;
mod power;
mod read_only;
mod restart;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::{DEADLINE, RawClient, within};

/// How often: as the environment says in `SIMPLECLAW_ROUNDS`, for a longer night.
fn rounds(usual: usize) -> usize {
    std::env::var("SIMPLECLAW_ROUNDS").ok().map_or(usual, |rounds| rounds.parse().expect("a number"))
}

/// The whole history of a session, oldest first, read page by page.
async fn history(client: &mut RawClient, session: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut before = Value::Null;
    loop {
        let mut params = json!({ "sessionKey": session, "limit": 100 });
        if !before.is_null() {
            params["before"] = before;
        }
        let mut page = client.ok("chat.history", params).await;
        assert_eq!(page["inFlightRun"], Value::Null, "nothing runs any more in {session}");
        let Value::Array(mut older) = page["messages"].take() else { panic!("no messages: {page}") };
        older.append(&mut messages);
        messages = older;
        if page["hasMore"] == false {
            return messages;
        }
        before = page["nextCursor"].clone();
    }
}

/// Waits until no run is going or waiting.
async fn until_idle(client: &mut RawClient) {
    let idle = async {
        loop {
            let runs = client.ok("status", json!({})).await["runs"].clone();
            if runs == json!({ "active": 0, "queued": 0 }) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE * 2, "end of all runs", idle).await;
}

fn text(message: &Value) -> String {
    let blocks = message["content"].as_array().expect("content");
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// `seq` runs from 1 without a gap, no message is half done, and no id comes twice.
fn assert_whole(session: &str, messages: &[Value]) {
    let seqs: Vec<u64> = messages.iter().map(|message| message["seq"].as_u64().expect("seq")).collect();
    assert_eq!(seqs, (1..=messages.len() as u64).collect::<Vec<_>>(), "seq of {session}");
    let mut ids = HashMap::new();
    for message in messages {
        assert_ne!(message["status"], "partial", "{session}: {message}");
        let id = message["id"].as_str().expect("an id");
        assert!(ids.insert(id, message).is_none(), "{session}: {id} is there twice");
    }
}
