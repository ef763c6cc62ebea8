//! The one background task of a client: serves a connection until it ends, then opens the next.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use simpleclaw_protocol::frame::{RequestFrame, RequestTag};
use simpleclaw_protocol::methods::{Call as _, events::EventsSubscribe};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::error::ConnectError;
use crate::events::ClientEvent;
use crate::live::{Link, Live, Shared, lock};
use crate::options::Options;
use crate::socket::{self, Incoming, Socket};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A connection that lived so long ends the back-off; a shorter one is part of the same trouble.
const SETTLED: Duration = Duration::from_secs(15);
/// Short waits while a gateway restarts, which takes a moment and is no trouble.
const RESTART_ATTEMPTS: i32 = 12;
/// Close code of a gateway that comes back by itself.
const RESTART: u16 = 1012;

pub struct Driver {
    pub options: Options,
    pub shared: Arc<Shared>,
    pub events: broadcast::Sender<ClientEvent>,
    pub stopped: watch::Receiver<bool>,
}

impl Driver {
    /// Runs until the client is closed or dropped, or the gateway refuses for good.
    pub async fn run(self, socket: Socket, live: Arc<Live>, outbox: mpsc::Receiver<Message>) {
        let mut next = Some((socket, live, outbox));
        let mut stopped = self.stopped.clone();
        let mut backoff = Backoff::default();
        while let Some((mut socket, live, mut outbox)) = next.take() {
            let since = Instant::now();
            let ended = tokio::select! {
                error = self.serve(&mut socket, &live, &mut outbox) => Some(error),
                _ = stopped.wait_for(|stop| *stop) => None,
            };
            self.link(Link::Down);
            live.end();
            let Some(error) = ended else {
                socket.close().await;
                break;
            };
            // Now, not after the next attempts: callers may be waiting to write.
            drop((socket, outbox));
            if since.elapsed() >= SETTLED {
                backoff = Backoff::default();
            }
            tokio::select! {
                opened = self.reopen(error, &mut backoff) => next = opened,
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        }
        self.link(Link::Stopped);
    }

    fn link(&self, link: Link) {
        lock(&self.shared.state).link = link;
    }

    fn publish(&self, event: ClientEvent) {
        // An error only says that nobody listens.
        let _ = self.events.send(event);
    }

    /// Reads and writes at the same time, so that neither side waits for the other. Returns why it ended.
    async fn serve(&self, socket: &mut Socket, live: &Live, outbox: &mut mpsc::Receiver<Message>) -> ConnectError {
        let (mut sink, mut stream) = (&mut socket.ws).split();
        let write = async {
            while let Some(first) = outbox.recv().await {
                let mut sent = sink.feed(first).await;
                while let (Ok(()), Ok(more)) = (&sent, outbox.try_recv()) {
                    sent = sink.feed(more).await;
                }
                if sent.is_err() || sink.flush().await.is_err() {
                    break;
                }
            }
            // The reader knows better why, if the gateway said so before it went.
            sleep(Duration::from_secs(1)).await;
            ConnectError::Unreachable("the connection broke while writing".into())
        };
        let read = async {
            let mut expected = 1;
            loop {
                let silence = self.options.silence_timeout;
                let Ok(next) = timeout(silence, stream.next()).await else {
                    return ConnectError::Timeout(silence);
                };
                match socket::read(next) {
                    Err(error) => return error,
                    Ok(Incoming::Nothing) => {}
                    Ok(Incoming::Response(response)) => match response.id.parse() {
                        Ok(id) => live.answer(id, socket::outcome(response)),
                        // Not an id of ours: the gateway could not read one, or it answers `resubscribe`.
                        Err(_) if response.ok => {}
                        Err(_) => {
                            let error = socket::outcome(response).err().map(|error| error.message);
                            return ConnectError::Protocol(error.unwrap_or_default());
                        }
                    },
                    Ok(Incoming::Event(event)) => {
                        if event.seq != expected {
                            self.publish(ClientEvent::Gap { expected, got: event.seq });
                        }
                        expected = event.seq.saturating_add(1);
                        self.publish(ClientEvent::Event(Arc::new(event)));
                    }
                }
            }
        };
        tokio::select! {
            error = read => error,
            error = write => error,
        }
    }

    /// Opens the next connection, or says that there will be none.
    async fn reopen(
        &self,
        mut error: ConnectError,
        backoff: &mut Backoff,
    ) -> Option<(Socket, Arc<Live>, mpsc::Receiver<Message>)> {
        loop {
            if error.is_final() || !self.options.reconnect {
                tracing::debug!(%error, "the connection to the gateway has ended for good");
                self.publish(ClientEvent::Stopped(Arc::new(error)));
                return None;
            }
            let retry_in = backoff.next(&error);
            tracing::debug!(%error, ?retry_in, "the connection to the gateway was lost");
            self.publish(ClientEvent::Disconnected { error: Arc::new(error), retry_in });
            sleep(retry_in).await;
            error = match self.open().await {
                Ok(opened) => return Some(opened),
                Err(error) => error,
            };
        }
    }

    async fn open(&self) -> Result<(Socket, Arc<Live>, mpsc::Receiver<Message>), ConnectError> {
        let mut socket = Socket::open(&self.options).await?;
        let subscription = lock(&self.shared.state).subscription.clone();
        if let Some(params) = subscription {
            let frame =
                RequestFrame { r#type: RequestTag::Req, id: "resubscribe", method: EventsSubscribe::NAME, params };
            let message = socket::message(self.options.encoding, &frame).map_err(ConnectError::Protocol)?;
            let limit = self.options.handshake_timeout;
            match timeout(limit, socket.ws.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(ConnectError::Unreachable(error.to_string())),
                Err(_) => return Err(ConnectError::Timeout(limit)),
            }
        }
        let (live, outbox) = Live::new(&socket.hello);
        {
            let mut state = lock(&self.shared.state);
            state.hello = socket.hello.clone();
            state.link = Link::Up(live.clone());
        }
        self.publish(ClientEvent::Connected(socket.hello.clone()));
        Ok((socket, live, outbox))
    }
}

/// Exponential with full jitter, so that many clients of one gateway do not come back at once.
#[derive(Default)]
struct Backoff {
    /// Doublings so far; below zero the wait does not grow yet.
    attempt: i32,
}

impl Backoff {
    fn next(&mut self, error: &ConnectError) -> Duration {
        if error.close_code() == Some(RESTART) {
            self.attempt = -RESTART_ATTEMPTS;
        }
        let ceiling = Self::ceiling(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        let wait = ceiling.mul_f64(rand::random_range(0.0..=1.0));
        wait.max(error.retry_after().unwrap_or_default().min(LONGEST_WAIT))
    }

    fn ceiling(attempt: i32) -> Duration {
        let doublings = attempt.clamp(0, 16).unsigned_abs();
        FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_stays_short_over_a_restart() {
        let ceilings = [-3, 0, 1, 2, 5, 6, i32::MAX].map(|n| Backoff::ceiling(n).as_millis());
        assert_eq!(ceilings, [250, 250, 500, 1000, 8000, 15_000, 15_000]);

        let lost = ConnectError::Unreachable("refused".into());
        let restart = ConnectError::Closed { code: Some(RESTART), reason: String::new() };
        let mut backoff = Backoff { attempt: 9 };
        assert!(backoff.next(&restart) <= FIRST_WAIT);
        for _ in 0..RESTART_ATTEMPTS {
            assert!(backoff.next(&lost) <= FIRST_WAIT);
        }
    }
}
