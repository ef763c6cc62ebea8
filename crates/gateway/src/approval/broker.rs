//! The open questions, in memory: how many there may be, when each is over, who waits for the answer, and how a session
//! that floods is slowed. The rows are the store's; what is not in here can no longer be answered.
//!
//! Two clocks decide that a question is over, whichever comes first: the wall clock, which goes on while the machine
//! sleeps, and the monotonic one, which nobody can set back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Answer;

/// Open questions over all sessions.
pub const MAX_PENDING: usize = 128;
/// Open questions of one session.
pub const MAX_PER_SESSION: usize = 32;
/// Refusals that are remembered of a session, and for how long.
const MAX_REFUSALS: usize = 5;
const REFUSALS_KEPT: Duration = Duration::from_secs(60);
/// The delay after one refusal; it doubles with each.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// Sessions whose refusals are remembered; past it the memory starts anew.
const MAX_FLOODING: usize = 1024;

/// When a question is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Milliseconds since the epoch.
    pub wall: i64,
    pub steady: Instant,
}

impl Due {
    pub fn is_past(self, now: Due) -> bool {
        now.wall >= self.wall || now.steady >= self.steady
    }
}

/// Clones share it.
#[derive(Clone, Default)]
pub struct Broker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    /// Something for the task that keeps the deadlines.
    wake: Notify,
}

#[derive(Default)]
struct Open {
    questions: HashMap<String, Question>,
    /// Places of questions on their way to the disk, by session.
    reserved: HashMap<String, usize>,
    /// Questions that may be on the disk and that nobody waits for.
    orphans: Vec<String>,
    refusals: HashMap<String, VecDeque<Instant>>,
}

struct Question {
    session_key: String,
    run_id: Option<String>,
    due: Due,
    /// Its time has passed; the row does not say so yet.
    over: bool,
    /// Variables with the values that the model gave them. They are nowhere but here: `None` after a restart, until the
    /// run shows them again.
    shown: Option<Vec<String>>,
    answer: watch::Sender<Option<Answer>>,
}

/// Why a question is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("{MAX_PER_SESSION} questions of this session wait for an answer already; wait until some are answered")]
    Session,
    #[error("{MAX_PENDING} questions wait for an answer already; wait until some are answered")]
    All,
}

impl Broker {
    /// A place for a question of this id. It is given back when it is dropped.
    pub fn reserve(&self, id: &str, session_key: &str, now: Instant) -> Result<Place, Full> {
        let mut open = self.lock();
        let of_session = open.questions.values().filter(|question| question.session_key == session_key).count();
        let reserved = open.reserved.get(session_key).copied().unwrap_or_default();
        let all = open.questions.len() + open.reserved.values().sum::<usize>();
        let full = match () {
            () if of_session + reserved >= MAX_PER_SESSION => Some(Full::Session),
            () if all >= MAX_PENDING => Some(Full::All),
            () => None,
        };
        if let Some(full) = full {
            open.refuse(session_key, now);
            return Err(full);
        }
        *open.reserved.entry(session_key.to_owned()).or_default() += 1;
        let (id, session_key) = (id.to_owned(), session_key.to_owned());
        Ok(Place { broker: self.clone(), id, session_key, writing: false })
    }

    /// How long a session has to wait before its next question is looked at.
    pub fn delay(&self, session_key: &str, now: Instant) -> Duration {
        let mut open = self.lock();
        let Some(refusals) = open.refusals.get_mut(session_key) else { return Duration::ZERO };
        refusals.retain(|at| now.duration_since(*at) < REFUSALS_KEPT);
        let count = refusals.len();
        if count == 0 {
            open.refusals.remove(session_key);
            return Duration::ZERO;
        }
        FIRST_DELAY * (1 << (count.min(MAX_REFUSALS) - 1))
    }

    /// Takes in a question whose row a former life of the gateway wrote. `shown`: its variables, where nothing of them
    /// was lost.
    pub fn restore(&self, id: &str, session_key: &str, run_id: Option<&str>, due: Due, shown: Option<Vec<String>>) {
        self.lock().put(id, session_key, run_id, due, shown);
        self.shared.wake.notify_one();
    }

    /// The answer to come; `None` where the question is not open.
    pub fn listen(&self, id: &str) -> Option<watch::Receiver<Option<Answer>>> {
        self.lock().questions.get(id).map(|question| question.answer.subscribe())
    }

