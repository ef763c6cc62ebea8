//! The programs that tools have started: each is owned by a task of its own, which reads what it prints, and freezes and
//! kills it when it is stopped. Tools hold on to it by its id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Failed;
use super::output::{MAX_RESULT, Printed, middle_cut};
use crate::sandbox::{Ended, LaunchError, Reason, Running};
use crate::supervisor::Supervisor;

/// Programs that go in the background: of one session, and over all.
const MAX_OF_SESSION: usize = 4;
const MAX_ALL: usize = 16;
/// Programs that have ended and were not asked for since.
const MAX_ENDED: usize = 64;
/// Writes that wait for a program to read them.
const MAX_WRITES: usize = 16;
/// Longest that a program may take to read what is written to it.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// Longest that a stop waits to be sure that everything is frozen; a few milliseconds, but where the machine stalls.
const FREEZE_TIME: Duration = Duration::from_millis(1_500);

/// Clones share it.
#[derive(Clone, Default)]
pub struct Children {
    all: Arc<Mutex<HashMap<String, Arc<Child>>>>,
}

/// One program.
pub struct Child {
    pub id: String,
    pub session_key: String,
    pub run_id: String,
    /// As the model named it.
    pub command: String,
    /// It could have brought content from outside.
    pub untrusted: bool,
    pub background: bool,
    printed: Mutex<Printed>,
    /// Grows with whatever is new.
    news: watch::Sender<u64>,
    ended: Mutex<Option<Finished>>,
    frozen: watch::Sender<bool>,
    stop: CancellationToken,
    input: mpsc::Sender<Vec<u8>>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// With exit code 0.
    pub well: bool,
    pub words: String,
    /// All that it printed, without the middle where it is long.
    pub printed: String,
}

/// Of the end of what a program printed, where there was more than is shown as it comes; in bytes.
const LAST_WORDS: usize = 4 * 1024;

/// What is to be started.
pub struct Start {
    pub session_key: String,
    pub run_id: String,
    pub command: String,
    pub untrusted: bool,
    pub background: bool,
}

impl Children {
    /// Whether one more may go in the background of a session.
    pub fn has_room(&self, session_key: &str) -> Result<(), Failed> {
        let all = self.lock();
        let going = all.values().filter(|child| child.background && child.finished().is_none());
        let (mut of_session, mut count) = (0, 0);
        for child in going {
            count += 1;
            of_session += usize::from(child.session_key == session_key);
        }
        if of_session >= MAX_OF_SESSION || count >= MAX_ALL {
            return Err(Failed(format!(
                "{of_session} programs go in the background of this session and {count} over all, and no more may; end one \
                 with `process`, or run this one in the foreground"
            )));
        }
        Ok(())
    }

    /// Starts a program for a run, and owns it before its first moment: a stop that comes while it starts ends it as soon
    /// as it has started. Nothing is started for a run that is not `going` any more.
    pub async fn start(
        &self,
        start: Start,
        going: impl FnOnce() -> bool,
        starting: impl Future<Output = Result<Running, LaunchError>> + Send + 'static,
        supervisor: &Supervisor,
    ) -> Result<Arc<Child>, Failed> {
        let (input, writes) = mpsc::channel(MAX_WRITES);
        let Start { session_key, run_id, command, untrusted, background } = start;
        let child = Arc::new(Child {
            id: crate::home::hex(&rand::random::<[u8; 4]>()),
            session_key,
            run_id,
            command,
            untrusted,
            background,
            printed: Mutex::default(),
            news: watch::Sender::new(0),
            ended: Mutex::default(),
            frozen: watch::Sender::new(false),
            // The end of the gateway is one for every program.
            stop: supervisor.stopping().child_token(),
            input,
        });
        {
            let mut all = self.lock();
            // A stop first claims the run and then looks in here: one of the two sees the other.
            if !going() {
                return Err(Failed::new("the run was stopped before the command started"));
            }
            all.insert(child.id.clone(), Arc::clone(&child));
        }
        let (tell, told) = oneshot::channel();
        let (children, owned) = (self.clone(), Arc::clone(&child));
        supervisor.spawn("child", async move {
            match starting.await {
                Ok(running) => {
                    // Who asked may be gone; then it has been stopped.
                    let _ = tell.send(Ok(()));
                    owned.follow(running, writes).await;
                    children.tidy(&owned);
                }
                Err(error) => {
                    owned.frozen.send_replace(true);
                    children.lock().remove(&owned.id);
                    let _ = tell.send(Err(error));
                }
            }
        });
        let unless_started = child.stop_on_drop();
        let started = told.await.map_err(|_| Failed::new("the gateway ends, and starts no more commands"))?;
        started.map_err(|error| Failed(format!("the command could not be started: {error}")))?;
        unless_started.disarm();
        Ok(child)
    }

