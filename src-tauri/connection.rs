//! One connection to a gateway, of this process or of another: follows its events and passes on what the menu asks for.
//!
//! Deliberately elsewhere: which gateway it is, and what comes after it (`gateway`).

use std::time::Duration;

use simpleclaw_client::{Client, ClientEvent, Events, Options, Token};
use simpleclaw_gateway::{Gateway, StopReason};
use simpleclaw_protocol::approval::ApprovalDecision;
use simpleclaw_protocol::methods::approvals::{ApprovalList, ApprovalResolve, ApprovalResolveParams, Surface};
use simpleclaw_protocol::methods::config::{ConfigGet, ConfigGetParams};
use simpleclaw_protocol::methods::gateway::{GatewayPause, GatewayRestart, GatewayResume, Health, HealthParams};
use simpleclaw_protocol::methods::runs::{RunsAbort, RunsAbortParams};
use simpleclaw_protocol::methods::sessions::{SessionsList, SessionsListParams};
use simpleclaw_protocol::methods::{KeyOnlyParams, NoParams};
use tokio::sync::{mpsc, watch};

use crate::gateway::{Next, Request, sentence};
use crate::hotkey;
use crate::state::{Endpoint, Failure, Phase, RECENT_SESSIONS, State};

/// How long a graceful end may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);
const CALL_WITHIN: Duration = Duration::from_secs(5);

/// A gateway that can be talked to.
pub struct Connection {
    /// Absent where it runs in another process.
    own: Option<Gateway>,
    owner: u32,
    client: Client,
    events: Events,
    endpoint: Endpoint,
}

/// Connects; a gateway of this process ends where that fails.
///
/// # Errors
/// Why the gateway cannot be talked to, in words.
pub async fn connect(own: Option<Gateway>, owner: u32, endpoint: Endpoint) -> Result<Connection, Failure> {
    match Client::connect(options(&endpoint)).await {
        Ok(client) => Ok(Connection { own, owner, events: client.events(), client, endpoint }),
        Err(error) => {
            if let Some(gateway) = own {
                gateway.shutdown(STOP_WITHIN).await;
            }
            Err(Failure { code: "UNREACHABLE", sentence: sentence(&error.to_string()), config: None })
        }
    }
}

fn options(endpoint: &Endpoint) -> Options {
    let mut options = Options::new(&endpoint.url, Token::new(&endpoint.token));
    options.client.id = "simpleclaw-desktop".to_owned();
    options.client.mode = "tray".to_owned();
    options.call_timeout = CALL_WITHIN;
    options
}

impl Connection {
    /// Follows the gateway until it ends or somebody asks for something else.
    pub async fn serve(mut self, state: &watch::Sender<State>, requests: &mut mpsc::Receiver<Request>) -> Next {
        self.refetch(state).await;
        let mut moves = self.own.as_ref().map(Gateway::moves);
        let next = loop {
            let request = tokio::select! {
                url = moved(moves.as_mut()) => {
                    self.go_to(url, state).await;
                    continue;
                }
                event = self.events.next() => {
                    match event {
                        Some(event) => match self.hear(state, event).await {
                            None => continue,
                            Some(phase) => break Next::Wait(phase),
                        },
                        None => break Next::Wait(Phase::Stopped),
                    }
                }
                reason = stopped(self.own.as_ref()) => match reason {
                    StopReason::Restart => break Next::Start { any_port: false },
                    StopReason::Shutdown => break Next::Wait(Phase::Stopped),
                },
                request = requests.recv() => request,
            };
            match request {
                None => break Next::Wait(Phase::Stopped),
                Some(Request::Quit(done)) => break Next::Quit(done),
                Some(Request::Start { any_port }) => break Next::Start { any_port },
                Some(Request::Restart) if self.own.is_some() || !self.client.is_connected() => {
                    break Next::Start { any_port: false };
                }
                Some(request) => self.call(request).await,
            }
        };
        if !matches!(next, Next::Wait(Phase::Failed(_))) {
            state.send_modify(|state| state.phase = Phase::Stopping);
        }
        self.client.close().await;
        if let Some(gateway) = self.own {
            gateway.shutdown(STOP_WITHIN).await;
        }
        next
    }

    /// The gateway listens elsewhere now. Windows ask where before they connect again.
    async fn go_to(&mut self, url: String, state: &watch::Sender<State>) {
        self.endpoint.url = url;
        match Client::connect(options(&self.endpoint)).await {
            Ok(client) => {
                self.events = client.events();
                std::mem::replace(&mut self.client, client).close().await;
            }
            // The old connection goes on.
            Err(error) => tracing::warn!(%error, "the gateway could not be followed to its new address"),
        }
        self.refetch(state).await;
    }

