//! Editing and sending again: a message takes the place of an earlier one on a new branch (protocol.md 4).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Step};
use simpleclaw_tests::raw::is_terminal;
use simpleclaw_tests::{DEADLINE, Encoding, Gateway, RawClient, within};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::attachments::{file, png};
use crate::chat::{history, send, with_model};

fn replace(text: &str, run: &str, id: &Value) -> Value {
    let mut params = send("main", text, run);
    params["replaces"] = id.clone();
    params
}

async fn ask(client: &mut RawClient, params: Value) -> Value {
    let run = params["idempotencyKey"].as_str().expect("a key").to_owned();
    let sent = client.ok("chat.send", params).await;
    client.run_to_end(&run).await;
    // The answer is told behind its end.
    client.event_where("the end of the run", |event| event["payload"]["reason"] == "run").await;
    sent["messageId"].clone()
}

fn shown(messages: &[Value]) -> Value {
    json!(messages.iter().map(|message| json!([message["seq"], message["content"][0]["text"]])).collect::<Vec<_>>())
}

/// The replaced message and what followed leave the history, the count, the pages and the model's context; the new one
/// stands at the end with the next `seq`. The other client learns of it before the message.
#[tokio::test]
async fn a_message_is_edited_and_sent_again() {
    for encoding in Encoding::ALL {
        let (model, gateway) = with_model("").await;
        let mut client = gateway.connect(encoding).await;
        let mut watcher = gateway.connect(Encoding::Json).await;
        let first = ask(&mut client, send("main", "one", "r1")).await;
        let second = ask(&mut client, send("main", "two", "r2")).await;
        client.ok("chat.inject", json!({ "sessionKey": "main", "message": "a note of then" })).await;
        let third = ask(&mut client, send("main", "three", "r3")).await;
        watcher.events_so_far().await;
        client.events_so_far().await;

        let id = client.start("chat.send", replace("TWO", "r4", &second)).await;
        let sent = client.answer(&id).await["payload"].clone();
        assert_eq!(sent["status"], "started");
        // Who is here and how the gateway is may be told at any time.
        let of_session = |event: &Value| event["type"].as_str().is_some_and(|name| name.starts_with("session."));
        for client in [&mut client, &mut watcher] {
            let changed = client.event_where("the branch", of_session).await;
            assert_eq!(
                (&changed["type"], &changed["payload"]["reason"]),
                (&json!("session.changed"), &json!("branched"))
            );
            assert_eq!(changed["payload"]["session"]["messageCount"], 3);
            let message = client.event_where("the message", of_session).await;
            assert_eq!(
                (&message["type"], &message["payload"]["message"]["id"]),
                (&json!("session.message"), &sent["messageId"])
            );
            assert_eq!(message["payload"]["message"]["seq"], 8);
            client.run_to_end("r4").await;
        }
        let messages = history(&mut client, "main").await;
        assert_eq!(shown(&messages), json!([[1, "one"], [2, "Hello."], [8, "TWO"], [9, "Hello."]]));
        let row = client.ok("sessions.get", json!({ "key": "main", "messages": 10 })).await;
        assert_eq!(
            (&row["session"]["messageCount"], &row["session"]["lastMessagePreview"]),
            (&json!(4), &json!("Hello."))
        );
        assert_eq!(row["messages"], json!(messages));
        let asked = model.calls()[3]["messages"].to_string();
        assert!(asked.contains("one") && asked.contains("TWO"), "{asked}");
        assert!(!asked.contains("two") && !asked.contains("three") && !asked.contains("note of then"), "{asked}");

        // Pages: whole in both directions, and a place that was left is still a place.
        let page = client.ok("chat.history", json!({ "sessionKey": "main", "limit": 2 })).await;
        assert_eq!(
            (shown(page["messages"].as_array().expect("a list")), &page["hasMore"]),
            (json!([[8, "TWO"], [9, "Hello."]]), &json!(true))
        );
        let page =
            client.ok("chat.history", json!({ "sessionKey": "main", "limit": 2, "before": page["nextCursor"] })).await;
        assert_eq!(
            (shown(page["messages"].as_array().expect("a list")), &page["hasMore"]),
            (json!([[1, "one"], [2, "Hello."]]), &json!(false))
        );
        let page = client.ok("chat.history", json!({ "sessionKey": "main", "limit": 2, "after": first })).await;
        assert_eq!(
            (shown(page["messages"].as_array().expect("a list")), &page["hasMore"]),
            (json!([[2, "Hello."], [8, "TWO"]]), &json!(true))
        );
        let page = client.ok("chat.history", json!({ "sessionKey": "main", "before": third })).await;
        assert_eq!(shown(page["messages"].as_array().expect("a list")), json!([[1, "one"], [2, "Hello."]]));

        // Not destroyed, but in no history.
        assert_eq!(
            client.ok("runs.get", json!({ "runId": "r2" })).await["messageIds"].as_array().map(Vec::len),
            Some(2)
        );
        let error = client.err("chat.message.get", json!({ "sessionKey": "main", "messageId": second })).await;
        assert_eq!(error["code"], "NOT_FOUND", "{error}");
        assert_eq!(model.faults(), Vec::<String>::new());
    }
}

