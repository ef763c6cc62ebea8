//! What a call may use, and the one way from an action to its being done: decided on, asked where it must be, and then
//! exactly that.

use std::path::PathBuf;
use std::time::Duration;

use simpleclaw_protocol::approval::ApprovalOrigin;
use simpleclaw_protocol::events::{AgentStream, ToolPhase};
use simpleclaw_protocol::message::Origin;
use simpleclaw_protocol::session::SessionKey;
use tokio_util::sync::CancellationToken;

use super::place::{Place, Places};
use super::{Failed, Temp, blocking};
use crate::agent::Agent;
use crate::approval::action::{Action, Reach, What};
use crate::approval::decide::{Because, Policy, Verdict, decide};
use crate::approval::{Answer, Ask};
use crate::config::SandboxUse;
use crate::session::{Context, RunPlace, Sessions};
use crate::store::{RunRow, SessionRecord};
use crate::turn::Live;

/// How deep sub-agents are looked through for the one that a person started.
const MAX_DEPTH: usize = 8;

/// What one call of a tool may use.
pub struct ToolContext<'a> {
    pub gateway: &'a Context,
    pub sessions: &'a Sessions,
    pub agent: &'a Agent,
    pub run: &'a RunRow,
    /// Where the message came from that the run answers.
    pub origin: Option<&'a Origin>,
    pub places: Places,
    pub call_id: &'a str,
    pub tool: &'static str,
    live: &'a Live,
    permit: &'a RunPlace,
    tell: &'a (dyn Fn(AgentStream) + Send + Sync),
    /// Fires when the call is dropped.
    stopped: CancellationToken,
}

/// What was allowed, to be done exactly so.
pub struct Permitted {
    pub action: Action,
    /// Where a person was asked.
    pub approval_id: Option<String>,
}

/// What a turn hands to the calls of its model.
pub struct Hands<'a> {
    pub sessions: &'a Sessions,
    pub agent: &'a Agent,
    pub run: &'a RunRow,
    pub origin: Option<&'a Origin>,
    pub live: &'a Live,
    pub permit: &'a RunPlace,
    pub tell: &'a (dyn Fn(AgentStream) + Send + Sync),
}

impl<'a> ToolContext<'a> {
    pub async fn new(hands: &Hands<'a>, call_id: &'a str, tool: &'static str) -> Result<Self, Failed> {
        let gateway = hands.sessions.context();
        let (workspace, home) = (hands.agent.workspace.clone(), gateway.home.path().to_owned());
        let places = blocking(move || Places::of(&workspace, &home)).await?;
        // What isolates here is looked for once, a moment after the start.
        gateway.sandbox.look().await;
        let Hands { sessions, agent, run, origin, live, permit, tell } = *hands;
        let stopped = CancellationToken::new();
        Ok(Self { gateway, sessions, agent, run, origin, places, call_id, tool, live, permit, tell, stopped })
    }

    /// For work beside the runtime, which dropping the call does not end.
    pub fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    /// Whether nothing has claimed the end of the run yet.
    pub fn is_going(&self) -> bool {
        self.live.is_running()
    }

    pub async fn find(&self, path: String) -> Result<Place, Failed> {
        let places = self.places.clone();
        blocking(move || places.find(&path)).await
    }

    /// Streams what a tool has to show while it works.
    pub fn output(&self, chunk: String) {
        if !chunk.is_empty() {
            self.phase(ToolPhase::Output { tool_call_id: self.call_id.to_owned(), name: self.tool.to_owned(), chunk });
        }
    }

    fn phase(&self, phase: ToolPhase) {
        (self.tell)(AgentStream::Tool(phase));
    }

    /// The session as it is stored now.
    pub async fn session(&self) -> Result<SessionRecord, Failed> {
        let found = self.gateway.store.session(&self.run.session_key).await?;
        found.ok_or_else(|| Failed::new("this session does not exist any more"))
    }

    /// The key of the session that started all this: that of a sub-agent is its parent's, and so on.
    pub async fn root(&self) -> Result<SessionKey, Failed> {
        let mut record = self.session().await?;
        for _ in 0..MAX_DEPTH {
            let Some(parent) = record.parent_key.clone() else { break };
            match self.gateway.store.session(&parent).await? {
                Some(found) => record = found,
                None => break,
            }
        }
        SessionKey::parse(&record.key, "main").map_err(|error| Failed(error.to_string()))
    }

    /// Has something decided on that reaches no further than it says itself.
    pub async fn permit(&self, what: What) -> Result<Permitted, Failed> {
        self.permit_action(Action { what, reach: Reach::default(), description: None }).await
    }

