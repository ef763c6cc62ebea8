//! Providers: tested before they are saved, asked one after the other where one fails, known by their prices
//! (protocol.md 4; config.md `models`).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{send, text_of, with_model};

/// A configuration of two providers, `first` and `second`, the one falling back on the other.
async fn two() -> (Model, Model, Gateway) {
    let (first, second) = (Model::start().await, Model::start().await);
    let provider = |name: &str, model: &Model| {
        format!(
            "    {name}: {{api: openai, baseUrl: 'http://127.0.0.1:{}/v1', apiKey: {}, models: [{{id: scripted}}]}}\n",
            model.port,
            model.key()
        )
    };
    let config = format!(
        "models:\n  detect: false\n  providers:\n{}{}agents: {{entries: {{main: {{name: Claw, model: first/scripted, \
         fallbacks: [second/scripted]}}}}}}\n",
        provider("first", &first),
        provider("second", &second)
    );
    let gateway = Gateway::with_config(&config).await;
    (first, second, gateway)
}

async fn run(client: &mut RawClient, id: &str, model: Option<&str>) -> Value {
    let mut params = send("main", "hi", id);
    if let Some(model) = model {
        params["model"] = model.into();
    }
    client.ok("chat.send", params).await;
    client.run_to_end(id).await.pop().expect("an end")
}

/// Who failed a moment ago is asked after the others, for as long as its `Retry-After` says, and before them again
/// once it has answered; whoever names it gets it all the same.
#[tokio::test]
async fn a_failing_provider_cools_down() {
    let (first, second, gateway) = two().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    first.script([Answer::Whole {
        status: 429,
        headers: vec![("retry-after".into(), "600".into())],
        body: "slow".into(),
    }]);
    let calls = || (first.calls().len(), second.calls().len());

    assert_eq!(run(&mut client, "r1", None).await["message"]["model"], "second/scripted");
    assert_eq!(calls(), (1, 1), "the first was asked, the second answered");
    assert_eq!(run(&mut client, "r2", None).await["message"]["model"], "second/scripted");
    assert_eq!(calls(), (1, 2), "the first was left in peace");
    let models = client.ok("models.list", json!({})).await["models"].clone();
    let left = models[0]["cooldownMs"].as_u64().expect("it cools down");
    assert!((500_000..=600_000).contains(&left) && models[1]["cooldownMs"].is_null(), "{models}");
    second.script([Answer::status(400, "no")]);
    assert_eq!(run(&mut client, "r3", None).await["message"]["model"], "first/scripted");
    assert_eq!(calls(), (2, 3), "it is asked last, not never");
    assert_eq!(run(&mut client, "r4", None).await["message"]["model"], "first/scripted");
    assert_eq!(calls(), (3, 3), "it answered, and is the first again");

    first.script([Answer::status(401, "no")]);
    run(&mut client, "r5", None).await;
    assert_eq!(calls(), (4, 4));
    assert_eq!(run(&mut client, "r6", Some("first/scripted")).await["message"]["model"], "first/scripted");
    assert_eq!(calls(), (5, 4), "named, it is asked");
    assert_eq!([first.faults(), second.faults()].concat(), Vec::<String>::new());
}

/// A level of thinking goes to a model that may know it; one that refuses is asked again without, and one of which it
/// is known that it does not reason is never asked.
#[tokio::test]
async fn thinking_is_left_out_where_it_is_refused() {
    let model = Model::start().await;
    for (reasoning, expected) in [("", vec![json!("high"), Value::Null]), (", reasoning: false", vec![Value::Null])] {
        let gateway = Gateway::with_config(&model.config_of(&format!("{{id: scripted{reasoning}}}"), "")).await;
        let mut client = gateway.connect(Encoding::Json).await;
        let before = model.calls().len();
        if expected.len() > 1 {
            model.script([Answer::status(400, "unknown parameter: reasoning_effort")]);
        }
        let mut params = send("main", "hi", "r");
        params["thinking"] = "high".into();
        client.ok("chat.send", params).await;
        let events = client.run_to_end("r").await;
        assert_eq!((text_of(&events).as_str(), &events.last().expect("an end")["state"]), ("Hello.", &json!("final")));
        let asked: Vec<_> = model.calls()[before..].iter().map(|call| call["reasoning_effort"].clone()).collect();
        assert_eq!(asked, expected);
    }
}

/// A provider is tested live: its list, and a short answer of a model; a failure is an answer too, in words.
#[tokio::test]
async fn a_provider_is_tested() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let tested = client.ok("providers.test", json!({ "provider": "fake" })).await;
    assert_eq!(
        (&tested["ok"], &tested["checked"], &tested["model"]),
        (&json!(true), &json!("answer"), &json!("fake/scripted"))
    );
    assert_eq!(tested["models"][0]["id"], "fake/scripted", "{tested}");
    assert!(tested["latencyMs"].is_u64() && tested["error"].is_null(), "{tested}");
    let call = model.calls().pop().expect("a call");
    assert_eq!((&call["max_tokens"], call["messages"].as_array().map(Vec::len)), (&json!(16), Some(1)), "{call}");
    let total = client.ok("usage.summary", json!({})).await["total"].clone();
    assert_eq!((&total["calls"], &total["inputTokens"], &total["outputTokens"]), (&json!(1), &json!(7), &json!(3)));

    model.script([Answer::status(500, "")]);
    let tested = client.ok("providers.test", json!({ "provider": "fake", "model": "fake/scripted" })).await;
    assert_eq!((&tested["ok"], &tested["error"]["kind"]), (&json!(false), &json!("network")), "{tested}");
    let words = "fake/scripted: the server failed (HTTP 500). Try again, or choose another model.";
    assert_eq!(tested["error"]["message"], words);

    let guide = client.ok("providers.test", json!({ "provider": "builtin" })).await;
    assert_eq!((&guide["ok"], &guide["checked"]), (&json!(true), &json!("models")), "{guide}");
    assert_eq!(client.err("providers.test", json!({ "provider": "nobody" })).await["code"], "NOT_FOUND");
    let draft = json!({ "api": "openai" });
    for params in [json!({}), json!({ "provider": "fake", "draft": draft })] {
        let error = client.err("providers.test", params).await;
        assert_eq!(error["details"]["issues"][0]["path"], "/provider", "{error}");
    }
}

