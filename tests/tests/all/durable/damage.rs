//! A damaged database does not keep a gateway from starting: it lies aside as it was, a new one is begun, and both are
//! said (P11).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{history, text};
use crate::approvals::{ask, asker, question, verified};
use crate::clients::cli::run;

/// Where the damaged databases of a home lie, oldest first.
pub fn aside(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.path().join("state")).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("damaged-"));
    let mut folders: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

fn database(home: &Home) -> PathBuf {
    home.path().join("state/gateway.db")
}

async fn open(home: &Home) -> SqliteConnection {
    SqliteConnectOptions::new().filename(database(home)).connect().await.expect("the database")
}

/// A database, what is beside it, and the files of its messages, by their names in `folder`.
fn set(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for within in ["", "attachments"] {
        for entry in std::fs::read_dir(folder.join(within)).into_iter().flatten().flatten() {
            let name = format!("{within}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_file() && (name.starts_with("/gateway.db") || within == "attachments") {
                files.insert(name, std::fs::read(entry.path()).expect("reads"));
            }
        }
    }
    files
}

/// A gateway in whose home a conversation was had, with a file in it.
async fn used(model: &Model) -> Gateway {
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for number in 0..20 {
        let key = format!("old-{number}");
        let mut params = json!({ "sessionKey": "main", "message": "so ".repeat(700), "idempotencyKey": key });
        if number == 0 {
            params["attachments"] = json!([{ "name": "note", "mimeType": "text/plain", "content": "aGVsbG8=" }]);
        }
        client.ok("chat.send", params).await;
        client.run_to_end(&key).await;
    }
    gateway
}

async fn end(gateway: &mut Gateway) {
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.exited().await.code(), Some(0));
}

/// The same after its gateway has ended, with everything in the one file.
async fn closed(model: &Model) -> Home {
    let mut gateway = used(model).await;
    end(&mut gateway).await;
    let home = gateway.home.clone();
    let mut database = open(&home).await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database).await.expect("a checkpoint");
    database.close().await.expect("closes");
    assert_eq!(set(&home.path().join("state")).len(), 2, "the database and the file of a message");
    home
}

/// `simpleclaw doctor`: what it finds of the database, as state and words with the remedy.
async fn examined(home: &Home) -> Vec<(String, String)> {
    let looked = run(home, &["doctor", "--json"]).await.json();
    let findings = looked["findings"].as_array().expect("findings").iter();
    let of_database = findings.filter(|finding| finding["check"] == "database");
    of_database
        .map(|finding| {
            let word = |member: &str| finding[member].as_str().unwrap_or_default().to_owned();
            (word("state"), format!("{} {}", word("message"), word("remedy")))
        })
        .collect()
}

