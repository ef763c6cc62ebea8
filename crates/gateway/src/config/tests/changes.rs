//! Changes to the file: what is refused, what is kept, who sees what.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use simpleclaw_protocol::Timestamp;

use super::*;
use crate::config::mask;

const TEXT: &str = "# mine\ngateway:\n  port: 5  # five\nchannels:\n  x: {token: planted-0123456789, on: true}\n";

pub struct Files {
    _folder: tempfile::TempDir,
    pub home: Home,
    clock: i64,
}

impl Files {
    pub fn new(text: &str) -> Self {
        let files = Self::empty();
        fs::write(files.home.config_path(), text).expect("writes");
        files
    }

    fn empty() -> Self {
        let (folder, home) = fresh();
        Self { _folder: folder, home, clock: 1_000 }
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.home.config_path()).unwrap_or_default()
    }

    fn hash(&self) -> String {
        hash(self.text().as_bytes())
    }

    pub fn ask(&mut self, change: Change, how: impl FnOnce(&mut Request)) -> Result<Changed, NotChanged> {
        self.clock += 1;
        let mut request = Request {
            change,
            base_hash: None,
            dry_run: false,
            by: "eve".to_owned(),
            at: Timestamp(self.clock),
            mark: None,
            moved: vec![],
        };
        how(&mut request);
        make(&self.home, request, &inspect(&self.home), &no_variables)
    }

    pub fn make(&mut self, change: Change) -> Result<Changed, NotChanged> {
        self.ask(change, |_| {})
    }

    pub fn set(&mut self, path: &str, value: Value) -> Result<Changed, NotChanged> {
        self.make(Change::Set { path: path.to_owned(), value })
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path()).expect("lists");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

