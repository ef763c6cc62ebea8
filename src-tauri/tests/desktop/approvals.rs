//! The dialog for approvals in the real app: it comes at once, is answered by the keys that a person presses, and goes.
//!
//! Keys come from the X server and not from the driver, which only reads the page. Deliberately elsewhere: how the page
//! looks and scrolls in every size (`ui/e2e`), who may answer (`tests/`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_tests::DEADLINE;

use super::desk::{DIALOG, Desk};
use super::session::{Session, until};
use super::webdriver::Browser;

const DENY_HAS_FOCUS: &str =
    "return document.activeElement?.tagName === 'BUTTON' && document.activeElement.innerText.startsWith('Deny')";
/// Whether the buttons that allow something can be pressed.
const ARMED: &str = "return document.querySelector('.decide button.primary')?.disabled === false";
/// What is asked, as a person reads it, row by row.
const ROWS: &str = ".question .row > bdi";
/// Has the page note each Enter: how long after it was shown, or last got the focus, and whether anything was asked.
/// A question that is drawn later than that counts from then, so no Enter came later than it is noted.
const NOTE_ENTERS: &str = "window.enters = [];
    let since = performance.now();
    const restart = () => { since = performance.now(); };
    addEventListener('focus', restart);
    document.addEventListener('visibilitychange', restart);
    addEventListener('keydown', ({ key }) => {
        if (key !== 'Enter') return;
        window.enters.push({ after: performance.now() - since, asked: document.querySelector('.decide') !== null });
    }, true);
    return true";
/// As the page has it: an answer that comes sooner allows nothing.
const ARM: Duration = Duration::from_millis(700);

fn script(text: &str) -> Value {
    json!({ "kind": "script", "script": text })
}

/// That this answer was given in the dialog's page, and not in the message box that stands in for it.
fn assert_from_page(resolved: &Value, decision: &str, page: &str) {
    let by = &resolved["decidedBy"];
    let told = (&resolved["decision"], &by["surface"], &by["connId"]);
    assert_eq!(told, (&json!(decision), &json!("dialog"), &json!(page)), "{resolved}");
}

/// Presses Esc until it has answered: what is asked is drawn a little after the window, and before that no key does
/// anything.
async fn until_esc_answers(desk: &Desk, id: &str) {
    until("Esc answers", async || {
        desk.session.press(&["Escape"]);
        (desk.state(id).await != "pending").then_some(())
    })
    .await;
}

/// Waits until so many Enters have come to the page; the last one.
async fn until_enter(browser: &Browser, count: usize) -> Value {
    until("Enter comes to the page", async || {
        let enters = browser.run("return window.enters").await;
        let enters = enters.as_array().expect("a list");
        (enters.len() >= count).then(|| enters.last().cloned().unwrap_or_default())
    })
    .await
}