    pub fn get(&self, session_key: &str, id: &str) -> Option<Arc<Child>> {
        self.lock().get(id).filter(|child| child.session_key == session_key && child.background).cloned()
    }

    /// The programs in the background of a session, in no order.
    pub fn of_session(&self, session_key: &str) -> Vec<Arc<Child>> {
        let all = self.lock();
        all.values().filter(|child| child.session_key == session_key && child.background).cloned().collect()
    }

    /// Has every program stopped that fits. Each is frozen at once and dead within two seconds; [`Self::until_frozen`]
    /// waits for the first.
    pub fn stop(&self, fits: impl Fn(&Child) -> bool) {
        self.lock().values().filter(|child| fits(child)).for_each(|child| child.stop.cancel());
    }

    /// Waits until what is being stopped does nothing any more, at most [`FREEZE_TIME`].
    pub async fn until_frozen(&self) {
        let stopping: Vec<_> = self.lock().values().filter(|child| child.stop.is_cancelled()).cloned().collect();
        let all = async {
            for child in stopping {
                // An error is a child that is gone.
                let _ = child.frozen.subscribe().wait_for(|frozen| *frozen).await;
            }
        };
        if tokio::time::timeout(FREEZE_TIME, all).await.is_err() {
            tracing::warn!(target: "diagnostic", source = "tools", code = "child.not_frozen", "a program was not frozen in time; it is being killed");
        }
    }

    /// Forgets a program that nobody can ask for any more.
    fn tidy(&self, child: &Child) {
        let mut all = self.lock();
        if !child.background {
            all.remove(&child.id);
        }
        let ended = all.values().filter(|child| child.finished().is_some()).count();
        if ended > MAX_ENDED
            && let Some(id) = all.values().find(|child| child.finished().is_some()).map(|child| child.id.clone())
        {
            all.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Child>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Child {
    /// Reads what it prints until it has ended.
    async fn follow(&self, mut running: Running, mut writes: mpsc::Receiver<Vec<u8>>) {
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                chunk = running.next_output() => match chunk {
                    Some(chunk) => {
                        self.printed().push(&chunk.text);
                        self.news.send_modify(|news| *news += 1);
                    }
                    None => break,
                },
                Some(bytes) = writes.recv() => {
                    let written = tokio::time::timeout(WRITE_TIME, running.write(&bytes)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        self.printed().push("\n[what was written to it was not read]\n");
                    }
                }
            }
        }
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                running.freeze().await;
                self.frozen.send_replace(true);
                running.kill().await;
                running.ended().await
            }
            ended = running.ended() => ended,
        };
        // What came last, and what was not shown as it came, because there was too much of it.
        while let Ok(Some(chunk)) = tokio::time::timeout(Duration::ZERO, running.next_output()).await {
            self.printed().push(&chunk.text);
        }
        let printed = ended.output.text();
        if ended.output.omitted() > 0 {
            let start = printed.ceil_char_boundary(printed.len().saturating_sub(LAST_WORDS));
            self.printed().push(printed.get(start..).unwrap_or_default());
        }
        let stopped = self.stop.is_cancelled();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(finished(&ended, stopped));
        self.frozen.send_replace(true);
        self.news.send_modify(|news| *news += 1);
    }

    pub fn finished(&self) -> Option<Finished> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it printed since this was asked last.
    pub fn take_unread(&self) -> String {
        self.printed().take_unread()
    }

    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Writes to its standard input.
    pub fn write(&self, bytes: Vec<u8>) -> Result<(), Failed> {
        self.input.try_send(bytes).map_err(|_| Failed::new("the program reads nothing any more, or not fast enough"))
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops it when nobody waits for it any more.
    pub fn stop_on_drop(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Waits until it has ended.
    pub async fn until_ended(&self) {
        let mut news = self.news();
        while self.finished().is_none() {
            // An error cannot be: the sender is in here.
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one place that knows how the sandbox tells of an end.
fn finished(ended: &Ended, stopped: bool) -> Finished {
    let words = match &ended.reason {
        _ if stopped => "it was stopped".to_owned(),
        Reason::Exited => match (ended.code, ended.signal) {
            (Some(0), _) => "it ended well".to_owned(),
            (Some(code), _) => format!("it ended with code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it ended".to_owned(),
        },
        Reason::Stopped => "it was stopped".to_owned(),
        Reason::Timeout => {
            "it took longer than `timeoutSeconds` and was ended; give it more, or run it in the background".to_owned()
        }
        Reason::Memory => "it took more memory than it may and was ended".to_owned(),
        Reason::Processes => "it started more processes than it may and was ended".to_owned(),
        Reason::Failed(words) => format!("it could not be run: {words}"),
    };
    let well = !stopped && ended.reason == Reason::Exited && ended.code == Some(0);
    Finished { well, words, printed: middle_cut(&ended.output.text(), MAX_RESULT) }
}
