//! Approvals: questions to a person, their answers, and the rules that answers leave.
//!
//! Nothing is told of before it is on the disk, and every outcome is given once, by compare-and-set on the row: the first
//! answer, the deadline or the end of the run.
//!
//! - `action`, `command`, `rule`, `decide`, `show` – pure: what may happen, and what a person is shown of it
//! - `ask`, `reply` – both ends of a question
//! - `broker` – what is open now; `keep` – deadlines and the start
//! - `audit` – the record
//! - `narrow` – how a person may change a rule; `outside` – what programs and nodes ask

pub mod action;
mod ask;
pub mod audit;
mod broker;
pub mod command;
pub mod decide;
mod keep;
pub mod narrow;
pub mod outside;
mod reply;
pub mod rule;
pub mod show;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use simpleclaw_protocol::Event;
use simpleclaw_protocol::approval::{Approval, ApprovalDecision, ApprovalRule, ApprovalState, DecidedBy};
use simpleclaw_protocol::events::ApprovalResolvedEvent;
use simpleclaw_protocol::methods::approvals::{AuditAbout, AuditKind};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::events::Events;
use crate::store::approval::Verdict;
use crate::store::{self, Store, StoreError, Tx};

use action::Action;
use broker::{Broker, Due};
use decide::Grants;

pub use ask::{Ask, Request, store_request};
pub use reply::{Refused, Reply};

/// Calls that wait for an answer at once, over all connections.
const MAX_WAITS: usize = 512;
/// What a question says beside its reasons while the values of its variables are not known.
const UNSHOWN: &str = "The gateway was restarted: once the run goes on, the values of its variables are shown again, and it \
                       can be allowed.";

/// The questions of a gateway; clones share them.
#[derive(Clone)]
pub struct Approvals {
    clock: Clock,
    store: Store,
    events: Events,
    broker: Broker,
    changed: Arc<OnceLock<Changed>>,
    waits: Arc<Semaphore>,
}

/// Told of the session whose questions are others now.
type Changed = Box<dyn Fn(&str) + Send + Sync>;

/// What became of a question, for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Allowed(ApprovalDecision),
    Denied { words: String },
    Expired,
    Cancelled { words: String },
}

/// A question that has been asked.
pub struct Waiting {
    pub id: String,
    answer: Result<watch::Receiver<Option<Answer>>, Answer>,
}

impl Waiting {
    /// Waits for the answer, the deadline, or the end of the run.
    pub async fn answer(self) -> Answer {
        let mut listener = match self.answer {
            Ok(listener) => listener,
            Err(answer) => return answer,
        };
        let gone = || Answer::Cancelled { words: "the gateway ended before anybody answered".to_owned() };
        let answer = listener.wait_for(Option::is_some).await;
        answer.ok().and_then(|answer| answer.clone()).unwrap_or_else(gone)
    }
}

impl Approvals {
    pub fn new(clock: Clock, store: Store, events: Events) -> Self {
        let waits = Arc::new(Semaphore::new(MAX_WAITS));
        Self { clock, store, events, broker: Broker::default(), changed: Arc::default(), waits }
    }

    /// Who is told when a session has other open questions than before.
    pub fn on_change(&self, hook: Changed) {
        // Set once, at start.
        let _ = self.changed.set(hook);
    }

    /// The rules that count in a session: its own, which end with its session id, and the saved ones of its agent.
    pub async fn grants(&self, session_key: &str, agent_id: &str) -> Result<Grants, StoreError> {
        let now = self.clock.now_ms();
        let session_id = self.store.session(session_key).await?.map(|session| session.session_id);
        let (session, saved) = self.store.approval_rules(session_id.as_deref(), agent_id, now).await?;
        let rules = |rules: Vec<ApprovalRule>| rules.iter().map(narrow::stored).collect();
        Ok(Grants { session: rules(session), saved: rules(saved), now })
    }

    /// Ends the open questions of a run, because it ended.
    pub async fn cancel_of_run(&self, run_id: &str, words: &str) {
        for id in self.broker.of_run(run_id) {
            if let Err(error) = self.end(&id, cancelled(words)).await {
                // Its run has ended, so no answer does anything; the next start settles the row.
                tracing::warn!(target: "diagnostic", source = "approvals", code = "approvals.not_stored", id, "{error}");
                self.broker.close(&id, Answer::Cancelled { words: words.to_owned() });
            }
        }
    }

    /// How many questions wait for an answer.
    pub fn pending(&self) -> usize {
        self.broker.pending()
    }

