mod broken;
mod changes;
mod kill;
mod leaves;
mod moved;

use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;
use serde_json::json;
use simpleclaw_protocol::methods::config::Applied;

use super::*;

/// The file of the design, as it stands there.
const EXAMPLE: &str = include_str!("example.yaml");

fn fresh() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::at(folder.path().join("home"));
    home.create().expect("creates");
    (folder, home)
}

fn no_variables(_: &str) -> Option<String> {
    None
}

fn read(text: &str, lookup: Lookup) -> Read {
    let bytes = text.as_bytes().to_vec();
    read_file(&File { exists: true, bytes, text: Ok(text.to_owned()) }, lookup)
}

/// (line, column, path, is an error, message) of each issue.
fn issues(text: &str) -> Vec<(u64, u64, String, bool, String)> {
    let list = read(text, &no_variables).issues.into_iter();
    list.map(|i| (i.line, i.column, i.path, i.severity == IssueSeverity::Error, i.message)).collect()
}

#[test]
fn no_file_is_the_defaults() {
    let (_folder, home) = fresh();
    let loaded = load_with(&home, &no_variables).expect("loads");
    assert_eq!(*loaded.config, Config::default());
    assert_eq!((loaded.raw.as_str(), loaded.valid, loaded.issues.len()), ("", true, 0));
    assert_eq!(loaded.hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(!home.config_path().exists() && !last_good_path(&home).exists(), "nothing is written");
    for (path, value) in [
        ("gateway.port", json!(18789)),
        ("/agents/entries/main/name", json!("Claw")),
        ("agents.entries.main.model", json!("auto")),
        ("gateway.allowedOrigins", json!([])),
        ("models", json!({"providers": {}, "detect": true})),
    ] {
        assert_eq!(get(&loaded, path), Some(value), "{path}");
    }
    assert_eq!(get(&loaded, "").as_ref(), Some(&loaded.value));
    for path in ["gateway.nothing", "/", "gateway.port.x", "bindings.0", "."] {
        assert_eq!(get(&loaded, path), None, "{path}");
    }
}

#[test]
fn the_defaults_and_the_example_have_no_issues_but_of_what_is_not_built() {
    let defaults = serde_json::to_string(&Config::default()).expect("serializes");
    assert_eq!(issues(&defaults), []);
    let validator = jsonschema::validator_for(schema()).expect("the schema is one");
    assert!(validator.is_valid(&serde_json::to_value(Config::default()).expect("serializes")));
    assert!(validator.is_valid(&tree::parse(EXAMPLE).expect("is YAML").value()));

    let variables = HashMap::from([("WORK_LLM_KEY", "sk-from-the-environment")]);
    let read = read(EXAMPLE, &|name| variables.get(name).map(|value| (*value).to_owned()));
    let found: Vec<_> = read.issues.iter().map(|issue| (issue.path.as_str(), issue.severity)).collect();
    assert_eq!(found, [("/bindings", IssueSeverity::Warning), ("/channels", IssueSeverity::Warning)]);
    let (config, value) = read.config.expect("is good");
    let work = config.models.providers.get("work").expect("is there");
    assert_eq!(work.api_key, Some(SecretRef::Literal(Secret::new("sk-from-the-environment"))));
    assert_eq!(value["models"]["providers"]["work"]["apiKey"], MASK);
    assert_eq!(value["models"]["providers"]["anthropic"]["apiKey"], json!({"secret": "anthropic"}));
    assert_eq!(value["channels"]["telegram"]["accounts"]["default"]["token"], json!({"secret": "telegram"}));
    assert_eq!(config.bindings.first().map(|binding| binding.agent.as_str()), Some("support"));
    assert_eq!(config.usage.caps.day_usd, Some(5.0));
    assert!(read.raw.contains("apiKey: __masked__}\nchannels:"), "{}", read.raw);
    let unmasked = read.raw.replace(MASK, "\"${WORK_LLM_KEY}\"");
    assert_eq!(unmasked, EXAMPLE, "all else is as the person wrote it");
}

#[test]
fn what_the_defaults_are() {
    let example = tree::parse(EXAMPLE).expect("is YAML").value();
    let defaults = serde_json::to_value(Config::default()).expect("serializes");
    for key in
        ["gateway", "session", "tools", "approvals", "runs", "attachments", "cron", "plugins", "discovery", "logging"]
    {
        let (Some(said), Some(default)) = (example[key].as_object(), defaults[key].as_object()) else {
            panic!("{key}")
        };
        for (name, value) in said {
            let nested = value.as_object().is_some_and(|nested| nested.iter().all(|(k, v)| default[name][k] == *v));
            assert!(nested || default[name] == *value, "{key}.{name}: {value}");
        }
    }
    assert_eq!(defaults["runs"], json!({"timeoutMinutes": 60, "firstByteSeconds": 120, "idleSeconds": 300}));
}

#[test]
fn every_mistake_has_its_place_and_its_words() {
    let gateway = "a map of keys";
    #[rustfmt::skip]
    let cases: &[(&str, u64, u64, &str, &str)] = &[
        // No YAML.
        ("gateway:\n\tport: 1\n", 2, 2, "", "a tab stands"),
        ("gateway: {port: 1\n", 1, 10, "", "bracket is never closed"),
        ("gateway: {bind: 'x}\n", 1, 17, "", "quote is never closed"),
        ("gateway: {}\ncron: {}\ngateway: {}\n", 3, 1, "", "stands twice"),
        ("runs: {timeoutMinutes: 1, timeoutMinutes: 2}\n", 1, 27, "", "stands twice"),
        ("cron: !ruby/object x\n", 1, 20, "", "tags that start with `!`"),
        ("cron: *nowhere\n", 1, 7, "", "names no anchor"),
        ("cron: &a [*a]\n", 1, 11, "", "stands inside what it names"),
        ("cron: {}\n---\ncron: {}\n", 3, 1, "", "second document"),
        ("a: b: c\n", 1, 5, "", "needs quotes"),
        ("a: @x\n", 1, 4, "", "put the text in quotes"),
        ("cron:\n  enabled: true\n enabled: x\n", 3, 2, "", "not valid YAML"),
        ("usage: {caps: {dayUsd: .inf}}\n", 1, 24, "", "no finite number"),
        // Wrong kinds.
        ("- a\n", 1, 1, "", "must be a map of keys, and this is a list"),
        ("hello\n", 1, 1, "", "must be a map of keys, and this is text"),
        ("gateway: 5\n", 1, 10, "/gateway", gateway),
        ("gateway:\n  port: many\n", 2, 9, "/gateway/port", "must be a whole number, and this is text"),
        ("gateway: {port: '1'}\n", 1, 17, "/gateway/port", "must be a whole number, and this is text"),
        ("gateway: {port: 1.5}\n", 1, 17, "/gateway/port", "a number with a fraction"),
        ("gateway: {bind: 5}\n", 1, 17, "/gateway/bind", "must be text, and this is a number; put it in quotes"),
        ("cron: {enabled: yes}\n", 1, 17, "/cron/enabled", "must be true or false, and this is text"),
        ("gateway: {allowedHosts: a}\n", 1, 25, "/gateway/allowedHosts", "must be a list"),
        ("gateway: {allowedHosts: [a, 5]}\n", 1, 29, "/gateway/allowedHosts/1", "must be text"),
        ("gateway: {allowedHosts: [a, ~]}\n", 1, 29, "/gateway/allowedHosts/1", "without a value"),
        ("agents: {entries: [main]}\n", 1, 19, "/agents/entries", gateway),
        ("bindings:\n  - agent: main\n    match: {channel: x, peer: {kind: group, id: -100}}\n", 3, 49, "/bindings/0/match/peer/id", "put it in quotes"),
        // Wrong values.
        ("gateway: {port: 65536}\n", 1, 17, "/gateway/port", "must be 0 to 65535"),
        ("gateway: {port: -1}\n", 1, 17, "/gateway/port", "must be 0 to 65535"),
        ("runs: {idleSeconds: 0}\n", 1, 21, "/runs/idleSeconds", "must be 1 to 3600"),
        ("usage: {caps: {dayUsd: -1}}\n", 1, 24, "/usage/caps/dayUsd", "must be at least 0"),
        ("gateway: {bind: ''}\n", 1, 17, "/gateway/bind", "must be 1 to 64 characters"),
        ("gateway: {mode: cloud}\n", 1, 17, "/gateway/mode", "must be one of local, shared"),
        ("session: {queue: [x]}\n", 1, 18, "/session/queue", "must be one of followup, steer, collect, interrupt"),
        ("discovery: {mdns: false}\n", 1, 19, "/discovery/mdns", "must be one of off, minimal, full"),
        ("logging: {level: loud}\n", 1, 18, "/logging/level", "must be one of error, warn, info, debug, trace"),
        ("models: {providers: {x: {}}}\n", 1, 25, "/models/providers/x", "`api` is missing"),
        ("models: {providers: {x: {api: openai, apiKey: 5}}}\n", 1, 47, "/models/providers/x/apiKey", "must be text or {secret: …} or {env: …} or {file: …}; put it in quotes"),
        ("models: {providers: {x: {api: openai, apiKey: {vault: a}}}}\n", 1, 47, "/models/providers/x/apiKey", "must be text or {secret: …}"),
        ("gateway:\n  bind: ${ADDRESS}\n", 2, 9, "/gateway/bind", "ADDRESS is not set"),
        ("channels: {x: ['${A']}\n", 1, 16, "/channels/x/0", "has no `}`"),
        ("channels: {x: {token: __masked__}}\n", 1, 23, "", "hides a secret and is none"),
        // Between keys.
        ("gateway: {bind: nowhere}\n", 1, 17, "/gateway/bind", "must be `loopback`, `all` or an IP address"),
        ("gateway: {bind: all}\n", 1, 17, "/gateway/bind", "beyond loopback needs"),
        ("gateway: {bind: '::ffff:10.0.0.1'}\n", 1, 17, "/gateway/bind", "beyond loopback needs"),
        ("gateway: {bind: '::', tls: {enabled: true, autoGenerate: true}}\n", 1, 17, "/gateway/bind", "beyond loopback needs"),
        ("gateway: {tls: {enabled: true}}\n", 1, 16, "/gateway/tls", "needs `cert` and `key`"),
        ("gateway: {allowedOrigins: ['https://a', 'https://b/']}\n", 1, 41, "/gateway/allowedOrigins/1", "must be exact"),
        ("gateway: {users: {eve: {token: {env: A}}}}\n", 1, 18, "/gateway/users", "only mode `shared`"),
        ("gateway: {mode: shared, users: {Eve: {token: {env: A}}}}\n", 1, 38, "/gateway/users/Eve", "must be 1 to 64 of a-z"),
        ("agents: {entries: {claw: {}}}\n", 1, 9, "/agents/default", "such as `claw`"),
        ("agents: {entries: {}}\n", 1, 9, "/agents/default", "at least one agent"),
        ("agents: {default: b}\n", 1, 19, "/agents/default", "such as `main`"),
        ("agents: {entries: {main: {}, 'a b': {}}}\n", 1, 37, "/agents/entries/a b", "must be 1 to 64 of a-z"),
        ("agents: {entries: {main: {model: gpt}}}\n", 1, 34, "/agents/entries/main/model", "must be `auto` or `provider/model`"),
        ("agents: {entries: {main: {fallbacks: [a/b, /c]}}}\n", 1, 44, "/agents/entries/main/fallbacks/1", "must be `auto`"),
        ("models: {providers: {builtin: {api: openai}}}\n", 1, 31, "/models/providers/builtin", "not `builtin`"),
        ("models: {providers: {x: {api: openai, baseUrl: llm.example}}}\n", 1, 48, "/models/providers/x/baseUrl", "http:// or https://"),
    ];
    for (text, line, column, path, words) in cases {
        let found: Vec<_> = issues(text).into_iter().filter(|issue| issue.3).collect();
        let [(l, c, p, _, message)] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert_eq!((l, c, p.as_str()), (line, column, *path), "{text}: {message}");
        assert!(message.contains(words), "{text}: {message}");
        assert!(read(text, &no_variables).config.is_none(), "{text}");
    }
}

#[test]
fn what_is_unknown_or_unwise_is_a_warning_and_stops_nothing() {
    #[rustfmt::skip]
    let cases: &[(&str, u64, u64, &str, &str)] = &[
        ("gateway:\n  prot: 5\n", 2, 3, "/gateway/prot", "did you mean `port`?"),
        ("gatway: {}\n", 1, 1, "/gatway", "did you mean `gateway`?"),
        ("runs: {timeoutminutes: 5}\n", 1, 8, "/runs/timeoutminutes", "did you mean `timeoutMinutes`?"),
        ("zebra: 1\n", 1, 1, "/zebra", "`zebra` is not known here and does nothing"),
        ("a/b~c: 1\n", 1, 1, "/a~1b~0c", "not known here"),
        ("session:\n  queue: steer\n", 2, 10, "/session/queue", "not part of this version"),
        ("session: {queue: collect}\n", 1, 18, "/session/queue", "as with `followup`"),
        ("models: {providers: {x: {api: openai, apiKey: literal}}}\n", 1, 47, "", "a secret stands here as text"),
        ("gateway: {tls: {enabled: true, autoGenerate: true}}\n", 1, 26, "/gateway/tls/enabled", "let a proxy end TLS"),
        ("gateway: {mode: shared}\n", 1, 17, "/gateway/mode", "the one user"),
        ("session: {reset: {mode: daily, atHour: 4}}\n", 1, 18, "/session/reset", "not part of this version"),
        ("session: {dmScope: main}\n", 1, 20, "/session/dmScope", "for chat channels"),
        ("plugins: {enabled: [weather]}\n", 1, 10, "/plugins", "no plugin is loaded"),
        ("discovery: {mdns: full}\n", 1, 12, "/discovery", "nothing is announced"),
        ("channels: {telegram: {dm: open}}\n", 1, 11, "/channels", "nothing connects"),
    ];
    for (text, line, column, path, words) in cases {
        let found = issues(text);
        let [(l, c, p, false, message)] = found.as_slice() else { panic!("{text}: {found:?}") };
        assert_eq!((l, c, p.as_str()), (line, column, *path), "{text}: {message}");
        assert!(message.contains(words), "{text}: {message}");
        assert!(read(text, &no_variables).config.is_some(), "{text}");
    }
}

#[test]
fn what_is_fine() {
    for text in [
        "",
        "# only a comment\n",
        "\u{feff}gateway:\r\n  port: 0\r\n",
        "gateway:\nagents:\n  entries:\n",
        "gateway: {bind: 127.0.0.2}\n",
        "gateway: {bind: all, behindTlsProxy: true}\n",
        "gateway: {tls: {enabled: true, autoGenerate: true}}\n",
        "gateway: {mode: shared, users: {eve: {token: {env: A}, role: viewer}}}\n",
        "base: &b {name: A}\nagents: {entries: {main: *b}}\n",
        "channels: {x: {anything: [1, {goes: here}], '$${': a}}\n",
        "usage: {caps: {dayUsd: 2.5}}\n",
    ] {
        let errors: Vec<_> = issues(text).into_iter().filter(|issue| issue.3).collect();
        assert_eq!(errors, [], "{text}");
    }
    let (config, _) = read("agents: {default: a.b, entries: {a.b: {}}}\n", &no_variables).config.expect("is good");
    assert_eq!(config.agents.entries.get("a.b").map(|agent| agent.name.as_str()), Some("a.b"), "its id is its name");
    let (config, _) = read("agents: {entries: {main: {model: a/b}}}\n", &no_variables).config.expect("is good");
    assert_eq!(config.agents.entries.get("main").map(|agent| agent.name.as_str()), Some("Claw"), "as without a file");
}

#[test]
fn every_issue_is_listed_up_to_a_hundred() {
    let found = issues("gateway: {port: x, mode: y, prot: 1}\nruns: {idleSeconds: 0}\nchannels: 5\n");
    let places: Vec<_> = found.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(places, [(1, 17), (1, 26), (1, 29), (2, 21), (3, 11)]);
    let many: String = (0..500).map(|n| format!("unknown{n}: 1\n")).collect();
    let found = issues(&format!("{many}cron: 5\n"));
    assert_eq!(found.len(), 100);
    assert_eq!(found.iter().filter(|issue| issue.3).count(), 1, "an error is never crowded out");
}

#[test]
fn files_that_are_no_configuration() {
    let (_folder, home) = fresh();
    let path = home.config_path();
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let deep = format!("channels: {}{}", "[".repeat(65), "]".repeat(65));
    let large = format!("# {}\n", "x".repeat(1 << 20));
    let cases: [(&[u8], &str, &str); 6] = [
        (b"cron: {}\nx: \xff\xfe\n", ":2:4: ", "not UTF-8"),
        (b"cron: {}\nx\0: 1\n", ":2:2: ", "a control character"),
        (b"\x1b[2J", ":1:1: ", "a control character"),
        (bomb.as_bytes(), "yaml:", "more than a configuration may hold"),
        (deep.as_bytes(), ":1:", "more than a configuration may hold"),
        (large.as_bytes(), ":0:0: ", "larger than 1 MiB"),
    ];
    for (bytes, place, words) in cases {
        fs::write(&path, bytes).expect("writes");
        let error = load_with(&home, &no_variables).expect_err(words).to_string();
        assert!(error.contains(place) && error.contains(words) && error.contains("move it away"), "{error}");
        assert!(error.starts_with(&path.display().to_string()), "{error}");
    }
    fs::remove_file(&path).expect("removes");
    fs::create_dir(&path).expect("creates");
    let error = load_with(&home, &no_variables).expect_err("a folder").to_string();
    assert!(error.contains("a folder or device stands where the file should be"), "{error}");
    #[cfg(unix)]
    {
        fs::remove_dir(&path).expect("removes");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("makes");
        load_with(&home, &no_variables).expect_err("a pipe, and no waiting for it");
    }
}

#[test]
fn the_last_good_version_runs_while_the_file_is_bad() {
    let (_folder, home) = fresh();
    let put = |text: &str| fs::write(home.config_path(), text).expect("writes");
    let port = |loaded: &Loaded| loaded.config.gateway.port;

    put("gateway: {port: x, mode: y}\n");
    let error = load_with(&home, &no_variables).expect_err("there is no good version");
    assert!(error.to_string().contains("config.yaml:1:17: gateway.port: must be a whole number"), "{error}");
    assert!(error.to_string().contains("(and 1 more)"), "{error}");

    put("gateway: {port: 5}  # mine\nchannels: {x: {token: hunter2}}\n");
    let good = load_with(&home, &no_variables).expect("loads");
    assert_eq!((port(&good), good.valid, &good.problem), (5, true, &None));
    assert_eq!(fs::read(last_good_path(&home)).ok(), fs::read(home.config_path()).ok());
    let written = last_good_path(&home).metadata().expect("is there");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(written.mode() & 0o777, 0o600);
        load_with(&home, &no_variables).expect("loads");
        assert_eq!(last_good_path(&home).metadata().expect("is there").ino(), written.ino(), "not written again");
    }

    put("gateway:\n  port: x\nchannels: {x: {token: hunter3}}\n");
    let bad = load_with(&home, &no_variables).expect("the last good one");
    let problem = ConfigProblem {
        line: 2,
        column: 9,
        message: "gateway.port: must be a whole number, and this is text".to_owned(),
    };
    assert_eq!((port(&bad), bad.valid, bad.problem), (5, false, Some(problem)));
    assert_eq!(bad.raw, "gateway:\n  port: x\nchannels: {x: {token: __masked__}}\n");
    assert_ne!(bad.hash, good.hash);
    assert_eq!(bad.value["gateway"]["port"], 5);
    assert_eq!(bad.value["channels"]["x"]["token"], MASK);

    fs::remove_file(home.config_path()).expect("removes");
    assert_eq!(port(&load_with(&home, &no_variables).expect("the defaults")), 18789);
}