/// Only a user's message of this conversation can be replaced, once; what is refused changes nothing and stops nothing.
#[tokio::test]
async fn what_cannot_be_replaced_is_refused() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let first = ask(&mut client, send("main", "one", "r1")).await;
    let answer = history(&mut client, "main").await[1]["id"].clone();
    let note = client.ok("chat.inject", json!({ "sessionKey": "main", "message": "note" })).await["messageId"].clone();
    let other = ask(&mut client, send("agent:main:other", "x", "r2")).await;
    for (id, code, words) in [
        (&json!("nobody"), "NOT_FOUND", "no message"),
        (&other, "NOT_FOUND", "no message"),
        (&answer, "INVALID_REQUEST", "message of the assistant"),
        (&note, "INVALID_REQUEST", "message of the system"),
        (&json!(""), "INVALID_REQUEST", ""),
    ] {
        let error = client.err("chat.send", replace("again", "k", id)).await;
        assert_eq!(
            (&error["code"], &error["details"]["issues"][0]["path"]),
            (&json!(code), &json!("/replaces")),
            "{error}"
        );
        assert!(error["message"].as_str().expect("words").contains(words), "{error}");
    }
    let mut new = replace("again", "k", &first);
    new["sessionKey"] = "agent:main:new".into();
    assert_eq!(client.err("chat.send", new).await["code"], "NOT_FOUND");
    assert_eq!(client.err("chat.history", json!({ "sessionKey": "agent:main:new" })).await["code"], "NOT_FOUND");
    assert_eq!(history(&mut client, "main").await.len(), 3);
    ask(&mut client, replace("ONE", "r3", &first)).await;
    let error = client.err("chat.send", replace("again", "k", &first)).await;
    assert!(
        error["code"] == "NOT_FOUND" && error["message"].as_str().expect("words").contains("replaced already"),
        "{error}"
    );
    client.ok("sessions.reset", json!({ "key": "main" })).await;
    let error = client.err("chat.send", replace("again", "k", &first)).await;
    assert_eq!(error["code"], "NOT_FOUND", "of the conversation before the reset");
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// Two clients edit the same message at once: one does, the other is told to read again, and both show the same.
#[tokio::test]
async fn of_two_edits_one_counts() {
    let (model, gateway) = with_model("").await;
    let mut one = gateway.connect(Encoding::Json).await;
    let mut other = gateway.connect(Encoding::Msgpack).await;
    let first = ask(&mut one, send("main", "one", "r1")).await;
    let asked = (
        one.start("chat.send", replace("ONE", "r2", &first)).await,
        other.start("chat.send", replace("EINS", "r3", &first)).await,
    );
    let answers = [one.answer(&asked.0).await, other.answer(&asked.1).await];
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer["ok"] == true);
    assert_eq!((taken.len(), &refused[0]["error"]["code"]), (1, &json!("NOT_FOUND")), "{taken:?} {refused:?}");
    one.run_to_end(taken[0]["payload"]["runId"].as_str().expect("a run")).await;
    one.event_where("the end of the run", |event| event["payload"]["reason"] == "run").await;
    let messages = history(&mut one, "main").await;
    assert_eq!((messages.len(), &messages[0]["id"]), (2, &taken[0]["payload"]["messageId"]));
    assert_eq!(history(&mut other, "main").await, messages);
    assert_eq!(model.calls().len(), 2);
}

