use std::collections::BTreeMap;

use serde_json::json;
use simpleclaw_protocol::approval::{ActionKind, ApprovalAction, ApprovalDecision, ApprovalOrigin, ApprovalState};
use simpleclaw_protocol::handshake::StateVersion;
use simpleclaw_protocol::health::{ConfigProblem, Pending, RunCounts, Sandbox, StoreSize, Subsystem, TodayUsage};
use simpleclaw_protocol::message::{SessionKind, SessionStatus, Usage};
use simpleclaw_protocol::time::Timestamp;

use super::*;
use crate::menu::{Entry, NAME_LENGTH, short};

fn health() -> Health {
    Health {
        ok: true,
        ts: 0,
        version: "0.1.0".into(),
        uptime_ms: 0,
        channels: BTreeMap::new(),
        agents: vec![],
        cron_jobs: 0,
        connected_nodes: 0,
        state_version: StateVersion::default(),
        paused: false,
        subsystems: BTreeMap::new(),
        startup: vec![],
        accounts: vec![],
        runs: RunCounts::default(),
        approvals: Pending::default(),
        pairings: Pending::default(),
        usage: TodayUsage::default(),
        sandbox: Sandbox::default(),
        config_problem: None,
        store: StoreSize::default(),
        process: simpleclaw_protocol::health::ProcessFigures::default(),
    }
}

fn with(change: impl FnOnce(&mut Health)) -> Option<Health> {
    let mut health = health();
    change(&mut health);
    Some(health)
}

fn row(key: &str, title: &str, updated_at: i64) -> SessionRow {
    SessionRow {
        key: key.into(),
        session_id: "s".into(),
        agent_id: "main".into(),
        kind: SessionKind::Chat,
        label: None,
        title: title.into(),
        channel: None,
        account_id: None,
        peer: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(updated_at),
        last_message_preview: String::new(),
        status: SessionStatus::Idle,
        active_run_ids: vec![],
        model: "builtin/guide".into(),
        usage: Usage::default(),
        message_count: 0,
        unread: 0,
        pinned: false,
        archived: false,
    }
}

pub fn approval(id: &str, created_at: i64) -> Approval {
    Approval {
        id: id.into(),
        state: ApprovalState::Pending,
        session_key: "agent:main:main".into(),
        agent_id: "main".into(),
        run_id: None,
        tool_call_id: None,
        action: ApprovalAction {
            kind: ActionKind::Exec,
            argv: vec!["true".into()],
            program: None,
            script: None,
            cwd: Some("/w".into()),
            env_names: vec![],
            path: None,
            diff: None,
            url: None,
            sandbox: "bubblewrap".into(),
            network: true,
            description: None,
        },
        why: "It wants the network.".into(),
        origin: ApprovalOrigin::default(),
        allowed_decisions: vec![ApprovalDecision::AllowOnce, ApprovalDecision::Deny],
        proposed_rule: None,
        created_at: Timestamp(created_at),
        expires_at: Timestamp(created_at + 1000),
        decision: None,
        decided_by: None,
        decided_at: None,
        reason: None,
    }
}

fn failure() -> Failure {
    Failure { code: "PORT_TAKEN", sentence: "Port 18789 is taken.".into(), config: None }
}

fn state(phase: Phase, health: Option<Health>) -> State {
    State { health, ..State::new(phase) }
}

#[test]
fn what_icon_status_and_tooltip_say() {
    let degraded = |detail: Option<&str>| {
        let subsystem =
            Subsystem { state: SubsystemState::Degraded, since: Timestamp(0), detail: detail.map(str::to_owned) };
        with(|health| health.subsystems = BTreeMap::from([("store".to_owned(), subsystem)]))
    };
    let runs = |active| with(|health| health.runs.active = active);
    let channels = |health: &mut Health| {
        health.channels =
            BTreeMap::from([("irc".to_owned(), ChannelState::Connected), ("matrix".to_owned(), ChannelState::Failed)]);
    };
    let problem = ConfigProblem { line: 3, column: 5, message: "unknown key".into() };
    let attached = Phase::Attached { pid: 7 };
    let cases = [
        (Phase::Starting, None, Icon::Paused, "starting…", ""),
        (Phase::Running, with(|_| ()), Icon::Ready, "running", ""),
        (Phase::Running, with(channels), Icon::Ready, "running · 1 of 2 channels", ""),
        (Phase::Running, runs(1), Icon::Working, "1 run active", ""),
        (Phase::Running, runs(3), Icon::Working, "3 runs active", ""),
        (Phase::Running, degraded(None), Icon::Degraded, "degraded", "store"),
        (Phase::Running, degraded(Some("disk full")), Icon::Degraded, "degraded", "store: disk full"),
        (
            Phase::Running,
            with(|health| health.config_problem = Some(problem)),
            Icon::Degraded,
            "degraded",
            "config.yaml, line 3: unknown key",
        ),
        (Phase::Running, with(|health| health.paused = true), Icon::Paused, "paused", ""),
        (attached.clone(), with(|_| ()), Icon::Ready, "running in process 7", ""),
        (attached, with(|health| health.paused = true), Icon::Paused, "paused in process 7", ""),
        (Phase::Lost { pid: 7 }, with(|_| ()), Icon::Paused, "lost the gateway in process 7", ""),
        (Phase::Failed(failure()), None, Icon::Paused, "not started", "Port 18789 is taken."),
        (Phase::Stopping, runs(1), Icon::Paused, "stopping…", ""),
        (Phase::Stopped, None, Icon::Paused, "stopped", ""),
    ];
    for (phase, health, icon, words, detail) in cases {
        let state = state(phase, health);
        let name = format!("{:?}", state.phase);
        assert_eq!(state.icon(), icon, "{name}");
        assert_eq!(state.status_line(), format!("SimpleClaw 0.1 · {words}"), "{name}");
        let tooltip = state.tooltip();
        assert!(tooltip.starts_with("SimpleClaw: ") && tooltip.ends_with(detail), "{name}: {tooltip}");
        assert_eq!(tooltip.lines().count(), if detail.is_empty() { 1 } else { 2 }, "{name}: {tooltip}");
    }
}

