//! The real window, driven through WebKitWebDriver: the few calls of the W3C protocol that are needed.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::session::{Process, Session, app, until};

/// How the protocol names an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    http: reqwest::Client,
    /// Of the WebDriver session.
    url: String,
    _driver: Process,
}

impl Browser {
    /// Starts the app, whose window the driver then has.
    pub async fn start(session: &Session) -> Self {
        Self::start_with(session, &[]).await
    }

    /// The same with arguments for the app.
    pub async fn start_with(session: &Session, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut driver = session.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg("--host=127.0.0.1").env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = Process::start(&mut driver);
        // The client wants it although nothing here is encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let base = format!("http://127.0.0.1:{port}");
        until("the driver listens", async || http.get(format!("{base}/status")).send().await.ok()).await;
        let options = json!({ "webkitgtk:browserOptions": { "binary": app(), "args": arguments } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options, "firstMatch": [{}] } });
        let answer = http.post(format!("{base}/session")).json(&wanted).send().await.expect("answers");
        let answer: Value = answer.json().await.expect("JSON");
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self { url: format!("{base}/session/{id}"), http, _driver: driver }
    }

    async fn post(&self, path: &str, body: Value) -> Option<Value> {
        let answer = self.http.post(format!("{}/{path}", self.url)).json(&body).send().await.expect("answers");
        let fine = answer.status().is_success();
        let mut answer: Value = answer.json().await.expect("JSON");
        fine.then(|| answer["value"].take())
    }

    /// What a script in the page returns.
    pub async fn run(&self, script: &str) -> Value {
        self.try_run(script).await.unwrap_or_else(|| panic!("failed in the page: {script}"))
    }

    async fn try_run(&self, script: &str) -> Option<Value> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Goes on in the window whose page has this fragment, shown or hidden, once there is one.
    pub async fn go_to(&self, hash: &str) {
        until(&format!("a window at {hash}"), async || {
            let answer = self.http.get(format!("{}/window/handles", self.url)).send().await.expect("answers");
            let handles: Value = answer.json().await.expect("JSON");
            for handle in handles["value"].as_array().expect("handles") {
                self.post("window", json!({ "handle": handle })).await?;
                if self.try_run("return location.hash").await? == hash {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Waits until a script in the page returns true.
    pub async fn until(&self, what: &str, script: &str) {
        until(what, async || (self.run(script).await == true).then_some(())).await;
    }

    async fn element(&self, css: &str) -> String {
        let query = json!({ "using": "css selector", "value": css });
        let found = until(css, async || self.post("element", query.clone()).await).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await.expect("takes text");
    }

    /// In the place of what the field holds.
    pub async fn type_over(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/clear"), json!({})).await.expect("can be cleared");
        self.type_into(css, text).await;
    }

    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("element/{element}/click"), json!({})).await.expect("can be clicked");
    }

    /// The texts of all elements that match, as a person sees them.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let script = format!("return [...document.querySelectorAll({})].map((e) => e.innerText)", json!(css));
        serde_json::from_value(self.run(&script).await).expect("texts")
    }

    pub async fn end(self) {
        self.http.delete(&self.url).send().await.expect("ends");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}
