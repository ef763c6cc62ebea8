//! The app among what else a person has on the screen, and two programs that are connected: one that asks for
//! approvals, and one that hears of them and can answer.

use serde_json::{Value, json};
use simpleclaw_client::{Client, ClientEvent, Events};
use simpleclaw_protocol::methods::NoParams;
use simpleclaw_protocol::methods::gateway::SystemPresence;
use simpleclaw_tests::fakes::{Answer, Gate, Model};
use simpleclaw_tests::{DEADLINE, within};

use super::item::Item;
use super::session::{Process, Session, until};
use super::tray_host::TrayHost;
use super::webdriver::Browser;

/// The window that asks.
pub const DIALOG: &str = "SimpleClaw asks";
const CHAT: &str = "SimpleClaw";

pub struct Desk {
    pub item: Item,
    asker: Client,
    asked: usize,
    pub other: Client,
    events: Events,
    _host: TrayHost,
    _manager: Process,
    pub session: Session,
}

impl Desk {
    /// `start` starts the app, when everything else is there.
    async fn set_up<T>(session: Session, start: impl AsyncFnOnce(&Session) -> T) -> (Self, T) {
        let manager = session.window_manager().await;
        let host = TrayHost::start(&session).await;
        let app = start(&session).await;
        let item = host.item().await;
        let (asker, other) = (session.client().await, session.client().await);
        let events = other.events();
        item.until_status("running").await;
        (Self { item, asker, asked: 0, other, events, _host: host, _manager: manager, session }, app)
    }

    /// With the app as it is after a login: no window.
    pub async fn hidden(session: Session) -> (Self, Process) {
        Self::set_up(session, async |session: &Session| session.app(&["--hidden"])).await
    }

    /// With the app driven. The driver needs a window at the start, which is closed here: nothing has the focus, and the
    /// page that is left is that of the dialog, once there is one.
    pub async fn driven() -> (Self, Browser) {
        let (desk, browser) =
            Self::set_up(Session::start(), async |session: &Session| Browser::start(session).await).await;
        desk.session.until_windows(CHAT, 1).await;
        // A page that goes while it is being made may take more with it.
        browser.until("the chat is there", "return document.querySelector('textarea') !== null").await;
        desk.session.close_window(CHAT);
        desk.session.until_windows(CHAT, 0).await;
        (desk, browser)
    }

    /// With a model that wants to run a program, whose question comes when the gate is opened; its run goes on already,
    /// and the dialog has been made for it, hidden.
    pub async fn warm() -> (Self, Process, Gate) {
        let model = Model::start().await;
        let session = Session::without_config();
        session.configure(&format!("gateway: {{port: 0}}\n{}", model.config("")));
        let (desk, app) = Self::hidden(session).await;
        let gate = Gate::new();
        let call = Answer::tool_call("exec", &json!({ "argv": ["touch", "ran"], "unconfined": true }).to_string());
        let Answer::Stream(mut steps) = call else { panic!("a call is streamed") };
        steps.insert(0, gate.step());
        model.script([Answer::Stream(steps), Answer::deltas(["done"])]);
        desk.session.send(&desk.other, "go").await;
        desk.page().await;
        assert_eq!(desk.session.windows(DIALOG), 0, "nothing is asked yet");
        (desk, app, gate)
    }

    /// Whether the program of that run was run.
    pub fn ran(&self) -> bool {
        self.session.home().path().join("agents/main/workspace/ran").exists()
    }

    /// Asks; the id.
    pub async fn ask(&mut self, action: Value) -> String {
        self.asked += 1;
        let key = format!("question-{}", self.asked);
        let params = json!({ "action": action, "why": "a test", "idempotencyKey": key });
        let asked = self.asker.call_raw("exec.approval.request", params).await.expect("may ask");
        assert_eq!(asked["state"], "pending", "{asked}");
        asked["id"].as_str().expect("an id").to_owned()
    }

    /// Answers as somebody on the command line does.
    pub async fn answer_elsewhere(&self, id: &str, decision: &str) {
        let params = json!({ "id": id, "decision": decision, "surface": "cli" });
        self.other.call_raw("exec.approval.resolve", params).await.expect("may answer");
    }

    /// The next event of this name.
    pub async fn event(&mut self, name: &str) -> Value {
        let next = async {
            loop {
                match self.events.next().await.expect("the client goes on") {
                    ClientEvent::Event(frame) if frame.name == name => return frame.payload.clone(),
                    _ => {}
                }
            }
        };
        within(DEADLINE, name, next).await
    }

    /// Waits until a question is answered; what was said of it.
    pub async fn resolved(&mut self, id: &str) -> Value {
        loop {
            let event = self.event("exec.approval.resolved").await;
            if event["id"] == id {
                return event;
            }
        }
    }

    /// `pending`, `allowed`, …
    pub async fn state(&self, id: &str) -> String {
        let params = json!({ "id": id, "timeoutMs": 0 });
        let answer = self.other.call_raw("exec.approval.wait", params).await.expect("may look");
        answer["approval"]["state"].as_str().expect("a state").to_owned()
    }

    /// The connection of the dialog's page, once it is connected.
    pub async fn page(&self) -> String {
        until("the dialog's page is connected", async || {
            let presence = self.other.call::<SystemPresence>(&NoParams {}).await.expect("answers").presence;
            presence.into_iter().find(|entry| entry.mode == "dialog")?.conn_id
        })
        .await
    }

    /// Waits until the menu counts so many questions, and the tooltip with it.
    pub async fn until_counted(&self, count: usize) {
        let words = match count {
            1 => "1 approval waiting".to_owned(),
            count => format!("{count} approvals waiting"),
        };
        until(&format!("{words} in the tray"), async || {
            let labels = self.item.labels().await;
            let tooltip = self.item.tooltip().await;
            let fits = match count {
                0 => labels.iter().all(|label| !label.contains("waiting")) && !tooltip.contains("waiting"),
                _ => labels.contains(&format!("⚠ {words}…")) && tooltip.contains(&words),
            };
            fits.then_some(())
        })
        .await;
    }
}