/// `-` is a separator, `!` a disabled entry, `✓` a set mark, `▸` a submenu.
fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| match entry {
        Entry::Text(words) => words.clone(),
        Entry::Item { label, enabled, .. } => format!("{}{label}", if *enabled { "" } else { "!" }),
        Entry::Check { label, enabled, checked, .. } => {
            format!("{}{label}{}", if *enabled { "" } else { "!" }, if *checked { " ✓" } else { "" })
        }
        Entry::Submenu { label, enabled, entries } => {
            format!("{}{label} ▸ {}", if *enabled { "" } else { "!" }, lines(entries).join(", "))
        }
        Entry::Separator => "-".to_owned(),
    };
    entries.iter().map(line).collect()
}

#[test]
fn the_menu_of_a_gateway_that_runs() {
    let today = TodayUsage { today_cost_usd: 0.42, today_runs: 2 };
    let mut state = state(Phase::Running, with(|health| (health.paused, health.usage) = (true, today)));
    state.sessions = vec![row("agent:main:b", "Tea", 2), row("agent:main:main", "Main", 1)];
    let menu = state.menu(true);
    let expected = [
        "SimpleClaw 0.1 · paused",
        "Today: $0.42 · 2 runs",
        "-",
        "Open Chat",
        "Dashboard",
        "Recent sessions ▸ Tea, Main",
        "-",
        "Stop all",
        "Pause all agents ✓",
        "-",
        "Copy gateway address",
        "Settings…",
        "Launch at login ✓",
        "View logs",
        "Restart gateway",
        "-",
        "Quit",
    ];
    assert_eq!(lines(&menu), expected);
}