    /// Has an action decided on, and asks a person where that is the verdict. An error says why it is not done.
    pub async fn permit_action(&self, action: Action) -> Result<Permitted, Failed> {
        let session = self.session().await?;
        let policy = self.policy(&session).await?;
        let grants = self.gateway.approvals.grants(&self.run.session_key, &self.agent.id).await?;
        let mut question = match decide(&policy, &grants, &action) {
            Verdict::Allow(Because::Inside) => return Ok(Permitted { action, approval_id: None }),
            // A rule or the mode opened what is beyond its limits.
            Verdict::Allow(_) => {
                self.note(None, &action).await?;
                return Ok(Permitted { action, approval_id: None });
            }
            Verdict::Forbid(words) => return Err(Failed(words)),
            Verdict::Ask(question) => question,
        };
        if let Some(rule) = &mut question.proposed {
            rule.agent_id.clone_from(&self.agent.id);
        }
        let minutes = self.gateway.config.current().config.approvals.timeout_minutes;
        let ask = Ask {
            session_key: self.run.session_key.clone(),
            agent_id: self.agent.id.clone(),
            run_id: Some(self.run.id.clone()),
            tool_call_id: Some(self.call_id.to_owned()),
            action: action.clone(),
            sandbox: self.gateway.sandbox.kind(),
            question,
            origin: ApprovalOrigin {
                channel: self.origin.map(|origin| origin.channel.clone()),
                sender: self.origin.map(|origin| origin.sender.clone()),
                untrusted: session.untrusted,
            },
            timeout: Duration::from_secs(u64::from(minutes) * 60),
        };
        let (id, answer) = self.ask(ask).await?;
        let words = match answer {
            Answer::Allowed(_) => {
                self.note(Some(&id), &action).await?;
                return Ok(Permitted { action, approval_id: Some(id) });
            }
            Answer::Denied { words } if words.trim().is_empty() => "the user denied this".to_owned(),
            Answer::Denied { words } => format!("the user denied this: {words}"),
            Answer::Expired => format!("the user was asked and did not answer within {minutes} minutes"),
            Answer::Cancelled { words } => format!("the question to the user was withdrawn: {words}"),
        };
        Err(Failed(format!(
            "{words}. It was not done. Do not try the same again; go on without it, or say what you need"
        )))
    }

    /// Waits for a person, without a place among the runs that go. That the run waits, and that it does so no longer, is
    /// on the disk with the question and with the answer: what a crash cuts off after it is not done twice.
    async fn ask(&self, ask: Ask) -> Result<(String, Answer), Failed> {
        self.live.begin_wait();
        let waiting = match self.gateway.approvals.ask(ask).await {
            Ok(waiting) => waiting,
            Err(error) => {
                self.live.end_wait();
                return Err(Failed(format!("the user could not be asked: {error}")));
            }
        };
        let id = waiting.id.clone();
        if !id.is_empty() {
            self.phase(ToolPhase::WaitingApproval {
                tool_call_id: self.call_id.to_owned(),
                name: self.tool.to_owned(),
                approval_id: id.clone(),
            });
        }
        let answer = self.without_place(waiting.answer()).await;
        self.live.end_wait();
        // What this call asked in a former life of the gateway, where that was something else.
        self.gateway.approvals.cancel_of_run(&self.run.id, "it was asked anew").await;
        Ok((id, answer))
    }

    /// Records what was allowed and is done by the caller, now. A program is recorded when it starts.
    async fn note(&self, approval_id: Option<&str>, action: &Action) -> Result<(), Failed> {
        match action.what {
            What::Exec(_) | What::Script(_) => Ok(()),
            _ => self.record(approval_id, action, "none").await,
        }
    }

    /// Writes into the record what is about to be done. An answer is good for one time.
    pub async fn record(&self, approval_id: Option<&str>, action: &Action, sandbox: &str) -> Result<(), Failed> {
        match self.gateway.approvals.launched(approval_id, action, sandbox).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed::new("what the user allowed has been done once already; call again to ask anew")),
            Err(error) => Err(Failed(format!("nothing was done, because it could not be put on record: {error}"))),
        }
    }

    /// What the configuration and the session allow now.
    pub async fn policy(&self, session: &SessionRecord) -> Result<Policy, Failed> {
        let root = self.root().await?;
        let unattended = matches!(&root, SessionKey::Other { rest, .. } if rest.starts_with("cron:"));
        let folders = self.places.folders(&session.session_id);
        let (config, isolates) = (&self.gateway.config.current().config, self.gateway.sandbox.is_enforced());
        let policy = Policy::of(config, &self.agent.id, isolates, folders);
        Ok(Policy { tainted: !session.untrusted.is_empty(), attended: !unattended, ..policy })
    }

    /// Whether commands are kept in, here and now.
    pub fn is_enforced(&self) -> bool {
        self.gateway.config.current().config.tools.exec.sandbox != SandboxUse::Off && self.gateway.sandbox.is_enforced()
    }

    /// The folder for temporary files of this session's commands, made where it is missing.
    pub async fn temp(&self) -> Result<PathBuf, Failed> {
        let (temp, session) = (Temp::new(&self.gateway.home), self.session().await?);
        blocking(move || temp.of(&session.session_id)).await
    }

    /// Gives the run's place among those that go to others while `work` waits for them.
    pub async fn without_place<T>(&self, work: impl Future<Output = T>) -> T {
        self.permit.give_back();
        let done = work.await;
        self.permit.take_again().await;
        done
    }
}

impl Drop for ToolContext<'_> {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}