/// The next gateway in this home starts, says what it has done, has kept what was there, and can be talked to.
async fn begins_anew(home: &Home, why: &str) {
    let kept = |name: &str| std::fs::read(home.path().join(name)).expect("is there");
    let state = home.path().join("state");
    let (before, config, token) = (set(&state), kept("config.yaml"), kept("token"));
    let found = examined(home).await;
    let [(state_of_it, words)] = found.as_slice() else { panic!("{why}: {found:?}") };
    assert!(state_of_it == "error" && words.contains("damaged") && words.contains("backup restore"), "{found:?}");
    assert!(set(&state) == before, "{why}: looking at it changed it");

    let mut gateway = Gateway::in_home(home).await;
    let folders = aside(home);
    let [folder] = folders.as_slice() else { panic!("{why}: {folders:?}") };
    let lies = set(folder);
    for (name, bytes) in &before {
        assert!(lies.get(name) == Some(bytes), "{why}: {name} does not lie aside as it was");
    }
    assert_eq!((kept("config.yaml"), kept("token")), (config, token));

    let mut client = gateway.connect(Encoding::Json).await;
    let health = client.hello["snapshot"]["health"].clone();
    let store = &health["subsystems"]["store"];
    assert_eq!((&health["ok"], &store["state"]), (&json!(true), &json!("degraded")), "{health}");
    let words = store["detail"].as_str().expect("words");
    let place = folder.display().to_string();
    for part in ["damaged", why, &place, "simpleclaw backup restore"] {
        assert!(words.contains(part), "{words:?} lacks {part:?}");
    }
    let events = client.ok("diagnostics.list", json!({})).await["events"].clone();
    let told: Vec<&Value> =
        events.as_array().expect("events").iter().filter(|event| event["code"] == "store.damaged").collect();
    let [told] = told.as_slice() else { panic!("{events}") };
    assert_eq!((&told["level"], &told["source"]), (&json!("error"), &json!("store")), "{told}");
    assert_eq!((&told["message"], &told["fields"]["path"]), (&json!(words), &json!(place)), "{told}");

    talk(&mut client).await;
    // The record of approvals begins anew, and holds.
    let record = verified(&mut client).await;
    assert_eq!((&record["ok"], &record["rows"]), (&json!(true), &json!(0)), "{record}");
    ask(&mut asker(&gateway).await, question(0)).await;
    let record = verified(&mut client).await;
    assert_eq!((&record["ok"], &record["rows"]), (&json!(true), &json!(1)), "{record}");

    let found = examined(home).await;
    let told = |state: &str, part: &str| found.iter().any(|(is, words)| is == state && words.contains(part));
    assert!(found.len() == 2 && told("ok", "whole") && told("warning", &place), "{found:?}");

    // Once: the next start has nothing to say of it, and leaves what lies aside.
    end(&mut gateway).await;
    let gateway = Gateway::in_home(home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(client.hello["snapshot"]["health"]["subsystems"]["store"]["state"], "ok");
    assert_eq!(history(&mut client, "agent:main:main").await.len(), 2);
    assert!(aside(home) == folders && set(folder) == lies, "{why}");
}

/// A question and its answer, in a session that nothing was ever said in.
async fn talk(client: &mut RawClient) {
    assert_eq!(history(client, "agent:main:main").await, Vec::<Value>::new());
    let params = json!({ "sessionKey": "main", "message": "who are you?", "idempotencyKey": "new" });
    client.ok("chat.send", params).await;
    client.run_to_end("new").await;
    let texts: Vec<String> = history(client, "agent:main:main").await.iter().map(text).collect();
    assert_eq!(texts, ["who are you?", "Hello."]);
}

#[tokio::test]
async fn a_damaged_database_is_moved_aside_and_a_new_one_begun() {
    type Break = fn(&Path);
    let kinds: [(&str, Break); 3] = [
        ("file is not a database", |path| {
            let mut bytes = std::fs::read(path).expect("the database");
            bytes[..100].copy_from_slice(&rand::random::<[u8; 100]>());
            std::fs::write(path, bytes).expect("writes");
        }),
        ("malformed", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("the database");
            let length = file.metadata().expect("is there").len();
            assert!(length > 100_000, "{length} bytes are no real use");
            file.set_len(length / 2).expect("cuts");
        }),
        ("file is not a database", |path| {
            std::fs::write(path, "Dear diary, this is no database.\n".repeat(2_000)).expect("writes");
        }),
    ];
    let model = Model::start().await;
    for (why, damage) in kinds {
        let home = closed(&model).await;
        damage(&database(&home));
        begins_anew(&home, why).await;
    }
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// What opens and is damaged where a start has to read: the sessions.
#[tokio::test]
async fn damage_in_what_a_start_reads_is_found_by_it() {
    let model = Model::start().await;
    let home = closed(&model).await;
    let mut connection = open(&home).await;
    let pages: Vec<i64> = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'sessions'")
        .fetch_all(&mut connection)
        .await
        .expect("pages");
    let page_bytes: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await.expect("a size");
    connection.close().await.expect("closes");
    let page_bytes = usize::try_from(page_bytes).expect("a size");
    let mut bytes = std::fs::read(database(&home)).expect("the database");
    for page in pages.iter().filter_map(|page| usize::try_from(*page).ok()).filter(|page| *page > 1) {
        bytes[(page - 1) * page_bytes..page * page_bytes].fill(0x5a);
    }
    std::fs::write(database(&home), bytes).expect("writes");
    begins_anew(&home, "malformed").await;
}

/// An empty file beside a write-ahead log: SQLite would take it for a new database, and remove the log, in which
/// everything still is.
#[tokio::test]
async fn a_log_without_its_database_is_kept() {
    let model = Model::start().await;
    let home = used(&model).await.crash().await;
    let log = std::fs::metadata(home.path().join("state/gateway.db-wal")).expect("a write-ahead log");
    assert!(log.len() > 0, "the crash left no log");
    std::fs::write(database(&home), "").expect("writes");
    begins_anew(&home, "it is empty").await;
}

/// Only damage is moved: what cannot be opened for another reason ends the start, and stays where it is. (A newer
/// database: `restart`.)
#[tokio::test]
async fn what_is_no_damage_stays_where_it_is() {
    let home = Home::with_config("models: {detect: false}\n");
    std::fs::create_dir_all(database(&home)).expect("a folder in its place");
    let failed = Gateway::try_in_home(&home, &["--port", "0"]).await.err().expect("it must not start");
    assert_eq!((failed.exit, &failed.line["error"]["code"]), (Some(1), &json!("STORE")), "{failed:?}");
    assert!(database(&home).is_dir());
    assert_eq!(aside(&home), Vec::<PathBuf>::new());
}
