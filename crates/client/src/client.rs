//! The handle that programs hold.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use simpleclaw_protocol::frame::{RequestFrame, RequestTag};
use simpleclaw_protocol::handshake::HelloOk;
use simpleclaw_protocol::methods::{Call, events::EventsSubscribe};
use simpleclaw_protocol::{Encoding, WireError};
use tokio::sync::{broadcast, watch};

use crate::driver;
use crate::error::{CallError, ConnectError};
use crate::events::Events;
use crate::live::{Link, Live, Shared, State, lock};
use crate::options::Options;
use crate::socket::{self, Socket};
use crate::validate;

/// A connection to the gateway that is kept open. Clones share it; when the last one is dropped it is closed.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    timeout: Duration,
}

struct Inner {
    shared: Arc<Shared>,
    encoding: Encoding,
    /// `true`, or this being dropped, ends the driver; it drops its receiver when it has ended.
    stop: watch::Sender<bool>,
}

impl Client {
    /// Opens a connection and shakes hands, once: a first failure is the caller's to handle, later ones are retried in
    /// the background. Needs a tokio runtime with I/O and time.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        let socket = Socket::open(&options).await?;
        let (events, _) = broadcast::channel(options.event_buffer.clamp(1, 1 << 20));
        let (stop, stopped) = watch::channel(false);
        let (live, outbox) = Live::new(&socket.hello);
        let shared = Arc::new(Shared {
            state: Mutex::new(State { hello: socket.hello.clone(), link: Link::Up(live.clone()), subscription: None }),
            events: events.downgrade(),
            next_id: AtomicU64::new(1),
        });
        let inner = Inner { shared: shared.clone(), encoding: options.encoding, stop };
        let timeout = options.call_timeout;
        let driver = driver::Driver { options, shared, events, stopped };
        #[expect(clippy::disallowed_methods, reason = "the client's one task; a client has no supervisor")]
        tokio::spawn(driver.run(socket, live, outbox));
        Ok(Self { inner: Arc::new(inner), timeout })
    }

    /// What the gateway said when the present connection was opened; while there is none, the last one's.
    pub fn hello(&self) -> Arc<HelloOk> {
        lock(&self.inner.shared.state).hello.clone()
    }

    /// Whether a connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        matches!(lock(&self.inner.shared.state).link, Link::Up(_))
    }

    /// The same client, whose calls through this handle wait so long.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { inner: self.inner.clone(), timeout }
    }

    /// Subscribes to everything from now on. Take it before the call whose events matter.
    pub fn events(&self) -> Events {
        Events(match self.inner.shared.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        })
    }

    /// Calls a method by its row: `client.call::<ChatHistory>(&params)`.
    // The future holds no params: with a borrow of an associated type in it, the compiler finds it `Send` only for some
    // lifetimes, and whoever calls this in a spawned task is refused.
    pub fn call<'a, M: Call>(
        &'a self,
        params: &M::Params,
    ) -> impl Future<Output = Result<M::Result, CallError>> + Send + use<'a, M> {
        let params = serde_json::to_value(params);
        async move {
            let params = params.map_err(|error| CallError::Invalid(WireError::at("", error.to_string())))?;
            let result = self.call_raw(M::NAME, params).await?;
            serde_json::from_value(result).map_err(|error| CallError::Shape(error.to_string()))
        }
    }

    /// Calls a method by its name. `params` is an object, and is validated where this version knows the method.
    ///
    /// A successful `events.subscribe` is remembered and repeated on every later connection.
    pub async fn call_raw(&self, method: &str, params: Value) -> Result<Value, CallError> {
        if !params.is_object() {
            return Err(CallError::Invalid(WireError::at("", "params must be an object")));
        }
        validate::params(method, &params).map_err(CallError::Invalid)?;
        let result = tokio::time::timeout(self.timeout, self.exchange(method, &params))
            .await
            .unwrap_or(Err(CallError::Timeout(self.timeout)))?;
        if method == EventsSubscribe::NAME {
            lock(&self.inner.shared.state).subscription = Some(params);
        }
        Ok(result)
    }

    async fn exchange(&self, method: &str, params: &Value) -> Result<Value, CallError> {
        let live = match &lock(&self.inner.shared.state).link {
            Link::Up(live) => live.clone(),
            Link::Down => return Err(CallError::Disconnected),
            Link::Stopped => return Err(CallError::Stopped),
        };
        let id = self.inner.shared.next_id();
        let frame = RequestFrame { r#type: RequestTag::Req, id: &id.to_string(), method, params };
        let message = socket::message(self.inner.encoding, &frame)
            .map_err(|error| CallError::Invalid(WireError::at("", error)))?;
        let (size, limit) = (message.len(), live.max_outgoing);
        if size > limit {
            return Err(CallError::TooLarge { size, limit });
        }
        let _slot = live.slots.acquire().await.map_err(|_| CallError::Disconnected)?;
        let answer = live.expect(id)?;
        live.outbox.send(message).await.map_err(|_| CallError::Disconnected)?;
        answer.outcome().await
    }

    /// Closes the connection properly and waits until it is closed. Every clone stops with it.
    pub async fn close(&self) {
        let _ = self.inner.stop.send(true);
        self.inner.stop.closed().await;
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}