/// A run of the branch is stopped, what waits in it is not answered, and none of their words come back.
#[tokio::test]
async fn what_runs_in_the_branch_is_stopped() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("old words".into()), Step::Hang]), Answer::deltas(["new"])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let first = client.ok("chat.send", send("main", "1", "r1")).await["messageId"].clone();
    client.event_where("text", |event| event["delta"] == "old words").await;
    client.ok("chat.send", send("main", "2", "r2")).await;
    client.events_so_far().await;
    client.ok("chat.send", replace("ONE", "r3", &first)).await;
    let mut events = Vec::new();
    let follow = async {
        while !events.last().is_some_and(|event: &Value| event["runId"] == "r3" && event["state"] == "final") {
            events.push(client.event().await);
        }
    };
    within(DEADLINE, "end of the new run", follow).await;
    let place = |what: &dyn Fn(&Value) -> bool| events.iter().position(what).expect("an event");
    let branched = place(&|event| event["payload"]["reason"] == "branched");
    let message = place(&|event| event["payload"]["message"]["runId"] == "r3");
    assert!(branched < message, "{events:?}");
    for run in ["r1", "r2"] {
        let states: Vec<_> =
            events.iter().filter(|event| event["runId"] == run && event["state"].is_string()).collect();
        assert_eq!(states.iter().filter(|event| event["state"] == "aborted").count(), 1, "{states:?}");
        assert_eq!(client.ok("runs.get", json!({ "runId": run })).await["state"], "aborted");
        let told = events.iter().any(|event| event["payload"]["message"]["runId"] == run);
        assert!(!told, "a message of {run} was told of: {events:?}");
    }
    client
        .event_where("the end", |event| {
            event["payload"]["reason"] == "run" && event["payload"]["session"]["status"] == "idle"
        })
        .await;
    assert_eq!(shown(&history(&mut client, "main").await), json!([[3, "ONE"], [5, "new"]]));
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!((&row["messageCount"], &row["lastMessagePreview"]), (&json!(2), &json!("new")));
    assert_eq!(model.calls().len(), 2, "what waited was not answered");
    assert!(!model.calls()[1].to_string().contains("old words"));
}

