use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::patch;

/// The text after its value became `new`.
fn to(text: &str, new: &Value) -> Result<String, Refused> {
    let tree = tree::parse(text).expect(text);
    let steps = plan::plan(&document(&tree), new);
    rewrite(text, &tree, &steps)
}

fn set(text: &str, pointer: &str, value: Value) -> Result<String, Refused> {
    let mut new = document(&tree::parse(text).expect(text));
    let parts: Vec<String> = pointer.split('/').skip(1).map(tree::unescape).collect();
    patch::set(&mut new, &parts, value).expect("a place");
    to(text, &new)
}

#[test]
fn only_what_is_meant() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, Value, &str)] = &[
        ("a: 1   # one\nb: 2\n", "/a", json!(5), "a: 5   # one\nb: 2\n"),
        ("a: 'x'  # one\n", "/a", json!("y: z"), "a: 'y: z'  # one\n"),
        ("a:\n  b: 1\n# end\n", "/a/c", json!(2), "a:\n  b: 1\n  c: 2\n# end\n"),
        ("a: {b: 1, c: 2}  # x\n", "/a/c", json!(3), "a: {b: 1, c: 3}  # x\n"),
        ("a: {b: 1}  # x\nz: 1\n", "/a/c", json!(3), "a: {b: 1, c: 3}  # x\nz: 1\n"),
        ("a: {b: 1, c: 2}  # x\n", "/a/b", json!(null), "a: {c: 2}  # x\n"),
        ("a:\n  - 1  # one\n  - 2  # two\n  - 3\n", "/a/1", json!(null), "a:\n  - 1  # one\n  - 3\n"),
        ("a:\n- 1\n- 2\n", "/a/2", json!(9), "a:\n- 1\n- 2\n- 9\n"),
        ("a:\n  b: 1\n  # about c\n  c: 2\nd: 3\n", "/a/b", json!(null), "a:\n  # about c\n  c: 2\nd: 3\n"),
        ("\"a b\": 1\n? c\n: 2\n", "/a b", json!(5), "\"a b\": 5\n? c\n: 2\n"),
        ("a.b: 1\na:\n  b: 2\n", "/a.b", json!(7), "a.b: 7\na:\n  b: 2\n"),
        ("a/b: 1\n", "/a~1b", json!(7), "a/b: 7\n"),
        ("5: 1\ntrue: 2\n", "/5", json!(7), "5: 7\ntrue: 2\n"),
        ("\u{feff}a: 1\n", "/a", json!(2), "\u{feff}a: 2\n"),
        ("a: 1\r\nb: 2   # two\r\n", "/a", json!(3), "a: 3\r\nb: 2   # two\r\n"),
        ("a:\r\n  b: 1\r\nc: 2\r\n", "/a/x", json!("y"), "a:\r\n  b: 1\r\n  x: y\r\nc: 2\r\n"),
        ("a: 1\r\nb: 2", "/b", json!(3), "a: 1\r\nb: 3"),
        ("---\na: 1\n...\n", "/a", json!(2), "---\na: 2\n...\n"),
        ("a:\t1\nb: 2\n", "/a", json!(2), "a:\t2\nb: 2\n"),
        ("a: ~\nb:\n", "/a", json!(2), "a: 2\nb:\n"),
        ("a: &k 1\nb: *k\n", "/b", json!(2), "a: &k 1\nb: 2\n"),
        ("a: &k {x: 1}\nb: *k\n", "/b/x", json!(2), "a: &k {x: 1}\nb: {x: 2}\n"),
        ("base: &b\n  x: 1\n  y: 2\na:\n  <<: *b\n  z: 3\n", "/a/x", json!(5), "base: &b\n  x: 1\n  y: 2\na:\n  <<: *b\n  z: 3\n  x: 5\n"),
        ("# c\n", "/a", json!({"b": [1, {"c": "d"}]}), "# c\na:\n  b:\n    - 1\n    - c: d\n"),
        ("a: |\n  one\n  two\nb: 1\n", "/b", json!(2), "a: |\n  one\n  two\nb: 2\n"),
        ("a: 1 # c\n\n\n# far\nb: 2\n", "/a", json!(2), "a: 2 # c\n\n\n# far\nb: 2\n"),
    ];
    for (text, pointer, value, expected) in cases {
        assert_eq!(set(text, pointer, value.clone()).as_deref(), Ok(*expected), "{text:?} {pointer} = {value}");
    }
}

