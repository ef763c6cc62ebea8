//! The sub-agents of runs, for as long as these wait for them: a stop has to reach them before it is acknowledged, and not
//! only once the run that waits has noticed it.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use super::{Abort, Sessions};
use crate::store::RunRow;

/// By the keys of their sessions.
#[derive(Default)]
pub struct Below(HashMap<String, Started>);

/// Who started a sub-agent.
struct Started {
    session_key: String,
    run_id: String,
    /// That was stopped: nothing begins here any more.
    stopped: bool,
}

impl Below {
    /// Lets nothing begin any more in the sub-agents of these runs; the keys of their sessions.
    fn stop(&mut self, wanted: &Abort) -> Vec<String> {
        let mut keys = Vec::new();
        for (key, by) in &mut self.0 {
            if wanted.takes_session(&by.session_key) && wanted.takes_run(&by.run_id) {
                by.stopped = true;
                keys.push(key.clone());
            }
        }
        keys
    }
}

/// A sub-agent that is waited for; it ends with whoever does.
pub struct SubAgent<'a> {
    sessions: &'a Sessions,
    key: String,
}

impl Drop for SubAgent<'_> {
    fn drop(&mut self) {
        self.sessions.abort(&Abort::Session { key: self.key.clone(), run_id: None });
        self.sessions.lock_below().0.remove(&self.key);
    }
}

impl Sessions {
    /// Takes in the session of a sub-agent before anything begins there; `None` where the run that starts it is not
    /// `going` any more.
    pub fn start_below(&self, key: &str, by: &RunRow, going: impl FnOnce() -> bool) -> Option<SubAgent<'_>> {
        let mut below = self.lock_below();
        // A stop first claims the run and then looks in here: one of the two sees the other.
        if !going() {
            return None;
        }
        let by = Started { session_key: by.session_key.clone(), run_id: by.id.clone(), stopped: false };
        below.0.insert(key.to_owned(), by);
        Some(SubAgent { sessions: self, key: key.to_owned() })
    }

    /// Stops what the sub-agents of these runs do, and theirs. The runs themselves are claimed already.
    pub(super) fn abort_below(&self, wanted: &Abort) -> Vec<String> {
        let keys = self.lock_below().stop(wanted);
        keys.into_iter().flat_map(|key| self.abort(&Abort::Session { key, run_id: None })).collect()
    }

    /// Whether whoever started this sub-agent was stopped, while its task was on its way.
    pub(super) fn is_stopped_below(&self, key: &str) -> bool {
        self.lock_below().0.get(key).is_some_and(|by| by.stopped)
    }

    fn lock_below(&self) -> MutexGuard<'_, Below> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_for_the_sub_agents_of_its_runs() {
        let mut below = Below::default();
        for (key, session_key, run_id) in [("a", "main", "r1"), ("b", "main", "r2"), ("c", "a", "r3")] {
            let by = Started { session_key: session_key.to_owned(), run_id: run_id.to_owned(), stopped: false };
            below.0.insert(key.to_owned(), by);
        }
        let of = |key: &str, run: Option<&str>| Abort::Session { key: key.to_owned(), run_id: run.map(str::to_owned) };
        assert_eq!(below.stop(&of("main", Some("r2"))), ["b"]);
        assert!(below.0["b"].stopped && !below.0["a"].stopped && !below.0["c"].stopped);
        assert_eq!(below.stop(&of("a", None)), ["c"]);
        assert_eq!(below.stop(&of("a", Some("r1"))), Vec::<String>::new());
        let mut both = below.stop(&of("main", None));
        both.sort_unstable();
        assert_eq!(both, ["a", "b"]);
    }
}
