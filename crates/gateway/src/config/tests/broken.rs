//! A hundred broken files: each names its place, the last good version runs, the file stays byte-identical, a change of
//! one value either mends it or is refused.

use serde_json::json;
use simpleclaw_protocol::Timestamp;

use super::*;

const GOOD: &str = "# good\ngateway: {port: 5}\n";
const REALISTIC: &str = include_str!("realistic.yaml");

/// Files that nothing can run with, each with a name.
fn broken() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    // Something wrong before every eighth line of a real file.
    let starts: Vec<usize> = std::iter::once(0).chain(REALISTIC.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let put = |at: usize, text: &str| format!("{}{text}{}", &REALISTIC[..at], &REALISTIC[at..]).into_bytes();
    for (name, line) in [
        ("a tab", "\tx: 1\n"),
        ("an open bracket", "x: [\n"),
        ("an open quote", "x: 'y\n"),
        ("a tag", "x: !ruby/object y\n"),
        ("a NUL", "\0"),
        ("bad UTF-8", "\u{fffd}"),
        ("an alias of nothing", "x: *nowhere\n"),
        ("a document", "---\nx: 1\n---\n"),
        ("two colons", "x: y: z\n"),
        ("an escape", "\u{1b}[2J"),
    ] {
        for at in starts.iter().step_by(14) {
            let mut bytes = put(*at, line);
            if line == "\u{fffd}" {
                let place = bytes.windows(3).position(|three| three == line.as_bytes()).expect("is there");
                bytes.splice(place..place + 3, [0xff, 0xfe]);
            }
            all.push((format!("{name} at {at}"), bytes));
        }
    }
    // A wrong value in the place of every third right one.
    for (index, (at, _)) in REALISTIC.match_indices(": ").enumerate().filter(|(index, _)| index % 3 == 0) {
        let end = REALISTIC[at..].find(['\n', ',', '}']).map_or(REALISTIC.len(), |length| at + length);
        let text = format!("{}: [[[1]]]{}", &REALISTIC[..at], &REALISTIC[end..]);
        all.push((format!("a wrong value, {index}"), text.into_bytes()));
    }
    // Half a file.
    for part in 1..20 {
        all.push((format!("{part} of 20"), REALISTIC.as_bytes()[..REALISTIC.len() * part / 20].to_vec()));
    }
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    for (name, text) in [
        ("an alias bomb", bomb.to_owned()),
        ("too deep", format!("channels: {}{}", "[".repeat(70), "]".repeat(70))),
        ("too large", format!("# {}\n", "x".repeat(1 << 20))),
        ("too many values", format!("channels: {{x: [{}]}}\n", "1,".repeat(30_000))),
        ("a key twice", "cron: {}\ncron: {}\n".to_owned()),
        ("a key twice below", "gateway:\n  port: 1\n  port: 2\n".to_owned()),
        ("a list", "- a\n".to_owned()),
        ("a text", "hello\n".to_owned()),
        ("a mark inside", "gateway:\n  port: \u{feff}5\n".to_owned()),
        ("JSON that ends", "{\"gateway\": {\"port\": 1}".to_owned()),
        ("another program's", "[gateway]\nport = 1\n".to_owned()),
        ("a merge of a text", "x: &x y\ngateway: {<<: *x}\n".to_owned()),
        ("a number too large", "gateway: {port: 99999999999999999999999999}\n".to_owned()),
        ("no finite number", "usage: {caps: {dayUsd: .nan}}\n".to_owned()),
        ("a variable that is not set", "gateway: {bind: \"${NOT_SET}\"}\n".to_owned()),
        ("a conflict of git", "<<<<<<< HEAD\ngateway: {port: 1}\n=======\ngateway: {port: 2}\n>>>>>>> x\n".to_owned()),
    ] {
        all.push((name.to_owned(), text.into_bytes()));
    }
    all
}

#[test]
fn a_hundred_broken_files() {
    let mut bad = 0;
    for (name, bytes) in broken() {
        let (_folder, home) = fresh();
        fs::write(home.config_path(), GOOD).expect("writes");
        load_with(&home, &no_variables).expect("is good");
        fs::write(home.config_path(), &bytes).expect("writes");
        let loaded = load_with(&home, &no_variables).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(fs::read(home.config_path()).ok().as_deref(), Some(bytes.as_slice()), "{name}");
        if loaded.valid {
            // Half a file may be a whole one, and a colon may stand in a comment.
            assert!(name.contains("of 20") || name.contains("a wrong value"), "{name} is no mistake");
            continue;
        }
        bad += 1;
        assert_eq!(loaded.config.gateway.port, 5, "{name}: the last good version runs");
        let problem = loaded.problem.clone().expect("a problem");
        assert!(problem.line > 0 || name == "too large", "{name}: {problem:?}");
        let lines = String::from_utf8_lossy(&bytes).lines().count() as u64 + 1;
        assert!(problem.line <= lines, "{name}: {problem:?}");

        // The change that mends the file is the one that is made.
        if loaded.issues.iter().all(|issue| issue.path == "/runs/idleSeconds") {
            continue;
        }
        let request = Request {
            change: Change::Set { path: "runs.idleSeconds".to_owned(), value: json!(7) },
            base_hash: None,
            dry_run: false,
            by: "eve".to_owned(),
            at: Timestamp(1),
            mark: None,
            moved: vec![],
        };
        assert!(make(&home, request, &loaded, &no_variables).is_err(), "{name}: would still be bad");
        assert_eq!(fs::read(home.config_path()).ok().as_deref(), Some(bytes.as_slice()), "{name}");
        let good = fs::read_to_string(last_good_path(&home)).expect("is there");
        assert_eq!(good, GOOD, "{name}");
    }
    assert!(bad > 100, "{bad}");
}

/// Nobody may read it, or it is no file at all.
#[test]
fn what_cannot_be_read_stops_nothing_either() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, home) = fresh();
    fs::write(home.config_path(), GOOD).expect("writes");
    load_with(&home, &no_variables).expect("is good");
    fs::set_permissions(home.config_path(), fs::Permissions::from_mode(0o000)).expect("sets");
    let loaded = load_with(&home, &no_variables).expect("the last good version");
    // The superuser may read anything.
    assert!(loaded.valid == fs::read(home.config_path()).is_ok() && loaded.config.gateway.port == 5);
    fs::remove_file(home.config_path()).expect("removes");
    fs::create_dir(home.config_path()).expect("creates");
    let loaded = load_with(&home, &no_variables).expect("the last good version");
    assert!(!loaded.valid && loaded.config.gateway.port == 5);
}