#[test]
fn what_waits_for_the_person_comes_before_all_else() {
    let mut state = state(Phase::Running, with(|health| (health.paused, health.runs.active) = (true, 1)));
    for (id, at) in [("b", 2), ("a", 1), ("b", 2)] {
        assert!(state.hear(&event("exec.approval.requested", json!(approval(id, at)))));
    }
    let ids: Vec<_> = state.approvals().iter().map(|approval| approval.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(state.icon(), Icon::NeedsYou);
    assert!(state.tooltip().ends_with("\n2 approvals waiting"), "{}", state.tooltip());
    assert_eq!(lines(&state.menu(false))[1], "⚠ 2 approvals waiting…");
    let answered = |id: &str| {
        json!({
            "id": id, "sessionKey": "agent:main:main", "agentId": "main", "state": "denied",
            "decidedAt": Timestamp(3),
        })
    };
    assert!(state.hear(&event("exec.approval.resolved", answered("a"))));
    assert_eq!(lines(&state.menu(false))[1], "⚠ 1 approval waiting…");
    assert!(state.hear(&event("exec.approval.resolved", answered("b"))));
    assert_eq!((state.icon(), state.waiting()), (Icon::Paused, 0));
    assert!(!lines(&state.menu(false)).iter().any(|line| line.contains("waiting")));
}

#[test]
fn what_is_not_ours_to_see_is_counted_all_the_same() {
    let mut state = state(Phase::Running, with(|health| health.approvals.pending = 3));
    assert_eq!((state.waiting(), state.icon(), state.approvals().len()), (3, Icon::NeedsYou, 0));
    state.phase = Phase::Stopping;
    assert_eq!((state.waiting(), state.icon()), (0, Icon::Paused));
}

#[test]
fn runs_with_tools_may_ask_until_they_end() {
    let mut state = state(Phase::Running, with(|_| ()));
    let run = |id: &str, stream: &str, data: serde_json::Value| {
        let said = json!({
            "runId": id, "sessionKey": "agent:main:main", "agentId": "main", "index": 0, "ts": 0,
            "stream": stream, "data": data,
        });
        event("agent.event", said)
    };
    let model = |provider: &str| json!({ "provider": provider, "model": "m", "reason": "default" });
    assert!(!state.hear(&run("1", "model", model("builtin"))));
    assert!(!state.may_ask());
    let tool = json!({ "phase": "start", "toolCallId": "c", "name": "list", "args": {} });
    assert!(state.hear(&run("1", "tool", tool)), "the guide shows how it is asked");
    assert!(state.may_ask());
    assert!(state.hear(&run("1", "lifecycle", json!({ "phase": "end" }))));
    assert!(state.hear(&run("2", "model", model("anthropic"))));
    assert!(!state.hear(&run("3", "model", model("anthropic"))), "nothing else is shown for it");
    assert!(state.may_ask());
    assert!(!state.hear(&run("2", "lifecycle", json!({ "phase": "end" }))));
    assert!(state.hear(&run("3", "lifecycle", json!({ "phase": "error" }))));
    assert!(!state.may_ask());
}

#[test]
fn what_was_spent_is_never_rounded_to_nothing() {
    for (cost, runs, line) in [
        (0.0, 0, "Today: $0.00 · 0 runs"),
        (0.004, 1, "Today: under $0.01 · 1 run"),
        (12.345, 30, "Today: $12.35 · 30 runs"),
    ] {
        let usage = TodayUsage { today_cost_usd: cost, today_runs: runs };
        let menu = state(Phase::Running, with(|health| health.usage = usage)).menu(false);
        assert_eq!(lines(&menu)[1], line);
    }
}

#[test]
fn the_menu_of_a_start_that_failed() {
    let expected = [
        "SimpleClaw 0.1 · not started",
        "Why it did not start…",
        "-",
        "!Open Chat",
        "!Dashboard",
        "!Recent sessions ▸ ",
        "-",
        "!Stop all",
        "!Pause all agents",
        "-",
        "!Copy gateway address",
        "!Settings…",
        "Launch at login",
        "View logs",
        "Restart gateway",
        "-",
        "Quit",
    ];
    assert_eq!(lines(&state(Phase::Failed(failure()), None).menu(false)), expected);
}

#[test]
fn sessions_are_the_newest_first_and_few() {
    let mut state = state(Phase::Running, with(|_| ()));
    for number in 0..10 {
        state.put_session(row(&format!("agent:main:{number}"), "t", number));
    }
    state.put_session(row("agent:main:5", "t", 20));
    state.put_session(SessionRow { archived: true, ..row("agent:main:9", "t", 30) });
    let keys: Vec<_> = state.sessions.iter().map(|row| row.key.trim_start_matches("agent:main:")).collect();
    assert_eq!(keys, ["5", "8", "7", "6", "4", "3", "2"]);
}

#[test]
fn names_fit_one_line() {
    assert_eq!(short("Tea & cake\nat five"), "Tea & cake at five");
    assert_eq!(short(&"é".repeat(NAME_LENGTH)), "é".repeat(NAME_LENGTH));
    assert_eq!(short(&"é".repeat(NAME_LENGTH + 1)), format!("{}…", "é".repeat(NAME_LENGTH)));
}

fn event(name: &str, payload: serde_json::Value) -> EventFrame {
    EventFrame { name: name.into(), seq: 1, payload }
}

#[test]
fn events_change_what_is_shown() {
    let mut state = state(Phase::Running, with(|_| ()));
    assert!(state.hear(&event("gateway.paused", json!({}))));
    assert!(state.is_paused());
    let working = with(|health| health.runs.active = 1);
    assert!(state.hear(&event("health", json!(working))));
    assert_eq!((state.is_paused(), state.icon()), (false, Icon::Working));
    let changed = json!({ "key": "agent:main:x", "reason": "message", "session": row("agent:main:x", "X", 1) });
    assert!(state.hear(&event("session.changed", changed)));
    assert_eq!(state.sessions.len(), 1);
    for (name, payload) in [("tick", json!({ "ts": 1 })), ("health", json!({})), ("chat.event", json!({}))] {
        assert!(!state.hear(&event(name, payload)), "{name}");
    }
    assert!(state.hear(&event("shutdown", json!({ "reason": "restart" }))));
    assert_eq!(state.phase, Phase::Stopping);
}

#[test]
fn the_address_is_for_a_browser_and_has_no_token() {
    let mut state = state(Phase::Running, with(|_| ()));
    assert_eq!(state.web_address(), None);
    state.endpoint = Some(Endpoint { url: "ws://127.0.0.1:18789".into(), token: "secret".into() });
    assert_eq!(state.web_address().as_deref(), Some("http://localhost:18789"));
    state.endpoint = Some(Endpoint { url: "ws://[::1]:1".into(), token: "secret".into() });
    assert_eq!(state.web_address().as_deref(), Some("http://[::1]:1"));
}
