//! Asking: a question gets its place, then its row, and only then is it told of.

use std::time::Duration;

use simpleclaw_protocol::approval::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalOrigin, ApprovalRule, ApprovalState,
};
use simpleclaw_protocol::methods::approvals::{AuditAbout, AuditKind};
use simpleclaw_protocol::{Event, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::action::Action;
use super::broker::{Due, Full, Place};
use super::decide::Question;
use super::rule::Rule;
use super::show::escaped;
use super::{Answer, Approvals, Waiting, about, answer_of, audit, cut_value, narrow, outside};
use crate::home::hex;
use crate::store::approval::ApprovalRow;
use crate::store::{self, StoreError, Tx};

/// Longest wait for an answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an agent wants to be asked.
pub struct Ask {
    pub session_key: String,
    pub agent_id: String,
    pub run_id: Option<String>,
    pub tool_call_id: Option<String>,
    pub action: Action,
    /// What isolates commands here.
    pub sandbox: &'static str,
    pub question: Question,
    pub origin: ApprovalOrigin,
    pub timeout: Duration,
}

/// A question on its way to the disk.
struct NewQuestion {
    approval: Approval,
    digest: String,
    requesters: Vec<String>,
    timeout: Duration,
}

/// A question with its place, just before it is stored.
struct Prepared {
    place: Place,
    row: ApprovalRow,
    /// Variables as they are shown: with the values that the model gave them.
    shown: Vec<String>,
    due: Due,
    now: i64,
}

/// What a program or a node asks.
pub struct Request {
    pub session_key: String,
    pub agent_id: String,
    pub wanted: outside::Wanted,
    /// Whoever asks, by connection and instance.
    pub requesters: Vec<String>,
    pub timeout: Duration,
}

/// A request with its place, just before it is stored.
pub struct Requested(Prepared);

impl Requested {
    pub fn row(&self) -> ApprovalRow {
        self.0.row.clone()
    }

    /// There is no row of it.
    pub fn not_stored(self) {
        self.0.place.not_written();
    }
}

/// Stores a request.
pub async fn store_request(tx: &mut Tx, row: ApprovalRow, now: i64) -> Result<(), StoreError> {
    insert(tx, row, now).await.map(drop)
}

/// What came of storing a question.
enum Stored {
    New,
    /// The same tool call has asked the same already.
    Before(Box<ApprovalRow>),
}

impl Approvals {
    /// Stores a question and tells everybody; the answer comes by [`Waiting`]. Too many questions are a refusal in words.
    /// The same tool call with the same action is asked once, also over a restart.
    pub async fn ask(&self, ask: Ask) -> Result<Waiting, StoreError> {
        let Ask { session_key, agent_id, run_id, tool_call_id, action, sandbox, question, origin, timeout } = ask;
        let mut shown = action.shown();
        if action.reach.sandboxed {
            shown.sandbox = sandbox.to_owned();
        }
        let proposed_rule = question.proposed.as_ref().map(Rule::shown);
        let approval = self.pending_approval(
            (session_key, agent_id),
            (run_id, tool_call_id),
            shown,
            question.why,
            (question.decisions, proposed_rule),
            origin,
        );
        self.put(NewQuestion { approval, digest: action.digest(), requesters: vec![], timeout }).await
    }

    /// A question as it is told of, without its times.
    fn pending_approval(
        &self,
        (session_key, agent_id): (String, String),
        (run_id, tool_call_id): (Option<String>, Option<String>),
        action: ApprovalAction,
        why: String,
        (mut allowed_decisions, proposed_rule): (Vec<ApprovalDecision>, Option<ApprovalRule>),
        origin: ApprovalOrigin,
    ) -> Approval {
        if proposed_rule.is_none() {
            allowed_decisions
                .retain(|decision| matches!(decision, ApprovalDecision::AllowOnce | ApprovalDecision::Deny));
        }
        let proposed_rule = proposed_rule.map(|rule| narrow::of_agent(rule, &agent_id));
        let origin = ApprovalOrigin {
            channel: origin.channel.as_deref().map(escaped),
            sender: origin.sender.as_deref().map(escaped),
            untrusted: origin.untrusted.iter().map(|place| escaped(place)).collect(),
        };
        Approval {
            id: hex(&rand::random::<[u8; 16]>()),
            state: ApprovalState::Pending,
            session_key,
            agent_id,
            run_id,
            tool_call_id,
            action,
            why,
            origin,
            allowed_decisions,
            proposed_rule,
            created_at: Timestamp::default(),
            expires_at: Timestamp::default(),
            decision: None,
            decided_by: None,
            decided_at: None,
            reason: None,
        }
    }

    async fn put(&self, question: NewQuestion) -> Result<Waiting, StoreError> {
        let prepared = match self.prepare(question).await {
            Ok(prepared) => prepared,
            Err(full) => {
                return Ok(Waiting { id: String::new(), answer: Err(Answer::Denied { words: full.to_string() }) });
            }
        };
        let (row, now) = (prepared.row.clone(), prepared.now);
        let stored = match self.store.write(move |tx| Box::pin(insert(tx, row, now))).await {
            Ok(stored) => stored,
            Err(error) => {
                prepared.place.not_written();
                return Err(error);
            }
        };
        if let Stored::Before(row) = stored {
            prepared.place.not_written();
            let id = row.approval.id.clone();
            let answer = match self.broker.listen(&id) {
                Some(listener) => Ok(listener),
                None => Err(answer_of(&row.approval)),
            };
            if self.broker.show(&id, prepared.shown) {
                // Whoever has it before them has seen names alone, and could not allow it.
                let approval = self.as_it_is(row.approval);
                if approval.state == ApprovalState::Pending {
                    self.events.publish(Event::ApprovalRequested(approval));
                }
            }
            return Ok(Waiting { id, answer });
        }
        let id = prepared.row.approval.id.clone();
        Ok(Waiting { id, answer: Ok(self.open(prepared)) })
    }

    /// Gives a question its times and its place; a session that floods waits here.
    async fn prepare(&self, question: NewQuestion) -> Result<Prepared, Full> {
        let NewQuestion { mut approval, digest, requesters, timeout } = question;
        tokio::time::sleep(self.broker.delay(&approval.session_key, Instant::now())).await;
        let mut place =
            self.broker.reserve(&approval.id, &approval.session_key, Instant::now()).inspect_err(|full| {
                tracing::warn!(target: "diagnostic", source = "approvals", code = "approvals.flood", session = approval.session_key, "{full}");
            })?;
        let (now, timeout) = (self.clock.now_ms(), timeout.min(MAX_TIMEOUT));
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        (approval.created_at, approval.expires_at) = (Timestamp(now), Timestamp(now.saturating_add(timeout_ms)));
        let due = Due { wall: approval.expires_at.0, steady: Instant::now() + timeout };
        // Values of variables are shown for as long as the question is open, and never kept.
        let shown = approval.action.env_names.clone();
        approval.action.env_names.iter_mut().for_each(cut_value);
        place.writing();
        let row = ApprovalRow { approval, session_id: None, digest, requesters, launched: false };
        Ok(Prepared { place, row, shown, due, now })
    }

    /// A question whose row is on the disk: from now on it can be answered, and everybody hears of it.
    fn open(&self, prepared: Prepared) -> watch::Receiver<Option<Answer>> {
        let Prepared { place, row, shown, due, .. } = prepared;
        let mut approval = row.approval;
        let listener = place.open(approval.run_id.as_deref(), due, shown.clone());
        approval.action.env_names = shown;
        let session_key = approval.session_key.clone();
        self.events.publish(Event::ApprovalRequested(approval));
        self.tell_change(&session_key);
        listener
    }

    /// A question of a program or a node, to be stored with [`store_request`].
    pub async fn request(&self, request: Request) -> Result<Requested, Full> {
        let Request { session_key, agent_id, wanted, requesters, timeout } = request;
        let outside::Wanted { action, why, digest, origin } = wanted;
        let whose = (session_key, agent_id);
        let once = (vec![ApprovalDecision::AllowOnce, ApprovalDecision::Deny], None);
        let approval = self.pending_approval(whose, (None, None), action, why, once, origin);
        Ok(Requested(self.prepare(NewQuestion { approval, digest, requesters, timeout }).await?))
    }

    /// Tells everybody of a request that is on the disk.
    pub fn requested(&self, Requested(prepared): Requested) {
        drop(self.open(prepared));
    }
}

/// Stores a question with its row of the record, or finds the one that the same tool call has asked.
async fn insert(tx: &mut Tx, mut row: ApprovalRow, now: i64) -> Result<Stored, StoreError> {
    let approval = &row.approval;
    if let (Some(run_id), Some(call_id)) = (&approval.run_id, &approval.tool_call_id)
        && let Some(before) = store::approval::of_call(tx, run_id, call_id, &row.digest).await?
    {
        return Ok(Stored::Before(Box::new(before)));
    }
    row.session_id = store::session::get(tx, &approval.session_key).await?.map(|session| session.session_id);
    store::approval::insert(tx, &row).await?;
    let approval = row.approval;
    if let Some(run_id) = &approval.run_id {
        store::approval::set_run_state(tx, run_id).await?;
    }
    let about = AuditAbout {
        digest: Some(row.digest),
        action: Some(approval.action.clone()),
        reason: Some(approval.why.clone()),
        ..about(&approval)
    };
    audit::append(tx, AuditKind::Requested, &about, now).await?;
    Ok(Stored::New)
}
