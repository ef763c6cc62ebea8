//! Every model call is booked as the provider counted it, and a cap is held before the next one (config.md `usage`,
//! protocol.md 4 and 6).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{history, send};

/// Dollars as whole millionths, in which sums are exact.
fn micros(usd: &Value) -> i64 {
    (usd.as_f64().unwrap_or_else(|| panic!("no money: {usd}")) * 1e6).round() as i64
}

/// A gateway whose model costs so many dollars for a million tokens in and out.
async fn priced(input: u64, output: u64, more: &str) -> (Model, Gateway) {
    let model = Model::start().await;
    let entry = format!("{{id: scripted, cost: {{input: {input}, output: {output}}}}}");
    let gateway = Gateway::with_config(&model.config_of(&entry, more)).await;
    (model, gateway)
}

async fn run(client: &mut RawClient, key: &str, id: &str) -> Value {
    client.ok("chat.send", send(key, "hi", id)).await;
    client.run_to_end(id).await.pop().expect("an end")
}

/// The codes of the diagnostic events so far that `usage` told.
async fn told(client: &mut RawClient) -> Vec<(String, Value)> {
    let list = client.ok("diagnostics.list", json!({})).await;
    let events = list["events"].as_array().expect("a list").iter().filter(|event| event["source"] == "usage");
    events
        .map(|event| (event["code"].as_str().expect("a code").to_owned(), event["fields"]["percent"].clone()))
        .collect()
}

/// Message, run, session, summary and health all say what the scripted provider counted, at its price, to the last
/// millionth; also for the steps of a run with tools, and over a restart.
#[tokio::test]
async fn costs_equal_the_providers_usage() {
    let (model, gateway) = priced(3, 15, "").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    model.script([
        Answer::counted("One.", 1_000, 200, 0),
        Answer::counted("Two.", 2_500, 1, 2_000),
        Answer::counted("Three.", 7, 3, 0),
    ]);
    let costs = [(1_000, 200), (2_500, 1), (7, 3)].map(|(input, output)| input * 3 + output * 15);
    for (place, (key, cost)) in ["main", "main", "agent:main:other"].into_iter().zip(costs).enumerate() {
        let end = run(&mut client, key, &format!("r{place}")).await;
        assert_eq!(micros(&end["usage"]["costUsd"]), cost, "{end}");
        assert_eq!(end["message"]["usage"], end["usage"], "{end}");
    }
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!((&row["usage"]["inputTokens"], &row["usage"]["outputTokens"]), (&json!(3_500), &json!(201)));
    assert_eq!(micros(&row["usage"]["costUsd"]), costs[0] + costs[1]);

    // A run with a tool is two calls, and all of it is in its end.
    model.script([
        Answer::Stream(vec![
            Step::Raw(
                json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [{ "index": 0, "id": "c", "function":
                { "name": "x", "arguments": "{}" } }] } }] })
                .to_string(),
            ),
            Step::Raw(json!({ "choices": [], "usage": { "prompt_tokens": 40, "completion_tokens": 4 } }).to_string()),
            Step::Raw("[DONE]".into()),
        ]),
        Answer::counted("Done.", 60, 6, 0),
    ]);
    let end = run(&mut client, "agent:main:tools", "tools").await;
    assert_eq!((&end["usage"]["inputTokens"], &end["usage"]["outputTokens"]), (&json!(100), &json!(10)), "{end}");
    let all = costs.iter().sum::<i64>() + 100 * 3 + 10 * 15;

    let summary = client.ok("usage.summary", json!({})).await;
    let total = &summary["total"];
    let counts = ["runs", "calls", "inputTokens", "outputTokens", "cachedTokens", "estimatedCalls", "unpricedCalls"]
        .map(|name| total[name].as_u64().expect("a number"));
    assert_eq!((counts, micros(&total["costUsd"])), ([4, 5, 3_607, 214, 2_000, 0, 0], all), "{summary}");
    let with = |name: &str, value: &Value| {
        let mut row = total.clone();
        row[name] = value.clone();
        json!([row])
    };
    assert_eq!(summary["days"], with("day", &summary["to"]));
    assert_eq!(summary["agents"], with("agentId", &json!("main")));
    assert_eq!(summary["models"], with("model", &json!("fake/scripted")));
    let sessions = summary["sessions"].as_array().expect("a list").iter();
    let sessions: Vec<_> = sessions.map(|row| row["sessionKey"].as_str().expect("a key")).collect();
    assert_eq!(sessions, ["agent:main:main", "agent:main:tools", "agent:main:other"], "the most expensive first");
    assert_eq!(summary["caps"], json!({ "todayUsd": total["costUsd"], "monthUsd": total["costUsd"] }));
    let health = client.ok("health", json!({ "refresh": true })).await;
    assert_eq!((micros(&health["usage"]["todayCostUsd"]), &health["usage"]["todayRuns"]), (all, &json!(4)));

    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let summary = client.ok("usage.summary", json!({ "days": 1 })).await;
    assert_eq!(micros(&summary["total"]["costUsd"]), all, "{summary}");
}

