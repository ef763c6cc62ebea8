//! The gateway is killed at random moments and started again on the same home (P1, P6).

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::raw::is_terminal;
use simpleclaw_tests::{Encoding, Gateway, RawClient, Received};

use super::{assert_whole, history, rounds, text, until_idle};

const CLIENTS: usize = 3;
const SESSIONS: [&str; 6] =
    ["main", "agent:main:one", "agent:main:two", "agent:main:three", "agent:main:four", "agent:main:five"];
/// Of one client in one life; what is sent has to be answered in the end.
const SENDS: usize = 4;

/// What became of one send, as its client knows it.
#[derive(Debug, Clone)]
struct Sent {
    session: &'static str,
    text: String,
    /// Of the first acknowledgement.
    message_id: Option<String>,
}

/// All sends by key, and the terminal state that an event told of each run.
#[derive(Default)]
struct Ledger {
    sent: HashMap<String, Sent>,
    ended: HashMap<String, String>,
}

/// One connection of one life: the keys that wait for an answer, by request id.
struct Client {
    socket: RawClient,
    asked: HashMap<String, String>,
}

impl Client {
    async fn send(&mut self, key: &str, sent: &Sent) {
        let params = json!({ "sessionKey": sent.session, "message": sent.text, "idempotencyKey": key });
        let id = self.socket.start("chat.send", params).await;
        self.asked.insert(id, key.to_owned());
    }

    /// Takes what came: acknowledgements and ends of runs.
    fn take(&mut self, frame: &Value, ledger: &mut Ledger) {
        if frame["type"] == "res" {
            let key = self.asked.remove(frame["id"].as_str().expect("an id")).expect("an answer to a send");
            assert_eq!(frame["ok"], true, "a send was refused: {frame}");
            assert_eq!(frame["payload"]["runId"], key.as_str());
            let id = frame["payload"]["messageId"].as_str().expect("a message id").to_owned();
            let known = ledger.sent.get_mut(&key).expect("sent before").message_id.get_or_insert_with(|| id.clone());
            assert_eq!(*known, id, "a repeated key gives the first message");
        } else if is_terminal(frame) {
            let run = frame["runId"].as_str().expect("a run").to_owned();
            let state = frame["state"].as_str().expect("a state").to_owned();
            let before = ledger.ended.insert(run.clone(), state.clone());
            assert!(before.is_none(), "run {run} ended as {before:?} and again as {state}");
        }
    }
}

/// One life: repeats what was never acknowledged, sends more, and is killed after `life`.
async fn live_and_die(home: &Home, ledger: &mut Ledger, life: Duration) {
    let gateway = Gateway::in_home(home).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let encoding = if number % 2 == 0 { Encoding::Json } else { Encoding::Msgpack };
        let mut socket = gateway.connect(encoding).await;
        // Schemas are held against in other tests; here speed makes more moments to be killed at.
        socket.checks_events = false;
        // One follows the runs; the others only hear their answers.
        let events = if number == 0 { json!(["chat.event"]) } else { json!([]) };
        socket.ok("events.subscribe", json!({ "events": events })).await;
        clients.push(Client { socket, asked: HashMap::new() });
    }
    let until = tokio::time::Instant::now() + life;
    let mut again: Vec<String> =
        ledger.sent.iter().filter(|(_, sent)| sent.message_id.is_none()).map(|(key, _)| key.clone()).collect();
    // One that was acknowledged, too.
    again.extend(ledger.sent.keys().next().cloned());
    for (number, key) in again.iter().enumerate() {
        let sent = ledger.sent[key].clone();
        clients[number % CLIENTS].send(key, &sent).await;
    }
    for turn in 0..SENDS * CLIENTS {
        let client = &mut clients[turn % CLIENTS];
        let key = uuid::Uuid::new_v4().to_string();
        let session = SESSIONS[rand::random_range(0..SESSIONS.len())];
        let sent = Sent { session, text: format!("message {key}"), message_id: None };
        ledger.sent.insert(key.clone(), sent.clone());
        client.send(&key, &sent).await;
        let pause = Duration::from_millis(rand::random_range(0..25));
        let pause = (tokio::time::Instant::now() + pause).min(until);
        while let Ok(Received::Frame(frame)) = tokio::time::timeout_at(pause, client.socket.receive()).await {
            client.take(&frame, ledger);
        }
        if tokio::time::Instant::now() >= until {
            break;
        }
    }
    tokio::time::sleep_until(until).await;
    gateway.crash().await;
    // What had left the gateway before the kill still counts.
    for client in &mut clients {
        while let Received::Frame(frame) = client.socket.receive().await {
            client.take(&frame, ledger);
        }
    }
}

