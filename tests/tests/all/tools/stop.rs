//! Stopping: at once, at any moment, with all that was started (trust.md, Stop).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_tests::fakes::Answer;
use simpleclaw_tests::{DEADLINE, Encoding, RawClient, within};

use super::{follow, phase, run, script, workspace};
use crate::chat::{send, with_model};

/// A script that says its children's numbers and never ends: one in its own session, one that ignores signals.
const ENDLESS: &str = "setsid sleep 1000 & echo $! >> pids; (trap '' TERM INT HUP; sleep 1000) & echo $! >> pids; \
    echo $$ >> pids; echo ready; while :; do sleep 1; done";
/// Everything runs: what is stopped here is the same without walls.
const FULL: &str = "tools: {exec: {mode: full, sandbox: off}}";

fn pids(gateway: &simpleclaw_tests::Gateway) -> Vec<i32> {
    let text = std::fs::read_to_string(workspace(gateway).join("pids")).expect("the numbers");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// Whether a process goes on: it is there, and neither dead nor frozen.
fn goes_on(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X'))
}

async fn until_gone(pids: &[i32]) {
    let gone = async {
        while pids.iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, "end of every process", gone).await;
}

/// Whichever way a stop comes, it is acknowledged quickly, everything is frozen by then, and dead soon after.
#[tokio::test]
async fn a_stop_takes_the_children_with_it() {
    for method in ["chat.abort", "runs.abort", "gateway.pause"] {
        let (model, gateway) = with_model(FULL).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        script(&model, &[("exec", json!({ "command": ENDLESS }))]);
        client.ok("chat.send", send("main", "go", "r")).await;
        let ready =
            |event: &Value| event["payload"]["data"]["chunk"].as_str().is_some_and(|text| text.contains("ready"));
        client.event_where("ready", ready).await;
        let pids = pids(&gateway);
        assert!(pids.iter().all(|pid| goes_on(*pid)), "{pids:?}");
        let began = Instant::now();
        let params = if method == "chat.abort" { json!({ "sessionKey": "main" }) } else { json!({}) };
        let stopped = client.ok(method, params).await;
        assert_eq!(stopped["runIds"], json!(["r"]), "{method}");
        eprintln!("{method}: acknowledged after {:?}", began.elapsed());
        // Nothing of theirs runs any more; who is being killed by now looks for a moment as if it did.
        let stands = async {
            while pids.iter().any(|pid| goes_on(*pid)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within(DEADLINE, method, stands).await;
        assert_eq!(client.run_to_end("r").await.pop().expect("an end")["state"], "aborted");
        until_gone(&pids).await;
    }
}

/// Programs in the background end with a stop of their session, and with the gateway.
#[tokio::test]
async fn what_goes_in_the_background_is_stopped_too() {
    let (model, mut gateway) = with_model(FULL).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let call = json!({ "command": ENDLESS, "background": true });
    run(&model, &mut client, "one", None, &[("exec", call.clone())]).await;
    let first = pids(&gateway);
    client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
    until_gone(&first).await;
    std::fs::remove_file(workspace(&gateway).join("pids")).expect("the numbers");
    run(&model, &mut client, "two", None, &[("exec", call)]).await;
    let second = pids(&gateway);
    client.ok("gateway.shutdown", json!({})).await;
    assert_eq!(gateway.exited().await.code(), Some(0));
    until_gone(&second).await;
}

/// Writes as fast as it can, from three processes, one of them in a session of its own.
const BUSY: &str = "w() { while :; do echo x >> $f; done; }; w & setsid sh -c 'while :; do echo x >> $f; done' & w";

/// A thousand times, at any moment from the start of a run to the middle of its command: what is acknowledged as stopped
/// has done its last.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_after_a_stop() {
    const ROUNDS: u64 = 1_000;
    const GATEWAYS: u64 = 2;
    let times = (0..GATEWAYS).map(|nth| tokio::spawn(stopped_often(nth, ROUNDS / GATEWAYS)));
    let mut times: Vec<Duration> =
        futures_util::future::try_join_all(times).await.expect("no panic").into_iter().flatten().collect();
    times.sort();
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("{ROUNDS} stops: acknowledged after {median:?}, {last:?} at most");
    // How long one takes is the machine's to say; that they are not made to wait is seen all the same.
    assert!(median < Duration::from_secs(1), "{median:?}");
}

/// How long each stop took to be acknowledged.
async fn stopped_often(nth: u64, rounds: u64) -> Vec<Duration> {
    let (model, gateway) = with_model(FULL).await;
    let folder = workspace(&gateway);
    let sizes = || -> HashMap<_, _> {
        let files = std::fs::read_dir(&folder).expect("the workspace").map(|file| file.expect("a file"));
        files.map(|file| (file.file_name(), file.metadata().expect("its size").len())).collect()
    };
    // Each call has a file of its own; a run that is stopped before it asks the model leaves its call to the next.
    model.script((0..rounds).map(|call| {
        let command = BUSY.replace("$f", &format!("log{call}"));
        Answer::tool_call("exec", &json!({ "command": command }).to_string())
    }));
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let (mut times, mut left) = (vec![], HashMap::new());
    for round in 0..rounds {
        let id = format!("r{round}");
        let now = sizes().into_iter().map(|(name, size)| (left.get(&name).copied(), size, name));
        let late: Vec<_> = now.filter(|(then, size, _)| *then != Some(*size)).collect();
        assert!(late.is_empty(), "written to after stop {round}: {late:?}, {:?}", times.last());
        client.ok("chat.send", send("main", "go", &id)).await;
        // Not random by chance: the golden ratio spreads them over the time that a command needs to start, and more.
        let moment = ((round + nth) as f64 * 0.618_034).fract();
        tokio::time::sleep(Duration::from_secs_f64(moment * 0.15)).await;
        let began = Instant::now();
        client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
        times.push(began.elapsed());
        left.extend(sizes().into_iter().filter(|(name, _)| !left.contains_key(name)).collect::<Vec<_>>());
        let told = follow(&mut client, &id, None).await;
        assert_eq!(told.end["state"], "aborted", "{}", told.end);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(sizes(), left, "written to after the last stop");
    let started = u64::try_from(left.len()).expect("a count");
    assert!(started > rounds / 10, "only {started} commands of {rounds} had begun to write");
    times
}

/// A stop takes what a sub-agent has going, and a sub-agent of that, before it is acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_sub_agents() {
    let more = format!("{FULL}\nagents: {{entries: {{main: {{name: Claw, tools: {{profile: full}}}}}}}}");
    let (model, gateway) = with_model(&more).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let spawn = |text: &str| Answer::tool_call("sessions", &json!({ "action": "spawn", "text": text }).to_string());
    for round in 0..10 {
        let (id, log) = (format!("r{round}"), format!("log{round}"));
        let busy = json!({ "command": BUSY.replace("$f", &log) }).to_string();
        model.script([spawn("below"), spawn("below that"), Answer::tool_call("exec", &busy)]);
        client.ok("chat.send", send("main", "go", &id)).await;
        let log = workspace(&gateway).join(log);
        let size = || log.metadata().map_or(0, |about| about.len());
        let writes = async {
            while size() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within(DEADLINE, "the command of the sub-agent", writes).await;
        let stopped = client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
        let then = size();
        assert_eq!(stopped["runIds"].as_array().map(Vec::len), Some(3), "{stopped}");
        assert_eq!(stopped["runIds"][0], id, "{stopped}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(size(), then, "written to after the stop of round {round}");
        assert_eq!(client.run_to_end(&id).await.pop().expect("an end")["state"], "aborted");
    }
}

/// Stopped at any moment, a run ends once, as aborted or answered, and the next one goes.
#[tokio::test]
async fn stopped_at_random_moments() {
    let (model, gateway) = with_model(FULL).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for round in 0..20_u64 {
        let id = format!("r{round}");
        let calls: Vec<_> = (0..3).map(|_| ("exec", json!({ "command": "sleep 0.05; echo x >> log" }))).collect();
        script(&model, &calls);
        client.ok("chat.send", send("main", "go", &id)).await;
        // Not random by chance: each round a little later.
        tokio::time::sleep(Duration::from_millis(round * 17 % 240)).await;
        client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
        let told = follow(&mut client, &id, None).await;
        assert!(matches!(told.end["state"].as_str(), Some("aborted" | "final")), "{}", told.end);
        assert_no_more(&mut client, &id).await;
        clear(&model, &mut client, &format!("clear{round}")).await;
    }
}

/// What the model was still to say belongs to no later run.
async fn clear(model: &simpleclaw_tests::fakes::Model, client: &mut RawClient, id: &str) {
    let mut round = 0;
    loop {
        let id = format!("{id}-{round}");
        model.script([Answer::deltas(["cleared"])]);
        client.ok("chat.send", send("main", "next", &id)).await;
        let told = follow(client, &id, None).await;
        assert_eq!(told.end["state"], "final", "{}", told.end);
        if told.end["message"].to_string().contains("cleared") {
            return;
        }
        round += 1;
    }
}

async fn assert_no_more(client: &mut RawClient, id: &str) {
    let late = client.events_so_far().await;
    let late: Vec<_> = late.iter().filter(|event| event["runId"] == id).collect();
    assert!(late.is_empty(), "after the end: {late:?}");
}

/// A question that nobody answers ends with a stop; it can be answered no more, and the command never ran.
#[tokio::test]
async fn a_stop_withdraws_the_question() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    script(&model, &[("exec", json!({ "command": "echo ran > ran", "unconfined": true }))]);
    client.ok("chat.send", send("main", "go", "r")).await;
    let waiting = phase(&mut client, "r", "waiting_approval").await;
    client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
    assert_eq!(client.run_to_end("r").await.pop().expect("an end")["state"], "aborted");
    let late = json!({ "id": waiting["approvalId"], "decision": "allow-once" });
    assert_eq!(client.err("exec.approval.resolve", late).await["code"], "CONFLICT");
    assert_eq!(client.ok("exec.approval.list", json!({})).await["approvals"], json!([]));
    assert!(!workspace(&gateway).join("ran").exists());
}