/// An answer to an earlier question stays, is waited for, and is in the context, although it comes later.
#[tokio::test]
async fn earlier_questions_keep_their_answers() {
    let (model, gateway) = with_model("").await;
    let gate = Gate::new();
    model.script([Answer::Stream(vec![
        Step::Delta("the first ".into()),
        gate.step(),
        Step::Delta("answer".into()),
        Step::Done,
    ])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("text", |event| event["delta"] == "the first ").await;
    let second = client.ok("chat.send", send("main", "2", "r2")).await["messageId"].clone();
    let sent = client.ok("chat.send", replace("TWO", "r3", &second)).await;
    assert_eq!(sent["status"], "queued", "the first run goes on");
    gate.open();
    client.run_to_end("r3").await;
    assert_eq!(
        shown(&history(&mut client, "main").await),
        json!([[1, "1"], [3, "TWO"], [4, "the first answer"], [5, "Hello."]])
    );
    // Replaced once more: the answer of the first question came behind the second, and stays.
    let third = history(&mut client, "main").await[1]["id"].clone();
    ask(&mut client, replace("two?", "r4", &third)).await;
    assert_eq!(
        shown(&history(&mut client, "main").await),
        json!([[1, "1"], [4, "the first answer"], [6, "two?"], [7, "Hello."]])
    );
    let asked = model.calls().last().expect("calls")["messages"].to_string();
    assert!(asked.contains("the first answer") && !asked.contains("TWO"), "{asked}");
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A repeat gives the first answer, over a kill too; nothing of the branch comes back, is answered or is told again.
#[tokio::test]
async fn a_branch_survives_a_kill() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("old".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Json).await;
    let first = client.ok("chat.send", send("main", "1", "r1")).await["messageId"].clone();
    client.event_where("text", |event| event["delta"] == "old").await;
    client.ok("chat.send", send("main", "2", "r2")).await;
    let mut new = replace("look", "r3", &first);
    new["attachments"] = json!([file("a.png", "image/png", &png(b"x"))]);
    let sent = client.ok("chat.send", new.clone()).await;
    let home = gateway.crash().await;

    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let again = client.ok("chat.send", new.clone()).await;
    assert_eq!(again["messageId"], sent["messageId"]);
    let ended = async {
        loop {
            let run = client.ok("runs.get", json!({ "runId": "r3" })).await;
            if !run["endedAt"].is_null() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, "end of the new run", ended).await;
    let messages = history(&mut client, "main").await;
    assert_eq!((messages.len(), &messages[0]["id"]), (2, &sent["messageId"]), "{messages:?}");
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!(row["messageCount"], 2);
    assert_eq!(client.ok("runs.get", json!({ "runId": "r2" })).await["state"], "aborted");
    assert!(model.calls().iter().all(|call| !call["messages"].to_string().contains("\"2\"")), "r2 was answered");
    new["message"] = "other".into();
    assert_eq!(client.err("chat.send", new).await["code"], "CONFLICT");
}

/// The first message of a session gives it its title; edited, it gives a new one.
#[tokio::test]
async fn the_title_follows_the_first_message() {
    let (_model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let key = "agent:main:cats";
    let on = |mut params: Value| {
        params["sessionKey"] = key.into();
        params
    };
    let first = ask(&mut client, on(send("", "Catz", "r1"))).await;
    ask(&mut client, on(replace("Cats", "r2", &first))).await;
    let row = client.ok("sessions.get", json!({ "key": key })).await["session"].clone();
    assert_eq!((&row["title"], &row["messageCount"]), (&json!("Cats"), &json!(2)));
}

/// A session that is full takes a message that replaces what waits.
#[tokio::test]
async fn a_replacement_makes_its_own_room() {
    let (model, gateway) = with_model("session: {maxQueued: 2}").await;
    model.script([Answer::Stream(vec![Step::Delta("busy".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("text", |event| event["delta"] == "busy").await;
    let second = client.ok("chat.send", send("main", "2", "r2")).await["messageId"].clone();
    client.ok("chat.send", send("main", "3", "r3")).await;
    assert_eq!(client.err("chat.send", send("main", "4", "r4")).await["code"], "UNAVAILABLE");
    assert_eq!(client.ok("chat.send", replace("TWO", "r5", &second)).await["status"], "queued");
    assert_eq!(shown(&history(&mut client, "main").await), json!([[1, "1"], [4, "TWO"]]));
}

/// A database of the first version is brought up to date with all that it holds.
#[tokio::test]
async fn an_older_database_is_taken_over() {
    let (_model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    ask(&mut client, send("main", "one", "r1")).await;
    let before = history(&mut client, "main").await;
    let home = gateway.crash().await;
    let database = home.path().join("state/gateway.db");
    let mut db = sqlx::sqlite::SqliteConnectOptions::new().filename(database).connect().await.expect("the database");
    for sql in [
        "DROP TABLE attachments",
        "DROP TABLE model_calls",
        "DROP TABLE approvals",
        "DROP TABLE approval_rules",
        "DROP TABLE audit",
        "ALTER TABLE messages DROP COLUMN superseded_by",
        "ALTER TABLE sessions DROP COLUMN superseded",
        "DROP INDEX sessions_of_parent",
        "DROP INDEX sessions_of_id",
        "ALTER TABLE sessions DROP COLUMN untrusted",
        "ALTER TABLE sessions DROP COLUMN parent_key",
        "ALTER TABLE sessions DROP COLUMN parent_run",
        "ALTER TABLE sessions DROP COLUMN depth",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(sql).execute(&mut db).await.expect(sql);
    }
    db.close().await.expect("closes");
    std::fs::remove_dir(home.path().join("state/attachments")).expect("an empty folder");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(history(&mut client, "main").await, before);
    let mut params = send("main", "two", "r2");
    params["attachments"] = json!([file("a", "a/b", b"x")]);
    ask(&mut client, params).await;
    assert_eq!(history(&mut client, "main").await.len(), 4);
}

/// Two clients send and replace at once, again and again: every run ends once, the counts are true, and behind the
/// last branch nobody is told of a message that is in no history.
#[tokio::test]
async fn nothing_is_mixed_up_under_load() {
    let (model, gateway) = with_model("").await;
    let mut watcher = gateway.connect(Encoding::Json).await;
    watcher.ok("events.subscribe", json!({ "events": ["chat.event", "session.message", "session.changed"] })).await;
    let mut clients = [gateway.connect(Encoding::Json).await, gateway.connect(Encoding::Msgpack).await];
    let mut accepted = Vec::new();
    for round in 0..40 {
        let page = clients[0].ok("chat.history", json!({ "sessionKey": "main", "limit": 6 })).await;
        let messages = page["messages"].as_array().expect("a list");
        let target = messages.iter().rfind(|message| message["role"] == "user").map(|message| message["id"].clone());
        let mut asked = Vec::new();
        for (number, client) in clients.iter_mut().enumerate() {
            let run = format!("r{round}-{number}");
            let params = match &target {
                Some(id) if number == round % 2 => replace("again", &run, id),
                _ => send("main", "more", &run),
            };
            asked.push((client.start("chat.send", params).await, run));
        }
        for (client, (id, run)) in clients.iter_mut().zip(asked) {
            let answer = client.answer(&id).await;
            assert_eq!(answer["ok"], true, "{answer}");
            accepted.push(run);
        }
    }
    let mut events = Vec::new();
    let follow = async {
        let mut open = accepted.len();
        while open > 0 {
            let event = watcher.event().await;
            open -= usize::from(is_terminal(&event));
            events.push(event);
        }
    };
    within(DEADLINE, "end of all runs", follow).await;
    // The message and the row of the last one follow its end.
    watcher.event_where("the last row", |event| event["payload"]["session"]["status"] == "idle").await;
    for run in &accepted {
        let ends = events.iter().filter(|event| event["runId"] == run.as_str() && is_terminal(event)).count();
        assert_eq!(ends, 1, "{run}");
    }
    let messages = history(&mut watcher, "main").await;
    let row = watcher.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!(row["messageCount"], messages.len());
    for message in &messages {
        let question = messages.iter().find(|other| other["runId"] == message["runId"]).expect("itself");
        assert_eq!(question["role"], "user", "an answer without its question: {message}");
    }
    let last = events.iter().rposition(|event| event["payload"]["reason"] == "branched").expect("branches");
    for event in events[last..].iter().filter(|event| event["type"] == "session.message") {
        let id = &event["payload"]["message"]["id"];
        assert!(messages.iter().any(|message| message["id"] == *id), "a message of no history: {event}");
    }
    assert_eq!(model.faults(), Vec::<String>::new());
}