/// A cap of one cent that is used up stops the next call before it is made, and says how to go on; what was used
/// counts over a restart.
#[tokio::test]
async fn a_cap_stops_the_next_call() {
    let (model, gateway) = priced(1_000, 1_000, "usage: {caps: {dayUsd: 0.01}}").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    model.script([Answer::counted("Dear.", 7, 3, 0)]);
    let end = run(&mut client, "main", "r1").await;
    assert_eq!((&end["state"], micros(&end["usage"]["costUsd"])), (&json!("final"), 10_000), "{end}");
    assert_eq!(told(&mut client).await, [("usage.cap_reached".to_owned(), json!(100))]);

    let home = gateway.crash().await;
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let end = run(&mut client, "main", "r2").await;
    assert_eq!((&end["state"], &end["error"]["code"]), (&json!("error"), &json!("RATE_LIMITED")), "{end}");
    let expected = "the cap usage.caps.dayUsd of $0.01 is reached: $0.01 was spent today. No model that costs money is \
                    asked until midnight. To go on now, raise usage.caps.dayUsd in the configuration.";
    assert_eq!((&end["error"]["message"], &end["error"]["retryable"]), (&json!(expected), &json!(false)));
    assert_eq!(model.calls().len(), 1, "no second call");
    let messages = history(&mut client, "main").await;
    let last = messages.last().expect("a message");
    assert_eq!((&last["status"], &last["error"]), (&json!("failed"), &end["error"]));
    let tested = client.ok("providers.test", json!({ "provider": "fake" })).await;
    assert_eq!((&tested["ok"], &tested["error"]["message"]), (&json!(false), &json!(expected)), "{tested}");
    assert_eq!(model.calls().len(), 1, "nor by a test");
}

/// At half and at four fifths of a cap there is a word, once each.
#[tokio::test]
async fn a_cap_that_comes_near_is_told_once() {
    let (model, gateway) = priced(1_000, 1_000, "usage: {caps: {dayUsd: 0.1, monthUsd: 1}}").await;
    let mut client = gateway.connect(Encoding::Json).await;
    model.script(std::iter::repeat_n(Answer::counted("Dear.", 20, 0, 0), 5));
    let mut expected: Vec<(String, Value)> = Vec::new();
    for (place, percent) in [None, None, Some(50), Some(80), Some(100)].into_iter().enumerate() {
        let end = run(&mut client, "main", &format!("r{place}")).await;
        assert_eq!(end["state"], "final", "{end}");
        expected.extend(percent.map(|percent| {
            let code = if percent == 100 { "usage.cap_reached" } else { "usage.cap_near" };
            (code.to_owned(), json!(percent))
        }));
        assert_eq!(told(&mut client).await, expected);
    }
    let caps = client.ok("usage.summary", json!({})).await["caps"].clone();
    assert_eq!(caps, json!({ "todayUsd": 0.1, "monthUsd": 0.1, "dayCapUsd": 0.1, "monthCapUsd": 1.0 }));
}

/// A call that failed costs nothing, one that was stopped or cut off is booked by its length, and one without a price
/// is counted as such and told to whoever set a cap.
#[tokio::test]
async fn calls_without_an_end_are_booked_too() {
    let (model, gateway) = crate::chat::with_model("usage: {caps: {dayUsd: 5}}").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    model.script([
        Answer::status(401, "no"),
        Answer::Stream(vec![Step::Delta("12345678".into())]),
        Answer::Stream(vec![Step::Delta("1234".into()), Step::Hang]),
    ]);
    assert_eq!(run(&mut client, "main", "refused").await["state"], "error");
    let totals = |summary: Value| {
        let total = &summary["total"];
        ["calls", "failedCalls", "outputTokens", "estimatedCalls", "unpricedCalls"]
            .map(|name| total[name].as_u64().expect("a number"))
    };
    assert_eq!(totals(client.ok("usage.summary", json!({})).await), [1, 1, 0, 0, 0]);
    assert_eq!(run(&mut client, "main", "cut").await["state"], "error");
    assert_eq!(totals(client.ok("usage.summary", json!({})).await), [2, 2, 2, 1, 1]);
    client.ok("chat.send", send("main", "hi", "stopped")).await;
    client.event_where("text", |event| event["delta"] == "1234").await;
    client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
    assert_eq!(client.run_to_end("stopped").await.last().expect("an end")["state"], "aborted");
    assert_eq!(totals(client.ok("usage.summary", json!({})).await), [3, 2, 3, 2, 2]);
    assert_eq!(told(&mut client).await, [("usage.price_unknown".to_owned(), Value::Null)]);
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!(row["usage"]["outputTokens"], 3, "{row}");
}

/// Where the paid model is past its cap, a fallback that costs nothing answers.
#[tokio::test]
async fn what_costs_nothing_goes_on() {
    let (paid, free) = (Model::start().await, Model::start().await);
    let provider = |name: &str, model: &Model, cost: u64| {
        format!(
            "    {name}: {{api: openai, baseUrl: 'http://127.0.0.1:{}/v1', apiKey: {}, models: [{{id: scripted, cost: \
             {{input: {cost}, output: {cost}}}}}]}}\n",
            model.port,
            model.key()
        )
    };
    let config = format!(
        "models:\n  detect: false\n  providers:\n{}{}agents: {{entries: {{main: {{name: Claw, model: paid/scripted, \
         fallbacks: [free/scripted]}}}}}}\nusage: {{caps: {{dayUsd: 0}}}}\n",
        provider("paid", &paid, 1),
        provider("free", &free, 0)
    );
    let gateway = Gateway::with_config(&config).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let end = run(&mut client, "main", "r").await;
    assert_eq!((&end["state"], &end["message"]["model"]), (&json!("final"), &json!("free/scripted")), "{end}");
    assert_eq!((paid.calls().len(), free.calls().len()), (0, 1));
}
