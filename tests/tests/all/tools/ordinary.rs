//! A day's work: where commands are kept in, hardly any of it is a question.

use serde_json::{Value, json};
use simpleclaw_tests::Encoding;

use super::{enforced, run, workspace};
use crate::chat::with_model;

/// A hundred ordinary calls, of which at most five ask where the sandbox is enforced.
#[tokio::test]
async fn a_hundred_ordinary_calls_ask_little() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let enforced = enforced(&mut client).await;
    std::fs::write(workspace(&gateway).join("data.csv"), "name,age\nada,36\ngrace,85\n").expect("a file");
    let mut calls: Vec<(&str, Value)> = Vec::new();
    for round in 0..10 {
        let file = format!("src/part{round}.py");
        calls.extend([
            ("list", json!({ "path": "." })),
            (
                "write",
                json!({ "path": file, "content": format!("value = {round}\n\ndef show():\n    print(value)\n") }),
            ),
            ("read", json!({ "path": file })),
            ("edit", json!({ "path": file, "edits": [{ "oldText": "value =", "newText": "number =" }] })),
            ("search", json!({ "pattern": "def ", "glob": "**/*.py" })),
            ("exec", json!({ "argv": ["sort", "data.csv"] })),
            ("exec", json!({ "command": "grep -c , data.csv && ls -la src | wc -l" })),
            ("exec", json!({ "command": format!("mkdir -p out && cut -d, -f1 data.csv > out/{round}.txt") })),
            ("memory", json!({ "action": "search", "query": "value" })),
        ]);
        // Now and then something that is a question.
        calls.push(match round {
            3 => ("exec", json!({ "argv": ["echo", "fetching"], "network": true })),
            7 => ("exec", json!({ "argv": ["echo", "outside"], "unconfined": true })),
            _ => ("exec", json!({ "argv": ["head", "-n", "1", "data.csv"] })),
        });
    }
    assert_eq!(calls.len(), 100);
    let mut asked = 0;
    for (number, calls) in calls.chunks(20).enumerate() {
        let told = run(&model, &mut client, &format!("r{number}"), Some("allow-once"), calls).await;
        for ((is_error, words), call) in told.results().iter().zip(calls) {
            assert!(!is_error, "{call:?}: {words}");
        }
        asked += told.asked.len();
    }
    match enforced {
        true => assert!(asked <= 5, "{asked} questions"),
        // Every command is a question then, and no file is.
        false => assert_eq!(asked, 40),
    }
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("out/9.txt")).expect("a file"), "name\nada\ngrace\n");
    assert_eq!(model.faults(), Vec::<String>::new());
}
