//! One message and its reply, followed to the end even over a lost connection.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use simpleclaw_client::{CallError, ClientEvent, ConnectError};
use simpleclaw_protocol::events::{ChatEvent, ChatState};
use simpleclaw_protocol::message::{Message, Role, RunError, RunState};
use simpleclaw_protocol::methods::chat::{
    ChatAbort, ChatAbortParams, ChatHistory, ChatHistoryParams, ChatSend, ChatSendParams, SendOptions,
};
use simpleclaw_protocol::methods::runs::{RunsGet, RunsGetParams};

use super::Chat;
use crate::failure::{ERROR, Failure};

/// A connection that is away for longer is given up.
const AWAY: Duration = Duration::from_secs(30);

/// How a turn ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Complete,
    Stopped {
        /// By Ctrl-C, not by another client.
        by_us: bool,
    },
}

/// A reply while it comes in.
#[derive(Default)]
struct Reply {
    run_id: String,
    /// Canonical.
    session: String,
    /// The assistant message that is being written, and how many bytes of it are printed.
    message_id: Option<String>,
    printed: usize,
    /// `index` of the next event.
    next: u64,
    stopping: bool,
    /// Since when there is no connection.
    away: Option<Instant>,
}

impl Chat {
    /// Sends a message and prints the reply as it comes.
    pub(super) async fn turn(&mut self, message: &str) -> Result<Ended, Failure> {
        let params = ChatSendParams {
            session_key: self.session.clone(),
            message: message.to_owned(),
            idempotency_key: uuid::Uuid::new_v4().to_string(),
            options: SendOptions::default(),
        };
        let sent = tokio::select! {
            sent = self.client.call::<ChatSend>(&params) => sent?,
            () = self.interrupts.next() => return Err(Failure::interrupted()),
        };
        let mut reply = Reply { run_id: sent.run_id, session: sent.session_key, ..Reply::default() };
        loop {
            let event = tokio::select! {
                event = self.events.next() => event,
                () = self.interrupts.next() => {
                    self.stop(&mut reply).await?;
                    continue;
                }
            };
            still_connected(event.as_ref())?;
            let ended = match event {
                Some(ClientEvent::Event(frame)) => match frame.chat() {
                    Some(chat) if chat.run_id == reply.run_id => {
                        if self.output.json {
                            self.output.text(&format!("{}\n", frame.payload));
                        }
                        self.show(&mut reply, &chat).await?
                    }
                    _ => None,
                },
                Some(ClientEvent::Disconnected { error, .. }) => {
                    if reply.away.get_or_insert_with(Instant::now).elapsed() > AWAY {
                        return Err(ConnectError::clone(&error).into());
                    }
                    None
                }
                Some(ClientEvent::Connected(_) | ClientEvent::Gap { .. } | ClientEvent::Lagged(_)) => {
                    reply.away = None;
                    self.catch_up(&mut reply).await?
                }
                Some(ClientEvent::Stopped(_)) | None => None,
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// First Ctrl-C: asks the gateway to stop the run, whose end then comes as an event. Second: leaves.
    async fn stop(&mut self, reply: &mut Reply) -> Result<(), Failure> {
        if reply.stopping {
            return Err(Failure::interrupted());
        }
        reply.stopping = true;
        let params = ChatAbortParams {
            session_key: reply.session.clone(),
            run_id: Some(reply.run_id.clone()),
            idempotency_key: None,
        };
        tokio::select! {
            stopped = self.client.call::<ChatAbort>(&params) => stopped.map(drop).map_err(Failure::from),
            () = self.interrupts.next() => Err(Failure::interrupted()),
        }
    }

    /// Prints what an event adds. `Some` when it was the run's last.
    async fn show(&mut self, reply: &mut Reply, event: &ChatEvent) -> Result<Option<Ended>, Failure> {
        let first = event.index_from.unwrap_or(event.index);
        if event.index < reply.next {
            return Ok(None);
        }
        if first < reply.next && !event.state.is_terminal() {
            // A merged delta of which a part is printed already.
            return self.catch_up(reply).await;
        }
        reply.next = event.index + 1;
        if let Some(delta) = &event.delta {
            self.print(reply, event.message_id.as_deref(), delta);
        }
        if event.state.is_terminal() {
            return self.end(reply, event).map(Some);
        }
        if event.state == ChatState::Queued && std::io::stderr().is_terminal() {
            self.output.note("(waits for the reply before it)");
        }
        Ok(None)
    }

    /// Asks how the run stands after events were missed, and prints what they would have said.
    async fn catch_up(&mut self, reply: &mut Reply) -> Result<Option<Ended>, Failure> {
        let run = RunsGetParams { run_id: reply.run_id.clone() };
        let history = ChatHistoryParams { session_key: reply.session.clone(), ..ChatHistoryParams::default() };
        let (run, history) = match self.client.call::<RunsGet>(&run).await {
            Ok(run) => (run, self.client.call::<ChatHistory>(&history).await),
            // Lost once more: the next `Connected` leads here again.
            Err(CallError::Disconnected) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let history = match history {
            Ok(history) => history,
            Err(CallError::Disconnected) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let written: Vec<_> = history
            .messages
            .iter()
            .filter(|message| message.run_id.as_deref() == Some(&reply.run_id))
            .filter(|message| message.role == Role::Assistant)
            .collect();
        // Messages before the one that was being printed are on the screen already.
        let from = match &reply.message_id {
            None => 0,
            Some(id) => written.iter().position(|m| m.id == *id).unwrap_or(written.len()),
        };
        for message in written.iter().skip(from) {
            self.print_to(reply, &message.id, &message.text());
        }
        if let Some(live) = history.in_flight_run.filter(|live| live.run_id == reply.run_id) {
            self.print_to(reply, &live.message_id, &live.text);
            reply.next = live.index + 1;
        }
        let state = match run.state {
            RunState::Ok => ChatState::Final,
            RunState::Aborted => ChatState::Aborted,
            RunState::Error => ChatState::Error,
            RunState::Queued | RunState::Running | RunState::WaitingApproval => return Ok(None),
        };
        let mut last = ChatEvent::new(&reply.run_id, &reply.session, state, reply.next);
        last.message = written.last().map(|message| Message::clone(message));
        last.error = run.error;
        if self.output.json {
            let line = serde_json::to_string(&last).unwrap_or_default();
            self.output.text(&format!("{line}\n"));
        }
        self.end(reply, &last).map(Some)
    }

    /// What the last event of a run means.
    fn end(&self, reply: &mut Reply, last: &ChatEvent) -> Result<Ended, Failure> {
        if let Some(message) = &last.message {
            self.print_to(reply, &message.id, &message.text());
        }
        self.end_line(reply);
        match last.state {
            ChatState::Error => Err(self.failed(last.error.as_ref())),
            ChatState::Aborted => {
                if !self.output.json {
                    self.output.note("(stopped)");
                }
                Ok(Ended::Stopped { by_us: reply.stopping })
            }
            _ => Ok(Ended::Complete),
        }
    }

    fn print(&self, reply: &mut Reply, message_id: Option<&str>, text: &str) {
        if let Some(id) = message_id
            && reply.message_id.as_deref() != Some(id)
        {
            // A run with tools writes several messages; each starts on its own line.
            self.end_line(reply);
            reply.message_id = Some(id.to_owned());
        }
        reply.printed += text.len();
        if !self.output.json {
            self.output.text(text);
        }
    }

    /// Prints what of a message's text is not printed yet.
    fn print_to(&self, reply: &mut Reply, message_id: &str, text: &str) {
        let from = match reply.message_id.as_deref() {
            Some(id) if id != message_id => 0,
            _ => reply.printed,
        };
        if let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
            self.print(reply, Some(message_id), rest);
        }
    }

    fn end_line(&self, reply: &mut Reply) {
        if reply.printed > 0 && !self.output.json {
            self.output.text("\n");
        }
        reply.printed = 0;
    }

    fn failed(&self, error: Option<&RunError>) -> Failure {
        let Some(error) = error else {
            return Failure::internal("the run failed and gave no reason");
        };
        let mut message = error.message.clone();
        if let Some(provider) = &error.provider {
            let mut cause = vec![provider.model.clone().unwrap_or_else(|| provider.id.clone())];
            cause.push(word(&provider.kind).replace('_', " "));
            cause.extend(provider.http_status.map(|status| format!("HTTP {status}")));
            message = format!("{message} ({})", cause.join(", "));
        }
        let mut failure = Failure::new(ERROR, &word(&error.code), message);
        // The event itself carries it.
        failure.told = self.output.json;
        failure
    }
}

/// The name of an enum's value on the wire.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Fails once the client has given up for good.
pub(super) fn still_connected(event: Option<&ClientEvent>) -> Result<(), Failure> {
    match event {
        Some(ClientEvent::Stopped(error)) => Err(ConnectError::clone(error).into()),
        None => Err(CallError::Stopped.into()),
        Some(_) => Ok(()),
    }
}