/// A last life without a kill: everything is sent once more, and everything comes to its end.
async fn end_well(home: &Home, ledger: &mut Ledger, model: &Model) {
    let gateway = Gateway::in_home(home).await;
    let mut socket = gateway.connect(Encoding::Json).await;
    socket.ok("events.subscribe", json!({ "events": [] })).await;
    let mut client = Client { socket, asked: HashMap::new() };
    let all: Vec<_> = ledger.sent.clone().into_iter().collect();
    for (key, sent) in &all {
        client.send(key, sent).await;
        let frame = client.socket.frame().await;
        client.take(&frame, ledger);
    }
    until_idle(&mut client.socket).await;
    // Asked for once more, now that all is over, nothing starts again.
    let calls = model.calls().len();
    for (key, sent) in all.iter().take(50) {
        let params = json!({ "sessionKey": sent.session, "message": sent.text, "idempotencyKey": key });
        let answer = client.socket.ok("chat.send", params).await;
        assert!(matches!(answer["status"].as_str(), Some("ok" | "error")), "{answer}");
    }
    until_idle(&mut client.socket).await;
    assert_eq!(model.calls().len(), calls, "a repeated key asked the model again");
    check(&mut client.socket, ledger, model).await;
}

async fn check(client: &mut RawClient, ledger: &Ledger, model: &Model) {
    assert_eq!(model.faults(), Vec::<String>::new());
    let mut histories = HashMap::new();
    for session in SESSIONS {
        let messages = history(client, session).await;
        assert_whole(session, &messages);
        histories.insert(session, messages);
    }
    let mut asked: HashMap<String, usize> = HashMap::new();
    for call in model.calls() {
        let last = call["messages"].as_array().and_then(|all| all.last()).expect("messages")["content"].clone();
        // What came before it without an answer stands above it.
        let last = last.as_str().expect("text").lines().last().unwrap_or_default().to_owned();
        *asked.entry(last).or_default() += 1;
    }
    let mut interrupted = 0;
    for (key, sent) in &ledger.sent {
        let messages = &histories[sent.session];
        let of_run: Vec<&Value> = messages.iter().filter(|message| message["runId"] == key.as_str()).collect();
        let [user, assistant] = of_run.as_slice() else { panic!("{sent:?} left {of_run:?}") };
        assert_eq!((&user["role"], &user["status"]), (&json!("user"), &json!("complete")));
        assert_eq!(text(user), sent.text);
        assert_eq!(user["id"].as_str(), sent.message_id.as_deref(), "{sent:?}");
        let run = client.ok("runs.get", json!({ "runId": key })).await;
        assert_eq!(run["messageIds"], json!([user["id"], assistant["id"]]));
        let times = asked.get(&sent.text).copied().unwrap_or_default();
        match run["state"].as_str() {
            Some("ok") => {
                assert_eq!((text(assistant), &assistant["status"]), ("one two three".into(), &json!("complete")));
                assert_eq!(times, 1, "{sent:?} was answered by one call");
                assert_ne!(ledger.ended.get(key).map(String::as_str), Some("error"), "{sent:?}");
            }
            Some("error") => {
                interrupted += 1;
                assert_eq!(run["error"]["code"], "INTERRUPTED", "{run}");
                assert_eq!(assistant["status"], "interrupted");
                assert!("one two three".starts_with(&text(assistant)), "{assistant}");
                assert!(times <= 1, "{sent:?} was asked {times} times");
                assert_eq!(ledger.ended.get(key), None, "{sent:?} was told to have ended before it was cut off");
            }
            other => panic!("{sent:?} is {other:?} in the end: {run}"),
        }
    }
    let messages: usize = histories.values().map(Vec::len).sum();
    assert_eq!(messages, ledger.sent.len() * 2, "nothing else is in the histories");
    assert!(interrupted > 0, "no kill came in the middle of a run: the test has lost its point");
}

/// Every acknowledged message is there exactly once, every run has one end, and no repeat of a key runs anything twice,
/// however often and whenever the gateway is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_message_is_lost_and_every_run_ends_once() {
    let rounds = rounds(50);
    let model = Model::start().await;
    let pause = || Step::Pause(Duration::from_millis(10));
    let delta = |text: &str| Step::Delta(text.to_owned());
    let answer =
        Answer::Stream(vec![pause(), delta("one "), pause(), delta("two "), pause(), delta("three"), Step::Done]);
    model.script(std::iter::repeat_n(answer, rounds * CLIENTS * SENDS * 2));
    let home = Home::with_config(&model.config(""));
    let mut ledger = Ledger::default();
    for _ in 0..rounds {
        let life = Duration::from_millis(rand::random_range(0..=300));
        live_and_die(&home, &mut ledger, life).await;
    }
    end_well(&home, &mut ledger, &model).await;
}

/// Kills during the start itself leave a home that starts.
#[tokio::test]
async fn a_kill_during_the_start_does_no_harm() {
    let home = Home::with_config("models: {detect: false}\n");
    for round in 0..20 {
        let mut command = home.command();
        command.args(["gateway", "run", "--port", "0"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the gateway starts");
        tokio::time::sleep(Duration::from_millis(round * 6)).await;
        child.kill().expect("it was not ended yet");
        child.wait().expect("its end");
    }
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = uuid::Uuid::new_v4().to_string();
    let params = json!({ "sessionKey": "main", "message": "Hello!", "idempotencyKey": run });
    client.ok("chat.send", params).await;
    let events = client.run_to_end(&run).await;
    assert_eq!(events.last().expect("an end")["state"], "final");
}