    /// Whether a run waits for an answer.
    pub fn run_waits(&self, run_id: &str) -> bool {
        self.broker.run_waits(run_id)
    }

    /// Notes a launch in the record before it happens. With an approval: that it is used now, which `false` says it cannot
    /// be any more. What is not on the disk must not be launched.
    pub async fn launched(
        &self,
        approval_id: Option<&str>,
        action: &Action,
        sandbox: &str,
    ) -> Result<bool, StoreError> {
        let (now, id) = (self.clock.now_ms(), approval_id.map(str::to_owned));
        let mut shown = action.shown();
        shown.env_names.iter_mut().for_each(cut_value);
        let mut about = AuditAbout {
            approval_id: id.clone(),
            action: Some(shown),
            digest: Some(action.digest()),
            sandbox: Some(sandbox.to_owned()),
            ..AuditAbout::default()
        };
        let written = self.store.write(move |tx| {
            Box::pin(async move {
                if let Some(id) = &id {
                    if !store::approval::launch(tx, id, now).await? {
                        return Ok(false);
                    }
                    if let Some(row) = store::approval::get(tx, id).await? {
                        about.session_key = Some(row.approval.session_key);
                        about.agent_id = Some(row.approval.agent_id);
                        about.run_id = row.approval.run_id;
                    }
                }
                audit::append(tx, AuditKind::Launched, &about, now).await?;
                Ok(true)
            })
        });
        written.await
    }

    /// The open questions, oldest first.
    pub async fn list(&self) -> Result<Vec<Approval>, StoreError> {
        let now = self.now();
        let rows = self.store.pending_approvals().await?.into_iter();
        let open = rows.map(|row| row.approval).filter(|approval| self.broker.is_open(&approval.id, now));
        Ok(open.map(|approval| self.as_it_is(approval)).collect())
    }

    /// A question as it is now, and who asked it.
    pub async fn get(&self, id: &str) -> Result<Option<(Approval, Vec<String>)>, StoreError> {
        let Some(row) = self.store.approval(id).await? else { return Ok(None) };
        Ok(Some((self.as_it_is(row.approval), row.requesters)))
    }

    /// Waits until a question has an outcome, at most `limit`; at once where too many wait already.
    pub async fn wait(&self, id: &str, limit: Duration) {
        let Ok(_place) = self.waits.try_acquire() else { return };
        if let Some(mut listener) = self.broker.listen(id) {
            // Past the limit the caller sees that it still waits.
            let _ = tokio::time::timeout(limit, listener.wait_for(Option::is_some)).await;
        }
    }

    /// Tells everybody of an outcome that is on the disk.
    pub fn tell(&self, approval: &Approval) {
        self.broker.close(&approval.id, answer_of(approval));
        let event = ApprovalResolvedEvent {
            id: approval.id.clone(),
            session_key: approval.session_key.clone(),
            agent_id: approval.agent_id.clone(),
            state: approval.state,
            decision: approval.decision,
            decided_by: approval.decided_by.clone(),
            decided_at: approval.decided_at.unwrap_or_default(),
            reason: approval.reason.clone(),
        };
        self.events.publish(Event::ApprovalResolved(event));
        self.tell_change(&approval.session_key);
    }

    /// Gives a question an outcome that is no answer, where it has none.
    async fn end(&self, id: &str, verdict: Verdict) -> Result<(), StoreError> {
        let (wanted, now) = (id.to_owned(), self.clock.now_ms());
        let settled = self
            .store
            .write(move |tx| Box::pin(async move { settle(tx, &wanted, &verdict, false, now).await }))
            .await?;
        if let Some(approval) = settled {
            self.tell(&approval);
        }
        Ok(())
    }

    /// A stored question with what only this process knows: the values of variables, and that its time is up.
    fn as_it_is(&self, mut approval: Approval) -> Approval {
        if approval.state != ApprovalState::Pending {
            return approval;
        }
        if let Some(shown) = self.broker.shown(&approval.id) {
            approval.action.env_names = shown;
        }
        if self.broker.is_unshown(&approval.id) {
            approval.allowed_decisions.retain(|decision| !decision.allows());
            approval.why = format!("{} {UNSHOWN}", approval.why);
        }
        if !self.broker.is_open(&approval.id, self.now()) {
            let Verdict { state, by, reason, .. } = expired();
            approval.state = state;
            approval.decided_by = Some(by);
            approval.decided_at = Some(approval.expires_at);
            approval.reason = reason;
        }
        approval
    }