/// A draft is tested before it is saved, with a key that is then nowhere: not in the answer, a log, an event, or any
/// file of the home. A wrong key, a wrong address and a secret that is not there are told apart.
#[tokio::test]
async fn a_drafts_key_is_kept_nowhere() {
    let model = Model::start().await;
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    let planted = "sk-planted-in-a-draft-1f4a";
    let draft = |key: Value, port: u16| json!({ "id": "new", "api": "openai", "baseUrl": format!("http://127.0.0.1:{port}/v1"), "apiKey": key });

    let listed = client.ok("providers.test", json!({ "draft": draft(model.key().into(), model.port) })).await;
    assert_eq!((&listed["ok"], &listed["checked"]), (&json!(true), &json!("models")), "{listed}");
    assert_eq!(listed["models"][0]["id"], "new/scripted", "{listed}");
    let answered = json!({ "draft": draft(model.key().into(), model.port), "model": "scripted" });
    let answered = client.ok("providers.test", answered).await;
    assert_eq!((&answered["ok"], &answered["model"]), (&json!(true), &json!("new/scripted")), "{answered}");

    // The fake says back what it was given.
    let wrong = json!({ "draft": draft(planted.into(), model.port), "model": "scripted" });
    let wrong = client.ok("providers.test", wrong).await;
    assert_eq!((&wrong["ok"], &wrong["error"]["httpStatus"]), (&json!(false), &json!(400)), "{wrong}");
    assert!(wrong.to_string().contains("[key]"), "the server's words come without the key: {wrong}");
    let nobody = client.ok("providers.test", json!({ "draft": draft(planted.into(), 9) })).await;
    assert!(nobody["error"]["message"].as_str().expect("words").contains("cannot connect"), "{nobody}");
    let absent = client.ok("providers.test", json!({ "draft": draft(json!({ "env": "NO_SUCH_KEY" }), 9) })).await;
    assert!(absent["error"]["message"].as_str().expect("words").contains("NO_SUCH_KEY is not set"), "{absent}");

    let config = client.ok("config.get", json!({})).await;
    let events = client.events_so_far().await;
    let logs = client.ok("logs.tail", json!({})).await;
    for (place, text) in [
        ("an answer", wrong.to_string() + &nobody.to_string() + &config.to_string()),
        ("an event", json!(events).to_string()),
        ("the log", logs.to_string() + &gateway.all_output()),
    ] {
        assert!(!text.contains(planted), "in {place}");
    }
    let home = gateway.crash().await;
    for file in files(&home.path()) {
        let bytes = std::fs::read(&file).expect("a file");
        assert!(!bytes.windows(planted.len()).any(|part| part == planted.as_bytes()), "in {}", file.display());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What the configuration says of a model's price and window is what the list shows; of what nobody knows it says
/// nothing.
#[tokio::test]
async fn the_catalogue_shows_what_is_known() {
    let config = "models:\n  detect: false\n  providers:\n    anthropic: {api: anthropic, apiKey: sk-none, models: \
                  [{id: claude-opus-4-5-20251101}, {id: claude-haiku-4-5, contextWindow: 9, cost: {input: 2, output: 3}}]}\n    \
                  elsewhere: {api: anthropic, baseUrl: 'https://llm.example/v1', models: [{id: claude-opus-4-5}]}\n";
    let gateway = Gateway::with_config(config).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let models = client.ok("models.list", json!({})).await["models"].clone();
    let shown: Vec<_> = models
        .as_array()
        .expect("a list")
        .iter()
        .take(3)
        .map(|row| {
            (row["name"].as_str().expect("a name").to_owned(), row["contextWindow"].clone(), row["cost"].clone())
        })
        .collect();
    let cost = |input: f64, output: f64, read: f64, write: f64| json!({ "input": input, "output": output, "cacheRead": read, "cacheWrite": write });
    let expected = [
        ("Claude Opus 4.5".to_owned(), json!(200_000), cost(5.0, 25.0, 0.5, 6.25)),
        ("Claude Haiku 4.5".to_owned(), json!(9), cost(2.0, 3.0, 0.2, 2.5)),
        ("claude-opus-4-5".to_owned(), Value::Null, Value::Null),
    ];
    assert_eq!(shown, expected);
}

/// A broken stream of one provider ends the run where words were said, and goes on with the next where none were.
#[tokio::test]
async fn a_second_provider_speaks_only_where_the_first_said_nothing() {
    let (first, second, gateway) = two().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    first.script([Answer::Stream(vec![Step::Thinking("hm".into())])]);
    assert_eq!(run(&mut client, "silent", None).await["message"]["model"], "second/scripted");
    first.script([Answer::Stream(vec![Step::Delta("Half".into())])]);
    let end = run(&mut client, "half", Some("first/scripted")).await;
    assert_eq!((&end["state"], &end["error"]["provider"]["kind"]), (&json!("error"), &json!("cut")), "{end}");
    assert_eq!((first.calls().len(), second.calls().len()), (2, 1));
}
