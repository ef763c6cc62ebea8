//! WebSocket by the book (trust.md P7): Autobahn's cases, as `kosoku` runs them, against the echo route, which runs
//! through the socket code of every connection.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use simpleclaw_tests::{Gateway, prepared, within};

/// Frames, pings, reserved bits, opcodes, fragments, UTF-8, close, limits, and many messages. Classes 12 and 13 are about
/// compression, which is not offered.
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];

const SCRIPT: &str = r#"
import asyncio, json, sys
from kosoku import run_fuzzingclient, FailureError
try:
    results = asyncio.run(run_fuzzingclient(sys.argv[1], sys.argv[2:], concurrency=4))
    failed = []
except FailureError as error:
    results, failed = error.results, error.results
print(json.dumps({"cases": len(results), "failed": [str(result) for result in failed]}))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_autobahn_passes() {
    let gateway = Gateway::start().await;
    let url = format!("ws://127.0.0.1:{}/echo", gateway.port);
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(prepared("SIMPLECLAW_TEST_PYTHON", "target/venv/bin/python"));
        command.args(["-c", SCRIPT, &url]).args(CASES).output().expect("python runs")
    });
    let output = within(Duration::from_secs(120), "the suite", run).await.expect("ends");
    let words = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no result: {words}"));
    assert_eq!(result["failed"], serde_json::json!([]), "{words}");
    assert!(result["cases"].as_u64() >= Some(301), "{result}");
}
