//! A session that floods is refused in words and slowed; others go on.

use std::time::{Duration, Instant};

use serde_json::json;
use simpleclaw_tests::{Encoding, Gateway};

use super::{ask, asker, pending, question, resolve};

#[tokio::test]
async fn a_flood_is_refused_and_slowed() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    person.ok("chat.inject", json!({ "sessionKey": "agent:main:calm", "message": "x" })).await;
    let mut ids = Vec::new();
    for number in 0..32 {
        ids.push(ask(&mut program, question(number)).await);
    }
    let began = Instant::now();
    for number in 32..35 {
        let error = program.err("exec.approval.request", question(number)).await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("RATE_LIMITED"), &json!(true)), "{error}");
        assert!(error["message"].as_str().expect("words").contains("wait"), "{error}");
        assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    }
    // The first at once, the next after 250 ms, the next after 500 ms.
    assert!(began.elapsed() >= Duration::from_millis(750), "{:?}", began.elapsed());
    assert_eq!(pending(&mut person).await, ids);
    // Another session is not slowed. The machine may be, now and then.
    let mut fastest = Duration::MAX;
    for number in 50..55 {
        let began = Instant::now();
        let mut calm = question(number);
        calm["sessionKey"] = "agent:main:calm".into();
        ask(&mut program, calm).await;
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(750), "another session was slowed: {fastest:?}");
    // A repeat is no new question.
    assert_eq!(ask(&mut program, question(0)).await, ids[0]);
    // What is answered makes room.
    assert_eq!(resolve(&mut person, &ids[0], "deny").await["ok"], true);
    ask(&mut program, question(60)).await;
}

/// Over all sessions there is a bound too.
#[tokio::test]
async fn sessions_together_have_a_bound() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    for session in 0..5 {
        let key = format!("agent:main:s{session}");
        person.ok("chat.inject", json!({ "sessionKey": key, "message": "x" })).await;
        for number in 0..30 {
            let mut params = question(session * 100 + number);
            params["sessionKey"] = key.clone().into();
            if session * 30 + number < 128 {
                ask(&mut program, params).await;
            } else {
                assert_eq!(program.err("exec.approval.request", params).await["code"], "RATE_LIMITED");
                assert_eq!(pending(&mut person).await.len(), 128);
                return;
            }
        }
    }
}
