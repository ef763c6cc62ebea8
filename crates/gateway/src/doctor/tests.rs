//! One thing broken at a time: it is found, it is said, and nothing is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::home::tests::fresh;
use crate::store::Store;
use crate::supervisor::Supervisor;

/// A home that a gateway has left in good order.
async fn healthy() -> (tempfile::TempDir, Home) {
    let (folder, home) = fresh();
    fs::write(home.config_path(), "models: {detect: false}\ngateway: {port: 0}\n").expect("writes");
    home.token().expect("makes");
    let (store, writer) = Store::open(&home.db_path()).await.expect("opens");
    let supervisor = Supervisor::default();
    supervisor.spawn("store", writer);
    store.close().await;
    assert!(supervisor.drain(std::time::Duration::from_secs(10)).await, "the store closes");
    (folder, home)
}

/// Apart from the machine that runs the tests: its disk, and what isolates there.
fn worst(findings: &[Finding]) -> State {
    let of_home = findings.iter().filter(|finding| !["disk", "sandbox"].contains(&finding.check));
    of_home.map(|finding| finding.state).max().unwrap_or(State::Ok)
}

/// Every path below a folder with its mode and bytes.
fn everything(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("lists") {
            let path = entry.expect("an entry").path();
            let mode = fs::metadata(&path).expect("is there").permissions().mode();
            if path.is_dir() {
                folders.push(path.clone());
            }
            all.push((path.clone(), mode, fs::read(&path).unwrap_or_default()));
        }
    }
    all.sort();
    all
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("sets");
}

#[tokio::test]
async fn a_good_home_has_no_trouble_and_is_not_touched() {
    let (_folder, home) = healthy().await;
    let before = everything(home.path());
    let findings = examine(&home).await;
    assert!(worst(&findings) <= State::Note, "{findings:#?}");
    for check in ["home", "token", "lock", "config", "port", "database", "provider"] {
        assert!(findings.iter().any(|finding| finding.check == check), "{check}");
    }
    assert_eq!(everything(home.path()), before);
}

#[tokio::test]
async fn a_home_that_is_not_there_is_no_trouble_and_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path().join("home"));
    let findings = examine(&home).await;
    assert_eq!((findings.len(), worst(&findings)), (1, State::Note));
    assert!(!home.path().exists());
    fs::write(home.path(), "x").expect("writes");
    let findings = examine(&home).await;
    assert_eq!((findings.len(), worst(&findings)), (1, State::Error));
}

#[tokio::test]
async fn each_trouble_is_found_and_said_with_its_remedy() {
    type Break = fn(&Home);
    let cases: [(&str, State, &str, Break); 11] = [
        ("home", State::Warning, "chmod 700", |home| set_mode(home.path(), 0o755)),
        ("token", State::Warning, "chmod 600", |home| set_mode(&home.token_path(), 0o644)),
        ("token", State::Error, "rm ", |home| fs::write(home.token_path(), "short").expect("writes")),
        ("secrets", State::Error, "chmod 600", |home| {
            fs::write(home.secrets_path(), "a: b\n").expect("writes");
            set_mode(&home.secrets_path(), 0o640);
        }),
        ("config", State::Error, "+2 ", |home| {
            fs::write(home.config_path(), "models: {detect: false}\ngateway: {port: many}\n").expect("writes");
        }),
        ("config", State::Warning, "+1 ", |home| {
            fs::write(home.config_path(), "modls: 1\nmodels: {detect: false}\ngateway: {port: 0}\n").expect("writes");
        }),
        ("lock", State::Note, "gateway run", |home| {
            fs::write(home.lock_path(), r#"{"pid":1,"url":"ws://127.0.0.1:1","bootId":"b"}"#).expect("writes");
        }),
        ("database", State::Error, "backup restore", |home| {
            let mut bytes = fs::read(home.db_path()).expect("reads");
            bytes.iter_mut().skip(4096).step_by(7).for_each(|byte| *byte = 0x5a);
            fs::write(home.db_path(), bytes).expect("writes");
        }),
        ("database", State::Error, "backup restore", |home| {
            fs::write(home.db_path(), "").expect("writes");
            fs::write(home.state_dir().join("gateway.db-wal"), "a log").expect("writes");
        }),
        ("database", State::Warning, "rm -r ", |home| {
            fs::create_dir(home.state_dir().join("damaged-20261122-130157")).expect("makes");
        }),
        ("provider", State::Error, "", |home| {
            let config =
                "models: {detect: false, providers: {acme: {api: openai, apiKey: {env: NO_SUCH_VARIABLE_HERE}}}}\n";
            fs::write(home.config_path(), format!("{config}gateway: {{port: 0}}\n")).expect("writes");
        }),
    ];
    for (check, state, remedy, broken) in cases {
        let (_folder, home) = healthy().await;
        broken(&home);
        let before = everything(home.path());
        let findings = examine(&home).await;
        let found = findings.iter().find(|finding| finding.check == check && finding.state == state);
        let found = found.unwrap_or_else(|| panic!("{check} {state:?} is missing: {findings:#?}"));
        assert!(found.remedy.as_deref().unwrap_or_default().contains(remedy), "{found:?}");
        assert_eq!(everything(home.path()), before, "{check}");
    }
}

#[tokio::test]
async fn who_has_the_port_is_said_and_another_one_offered() {
    let (_folder, home) = healthy().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("binds");
    let port = taken.local_addr().expect("an address").port();
    fs::write(home.config_path(), format!("models: {{detect: false}}\ngateway: {{port: {port}}}\n")).expect("writes");
    let findings = examine(&home).await;
    let found = findings.iter().find(|finding| finding.check == "port").expect("the port");
    assert_eq!(found.state, State::Error);
    assert!(found.message.contains("is taken by"), "{found:?}");
    assert!(
        found.remedy.as_deref().is_some_and(|remedy| remedy.starts_with("simpleclaw gateway run --port")),
        "{found:?}"
    );
}

#[test]
fn paths_as_a_shell_takes_them() {
    for (path, text) in [("/a/b-c", "/a/b-c"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'")] {
        assert_eq!(quoted(Path::new(path)), text);
    }
}