/// What comes out need not look like one thing, but must say it and keep every comment.
#[test]
fn odd_texts() {
    let texts = [
        "a:",
        "a: 1",
        "{a: 1, # one\n b: 2}",
        "a: [1, # one\n  2]\nb: 1\n",
        "a: >-\n  folded\n  text\nb: 1\n",
        "a: |2-\n    indented\nb: 1\n",
        "a: \"two\n  lines\"\nb: 1\n",
        "a: plain\n  goes on\nb: 1\n",
        "? a\n: b\n",
        "a:\n\n\n  b:   1\n\n\n# x\n",
        "a: {}\nb: []\n",
        "a: {b: {c: {d: 1}}}\n",
        "a:\n    b: 1\n    c:\n        d: 2\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\n---",
        "# c\n---\n# d\na: 1 # e\n# f\n...\n# g\n",
        "a: 'it''s'\n",
        "a: \"\\u00e9\\n\"\n",
        "- 1\n- 2\n",
        "a: !!str 5\n",
        "a: &x [1, 2]\nb: [*x, *x]\n",
        "x: &x {p: 1}\ny: {<<: *x, q: 2}\n",
        "x: &x {p: 1}\ny: &y {<<: *x, q: 2}\nz: {<<: [*x, *y]}\n",
        "\ta: 1\n",
        "a: 1\r\nb: 2\nc: 3\r\n",
        "a: 1\rb: 2\r",
        "a: 1 #no\n",
        "a: b#c\n",
        "a: 'x # y' # z\n",
        "a:\n  # inside, alone\n",
        "a: # after\n  b: 1\n",
        "a:\n- b: 1\n  c: 2\n-   b: 3\n",
        "a:\n- - 1\n  - 2\n- []\n",
    ];
    let values = [
        json!(5),
        json!("x"),
        json!("a: b # c"),
        json!("l1\nl2\n"),
        json!([]),
        json!({}),
        json!([1, "b"]),
        json!({"k": {"l": ["m"]}}),
    ];
    for text in texts {
        let Ok(tree) = tree::parse(text) else { continue };
        let old = document(&tree);
        if !old.is_object() {
            continue;
        }
        let mut changes: Vec<Value> = Vec::new();
        for key in ["a", "b", "new", "z"] {
            for value in &values {
                let mut new = old.clone();
                patch::set(&mut new, &[key.to_owned()], value.clone()).expect("a place");
                changes.push(new);
                let mut new = old.clone();
                if patch::set(&mut new, &[key.to_owned(), "b".to_owned()], value.clone()).is_ok() {
                    changes.push(new);
                }
            }
            let mut new = old.clone();
            patch::set(&mut new, &[key.to_owned()], Value::Null).expect("a place");
            changes.push(new);
        }
        for new in changes {
            match to(text, &new) {
                Ok(out) => assert_eq!(document(&tree::parse(&out).expect("is YAML")), new, "{text:?} → {out:?}"),
                // Left alone, which is right only where the text is of a kind that nobody could change alone.
                Err(why) => assert!(
                    text.contains(['&', '\r', '%'])
                        || text.contains("---")
                        || text.starts_with('?')
                        || text.contains('#'),
                    "{text:?} {new}: {why:?}"
                ),
            }
        }
    }
}

