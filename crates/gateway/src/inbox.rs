//! What enters a session: admitted, deduplicated, stored, in one commit. Running it is `session`'s.

mod order;

use simpleclaw_protocol::message::{Content, Message, Origin, Role, RunState};
use simpleclaw_protocol::session::SessionKey;

use crate::clock::Clock;
use crate::config::ConfigHandle;
use crate::store::branch::{self, Target};
use crate::store::{self, Branch, NewMessage, NewRun, RunOptions, RunRow, Store, StoreError, Tx};

pub use order::Order;

/// The channel of what agents send.
pub const AGENTS: &str = "agent";

/// Clones share it.
#[derive(Clone)]
pub struct Inbox {
    pub store: Store,
    pub clock: Clock,
    pub config: ConfigHandle,
    pub order: Order,
}

/// Input from a client.
#[derive(Debug, Clone)]
pub struct Input {
    pub key: SessionKey,
    /// Files that it names are on the disk.
    pub content: Vec<Content>,
    /// The message whose place it takes.
    pub replaces: Option<String>,
    /// Becomes the run's id.
    pub idempotency_key: String,
    pub body_hash: Vec<u8>,
    pub options: RunOptions,
    pub origin: Origin,
}

/// What became of an input.
#[derive(Debug)]
pub enum Admitted {
    /// Stored; to be handed to `Sessions::enqueue` once it is acknowledged.
    New { run: RunRow, message: Box<Message>, branch: Option<Box<Branch>> },
    /// The key was here before, with the same body.
    Again(RunRow),
}

/// Why an input was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no agent {0:?}: `agents.list` names them")]
    NoAgent(String),
    #[error("there is no session {0:?}, and a client cannot make one of its kind")]
    NoSession(String),
    #[error("this idempotency key was used for another message; take a new one")]
    OtherBody,
    #[error("this session has no message {0:?}; `chat.history` names those it has")]
    NoTarget(String),
    #[error("message {0:?} was replaced already; read `chat.history` again")]
    Left(String),
    #[error("names a message of the {}, and only a user's message can be replaced", role(.0))]
    NotTheirs(Role),
    #[error("{0} messages wait in this session already; wait for one to be answered, or stop some")]
    Full(u32),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inbox {
    /// Stores an input and its run. Nothing here waits before the writer's queue, so that inputs of one connection are
    /// stored in the order in which they came.
    pub async fn admit(&self, input: Input) -> Result<Admitted, Refused> {
        let config = self.config.current();
        if !config.config.agents.entries.contains_key(input.key.agent()) {
            return Err(Refused::NoAgent(input.key.agent().to_owned()));
        }
        let max_queued = config.config.session.max_queued;
        let now = self.clock.now_ms();
        // An inner result, because a refusal is no failure of the store.
        self.store.write(move |tx| Box::pin(async move { transact(tx, input, max_queued, now).await })).await?
    }

    /// Stores a message that starts no run.
    pub async fn note(
        &self,
        tx: &mut Tx,
        key: &SessionKey,
        message: NewMessage,
        now: i64,
    ) -> Result<Option<Message>, StoreError> {
        if !open(tx, key, now).await? {
            return Ok(None);
        }
        let Some(record) = store::session::get(tx, &key.to_string()).await? else { return Ok(None) };
        let inserted = store::message::insert(tx, &record.key, &record.session_id, message, now).await?;
        Ok(Some(inserted.message))
    }
}

fn role(role: &Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tools",
        Role::System => "system",
    }
}

/// Makes the session where a client may; whether it exists now.
async fn open(tx: &mut Tx, key: &SessionKey, now: i64) -> Result<bool, StoreError> {
    if !key.client_may_create() {
        return Ok(store::session::get(tx, &key.to_string()).await?.is_some());
    }
    let title = match key {
        SessionKey::Chat { name, .. } => name,
        SessionKey::Main { .. } | SessionKey::Other { .. } => "Main",
    };
    store::session::ensure(tx, key, title, now).await?;
    Ok(true)
}

async fn transact(
    tx: &mut Tx,
    input: Input,
    max_queued: u32,
    now: i64,
) -> Result<Result<Admitted, Refused>, StoreError> {
    if let Some(run) = store::run::get(tx, &input.idempotency_key).await? {
        let same = run.body_hash == input.body_hash;
        return Ok(if same { Ok(Admitted::Again(run)) } else { Err(Refused::OtherBody) });
    }
    let key = input.key.to_string();
    let record = match store::session::get(tx, &key).await? {
        Some(record) => record,
        None if input.replaces.is_some() => return Ok(Err(Refused::NoTarget(input.replaces.unwrap_or_default()))),
        None if open(tx, &input.key, now).await? => match store::session::get(tx, &key).await? {
            Some(record) => record,
            None => return Ok(Err(Refused::NoSession(key))),
        },
        None => return Ok(Err(Refused::NoSession(key))),
    };
    let from_seq = match input.replaces {
        None => None,
        Some(id) => match branch::target(tx, &record.session_id, &id).await? {
            Target::User(seq) => Some(seq),
            Target::Other(role) => return Ok(Err(Refused::NotTheirs(role))),
            Target::Left => return Ok(Err(Refused::Left(id))),
            Target::Nothing => return Ok(Err(Refused::NoTarget(id))),
        },
    };
    // What waits in a branch that is left makes room. No refusal may come behind this one: what it found would stay.
    if store::run::count_waiting(tx, &key, from_seq.unwrap_or(u64::MAX)).await? >= u64::from(max_queued) {
        return Ok(Err(Refused::Full(max_queued)));
    }
    let message = NewMessage {
        run_id: Some(input.idempotency_key.clone()),
        origin: Some(input.origin),
        content: input.content,
        ..NewMessage::text(Role::User, "")
    };
    let (left, ended) = match from_seq {
        Some(from_seq) => branch::leave(tx, &record, from_seq, &message.id, now).await?,
        None => (0, vec![]),
    };
    // A session that a client opened is called by the first message of its history.
    let title = store::message::summary(&message.content);
    if record.message_count() == left && matches!(input.key, SessionKey::Chat { .. }) && !title.is_empty() {
        store::session::set_title(tx, &key, &title).await?;
    }
    let message = store::message::insert(tx, &key, &record.session_id, message, now).await?.message;
    for block in &message.content {
        if let Content::Image(attached) | Content::File(attached) = block {
            store::attachment::insert(tx, &message.id, attached, now).await?;
        }
    }
    let run = NewRun {
        id: input.idempotency_key,
        body_hash: input.body_hash,
        session_key: key,
        session_id: record.session_id,
        agent_id: record.agent_id,
        user_message_id: message.id.clone(),
        user_seq: message.seq,
        options: input.options,
    };
    store::run::insert(tx, &run, now).await?;
    let branch = match from_seq {
        Some(from_seq) => store::session::get(tx, &run.session_key)
            .await?
            .map(|session| Box::new(Branch { from_seq, ended, session })),
        None => None,
    };
    let run = RunRow {
        id: run.id,
        body_hash: run.body_hash,
        session_key: run.session_key,
        session_id: run.session_id,
        agent_id: run.agent_id,
        state: RunState::Queued,
        user_message_id: run.user_message_id,
        user_seq: run.user_seq,
        options: run.options,
        created_at: message.created_at,
        started_at: None,
        ended_at: None,
        error: None,
    };
    Ok(Ok(Admitted::New { run, message: Box::new(message), branch }))
}