    /// Passes a request on. A refusal is logged; the menu keeps showing what is.
    async fn call(&self, request: Request) {
        let key = KeyOnlyParams::default();
        let result = match request {
            Request::StopAll => self.client.call::<RunsAbort>(&RunsAbortParams::default()).await.map(drop),
            Request::Pause(true) => self.client.call::<GatewayPause>(&key).await.map(drop),
            Request::Pause(false) => self.client.call::<GatewayResume>(&key).await.map(drop),
            Request::Restart => self.client.call::<GatewayRestart>(&key).await.map(drop),
            Request::Decide { id, allow } => {
                let decision = if allow { ApprovalDecision::AllowOnce } else { ApprovalDecision::Deny };
                let surface = Some(Surface::Dialog);
                let answer =
                    ApprovalResolveParams { id, decision, rule: None, reason: None, surface, idempotency_key: None };
                self.client.call::<ApprovalResolve>(&answer).await.map(drop)
            }
            Request::Start { .. } | Request::Quit(_) => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "the gateway did not do what the menu asked for");
        }
    }

    /// Takes in what the client says; a phase ends this connection.
    async fn hear(&self, state: &watch::Sender<State>, event: ClientEvent) -> Option<Phase> {
        match event {
            ClientEvent::Event(frame) => {
                state.send_if_modified(|state| state.hear(&frame));
                if frame.name == "config.changed" {
                    let stop_hotkey = self.stop_hotkey().await;
                    state.send_modify(|state| state.stop_hotkey = stop_hotkey);
                }
            }
            ClientEvent::Connected(_) | ClientEvent::Gap { .. } | ClientEvent::Lagged(_) => self.refetch(state).await,
            // Our own gateway is not lost with one of its connections.
            ClientEvent::Disconnected { .. } if self.own.is_some() => {}
            ClientEvent::Disconnected { .. } => {
                state.send_replace(State::new(Phase::Lost { pid: self.owner }));
            }
            ClientEvent::Stopped(error) => {
                let sentence = sentence(&error.to_string());
                return Some(Phase::Failed(Failure { code: "REFUSED", sentence, config: None }));
            }
        }
        None
    }

    /// The keys that stop all answers; `None` where the person wants none.
    async fn stop_hotkey(&self) -> Option<String> {
        let path = Some("desktop.stopAllHotkey".to_owned());
        let key = match self.client.call::<ConfigGet>(&ConfigGetParams { path }).await {
            Ok(answer) => answer.value.as_str().unwrap_or(hotkey::DEFAULT).to_owned(),
            Err(_) => hotkey::DEFAULT.to_owned(),
        };
        (key != hotkey::OFF).then_some(key)
    }

    /// Replaces everything known by what the gateway says now.
    async fn refetch(&self, state: &watch::Sender<State>) {
        let recent = SessionsListParams { limit: u32::try_from(RECENT_SESSIONS).ok(), ..SessionsListParams::default() };
        let health = HealthParams::default();
        let answers = tokio::try_join!(self.client.call::<Health>(&health), self.client.call::<SessionsList>(&recent));
        let phase = match self.own {
            Some(_) => Phase::Running,
            None => Phase::Attached { pid: self.owner },
        };
        let endpoint = Some(self.endpoint.clone());
        // Each on its own: a token that may not answer approvals still shows the rest.
        let approvals = self.client.call::<ApprovalList>(&NoParams {}).await.ok().map(|list| list.approvals);
        let stop_hotkey = self.stop_hotkey().await;
        match answers {
            Ok((health, list)) => state.send_modify(|state| {
                let busy = health.runs.active > 0;
                let may_ask = std::mem::take(&mut state.may_ask).into_iter().filter(|_| busy).collect();
                let (health, sessions) = (Some(health), list.sessions);
                *state = State { phase, endpoint, health, sessions, approvals, may_ask, stop_hotkey };
            }),
            // Events go on from here, and the next connection asks again.
            Err(error) => {
                tracing::warn!(%error, "the gateway did not say how it is");
                state.send_modify(|state| (state.phase, state.endpoint) = (phase, endpoint));
            }
        }
    }
}

/// Waits for a client to end our own gateway; another process's is not ours to wait for.
async fn stopped(own: Option<&Gateway>) -> StopReason {
    match own {
        Some(gateway) => gateway.stopped().await,
        None => std::future::pending().await,
    }
}

/// Waits for our own gateway to listen elsewhere.
async fn moved(moves: Option<&mut watch::Receiver<String>>) -> String {
    let Some(moves) = moves else { return std::future::pending().await };
    match moves.changed().await {
        Ok(()) => moves.borrow_and_update().clone(),
        // The gateway is gone, which others see.
        Err(_) => std::future::pending().await,
    }
}