    fn now(&self) -> Due {
        Due { wall: self.clock.now_ms(), steady: Instant::now() }
    }

    fn tell_change(&self, session_key: &str) {
        if let Some(hook) = self.changed.get() {
            hook(session_key);
        }
    }
}

/// The one place where a question gets its outcome: row, run and record in one transaction.
async fn settle(
    tx: &mut Tx,
    id: &str,
    verdict: &Verdict,
    in_time: bool,
    now: i64,
) -> Result<Option<Approval>, StoreError> {
    if !store::approval::decide(tx, id, verdict, in_time, now).await? {
        return Ok(None);
    }
    let Some(row) = store::approval::get(tx, id).await? else { return Ok(None) };
    let approval = row.approval;
    if let Some(run_id) = &approval.run_id {
        store::approval::set_run_state(tx, run_id).await?;
    }
    let about = AuditAbout {
        state: Some(approval.state),
        decision: approval.decision,
        decided_by: approval.decided_by.clone(),
        reason: approval.reason.clone(),
        ..about(&approval)
    };
    audit::append(tx, AuditKind::Resolved, &about, now).await?;
    Ok(Some(approval))
}

/// `NAME=value` becomes `NAME`.
fn cut_value(variable: &mut String) {
    if let Some(at) = variable.find('=') {
        variable.truncate(at);
    }
}

/// Whose question it is, for the record.
fn about(approval: &Approval) -> AuditAbout {
    AuditAbout {
        approval_id: Some(approval.id.clone()),
        session_key: Some(approval.session_key.clone()),
        agent_id: Some(approval.agent_id.clone()),
        run_id: approval.run_id.clone(),
        ..AuditAbout::default()
    }
}

/// A rule, for the record.
pub fn about_rule(rule: ApprovalRule) -> AuditAbout {
    AuditAbout { agent_id: Some(rule.agent_id.clone()), rule: Some(rule), ..AuditAbout::default() }
}

fn expired() -> Verdict {
    let reason = Some("nobody answered in time".to_owned());
    Verdict { state: ApprovalState::Expired, decision: None, by: by_gateway(), reason }
}

fn cancelled(words: &str) -> Verdict {
    Verdict { state: ApprovalState::Cancelled, decision: None, by: by_gateway(), reason: Some(words.to_owned()) }
}

fn by_gateway() -> DecidedBy {
    DecidedBy { surface: "gateway".to_owned(), user: None, conn_id: None }
}

fn answer_of(approval: &Approval) -> Answer {
    match (approval.state, approval.decision) {
        (ApprovalState::Allowed, Some(decision)) if decision.allows() => Answer::Allowed(decision),
        (ApprovalState::Cancelled, _) => Answer::Cancelled { words: words_of(approval) },
        (ApprovalState::Denied, _) => Answer::Denied { words: words_of(approval) },
        // Whatever is not clearly allowed is not.
        _ => Answer::Expired,
    }
}

/// An outcome as a sentence, for whoever came too late and for the model.
fn words_of(approval: &Approval) -> String {
    let by = approval.decided_by.as_ref().and_then(|by| by.user.as_deref()).unwrap_or("somebody");
    let surface = approval.decided_by.as_ref().map_or("gateway", |by| by.surface.as_str());
    let what = match approval.state {
        ApprovalState::Pending => return "it still waits for an answer".to_owned(),
        ApprovalState::Allowed => format!("it was allowed already by {by} ({surface})"),
        ApprovalState::Denied => format!("it was denied by {by} ({surface})"),
        ApprovalState::Expired => return "nobody answered in time, which counts as a denial".to_owned(),
        ApprovalState::Cancelled => "it was cancelled".to_owned(),
    };
    match &approval.reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what,
    }
}

/// For the fuzzer: any bytes as the text of a command.
#[cfg(feature = "testing")]
pub fn survive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert_eq!(show::unescaped(&show::escaped(text)).as_deref(), Some(text), "what is shown says what is meant");
    if let command::Parsed::Simple(words) = command::parse(text) {
        assert!(!words.is_empty() && !words.iter().any(|word| word.contains(char::is_control)), "{text:?}");
        // The same words in quotes are no other command.
        let quoted = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        if let command::Parsed::Simple(again) = command::parse(&quoted)
            && words.iter().all(|word| !word.contains('\''))
        {
            assert_eq!(again, words, "{text:?}");
        }
    }
}