/// Texts of all kinds come back as they were written, as a value and as a key, in blocks and in braces.
#[test]
fn any_text_is_written_so_that_it_reads_the_same() {
    let texts = [
        "",
        " ",
        "x ",
        " x",
        "~",
        "null",
        "yes",
        "on",
        "true",
        "False",
        "5",
        "-5",
        "0x10",
        "010",
        "1_000",
        "1e3",
        ".inf",
        ".nan",
        "2024-01-01",
        "- x",
        "? x",
        ": x",
        "x:",
        "x: y",
        "x #y",
        "#x",
        "&x",
        "*x",
        "!x",
        "!!str x",
        "|",
        ">",
        "%x",
        "@x",
        "`x`",
        "'",
        "\"",
        "'x'",
        "\"x\"",
        "\\",
        "\\n",
        "a\nb",
        "a\n",
        "\na",
        "a\n\nb\n\n",
        "  a\n b",
        "a\tb",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ",",
        "a, b",
        "{a: b}",
        "[a]",
        "---",
        "...",
        "--- x",
        "<<",
        "=",
        "é☃🦀",
        "\u{a0}",
        "\u{2028}",
        "a\u{85}b",
        "${A}",
        "https://h/?a=b&c#d",
    ];
    for text in texts {
        for start in
            ["k:\n  v: 1  # c\n  l:\n    - 1\n", "k: {v: 1, l: [1]}  # c\n", "k:\n  v: |\n    block\n  l: [1]  # c\n"]
        {
            let old = document(&tree::parse(start).expect("is YAML"));
            for pointer in ["/k/v", "/k/l/0", "/k/new", "/k/l/1"] {
                let mut new = old.clone();
                let parts: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
                patch::set(&mut new, &parts, json!(text)).expect("a place");
                let out = to(start, &new).unwrap_or_else(|why| panic!("{start:?} {pointer} {text:?}: {why:?}"));
                assert_eq!(document(&tree::parse(&out).expect("is YAML")), new, "{out:?}");
                assert!(out.contains("# c"), "{out:?}");
            }
            let mut new = old.clone();
            new["k"][text] = json!(1);
            // A merge key is no name for a key, and nothing here is called nothing.
            if !matches!(text, "" | "<<") {
                let out = to(start, &new).unwrap_or_else(|why| panic!("{start:?} key {text:?}: {why:?}"));
                assert_eq!(document(&tree::parse(&out).expect("is YAML")), new, "{out:?}");
            }
        }
    }
}

#[test]
fn what_is_shared_is_left_alone_and_said_so() {
    for (text, pointer, value) in
        [("a: &k {x: 1}\nb: *k\n", "/a/x", json!(2)), ("base: &b {x: 1}\na: {<<: *b, z: 3}\n", "/a/x", json!(null))]
    {
        match set(text, pointer, value) {
            Err(Refused::NoWay { shared, .. }) => assert!(shared, "{text}"),
            Ok(out) => {
                let mut new = document(&tree::parse(text).expect(text));
                let parts: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
                patch::set(&mut new, &parts, json!(2)).expect("a place");
                assert!(
                    out != text && pointer == "/a/x" || document(&tree::parse(&out).expect("YAML")) == new,
                    "{out}"
                );
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn too_many_steps() {
    let new = Value::Object((0..501).map(|n| (format!("k{n}"), json!(n))).collect());
    assert_eq!(to("a: 1\n", &new), Err(Refused::TooMany));
}

fn value() -> impl Strategy<Value = Value> {
    let text = proptest::sample::select(vec!["x", "yes", "5", "a: b", "# c", "", "two\nlines", "- d", "é"]);
    let leaf =
        prop_oneof![any::<bool>().prop_map(Value::from), (-9..999).prop_map(Value::from), text.prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// From any value to any other: the text says it, or nothing was changed.
    #[test]
    fn any_change_says_what_was_meant(old in value(), new in value(), flow in any::<bool>()) {
        let (old, new) = (json!({"r": old, "s": 1}), json!({"r": new, "s": 1}));
        let start = match flow {
            true => format!("# head\nr: {} # tail\ns: 1\n", old["r"]),
            false => rewrite("# head\n", &tree::parse("# head\n").expect("YAML"), &plan::plan(&json!({}), &old)).expect("is written"),
        };
        prop_assume!(tree::parse(&start).is_ok_and(|tree| document(&tree) == old));
        let out = to(&start, &new);
        let out = out.unwrap_or_else(|why| panic!("{start:?} {new}: {why:?}"));
        prop_assert_eq!(document(&tree::parse(&out).expect("YAML")), new);
        prop_assert!(out.contains("# head"));
    }
}
