//! Detection of local model servers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_adapters::provider::Modality;
use simpleclaw_adapters::provider::detect::{Candidate, Found, LocalServer, detect};

use crate::fake::{Fake, Reply, Step};

/// A server that knows these paths and answers anything else with 404.
async fn server(routes: Vec<(&'static str, Value)>) -> Fake {
    Fake::routes(move |seen| {
        let path = seen.line.strip_prefix("GET ").unwrap_or("not asked with GET");
        match routes.iter().find(|(known, _)| *known == path) {
            Some((_, body)) => Reply::json(200, body.clone()),
            None => Reply::json(404, json!({"error": "not found"})),
        }
    })
    .await
}

async fn found(fake: &Fake) -> Option<Found> {
    let mut all = detect(&[Candidate { port: fake.port }], &[]).await;
    assert!(all.len() <= 1);
    all.pop()
}

fn ids(found: &Found) -> Vec<&str> {
    found.models.iter().map(|model| model.id.as_str()).collect()
}

#[test]
fn the_usual_ports_are_asked() {
    let ports: Vec<u16> = Candidate::defaults().iter().map(|candidate| candidate.port).collect();
    assert_eq!(ports, [11434, 8080, 1234]);
}

#[tokio::test]
async fn ollama_is_known_by_its_tags() {
    let fake = server(vec![
        (
            "/api/tags",
            json!({"models": [
                {"name": "llama3.2:latest", "details": {"families": ["llama"]}},
                {"name": "llava:7b", "details": {"families": ["llama", "clip"]}},
                {"name": "nomic-embed-text", "details": {"families": ["nomic-bert"]}},
            ]}),
        ),
        ("/v1/models", json!({"data": [{"id": "llama3.2:latest", "owned_by": "library"}]})),
    ])
    .await;
    let found = found(&fake).await.expect("found");
    assert_eq!((found.kind, found.kind.id()), (LocalServer::Ollama, "ollama"));
    assert_eq!(found.base_url, format!("http://127.0.0.1:{}/v1", fake.port));
    assert_eq!(ids(&found), ["llama3.2:latest", "llava:7b"]);
    assert_eq!(found.models[0].input, None, "the family does not say");
    assert_eq!(found.models[1].input, Some(vec![Modality::Text, Modality::Image]));
}

#[tokio::test]
async fn llama_server_is_known_although_it_answers_like_ollama_too() {
    let fake = server(vec![
        (
            "/v1/models",
            json!({"data": [
                {"id": "/models/tiny-q4.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}},
            ]}),
        ),
        ("/api/tags", json!({"models": [{"name": "/models/tiny-q4.gguf"}]})),
        ("/props", json!({"default_generation_settings": {"n_ctx": 4096}, "modalities": {"vision": true}})),
    ])
    .await;
    let found = found(&fake).await.expect("found");
    assert_eq!((found.kind, found.kind.id()), (LocalServer::LlamaServer, "llama-server"));
    assert_eq!(ids(&found), ["/models/tiny-q4.gguf"]);
    assert_eq!(found.models[0].name, "tiny-q4");
    assert_eq!(found.models[0].context_window, Some(4096), "what it runs with, not what it could");
    assert_eq!(found.models[0].input, Some(vec![Modality::Text, Modality::Image]));
}

#[tokio::test]
async fn llama_server_is_known_by_its_owner_or_by_its_props() {
    let props = ("/props", json!({"default_generation_settings": {}}));
    for routes in [
        vec![("/v1/models", json!({"data": [{"id": "m", "owned_by": "llamacpp"}]}))],
        vec![("/v1/models", json!({"data": [{"id": "m", "owned_by": "me"}]})), props],
    ] {
        let found = found(&server(routes).await).await.expect("found");
        assert_eq!((found.kind, ids(&found)), (LocalServer::LlamaServer, vec!["m"]));
    }
}

#[tokio::test]
async fn lm_studio_is_known_by_either_list() {
    let own = json!({"data": [
        {"id": "qwen", "type": "llm", "state": "loaded", "max_context_length": 8192, "capabilities": ["tool_use"]},
        {"id": "seer", "type": "vlm", "state": "not-loaded"},
        {"id": "vectors", "type": "embeddings", "state": "not-loaded"},
    ]});
    let open = json!({"data": [{"id": "qwen", "owned_by": "organization_owner"}]});
    let both = found(&server(vec![("/api/v0/models", own), ("/v1/models", open.clone())]).await).await;
    let both = both.expect("found");
    assert_eq!((both.kind, both.kind.id()), (LocalServer::LmStudio, "lm-studio"));
    assert_eq!(ids(&both), ["qwen", "seer"]);
    assert_eq!((both.models[0].context_window, both.models[0].tool_use), (Some(8192), Some(true)));
    assert_eq!(both.models[0].input, Some(vec![Modality::Text]));
    assert_eq!(both.models[1].input, Some(vec![Modality::Text, Modality::Image]));
    let old = found(&server(vec![("/v1/models", open)]).await).await.expect("found");
    assert_eq!((old.kind, ids(&old)), (LocalServer::LmStudio, vec!["qwen"]));
}

#[tokio::test]
async fn other_servers_are_left_alone() {
    let list = |owner: &str| json!({"data": [{"id": "m", "owned_by": owner}]});
    for routes in [
        vec![],
        vec![("/v1/models", list("someone"))],
        vec![("/v1/models", json!({"data": "llamacpp"}))],
        vec![("/api/tags", json!({"models": [{"title": "no name"}]}))],
        vec![("/api/tags", json!({"models": 7}))],
        vec![("/api/tags", json!([1, 2]))],
        vec![("/api/v0/models", json!({"data": [{"id": "m"}]}))],
        vec![("/props", json!({"default_generation_settings": {}}))],
    ] {
        let fake = server(routes.clone()).await;
        assert_eq!(found(&fake).await, None, "{routes:?}");
    }
}

#[tokio::test]
async fn hostile_servers_hold_nobody_up() {
    let slow = Fake::always(Reply::json(200, json!({"models": []})).delay(Duration::from_secs(30))).await;
    let silent = Fake::always(Reply::steps(vec![Step::Hang])).await;
    let flood = Fake::always(Reply { steps: vec![Step::Flood], ..Reply::json(200, json!(0)) }).await;
    let page = Fake::always(Reply::new(200, "text/html", "<html>")).await;
    let hop = Fake::always(Reply::new(302, "text/plain", "").header("location", "/api/tags")).await;
    // Takes connections and says nothing at all.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let good = server(vec![("/api/tags", json!({"models": [{"name": "m"}]}))]).await;
    let mute_port = mute.local_addr().expect("an address").port();
    let ports = [slow.port, silent.port, flood.port, page.port, hop.port, mute_port, good.port];
    let candidates: Vec<Candidate> = ports.into_iter().map(|port| Candidate { port }).collect();
    // A good one is missed where the machine takes longer than detection waits.
    for _ in 0..10 {
        let started = Instant::now();
        let found = detect(&candidates, &[]).await;
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        if let [found] = &found[..] {
            assert_eq!(found.base_url, good.base());
            return;
        }
        assert_eq!(found, []);
    }
    panic!("the good one is never found");
}

/// What was found stays while it is too busy to answer, and goes when nobody listens there any more.
#[tokio::test]
async fn a_busy_server_is_still_there_and_one_that_ended_is_not() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = mute.local_addr().expect("an address").port();
    let base_url = format!("http://127.0.0.1:{port}/v1");
    let before = [Found { kind: LocalServer::LlamaServer, base_url, models: vec![] }];
    assert_eq!(detect(&[Candidate { port }], &before).await, before);
    assert_eq!(detect(&[Candidate { port }], &[]).await, [], "nobody knows who listens there");
    drop(mute);
    assert_eq!(detect(&[Candidate { port }], &before).await, []);
}

#[tokio::test]
async fn an_oversized_answer_is_not_read() {
    let names: Vec<Value> =
        (0..40_000).map(|n| json!({"name": format!("a rather long name of a model {n}")})).collect();
    let fake = server(vec![("/api/tags", json!({"models": names}))]).await;
    assert_eq!(found(&fake).await, None);
}