/// While a run with tools goes on the window is there already, hidden, and only has to be shown. It stands above all
/// others and has the focus, the tray counts, and Esc denies: the run goes on without what it wanted.
///
/// The budget is 200 ms, from the event at another client to the window on the screen, as the X server has it. That is
/// for an idle machine and a release build, and `println` says what it was here; it decides nothing.
#[tokio::test]
async fn a_warm_dialog_comes_at_once_and_esc_denies() {
    let (mut desk, _app, gate) = Desk::warm().await;
    let working = desk.item.icon().await;
    let page = desk.page().await;
    gate.open();
    let asked = desk.event("exec.approval.requested").await;
    let heard = Instant::now();
    while desk.session.windows(DIALOG) == 0 {
        assert!(heard.elapsed() < DEADLINE, "no window");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let shown = heard.elapsed();
    println!("warm: on the screen {shown:?} after the event");
    desk.session.until_focus(DIALOG).await;
    let state = desk.session.window_state(DIALOG);
    assert!(state.contains("_NET_WM_STATE_ABOVE"), "{state}");
    desk.until_counted(1).await;
    assert_ne!(desk.item.icon().await, working);

    let id = asked["id"].as_str().expect("an id").to_owned();
    until_esc_answers(&desk, &id).await;
    assert_from_page(&desk.resolved(&id).await, "deny", &page);
    desk.session.until_windows(DIALOG, 0).await;
    desk.until_counted(0).await;
    desk.item.until_status("· running").await;
    assert!(!desk.ran());
}

/// Without any run the window is made for the question, which takes longer, and is a window and no message box: a page
/// that is still being loaded is not dead.
#[tokio::test]
async fn a_cold_dialog_comes_too() {
    let (mut desk, _app) = Desk::hidden(Session::start()).await;
    let began = Instant::now();
    let id = desk.ask(script("echo cold")).await;
    desk.session.until_windows(DIALOG, 1).await;
    println!("cold: on the screen {:?} after it was asked for", began.elapsed());
    let page = desk.page().await;
    println!("cold: its page connected {:?} after it was asked for", began.elapsed());
    desk.session.until_focus(DIALOG).await;
    desk.until_counted(1).await;
    until_esc_answers(&desk, &id).await;
    assert_from_page(&desk.resolved(&id).await, "deny", &page);
    desk.session.until_windows(DIALOG, 0).await;
    desk.until_counted(0).await;
}

/// The page shows exactly what was asked, with what hides made visible; Deny has the focus; and Tab and Enter alone
/// lead to an answer that allows it once.
#[tokio::test]
async fn the_keyboard_alone_allows_once() {
    let (mut desk, browser) = Desk::driven().await;
    let argv = ["echo", "two words", "cod\u{202e}gpj.exe"];
    let id = desk.ask(json!({ "kind": "exec", "argv": argv, "cwd": "/" })).await;
    let asked = desk.event("exec.approval.requested").await;
    browser.go_to("#/approval").await;
    let page = desk.page().await;
    desk.session.until_focus(DIALOG).await;
    browser.until("Deny has the focus", DENY_HAS_FOCUS).await;
    let rows = browser.texts(ROWS).await;
    assert_eq!(rows.len(), argv.len(), "{rows:?}");
    assert_eq!((&json!(rows[0]), rows[1].as_str()), (&asked["action"]["program"], "two words"));
    // The mark has a name for those who hear it.
    assert!(rows[2].contains("\\u{202e}") && !rows[2].contains('\u{202e}'), "{rows:?}");

    browser.until("the buttons arm", ARMED).await;
    let tabs = "const buttons = [...document.querySelectorAll('.decide button:not([disabled])')];
        return buttons.findIndex((button) => button.classList.contains('primary'))";
    let tabs = browser.run(tabs).await.as_u64().expect("a number");
    assert!(tabs > 0, "Deny comes first");
    for _ in 0..tabs {
        desk.session.press(&["Tab"]);
    }
    browser.until("Allow once has the focus", "return document.activeElement.matches('.decide button.primary')").await;
    desk.session.press(&["Return"]);
    assert_from_page(&desk.resolved(&id).await, "allow-once", &page);
    desk.session.until_windows(DIALOG, 0).await;
    desk.until_counted(0).await;
}

/// Keys that were meant for another window allow nothing: Enter presses Deny, and the keys of Allow once do nothing for
/// the first 700 ms. After those they count.
#[tokio::test]
async fn a_key_that_comes_early_allows_nothing() {
    let (mut desk, browser) = Desk::driven().await;
    let id = desk.ask(script("echo first")).await;
    browser.go_to("#/approval").await;
    browser.run(NOTE_ENTERS).await;
    let page = desk.page().await;
    browser.until("Deny has the focus", DENY_HAS_FOCUS).await;
    desk.session.until_focus(DIALOG).await;
    desk.session.press(&["Return"]);
    assert_from_page(&desk.resolved(&id).await, "deny", &page);

    let (began, mut pressed) = (Instant::now(), 1);
    loop {
        desk.session.until_windows(DIALOG, 0).await;
        let id = desk.ask(script("echo again")).await;
        desk.session.until_focus(DIALOG).await;
        desk.session.press(&["ctrl+Return"]);
        pressed += 1;
        let enter = until_enter(&browser, pressed).await;
        let after = enter["after"].as_f64().expect("milliseconds");
        if enter["asked"] == true && after < ARM.as_secs_f64() * 1e3 {
            // Were its answer on the way, it would be here by then.
            browser.until("the buttons arm", ARMED).await;
            assert_eq!(desk.state(&id).await, "pending", "Enter after {after} ms");
            desk.session.press(&["ctrl+Return"]);
            assert_from_page(&desk.resolved(&id).await, "allow-once", &page);
            return;
        }
        // The machine was busy: the key came before anything was asked, or so late that it may have allowed it.
        assert!(began.elapsed() < DEADLINE, "no key came early: {enter}");
        until_esc_answers(&desk, &id).await;
    }
}

/// What does not fit the window has to be scrolled through before it can be allowed, and it can be with the keyboard.
#[tokio::test]
async fn what_was_not_seen_cannot_be_allowed() {
    const SCROLLED: &str = "return document.querySelector('.question .body').scrollTop";
    // A place counts as seen once it was drawn.
    const DRAWN: &str =
        "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";

    let (mut desk, browser) = Desk::driven().await;
    let lines: Vec<_> = (0..120).map(|number| format!("echo {number}")).collect();
    let id = desk.ask(script(&lines.join("\n"))).await;
    browser.go_to("#/approval").await;
    browser.run(NOTE_ENTERS).await;
    let page = desk.page().await;
    desk.session.until_focus(DIALOG).await;
    let note = "return document.querySelector('.decide .note')?.innerText.startsWith('Scroll through all') === true";
    browser.until("it says what to do", note).await;
    assert_eq!(browser.texts(ROWS).await, lines);
    desk.session.press(&["ctrl+Return"]);
    until_enter(&browser, 1).await;
    while browser.run(ARMED).await == false {
        let before = browser.run(SCROLLED).await;
        desk.session.press(&["Next"]);
        until("the text scrolls", async || {
            (browser.run(SCROLLED).await != before || browser.run(ARMED).await == true).then_some(())
        })
        .await;
        browser.run(DRAWN).await;
    }
    assert_eq!(desk.state(&id).await, "pending");
    desk.session.press(&["ctrl+Return"]);
    assert_from_page(&desk.resolved(&id).await, "allow-once", &page);
}

/// Two that wait are counted, and asked one after the other, the oldest first. One that is answered elsewhere is not
/// asked any more: the dialog says who answered, and after the last one it goes.
#[tokio::test]
async fn an_answer_from_elsewhere_is_said_and_the_dialog_goes() {
    let (mut desk, browser) = Desk::driven().await;
    let ids = [desk.ask(script("echo one")).await, desk.ask(script("echo two")).await];
    desk.until_counted(2).await;
    browser.go_to("#/approval").await;
    browser
        .until("both are known", "return document.querySelector('.several')?.innerText.includes('1 of 2') === true")
        .await;
    for (id, (text, decision), left) in [(&ids[0], ("echo one", "deny"), 1), (&ids[1], ("echo two", "allow-once"), 0)] {
        until(text, async || (browser.texts(ROWS).await == [text]).then_some(())).await;
        desk.answer_elsewhere(id, decision).await;
        let told = "return document.querySelector('.told h1')?.innerText.includes('on the command line') === true";
        browser.until("it says who answered", told).await;
        desk.until_counted(left).await;
    }
    desk.session.until_windows(DIALOG, 0).await;
}

/// Closing the dialog answers nothing, and the line in the menu brings it back.
#[tokio::test]
async fn a_dialog_that_was_closed_comes_back_from_the_menu() {
    let (mut desk, _app) = Desk::hidden(Session::start()).await;
    let id = desk.ask(script("echo later")).await;
    let page = desk.page().await;
    desk.session.until_windows(DIALOG, 1).await;
    desk.session.close_window(DIALOG);
    desk.session.until_windows(DIALOG, 0).await;
    desk.until_counted(1).await;
    assert_eq!(desk.state(&id).await, "pending");
    desk.item.click("⚠ 1 approval waiting…").await;
    desk.session.until_focus(DIALOG).await;
    assert_eq!(desk.page().await, page, "the same page");
    until_esc_answers(&desk, &id).await;
    assert_from_page(&desk.resolved(&id).await, "deny", &page);
    desk.session.until_windows(DIALOG, 0).await;
}

/// Stop all in the tray's menu ends a run that waits for an answer; nobody is asked any more, and nothing was done.
#[tokio::test]
async fn stop_all_ends_a_run_that_waits() {
    let (mut desk, _app, gate) = Desk::warm().await;
    gate.open();
    let asked = desk.event("exec.approval.requested").await;
    desk.session.until_windows(DIALOG, 1).await;
    desk.until_counted(1).await;
    desk.item.click("Stop all").await;
    let resolved = desk.resolved(asked["id"].as_str().expect("an id")).await;
    assert_eq!(resolved["state"], "cancelled", "{resolved}");
    until("the run ends", async || {
        let run = desk.other.call_raw("runs.get", json!({ "runId": "run-1" })).await.expect("is known");
        (run["state"] == "aborted").then_some(())
    })
    .await;
    desk.item.until_status("· running").await;
    desk.until_counted(0).await;
    desk.session.until_windows(DIALOG, 0).await;
    assert!(!desk.ran());
}
