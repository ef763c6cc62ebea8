//! The record: what it holds, how it is read, and that nothing can be changed in it without being found.

use serde_json::{Value, json};
use simpleclaw_tests::canary::Canaries;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::{ask, asker, question, resolve, verified};

/// Writes into the database of a home where no gateway runs, past what keeps the table as it is.
pub async fn change(home: &Home, statements: &[&str]) {
    let options = SqliteConnectOptions::new().filename(home.path().join("state/gateway.db"));
    let mut database = SqliteConnection::connect_with(&options).await.expect("opens");
    for statement in
        ["DROP TRIGGER IF EXISTS audit_stays", "DROP TRIGGER IF EXISTS audit_keeps"].iter().chain(statements)
    {
        sqlx::query(sqlx::AssertSqlSafe((*statement).to_owned())).execute(&mut database).await.expect("runs");
    }
    database.close().await.expect("closes");
}

/// Six rows: three questions and their answers.
async fn six_rows(client: &mut RawClient, program: &mut RawClient) {
    for number in 0..3 {
        let id = ask(program, question(number)).await;
        assert_eq!(resolve(client, &id, "deny").await["ok"], true);
    }
}

/// Every way to change the table by hand is named with the first row that is not as it was; what is written afterwards
/// does not hide it.
#[tokio::test]
async fn what_is_changed_by_hand_is_named() {
    let swap = "UPDATE audit SET body = (SELECT other.body FROM audit AS other WHERE other.seq = 5 - audit.seq) WHERE seq IN (2, 3)";
    for (statement, first) in [
        ("UPDATE audit SET body = replace(body, 'deny', 'allow-once') WHERE seq = 4", 4),
        ("UPDATE audit SET at = at - 1 WHERE seq = 1", 1),
        ("UPDATE audit SET kind = 'requested' WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq > 4", 5),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET hash = randomblob(32) WHERE seq = 6", 6),
        (swap, 2),
        ("DELETE FROM meta WHERE key = 'audit_head'", 7),
    ] {
        let gateway = Gateway::start().await;
        let mut client = gateway.connect(Encoding::Json).await;
        let mut program = asker(&gateway).await;
        six_rows(&mut client, &mut program).await;
        let good = verified(&mut client).await;
        assert_eq!((&good["ok"], &good["rows"], &good["head"]["seq"]), (&json!(true), &json!(6), &json!(6)));
        let home = gateway.crash().await;
        change(&home, &[statement]).await;
        let gateway = Gateway::in_home(&home).await;
        let mut client = gateway.connect(Encoding::Json).await;
        let found = verified(&mut client).await;
        assert_eq!((&found["ok"], &found["firstBad"]["seq"]), (&json!(false), &json!(first)), "{statement}: {found}");
        assert_eq!(found["rows"], first - 1, "{statement}");
        if statement.contains("audit_head") {
            continue;
        }
        let mut program = asker(&gateway).await;
        ask(&mut program, question(10)).await;
        let found = verified(&mut client).await;
        assert_eq!(found["firstBad"]["seq"], first, "hidden by a later row: {statement}: {found}");
    }
}

/// The table refuses changes by itself, and the head of the chain is in the log of each start.
#[tokio::test]
async fn the_table_is_only_added_to() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    let mut program = asker(&gateway).await;
    six_rows(&mut client, &mut program).await;
    let head = verified(&mut client).await["head"]["hash"].as_str().expect("a hash").to_owned();
    let home = gateway.crash().await;
    let options = SqliteConnectOptions::new().filename(home.path().join("state/gateway.db"));
    let mut database = SqliteConnection::connect_with(&options).await.expect("opens");
    for statement in ["UPDATE audit SET at = 0", "DELETE FROM audit"] {
        assert!(sqlx::query(statement).execute(&mut database).await.is_err(), "{statement}");
    }
    database.close().await.expect("closes");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(verified(&mut client).await["ok"], true);
    assert!(gateway.all_output().contains(&head[..32]), "the head is not in the log");
}

async fn pages(client: &mut RawClient, mut params: Value) -> Vec<Value> {
    let mut entries = Vec::new();
    loop {
        let page = client.ok("exec.approval.history", params.clone()).await;
        entries.extend(page["entries"].as_array().expect("rows").iter().cloned());
        match &page["nextCursor"] {
            Value::Null => return entries,
            cursor => params["cursor"] = cursor.clone(),
        }
    }
}

/// The history holds every question and answer, newest first, page by page, and is filtered by what it is asked for.
#[tokio::test]
async fn the_history_is_filtered_and_paged() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let mut program = asker(&gateway).await;
    client.ok("chat.inject", json!({ "sessionKey": "agent:main:other", "message": "x" })).await;
    six_rows(&mut client, &mut program).await;
    let mut other = question(9);
    other["sessionKey"] = "agent:main:other".into();
    let id = ask(&mut program, other).await;
    let seqs =
        |entries: Vec<Value>| entries.iter().map(|row| row["seq"].as_u64().expect("a number")).collect::<Vec<_>>();
    assert_eq!(seqs(pages(&mut client, json!({ "limit": 2 })).await), [7, 6, 5, 4, 3, 2, 1]);
    for (filter, expected) in [
        (json!({ "approvalId": id }), vec![7]),
        (json!({ "sessionKey": "agent:main:other" }), vec![7]),
        (json!({ "sessionKey": "main", "kind": "resolved" }), vec![6, 4, 2]),
        (json!({ "agentId": "nobody" }), vec![]),
        (json!({ "kind": "launched" }), vec![]),
        (json!({ "from": "2199-01-01T00:00:00.000Z" }), vec![]),
        (json!({ "to": "2001-01-01T00:00:00.000Z" }), vec![]),
        (json!({ "agentId": "main", "limit": 3, "to": "2199-01-01T00:00:00.000Z" }), vec![7, 6, 5, 4, 3, 2, 1]),
    ] {
        assert_eq!(seqs(pages(&mut client, filter.clone()).await), expected, "{filter}");
    }
    let newest = client.ok("exec.approval.history", json!({ "limit": 1 })).await["entries"][0].clone();
    assert_eq!((&newest["kind"], &newest["action"]["script"]), (&json!("requested"), &json!("echo 9")), "{newest}");
    assert!(newest["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{newest}");
    for cursor in ["x", "0", "-1"] {
        let error = client.err("exec.approval.history", json!({ "cursor": cursor })).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{cursor}");
    }
}

/// A value that was refused, and an idempotency key's body, leave no value of a variable anywhere below the home.
#[tokio::test]
async fn values_of_variables_are_nowhere() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut canaries = Canaries::default();
    let secret = canaries.plant("a variable's value");
    for variable in [format!("TOKEN={secret}"), format!("A B{secret}")] {
        let mut params = question(1);
        params["action"]["envNames"] = json!([variable]);
        let error = program.err("exec.approval.request", params).await;
        assert_eq!(error["code"], "INVALID_REQUEST");
        canaries.absent_from("the refusal", error.to_string().as_bytes());
    }
    let home = gateway.crash().await;
    canaries.absent_below(&home.path(), &[]);
}