    /// Its variables as they were shown, where that is more than what is stored.
    pub fn shown(&self, id: &str) -> Option<Vec<String>> {
        self.lock().questions.get(id).and_then(|question| question.shown.clone()).filter(|shown| !shown.is_empty())
    }

    /// Whether it has variables whose values nobody can be shown now.
    pub fn is_unshown(&self, id: &str) -> bool {
        self.lock().questions.get(id).is_some_and(|question| question.shown.is_none())
    }

    /// After a restart: a run that asks again knows the values of its variables. Whether they were not shown before.
    pub fn show(&self, id: &str, shown: Vec<String>) -> bool {
        let mut open = self.lock();
        open.questions.get_mut(id).is_some_and(|question| question.shown.replace(shown).is_none())
    }

    /// Whether an answer would still count.
    pub fn is_open(&self, id: &str, now: Due) -> bool {
        self.lock().questions.get(id).is_some_and(|question| !question.over && !question.due.is_past(now))
    }

    /// Whether a run waits for an answer.
    pub fn run_waits(&self, run_id: &str) -> bool {
        self.lock().questions.values().any(|question| !question.over && question.run_id.as_deref() == Some(run_id))
    }

    pub fn of_run(&self, run_id: &str) -> Vec<String> {
        let open = self.lock();
        let of_run = open.questions.iter().filter(|(_, question)| question.run_id.as_deref() == Some(run_id));
        of_run.map(|(id, _)| id.clone()).collect()
    }

    pub fn pending(&self) -> usize {
        self.lock().questions.values().filter(|question| !question.over).count()
    }

    /// Tells whoever waits that time is up, and gives back every question whose row does not say so yet.
    pub fn take_over(&self, now: Due) -> Vec<String> {
        let mut over = Vec::new();
        for (id, question) in &mut self.lock().questions {
            if !question.over && question.due.is_past(now) {
                question.over = true;
                question.answer.send_replace(Some(Answer::Expired));
            }
            if question.over {
                over.push(id.clone());
            }
        }
        over
    }

    /// Questions that may be on the disk and that nobody waits for.
    pub fn take_orphans(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().orphans)
    }

    pub fn put_back_orphans(&self, ids: Vec<String>) {
        self.lock().orphans.extend(ids);
    }

    /// The row has an outcome: whoever waits gets it.
    pub fn close(&self, id: &str, answer: Answer) {
        if let Some(question) = self.lock().questions.remove(id)
            && !question.over
        {
            question.answer.send_replace(Some(answer));
        }
    }

    /// Whether there is anything whose time passes.
    pub fn is_idle(&self) -> bool {
        let open = self.lock();
        open.questions.is_empty() && open.orphans.is_empty()
    }

    /// The earliest end on the monotonic clock.
    pub fn next_due(&self) -> Option<Instant> {
        self.lock().questions.values().map(|question| question.due.steady).min()
    }

    /// Waits for a question to come, or for one that nobody waits for.
    pub async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn put(
        &mut self,
        id: &str,
        session_key: &str,
        run_id: Option<&str>,
        due: Due,
        shown: Option<Vec<String>>,
    ) -> watch::Receiver<Option<Answer>> {
        let (answer, listener) = watch::channel(None);
        let (session_key, run_id) = (session_key.to_owned(), run_id.map(str::to_owned));
        self.questions.insert(id.to_owned(), Question { session_key, run_id, due, over: false, shown, answer });
        listener
    }

    fn refuse(&mut self, session_key: &str, now: Instant) {
        if self.refusals.len() >= MAX_FLOODING && !self.refusals.contains_key(session_key) {
            self.refusals.clear();
        }
        let refusals = self.refusals.entry(session_key.to_owned()).or_default();
        if refusals.len() >= MAX_REFUSALS {
            refusals.pop_front();
        }
        refusals.push_back(now);
    }
}

/// A place among the open questions, for one that is on its way to the disk.
pub struct Place {
    broker: Broker,
    pub id: String,
    session_key: String,
    writing: bool,
}

impl Place {
    /// From here on the row may come to be, even where nobody waits for that any more.
    pub fn writing(&mut self) {
        self.writing = true;
    }

    /// There is no row.
    pub fn not_written(mut self) {
        self.writing = false;
    }