const SECRET: &str = "q7Zx9-planted-K3mW";

/// Ways in which a person may write a secret down.
const PLACES: [&str; 15] = [
    "channels: {telegram: {token: %}}\n",
    "channels:\n  telegram:\n    botToken: '%'  # mine\n",
    "channels:\n  x: {password: [a, \"%\"]}\n",
    "channels:\n  x:\n    apiKey: |\n      first\n      %\n",
    "channels:\n  x:\n    secret:\n      %\n    y: 1\n",
    "models: {providers: {x: {api: openai, apiKey: %}}}\n",
    "models: {providers: {x: {api: openai, apiKey:%}}}\n",
    "gateway: {mode: shared, users: {eve: {token: %}}}\n",
    "x: &a %\nchannels: {x: {token: *a}}\n",
    "channels: {x: {token: %}}\n# the old token: %\n",
    "channels: {x: {token: \"${KEY}\", url: 'https://h/?token=%'}}\n",
    "channels: {x: {? token : %}}\n",
    "plugins: {entries: {x: {password: %}}}\n",
    "unknown: {password: %}\n",
    "channels:\n  x: token:%\n",
];

/// What may stand around it, good and bad.
const BEFORE: [&str; 5] = ["", "gateway: {prot: 1}\n", "cron: 5\n", "# é\n", "\u{feff}runs: {}\n"];
const AFTER: [&str; 9] = [
    "cron: [\n",
    "cron: 'x\n",
    "logging: 5\n",
    "\tx\n",
    "y: *b\n",
    "cron: {}\n",
    "\u{1}",
    "usage: !x y\n",
    "usage: {}\n---\n",
];

