//! Sending a message, which `chat.send` and `sessions.send` share.

use std::sync::Arc;

use serde_json::{Value, json};
use simpleclaw_protocol::message::{Content, Origin};
use simpleclaw_protocol::methods::chat::{Attachment, ChatSendResult, QueueMode, SendOptions, SendStatus};
use simpleclaw_protocol::{ErrorCode, Issue, WireError};

use super::session_key;
use crate::attachments::{self, Checked, Problem};
use crate::inbox::{Admitted, Input, Refused};
use crate::runtime::Runtime;
use crate::server::dispatch::{Reply, internal};
use crate::session::Abort;
use crate::store::{self, RunOptions};

/// What both ways of sending come down to.
pub struct Sending {
    pub key: String,
    /// Where the key stood, for the error.
    pub path: &'static str,
    pub message: String,
    pub idempotency_key: String,
    pub options: SendOptions,
}

/// Stores a message and, once the answer is on its way, has it answered.
pub async fn send(runtime: &Arc<Runtime>, who: String, sending: Sending) -> Result<Reply<ChatSendResult>, WireError> {
    let config = runtime.config.current();
    let key = session_key(&sending.key, &config.config.agents.default, sending.path)?;
    let mut options = sending.options;
    built(&options)?;
    let files = std::mem::take(&mut options.attachments);
    if sending.message.trim().is_empty() && files.is_empty() {
        return Err(WireError::at("/message", "is empty: write something, or attach a file"));
    }
    if runtime.control.stopping().is_some() {
        return Err(WireError::unavailable("the gateway is stopping", 2_000));
    }
    let session = key.to_string();
    // Held until the message is stored. Nothing above waits, so places are taken in the order of the requests.
    let place = runtime.inbox.order.place(&session, !files.is_empty()).await;
    let files = match files.is_empty() {
        true => vec![],
        false => checked(files, config.config.attachments.max_mb).await?,
    };
    let body_hash = body_hash(&session, &sending.message, &options, &files);
    let mode = options.queue_mode.unwrap_or(config.config.session.queue);
    let interrupt = mode == QueueMode::Interrupt;
    let busy = runtime.sessions.is_busy(&session);
    let mut content = Vec::new();
    if !sending.message.trim().is_empty() {
        content.push(Content::Text { text: sending.message });
    }
    let arriving = match files.is_empty() {
        true => None,
        false => Some(runtime.attachments.put(files).await?),
    };
    content.extend(arriving.iter().flat_map(|arriving| arriving.content.iter().cloned()));
    let input = Input {
        key,
        content,
        replaces: options.replaces,
        idempotency_key: sending.idempotency_key,
        body_hash,
        options: RunOptions { model: options.model, thinking: options.thinking, timeout_ms: options.timeout_ms },
        origin: Origin { channel: "webchat".to_owned(), sender: who, label: None },
    };
    let admitted = runtime.inbox.admit(input).await;
    drop((arriving, place));
    match admitted.map_err(refused)? {
        Admitted::Again(run) => Ok(ChatSendResult {
            run_id: run.id,
            status: run.state.into(),
            message_id: run.user_message_id,
            session_key: run.session_key,
        }
        .into()),
        Admitted::New { run, message, branch } => {
            let busy = match &branch {
                Some(branch) => runtime.sessions.is_busy_before(&session, branch.from_seq),
                None => busy,
            };
            let result = ChatSendResult {
                run_id: run.id.clone(),
                status: if busy && !interrupt { SendStatus::Queued } else { SendStatus::Started },
                message_id: message.id.clone(),
                session_key: run.session_key.clone(),
            };
            let sessions = runtime.sessions.clone();
            let then = move || {
                if interrupt {
                    sessions.abort(&Abort::Session { key: run.session_key.clone(), run_id: None });
                }
                if let Some(branch) = branch {
                    sessions.leave(&run, *branch);
                }
                sessions.enqueue(run, Some(*message));
            };
            Ok(Reply { result, then: Some(Box::new(then)) })
        }
    }
}

/// Refuses what the schema knows and this version does not do.
fn built(options: &SendOptions) -> Result<(), WireError> {
    if matches!(options.queue_mode, Some(QueueMode::Steer | QueueMode::Collect)) {
        return Err(WireError::not_built("this queue mode", Some("queueMode")));
    }
    if options.deliver == Some(true) {
        return Err(WireError::at("/deliver", "this session has no channel to deliver to"));
    }
    if options.model.as_deref().is_some_and(|model| model != "auto" && !model.contains('/')) {
        return Err(WireError::at("/model", "must be `provider/model` or `auto`"));
    }
    Ok(())
}

/// Decodes and hashes beside the runtime: 16 MB take a while.
async fn checked(files: Vec<Attachment>, max_mb: u32) -> Result<Vec<Checked>, WireError> {
    let checked = tokio::task::spawn_blocking(move || attachments::check(files, max_mb)).await;
    let faults = match checked.map_err(|error| internal(&error.to_string()))? {
        Ok(files) => return Ok(files),
        Err(faults) => faults,
    };
    let too_large = faults.iter().all(|fault| matches!(fault.problem, Problem::TooLarge(_)));
    let issues = faults.into_iter().map(|fault| Issue::new(fault.path, fault.problem.to_string()));
    let mut error = WireError::issues("invalid params", issues.collect());
    if too_large {
        error.code = ErrorCode::TooLarge;
    }
    Err(error)
}

/// What a repeat of the key is compared by; files count by their hash.
fn body_hash(session: &str, message: &str, options: &SendOptions, files: &[Checked]) -> Vec<u8> {
    let mut body = json!({ "sessionKey": session, "message": message, "options": options });
    // Without files the body is what it was before there were any: keys of then stay good.
    if let (Value::Object(members), false) = (&mut body, files.is_empty()) {
        let files = files.iter().map(|file| json!([file.name, file.mime_type, file.sha256]));
        members.insert("attachments".to_owned(), files.collect());
    }
    store::body_hash(body)
}

pub fn refused(refused: Refused) -> WireError {
    let words = refused.to_string();
    match refused {
        Refused::NoAgent(_) | Refused::NoSession(_) => WireError::not_found(words),
        Refused::NoTarget(_) | Refused::Left(_) => {
            let issue = Issue::new("/replaces", words.clone());
            WireError::not_found(words).details(json!({ "issues": [issue] }))
        }
        Refused::NotTheirs(_) => WireError::at("/replaces", words),
        Refused::OtherBody => WireError::conflict(words).details(json!({ "reason": "idempotencyKey" })),
        Refused::Full(_) => WireError::unavailable(words, 5_000),
        Refused::Store(error) => error.into(),
    }
}