fn errors(result: Result<Changed, NotChanged>) -> Vec<(String, String)> {
    match result {
        Err(NotChanged::Invalid(issues)) => issues.into_iter().map(|issue| (issue.path, issue.message)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_answer_and_the_file() {
    let mut files = Files::new(TEXT);
    let changed = files.set("logging.level", json!("debug")).expect("changes").result;
    assert_eq!(files.text(), format!("{TEXT}logging:\n  level: debug\n"));
    assert_eq!((changed.hash, changed.value), (files.hash(), json!("debug")));
    assert_eq!(changed.changed_paths, ["/logging"]);
    assert_eq!((changed.applied, changed.restart_paths), (Applied::Live, vec![]));
    assert_eq!(
        changed.diff.lines().filter(|line| line.starts_with('+')).collect::<Vec<_>>(),
        ["+logging:", "+  level: debug"]
    );
    assert!(changed.issues.iter().any(|issue| issue.message.contains("a secret stands here as text")));
    let port = files.set("/gateway/port", json!(6)).expect("changes").result;
    assert_eq!((port.applied, port.restart_paths), (Applied::Live, vec![]));
    let mode = files.set("/gateway/mode", json!("shared")).expect("changes").result;
    assert_eq!((mode.applied, mode.restart_paths), (Applied::Restart, vec!["/gateway/mode".to_owned()]));
    files.set("/gateway/mode", Value::Null).expect("changes");
    assert!(files.text().contains("  port: 6  # five\n"));
    let unset = files.set("gateway.port", Value::Null).expect("changes").result;
    assert_eq!((unset.value, unset.changed_paths), (json!(18789), vec!["/gateway".to_owned()]));
    let same = files.set("gateway.port", Value::Null).expect("is so already");
    assert!(same.loaded.is_none() && same.result.diff.is_empty() && same.result.changed_paths.is_empty());
    assert_eq!(fs::read(last_good_path(&files.home)).ok(), Some(files.text().into_bytes()));
    assert_eq!(files.names(), ["config.history", "config.yaml", "logs", "state"]);
}

#[test]
fn several_at_once() {
    let mut files = Files::new(TEXT);
    let patch = json!({"gateway": {"port": null, "allowedHosts": ["a", "b"]}, "runs": {"idleSeconds": 9}});
    let Value::Object(patch) = patch else { unreachable!() };
    let changed = files.make(Change::Patch(patch)).expect("changes").result;
    let expected = "# mine\ngateway:\n  allowedHosts:\n    - a\n    - b\nchannels:\n  x: {token: planted-0123456789, on: true}\nruns:\n  idleSeconds: 9\n";
    assert_eq!(files.text(), expected);
    assert_eq!(changed.changed_paths, ["/gateway/allowedHosts", "/gateway/port", "/runs"]);
    assert_eq!(changed.value["runs"]["idleSeconds"], 9);
}

#[test]
fn a_dry_run_writes_nothing() {
    let mut files = Files::new(TEXT);
    let change = Change::Set { path: "gateway.port".to_owned(), value: json!(7) };
    let tried = files.ask(change, |request| request.dry_run = true).expect("would change");
    assert!(tried.loaded.is_none() && tried.result.diff.contains("+  port: 7  # five"));
    assert_eq!(tried.result.hash, hash(TEXT.replace("5  #", "7  #").as_bytes()));
    assert_eq!((files.text().as_str(), files.names().len()), (TEXT, 3));
}

#[test]
fn a_first_change_makes_the_file() {
    let mut files = Files::empty();
    files.set("agents.entries.main.name", json!("Eve")).expect("changes");
    let text = files.text();
    assert!(
        text.starts_with("# SimpleClaw's configuration.")
            && text.ends_with("agents:\n  entries:\n    main:\n      name: Eve\n"),
        "{text}"
    );
    assert_eq!(files.home.config_path().metadata().expect("is there").permissions().mode() & 0o777, 0o600);
    let versions = versions(&files.home).versions;
    let restored = files.make(Change::Restore(versions[0].id.clone())).expect("goes back").result;
    assert_eq!(
        (files.text().as_str(), restored.value["agents"]["entries"]["main"]["name"].as_str()),
        ("", Some("Claw"))
    );
}

#[test]
fn what_would_be_bad_is_refused_with_every_reason() {
    let mut files = Files::new(TEXT);
    for (path, value, reason) in [
        ("gateway.port", json!("many"), ("/gateway/port", "must be a whole number")),
        ("gateway.prot", json!(1), ("/gateway/prot", "did you mean `port`?")),
        ("gatway.port", json!(1), ("/gatway", "did you mean `gateway`?")),
        ("gateway.bind", json!("all"), ("/gateway/bind", "beyond loopback needs")),
        ("agents.default", json!("nobody"), ("/agents/default", "must be one of the agents")),
        ("gateway.bind", json!("${SURELY_NOT}"), ("/gateway/bind", "SURELY_NOT is not set")),
        ("channels.y", json!({"token": MASK}), ("/channels/y/token", "a mask that hides nothing known")),
        ("logging.level", json!("loud"), ("/logging/level", "must be one of")),
        ("gateway.allowedHosts.0", json!(5), ("/gateway/allowedHosts/0", "must be text")),
    ] {
        let found = errors(files.set(path, value));
        assert!(found.len() == 1 && found[0].0 == reason.0 && found[0].1.contains(reason.1), "{path}: {found:?}");
    }
    let Value::Object(patch) = json!({"gateway": {"port": "x", "mode": 5, "nmae": 1}, "runs": {"idleSeconds": 0}})
    else {
        unreachable!()
    };
    assert_eq!(errors(files.make(Change::Patch(patch))).len(), 4);
    for path in ["gateway.port.x", "bindings.5", "bindings.x"] {
        assert!(matches!(files.set(path, json!(1)), Err(NotChanged::NoPlace(_))), "{path}");
    }
    assert!(matches!(files.set("", json!(null)), Err(NotChanged::NoPlace(_))));
    assert_eq!((files.text().as_str(), files.names().len()), (TEXT, 3), "nothing was written");
}

#[test]
fn an_unknown_key_that_is_there_stays_and_hinders_nothing() {
    let mut files = Files::new("zebra: 1  # from a newer version\ngateway: {prot: 2}\n");
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    assert_eq!(files.text(), "zebra: 1  # from a newer version\ngateway: {prot: 2}\nruns:\n  idleSeconds: 5\n");
    assert_eq!(errors(files.set("gateway.zebra", json!(1))).len(), 1);
    files.set("zebra", json!(null)).expect("can be removed");
}

#[test]
fn a_stale_hash_is_a_conflict_that_says_the_present_one() {
    let mut files = Files::new(TEXT);
    let old = files.hash();
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    let change = Change::Set { path: "runs.idleSeconds".to_owned(), value: json!(6) };
    match files.ask(change.clone(), |request| request.base_hash = Some(old)) {
        Err(NotChanged::Stale(now)) => assert_eq!(now, files.hash()),
        other => panic!("{other:?}"),
    }
    let now = files.hash();
    files.ask(change, |request| request.base_hash = Some(now)).expect("changes");
}

#[test]
fn a_file_broken_by_hand_is_only_replaced_as_a_whole() {
    let broken = "gateway:\n\tport: 1\nchannels:\n  x: {token: planted-0123456789}\n";
    let mut files = Files::new(broken);
    match files.set("runs.idleSeconds", json!(5)) {
        Err(NotChanged::Broken { mistake, .. }) => assert_eq!((mistake.line, mistake.column), (2, 2)),
        other => panic!("{other:?}"),
    }
    assert_eq!(files.text(), broken);
    let shown = inspect(&files.home).raw;
    assert!(!shown.contains("planted"));
    files.make(Change::Raw(shown.replace('\t', "  "))).expect("is mended");
    assert_eq!(files.text(), broken.replace('\t', "  "), "with its secret");
    // Bad, but YAML: the change that mends it is taken.
    let mut files = Files::new("gateway: {port: x}  # oops\n");
    assert_eq!(errors(files.set("runs.idleSeconds", json!(5))).len(), 1);
    files.set("gateway.port", json!(5)).expect("mends");
    assert_eq!(files.text(), "gateway: {port: 5}  # oops\n");
}

#[test]
fn masks_keep_what_they_hide() {
    let mut files = Files::new(TEXT);
    let running = inspect(&files.home);
    let mut channel = get(&running, "channels.x").expect("is there");
    assert_eq!(channel["token"], MASK);
    channel["on"] = json!(false);
    let changed = files.set("channels.x", channel).expect("changes").result;
    assert_eq!(files.text(), TEXT.replace("on: true", "on: false"));
    assert_eq!(changed.value["token"], MASK);
    let raw = inspect(&files.home).raw.replace("# five", "# 5");
    files.make(Change::Raw(raw)).expect("changes");
    assert_eq!(files.text(), TEXT.replace("on: true", "on: false").replace("# five", "# 5"));
    files.set("channels.x.token", json!("planted-abcdefghij")).expect("changes");
    assert!(files.text().contains("token: planted-abcdefghij, on: false"));
    let history = serde_json::to_string(&versions(&files.home)).expect("serializes");
    assert!(!history.contains("planted") && history.contains("only what is masked differs"), "{history}");
    files
        .make(Change::Raw("channels: {x: {token: {secret: x}}}\n# planted-abcdefghij was it\n".to_owned()))
        .expect("changes");
    assert!(
        !serde_json::to_string(&versions(&files.home)).expect("serializes").contains("planted"),
        "old secrets neither"
    );
}

#[test]
fn variables_stay_where_their_value_comes_back() {
    let text = "models: {providers: {w: {api: openai, baseUrl: \"https://${HOST}/v1\", apiKey: \"${KEY}\"}}}\n";
    let (_folder, home) = fresh();
    fs::write(home.config_path(), text).expect("writes");
    let lookup = |name: &str| Some(if name == "HOST" { "llm.example" } else { "planted-0123456789" }.to_owned());
    let running = load_with(&home, &lookup).expect("loads");
    let mut provider = get(&running, "models.providers.w").expect("is there");
    assert_eq!(
        (provider["baseUrl"].as_str(), provider["apiKey"].as_str()),
        (Some("https://llm.example/v1"), Some(MASK))
    );
    provider["api"] = json!("ollama");
    provider.as_object_mut().expect("a map").remove("models");
    let change = Change::Set { path: "models.providers.w".to_owned(), value: provider };
    let request = Request {
        change,
        base_hash: None,
        dry_run: false,
        by: "eve".to_owned(),
        at: Timestamp(1),
        mark: None,
        moved: vec![],
    };
    make(&home, request, &running, &lookup).expect("changes");
    assert_eq!(fs::read_to_string(home.config_path()).expect("is there"), text.replace("openai", "ollama"));
}

#[test]
fn fifty_versions_and_the_way_back() {
    let mut files = Files::new("runs: {idleSeconds: 1}  # c\n");
    let texts: Vec<String> = (2..=60)
        .map(|n| {
            files.set("runs.idleSeconds", json!(n)).expect("changes");
            files.text()
        })
        .collect();
    let versions = versions(&files.home).versions;
    assert_eq!(versions.len(), 50);
    assert!(
        versions[0].diff.contains("-runs: {idleSeconds: 59}  # c")
            && versions[0].diff.contains("+runs: {idleSeconds: 60}  # c")
    );
    assert_eq!((versions[0].by.as_str(), versions[0].at), ("eve", Timestamp(1_059)));
    assert_eq!(fs::read_dir(files.home.history_dir()).expect("lists").count(), 50);
    files.make(Change::Restore(versions[3].id.clone())).expect("goes back");
    assert_eq!(files.text(), texts[texts.len() - 5]);
    for id in ["", "nothing", "../../token", "0000000000001-00000000"] {
        assert!(matches!(files.make(Change::Restore(id.to_owned())), Err(NotChanged::NoVersion)), "{id}");
    }
    let version = fs::read_dir(files.home.history_dir()).expect("lists").next().expect("one").expect("entry");
    assert_eq!(version.metadata().expect("is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(files.home.history_dir().metadata().expect("is there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_version_whose_change_never_happened_is_not_shown() {
    let mut files = Files::new(TEXT);
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    let about = history::About {
        at: Timestamp(9_999),
        by: "killed".to_owned(),
        from: files.hash(),
        became: hash(b"never"),
        diff: String::new(),
        changed_paths: vec![],
        restart_paths: vec![],
        mark: Some("m".to_owned()),
    };
    history::keep(&files.home, &about, files.text().as_bytes()).expect("keeps");
    let shown: Vec<String> = versions(&files.home).versions.into_iter().map(|version| version.by).collect();
    assert_eq!(shown, ["eve"]);
}

#[test]
fn a_repeat_after_a_crash_has_no_second_effect() {
    let mut files = Files::new(TEXT);
    let base = files.hash();
    let change = Change::Set { path: "runs.idleSeconds".to_owned(), value: json!(5) };
    let how = |request: &mut Request| {
        request.mark = Some("the key".to_owned());
        request.base_hash = Some(base.clone());
    };
    let first = files.ask(change.clone(), how).expect("changes");
    let again = files.ask(change, how).expect("the same answer, though the hash is stale");
    assert!(first.loaded.is_some() && again.loaded.is_none());
    assert_eq!(again.result, first.result);
    assert_eq!(versions(&files.home).versions.len(), 1);
}

#[test]
fn links_modes_and_what_is_no_file() {
    let mut files = Files::new(TEXT);
    let real = files.home.path().join("elsewhere.yaml");
    fs::rename(files.home.config_path(), &real).expect("moves");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("sets");
    std::os::unix::fs::symlink("elsewhere.yaml", files.home.config_path()).expect("links");
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    assert!(files.home.config_path().is_symlink(), "the link stays");
    assert_eq!(real.metadata().expect("is there").permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&real).expect("is there").contains("idleSeconds: 5"));
    fs::remove_file(&real).expect("removes");
    files.set("runs.idleSeconds", json!(6)).expect("a link to nothing gets its file");
    assert!(files.home.config_path().is_symlink() && real.exists());
    fs::remove_file(files.home.config_path()).expect("removes");
    fs::create_dir(files.home.config_path()).expect("creates");
    let change = files.make(Change::Raw("cron: {}\n".to_owned()));
    assert!(matches!(change, Err(NotChanged::NotSaved(NotSaved::Io(..)))), "{change:?}");
    assert!(files.home.config_path().is_dir());
}

#[test]
fn a_home_that_cannot_be_written_is_left_as_it_is() {
    let mut files = Files::new(TEXT);
    // A file where the folder of the versions would be.
    fs::write(files.home.history_dir(), "x").expect("writes");
    assert!(matches!(files.set("runs.idleSeconds", json!(5)), Err(NotChanged::NotSaved(_))));
    assert_eq!(files.text(), TEXT);
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let mut files = Files::new(TEXT);
    for name in ["config.yaml.0123456789abcdef.tmp", "config.yaml.mine.tmp", "config.yaml~"] {
        fs::write(files.home.path().join(name), "x").expect("writes");
    }
    fs::create_dir(files.home.history_dir()).expect("makes");
    let version = files.home.history_dir().join("0000000000001-00000000.yaml.0123456789abcdef.tmp");
    let good = files.home.state_dir().join("config.last-good.yaml.0123456789abcdef.tmp");
    for path in [&version, &good] {
        fs::write(path, "x").expect("writes");
    }
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    assert!(!version.exists() && !good.exists());
    let names = files.names();
    assert_eq!(names, ["config.history", "config.yaml", "config.yaml.mine.tmp", "config.yaml~", "logs", "state"]);
}

#[test]
fn values_as_they_are_typed() {
    for (path, typed, value) in [
        ("gateway.port", "5", json!(5)),
        ("cron.enabled", "true", json!(true)),
        ("gateway.bind", "127.0.0.1", json!("127.0.0.1")),
        ("agents.entries.main.name", "5", json!("5")),
        ("agents.entries.main.name", "true", json!("true")),
        ("agents.entries.main.name", "", json!("")),
        ("agents.entries.main.systemPrompt", "a: b: c", json!("a: b: c")),
        ("gateway.allowedHosts", "[a, b]", json!(["a", "b"])),
        ("models.providers.x.apiKey", "12345", json!("12345")),
        ("models.providers.x.apiKey", "@x: y", json!("@x: y")),
        ("models.providers.x.apiKey", "{secret: a}", json!({"secret": "a"})),
        ("channels.x", "{a: 1}", json!({"a": 1})),
        ("gateway.port", "null", json!(null)),
    ] {
        assert_eq!(typed_value(path, typed), Ok(value), "{path} {typed}");
    }
    assert!(typed_value("gateway.port", "[").is_err());
}

proptest! {
    /// Whatever a client sends: it is refused and the file stays, or the file is good and shows no secret.
    #[test]
    fn any_value_at_any_path(path in "(gateway|agents|models|channels|x)?(\\.|/)?[a-z~/.0-9]{0,12}", value in "[a-z0-9:{}\\[\\]\", #&*|!-]{0,12}") {
        let mut files = Files::new(TEXT);
        let value = tree::parse(&value).map(|node| node.value()).unwrap_or(Value::String(value));
        match files.set(&path, value) {
            Ok(changed) => {
                prop_assert!(inspect(&files.home).valid);
                let shown = serde_json::to_string(&changed.result).expect("serializes");
                prop_assert!(!shown.contains("planted"), "{shown}");
            }
            Err(why) => {
                prop_assert_eq!(files.text(), TEXT);
                let why = format!("{why:?}");
                prop_assert!(!why.contains("planted"), "{why}");
            }
        }
    }
}

#[test]
fn masking_twice_changes_nothing() {
    let tree = tree::parse(TEXT).expect("is YAML");
    let once = mask::mask_text(TEXT, &tree);
    assert_eq!(mask::mask_text(&once, &tree::parse(&once).expect("is YAML")), once);
}