    /// The row is on the disk: from now on it can be answered.
    pub fn open(mut self, run_id: Option<&str>, due: Due, shown: Vec<String>) -> watch::Receiver<Option<Answer>> {
        self.writing = false;
        let listener = self.broker.lock().put(&self.id, &self.session_key, run_id, due, Some(shown));
        self.broker.shared.wake.notify_one();
        listener
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.broker.lock();
        if let Some(count) = open.reserved.get_mut(&self.session_key) {
            *count -= 1;
            if *count == 0 {
                open.reserved.remove(&self.session_key);
            }
        }
        if self.writing {
            open.orphans.push(std::mem::take(&mut self.id));
            drop(open);
            self.broker.shared.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, steady: Instant) -> Due {
        Due { wall, steady }
    }

    #[tokio::test]
    async fn whichever_clock_comes_first_ends_a_question_for_good() {
        let (broker, start) = (Broker::default(), Instant::now());
        let minute = Duration::from_secs(60);
        let due = at(60_000, start + minute);
        let place = broker.reserve("a", "s", start).expect("a place");
        let mut listener = place.open(None, due, vec![]);
        // Set back by a day: the other clock goes on.
        let back = -86_400_000;
        assert!(broker.is_open("a", at(back, start)) && broker.take_over(at(back, start)).is_empty());
        assert!(!broker.is_open("a", at(back, start + minute)));
        // Asleep: only the wall clock went on. Being over is final, whatever the clocks say after that.
        assert_eq!(broker.take_over(at(60_000, start)), ["a"]);
        assert!(!broker.is_open("a", at(0, start)) && broker.pending() == 0);
        assert_eq!(broker.take_over(at(0, start)), ["a"], "until its row says so");
        broker.close("a", Answer::Allowed(simpleclaw_protocol::approval::ApprovalDecision::AllowOnce));
        assert_eq!(*listener.borrow_and_update(), Some(Answer::Expired));
        assert!(broker.is_idle());
    }

    #[tokio::test]
    async fn values_that_a_restart_lost_are_shown_once_more() {
        let (broker, start) = (Broker::default(), Instant::now());
        let due = at(60_000, start + Duration::from_secs(60));
        broker.restore("bare", "s", Some("r"), due, Some(vec![]));
        broker.restore("lost", "s", Some("r"), due, None);
        assert!(!broker.is_unshown("bare") && broker.is_unshown("lost") && !broker.is_unshown("none"));
        assert_eq!(broker.shown("lost"), None);
        let shown = || vec!["A=1".to_owned()];
        assert!(broker.show("lost", shown()), "it was not shown before");
        assert!(!broker.is_unshown("lost") && broker.shown("lost") == Some(shown()));
        assert!(!broker.show("lost", shown()) && !broker.show("bare", vec![]) && !broker.show("none", vec![]));
    }

    #[tokio::test]
    async fn a_flood_is_refused_and_slowed_and_forgotten() {
        let (broker, now) = (Broker::default(), Instant::now());
        let places: Vec<_> = (0..MAX_PER_SESSION)
            .map(|number| broker.reserve(&number.to_string(), "flood", now).expect("a place"))
            .collect();
        assert_eq!(broker.delay("flood", now), Duration::ZERO);
        for delay in [250, 500, 1000, 2000, 4000, 4000] {
            assert_eq!(broker.reserve("x", "flood", now).err(), Some(Full::Session));
            assert_eq!(broker.delay("flood", now), Duration::from_millis(delay));
        }
        assert!(broker.reserve("y", "calm", now).is_ok() && broker.delay("calm", now) == Duration::ZERO);
        assert_eq!(broker.delay("flood", now + REFUSALS_KEPT), Duration::ZERO);
        drop(places);
        assert!(broker.reserve("z", "flood", now).is_ok());
        let others: Vec<_> = (0..MAX_PENDING)
            .map(|number| broker.reserve(&number.to_string(), &(number / 20).to_string(), now).expect("a place"))
            .collect();
        assert_eq!(broker.reserve("x", "other", now).err(), Some(Full::All));
        drop(others);
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_is_found_again() {
        let (broker, now) = (Broker::default(), Instant::now());
        let mut place = broker.reserve("a", "s", now).expect("a place");
        place.writing();
        drop(place);
        let mut place = broker.reserve("b", "s", now).expect("a place");
        place.writing();
        place.not_written();
        assert_eq!(broker.take_orphans(), ["a"]);
        assert!(broker.is_idle());
    }
}
