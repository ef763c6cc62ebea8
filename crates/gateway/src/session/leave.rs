//! Leaving a branch: what ran and waited in it ends, and everyone learns of it before the message that took its place.

use std::collections::VecDeque;
use std::sync::PoisonError;

use simpleclaw_protocol::Event;
use simpleclaw_protocol::events::{SessionChange, SessionChangedEvent};

use super::{Abort, Sessions};
use crate::store::{Branch, RunRow};

/// Runs that a branch ended in the store before they came here: their acknowledgement is still on its way. A run that
/// never comes falls out at the old end.
#[derive(Default)]
pub struct Left(VecDeque<String>);

impl Left {
    const MOST: usize = 1024;

    fn add(&mut self, run_id: String) {
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(run_id);
    }

    pub fn take(&mut self, run_id: &str) -> bool {
        let place = self.0.iter().position(|left| left == run_id);
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}

impl Sessions {
    /// Stops what runs and waits in a branch that `run` replaced, and tells everyone that it was left: after that, no
    /// message of it is told of any more. Their terminal events follow. `run` itself is still to be enqueued.
    pub fn leave(&self, run: &RunRow, branch: Branch) {
        let of_branch = |user_seq: u64| (branch.from_seq..run.user_seq).contains(&user_seq);
        let mut unseen = branch.ended;
        let mut ended = Vec::new();
        let mut stopped = None;
        {
            let mut all = self.lock();
            if let Some(queue) = all.get_mut(&run.session_key) {
                for waiting in std::mem::take(&mut queue.waiting) {
                    match of_branch(waiting.run.user_seq) {
                        true => ended.push(waiting),
                        false => queue.waiting.push_back(waiting),
                    }
                }
                if let Some(current) = &queue.current
                    && of_branch(current.user_seq)
                {
                    unseen.retain(|id| id != current.live.run_id());
                    current.live.hide();
                    if current.live.begin_abort() {
                        let run_id = current.live.run_id();
                        self.context.children.stop(|child| child.run_id == run_id);
                        current.cancel.cancel();
                        stopped = Some(run_id.to_owned());
                    }
                }
            }
            unseen.retain(|id| !ended.iter().any(|waiting| waiting.run.id == *id));
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            unseen.into_iter().for_each(|id| left.add(id));
        }
        ended.into_iter().for_each(|waiting| self.end_waiting(waiting));
        if stopped.is_some() {
            self.abort_below(&Abort::Session { key: run.session_key.clone(), run_id: stopped });
        }
        let (key, reason) = (run.session_key.clone(), SessionChange::Branched);
        let event = SessionChangedEvent { key, reason, session: self.row(branch.session) };
        self.context.events.publish(Event::SessionChanged(event));
    }

    /// Whether input that replaces a message of this `seq` would wait: behind earlier input, which it does not stop.
    pub fn is_busy_before(&self, key: &str, seq: u64) -> bool {
        let all = self.lock();
        let queue = all.get(key);
        let current = queue.and_then(|queue| queue.current.as_ref()).map(|current| current.user_seq);
        let waiting = queue.into_iter().flat_map(|queue| &queue.waiting).map(|waiting| waiting.run.user_seq);
        self.context.control.paused() || waiting.chain(current).any(|earlier| earlier < seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_branch_ended_is_taken_once_and_never_piles_up() {
        let mut left = Left::default();
        left.add("early".to_owned());
        left.add("a".to_owned());
        assert!(left.take("a") && !left.take("a"));
        (0..Left::MOST).for_each(|number| left.add(number.to_string()));
        assert_eq!(left.0.len(), Left::MOST);
        assert!(!left.take("early") && left.take("0"));
    }
}
