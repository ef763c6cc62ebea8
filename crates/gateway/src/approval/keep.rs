//! What goes on around the questions by itself: their deadlines, the head of the record in the log, and what a start
//! makes of questions that were open when the gateway ended.

use std::collections::HashSet;
use std::time::Duration;

use simpleclaw_protocol::message::RunState;
use tokio::time::Instant;

use super::broker::Due;
use super::{Approvals, audit, cancelled, expired, settle};
use crate::store::StoreError;

/// Between two looks at the wall clock while a question is open: it may have jumped, or the machine slept.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const HEAD_EVERY: Duration = Duration::from_secs(60 * 60);

impl Approvals {
    /// Settles what the last life of the gateway left open. A question whose time is up is expired, one whose run cannot
    /// go on is cancelled, the others wait again. Gives back the runs that wait with them.
    pub async fn recover(&self) -> Result<HashSet<String>, StoreError> {
        audit::log_head(&self.store).await;
        let now = self.now();
        // Before the last thing that was recorded: the clock was set back, and no deadline can be trusted.
        let set_back = self.store.audit_last_at().await?.is_some_and(|last| now.wall < last);
        let mut parked = HashSet::new();
        for row in self.store.pending_approvals().await? {
            let approval = row.approval;
            let run = match &approval.run_id {
                Some(id) => Some(self.store.run(id).await?),
                None => None,
            };
            let waits =
                run.as_ref().is_none_or(|run| run.as_ref().is_some_and(|run| run.state == RunState::WaitingApproval));
            let verdict = match () {
                () if set_back => {
                    let mut verdict = expired();
                    verdict.reason =
                        Some("the clock of this machine was set back, so its deadline cannot be told".to_owned());
                    Some(verdict)
                }
                () if now.wall >= approval.expires_at.0 => Some(expired()),
                () if !waits => Some(cancelled("the gateway was restarted, and the run that asked could not go on")),
                () => None,
            };
            if let Some(verdict) = verdict {
                let id = approval.id;
                let write = self.store.write(move |tx| {
                    Box::pin(async move { settle(tx, &id, &verdict, false, now.wall).await.map(|_| ()) })
                });
                write.await?;
                continue;
            }
            let left = u64::try_from(approval.expires_at.0 - now.wall).unwrap_or_default();
            let due = Due { wall: approval.expires_at.0, steady: Instant::now() + Duration::from_millis(left) };
            // Values of variables are never kept. A program names its variables alone, and nothing of that is lost.
            let whole = approval.run_id.is_none() || approval.action.env_names.is_empty();
            let shown = whole.then(Vec::new);
            self.broker.restore(&approval.id, &approval.session_key, approval.run_id.as_deref(), due, shown);
            parked.extend(approval.run_id);
        }
        Ok(parked)
    }

    /// Keeps the deadlines for as long as the gateway lives.
    pub async fn keep_deadlines(self) {
        let mut head_at = Instant::now() + HEAD_EVERY;
        loop {
            let next = match self.broker.is_idle() {
                true => head_at,
                false => {
                    let look = Instant::now() + LOOK_EVERY;
                    self.broker.next_due().map_or(look, |due| due.min(look)).min(head_at)
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.broker.woken() => {}
            }
            let stored = self.expire_due().await;
            if Instant::now() >= head_at {
                audit::log_head(&self.store).await;
                head_at = Instant::now() + HEAD_EVERY;
            }
            if let Err(error) = stored {
                // Nobody can answer them any more, and whoever waited knows; only their rows are behind.
                tracing::warn!(target: "diagnostic", source = "approvals", code = "approvals.not_stored", "{error}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Ends what is past its time, and what nobody waits for.
    pub async fn expire_due(&self) -> Result<(), StoreError> {
        for id in self.broker.take_over(self.now()) {
            self.end(&id, expired()).await?;
            // Where the row had another outcome already, nothing was told of it here.
            self.broker.close(&id, super::Answer::Expired);
        }
        let orphans = self.broker.take_orphans();
        for (place, id) in orphans.iter().enumerate() {
            let ended = self.end(id, cancelled("the run that asked was stopped before the question was shown")).await;
            if let Err(error) = ended {
                self.broker.put_back_orphans(orphans.get(place..).unwrap_or_default().to_vec());
                return Err(error);
            }
        }
        Ok(())
    }
}
