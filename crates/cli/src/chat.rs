//! `simpleclaw chat`: lines in, streamed replies out. One reply is followed in `turn`.

mod turn;

use std::io::IsTerminal as _;

use simpleclaw_client::{Client, Events};
use simpleclaw_protocol::methods::events::{EventsSubscribe, EventsSubscribeParams, Selection};

use crate::args::{ChatOptions, Global};
use crate::connect;
use crate::failure::{ERROR, Failure, UNREACHABLE};
use crate::input::{self, Interrupts, Terminations};
use crate::output::Output;
use turn::Ended;

const PROMPT: &str = "> ";

/// A conversation in one session.
struct Chat {
    client: Client,
    events: Events,
    interrupts: Interrupts,
    session: String,
    output: Output,
}

/// Sends `-m TEXT` once, or each line of standard input. Ctrl-C stops a reply; a second one leaves, also at the prompt.
/// SIGTERM leaves at once; the reply goes on in the gateway.
pub async fn run(global: &Global, options: ChatOptions, output: Output) -> Result<(), Failure> {
    let (mut interrupts, mut terminations) = (Interrupts::new()?, Terminations::new()?);
    let (client, events) = tokio::select! {
        opened = open(global) => opened?,
        () = interrupts.next() => return Err(Failure::interrupted()),
    };
    let mut chat = Chat { client: client.clone(), events, interrupts, session: options.session, output };
    let talk = async {
        match &options.message {
            Some(message) => match chat.turn(message).await? {
                Ended::Complete => Ok(()),
                Ended::Stopped { by_us: true } => Err(Failure::interrupted()),
                Ended::Stopped { by_us: false } => {
                    let failure = Failure::new(ERROR, "ABORTED", "another client stopped the reply");
                    Err(Failure { told: output.json, ..failure })
                }
            },
            None => chat.talk().await,
        }
    };
    let result = tokio::select! {
        result = talk => result,
        () = terminations.next() => Ok(()),
    };
    client.close().await;
    result
}

async fn open(global: &Global) -> Result<(Client, Events), Failure> {
    let client = connect::open(global, true).await?;
    let events = client.events();
    let wanted = EventsSubscribeParams { sessions: None, events: Some(Selection::Only(vec!["chat.event".into()])) };
    client.call::<EventsSubscribe>(&wanted).await?;
    Ok((client, events))
}

impl Chat {
    async fn talk(&mut self) -> Result<(), Failure> {
        let person = std::io::stdin().is_terminal() && !self.output.json;
        if person {
            let session = &self.session;
            self.output.note(&format!("Session {session}. Ctrl-C stops a reply, Ctrl-D leaves."));
        }
        let mut lines = input::lines();
        let mut failed = None;
        loop {
            if person {
                self.output.text(PROMPT);
            }
            let Some(line) = self.line(&mut lines, person).await? else {
                break;
            };
            let message = line.trim();
            if message.is_empty() {
                continue;
            }
            match self.turn(message).await {
                Ok(_) => {}
                Err(failure) if failure.exit == ERROR || (person && failure.exit == UNREACHABLE) => {
                    // The conversation goes on; a pipe's exit code tells of the last failure.
                    self.output.failure(&failure);
                    failed = (!person).then_some(Failure { told: true, ..failure });
                }
                Err(failure) => return Err(failure),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The next line; `None` at the end of the input.
    async fn line(
        &mut self,
        lines: &mut tokio::sync::mpsc::Receiver<String>,
        person: bool,
    ) -> Result<Option<String>, Failure> {
        let mut asked = !person;
        loop {
            tokio::select! {
                line = lines.recv() => return Ok(line),
                () = self.interrupts.next() => match asked {
                    true => return Err(Failure::interrupted()),
                    false => {
                        asked = true;
                        self.output.text(&format!("\n(Ctrl-C again leaves)\n{PROMPT}"));
                    }
                },
                // Read away what other programs' runs say meanwhile.
                event = self.events.next() => turn::still_connected(event.as_ref())?,
            }
        }
    }
}
