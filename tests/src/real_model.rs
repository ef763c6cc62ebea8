//! A real language model: llama.cpp's own server with a small base model, which set-up has brought.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::prepared;

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
pub struct ModelServer {
    child: Child,
    url: String,
}

impl ModelServer {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let model = prepared("SIMPLECLAW_TEST_MODEL", "target/models/gemma-3-270m-q4_k_m.gguf");
        let mut command = Command::new(prepared("SIMPLECLAW_TEST_PYTHON", "target/venv/bin/python"));
        command.args(["-c", SERVER]).arg(model).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the model server starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        // llama.cpp may print before the line that is ours.
        let url = lines.map_while(Result::ok).find(|line| line.starts_with("http"));
        Self { child, url: url.expect("the address of the model server") }
    }

    /// A configuration whose agent is answered by this model.
    pub fn config(&self) -> String {
        format!(
            "agents: {{entries: {{main: {{name: Claw, model: llama/gemma, systemPrompt: Be brief.}}}}}}\n\
             models: {{detect: false, providers: {{llama: {{api: openai, baseUrl: \"{}/v1\", models: [{{id: gemma}}]}}}}}}\n",
            self.url
        )
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