proptest! {
    #[test]
    fn any_bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_folder, home) = fresh();
        fs::write(home.config_path(), &bytes).expect("writes");
        let _ = load_with(&home, &no_variables);
    }

    #[test]
    fn what_looks_like_yaml_survives_and_fits_the_types(text in "([a-z]{0,3}|gateway|agents|models|channels|session|port|token|: |, |- |\n|\n  |\\{|\\}|\\[|\\]|'|\"|[&*]a ?|#|\\||>|~|\\$\\{|[0-9.]{1,3}|é|\t){0,40}") {
        let read = read(&text, &|_| Some("x".to_owned()));
        prop_assert!(!read.issues.iter().any(|issue| issue.message == "the values do not fit together"), "{text}");
        if let Ok(tree) = tree::parse(&text) {
            mask::mask_text(&text, &tree);
        }
    }

    #[test]
    fn a_planted_secret_is_never_shown(
        place in 0..PLACES.len(),
        before in proptest::sample::select(&BEFORE),
        after in proptest::collection::vec(proptest::sample::select(&AFTER), 0..3),
    ) {
        let text = format!("{before}{}{}", PLACES[place].replace('%', SECRET), after.concat());
        let (_folder, home) = fresh();
        // A last good version with another one, so that a bad file is answered as well.
        fs::write(last_good_path(&home), format!("channels: {{x: {{token: {SECRET}}}}}\n")).expect("writes");
        fs::write(home.config_path(), &text).expect("writes");
        let loaded = load_with(&home, &|_| Some(SECRET.to_owned())).expect("there is a good version");
        let shown = format!("{loaded:?} {}", loaded.value);
        prop_assert!(!shown.contains(SECRET), "{text}\n{shown}");
    }
}
