//! The order of input to one session where some of it has files to store first: what comes behind it waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Clones share it.
#[derive(Clone, Default)]
pub struct Order {
    /// Of the sessions where input with files is on its way; a turn is taken in the order in which it was asked for.
    turns: Arc<Mutex<HashMap<String, Arc<Turn<()>>>>>,
}

/// A place in the order of a session, held until what has it is stored.
pub struct Place {
    order: Order,
    key: String,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Order {
    /// Waits for the input that came before. `slow` input makes what follows wait for it; other input needs no place
    /// where nothing slow is before it, and then this does not even yield.
    pub async fn place(&self, key: &str, slow: bool) -> Option<Place> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(key) {
                Some(turn) => Arc::clone(turn),
                None if slow => Arc::clone(turns.entry(key.to_owned()).or_default()),
                None => return None,
            }
        };
        let turn = turn.lock_owned().await;
        Some(Place { order: self.clone(), key: key.to_owned(), turn: Some(turn) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.order.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Freed under the lock under which others ask for it: nobody can be between.
        self.turn = None;
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_comes_behind_slow_input_waits_and_nothing_else_does() {
        let order = Order::default();
        assert!(order.place("a", false).now_or_never().expect("at once").is_none());
        let first = order.place("a", true).await.expect("a place");
        assert!(order.place("b", false).now_or_never().expect("another session").is_none());
        let mut second = Box::pin(order.place("a", false));
        let mut third = Box::pin(order.place("a", true));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "in order");
        let second = second.await;
        assert!(second.is_some());
        drop(second);
        drop(third.await);
        assert!(order.turns.lock().expect("no panic").is_empty(), "nothing is left behind");
        assert!(order.place("a", false).now_or_never().expect("at once").is_none());
    }
}
