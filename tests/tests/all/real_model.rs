//! A real language model behind the gateway: llama.cpp's own server with a small base model. Runs alone.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway, Received, prepared};

/// One thread, because more of them spin at barriers; a short answer; then waits to be killed.
const SERVER: &str = r#"
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.port = 0
params.n_ctx, params.n_predict, params.n_parallel = 4096, 32, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.chat_template = "chatml"
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"#;

/// The model server; dropped, it is killed.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let model = prepared("SIMPLECLAW_TEST_MODEL", "target/models/gemma-3-270m-q4_k_m.gguf");
        let mut command = Command::new(prepared("SIMPLECLAW_TEST_PYTHON", "target/venv/bin/python"));
        command.args(["-c", SERVER]).arg(model).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the model server starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        // llama.cpp may print before the line that is ours.
        let url = lines.map_while(Result::ok).find(|line| line.starts_with("http"));
        Self { child, url: url.expect("the address of the model server") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A model of the configuration streams to clients of both encodings, ends its answer and counts its tokens. What it
/// says is its own affair: a base model of this size answers nothing.
#[tokio::test]
async fn streams() {
    let server = Server::start();
    let gateway = Gateway::with_config(&format!(
        "agents: {{entries: {{main: {{name: Claw, model: llama/gemma, systemPrompt: Be brief.}}}}}}\n\
         models: {{detect: false, providers: {{llama: {{api: openai, baseUrl: \"{}/v1\", models: [{{id: gemma}}]}}}}}}\n",
        server.url
    ))
    .await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        let run = uuid::Uuid::new_v4().to_string();
        let session = format!("agent:main:{}", run.split('-').next().expect("a part"));
        let params = json!({ "sessionKey": session, "message": "Once upon a time", "idempotencyKey": run });
        client.ok("chat.send", params).await;
        let mut events: Vec<Value> = Vec::new();
        while events.last().is_none_or(|event| event["state"] != "final") {
            // Slow machines take long for a first token.
            match client.receive_within(Duration::from_secs(120)).await {
                Received::Frame(frame) if frame["type"] == "chat.event" => events.push(frame),
                Received::Frame(_) => {}
                closed => panic!("{closed:?} after {events:?}"),
            }
            assert_ne!(events.last().map(|event| &event["state"]), Some(&json!("error")), "{events:?}");
        }
        let deltas: Vec<&str> = events.iter().filter_map(|event| event["delta"].as_str()).collect();
        let last = events.last().expect("the end");
        assert!(deltas.len() >= 3, "{deltas:?} is no stream");
        assert!(!deltas.concat().trim().is_empty());
        assert_eq!(last["message"]["content"][0]["text"], deltas.concat());
        assert_eq!(last["message"]["model"], "llama/gemma");
        let usage = &last["usage"];
        assert!(usage["inputTokens"].as_u64() > Some(0), "{usage}");
        assert!((1..=32).contains(&usage["outputTokens"].as_u64().expect("tokens")), "{usage}");
    }
}
