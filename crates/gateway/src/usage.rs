//! What model calls cost: every call is booked, and `usage.caps` are asked before the next one is made.
//!
//! Calls that go at the same time are all within the cap when they start, and may pass it together by what they cost.
//! Elsewhere: prices (`catalog`), the rows (`store::usage`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use simpleclaw_adapters::provider as adapter;
use simpleclaw_protocol::message::Usage;
use simpleclaw_protocol::methods::usage::UsageCapState;

use crate::catalog::Price;
use crate::clock::{Clock, Day};
use crate::config::{ConfigHandle, UsageCaps};
use crate::store::{self, CallOutcome, CallOwner, NewCall, Store, StoreError, Tx};

/// Bytes of text that are taken for a token where nobody counts.
pub const BYTES_PER_TOKEN: u64 = 4;
/// Models without a price that are named once each.
const MAX_NAMED: usize = 1_000;
/// Shares of a cap, in percent, that are worth a word.
const WARN_AT: [i64; 2] = [50, 80];

/// Clones share it.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    config: ConfigHandle,
    store: Store,
    /// Micro-dollars of a day that could not be stored, such as on a full disk. They count for the caps all the same.
    unstored: Mutex<(String, i64)>,
    named: Mutex<HashSet<String>>,
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub provider: String,
    pub model: String,
    /// `None`: nobody knows.
    pub price: Option<Price>,
    pub owner: Option<CallOwner>,
    pub outcome: CallOutcome,
    pub tokens: adapter::Usage,
    /// Nobody counted the tokens.
    pub estimated: bool,
}

/// A call on its way into the book.
#[derive(Debug, Clone)]
pub struct Booking {
    row: NewCall,
    caps: Vec<Cap>,
}

impl Booking {
    /// What each cap's span comes to with it: read in the same commit, so that of two calls at once one passes a mark
    /// and not both.
    pub async fn write(&self, tx: &mut Tx) -> Result<Vec<i64>, StoreError> {
        store::usage::insert(tx, &self.row).await?;
        let mut spent = Vec::new();
        for cap in &self.caps {
            spent.push(store::usage::spent(tx, &cap.from, &self.row.day).await?);
        }
        Ok(spent)
    }
}

/// Why no call is made.
#[derive(Debug)]
pub enum Refused {
    /// In words that say the cap and how to raise it.
    Capped(String),
    Store(StoreError),
}

/// One cap of the configuration.
#[derive(Debug, Clone)]
struct Cap {
    key: &'static str,
    span: &'static str,
    until: &'static str,
    /// Of its first day.
    from: String,
    limit: f64,
}

impl Ledger {
    pub fn new(clock: Clock, config: ConfigHandle, store: Store) -> Self {
        let (unstored, named) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { clock, config, store, unstored, named }) }
    }

    /// Whether a call at this price may be made now. What costs nothing is never refused.
    pub async fn check(&self, price: Option<Price>) -> Result<(), Refused> {
        if price.is_some_and(|price| price.is_free()) {
            return Ok(());
        }
        let today = self.today();
        for cap in caps(&self.shared.config.current().config.usage.caps, today) {
            let spent = self.spent(&cap.from, today).await.map_err(Refused::Store)?;
            if spent >= micros(cap.limit) {
                let words = cap.reached(spent);
                tracing::warn!(target: "diagnostic", source = "usage", code = "usage.capped", cap = cap.key, "{words}");
                return Err(Refused::Capped(words));
            }
        }
        Ok(())
    }

    /// Books a call; what it used, as clients see it.
    pub async fn book(&self, call: Call) -> Usage {
        let (usage, booking) = self.prepare(call);
        let row = booking.clone();
        let stored = self.shared.store.write(move |tx| Box::pin(async move { row.write(tx).await })).await;
        self.booked(booking, stored.as_deref());
        usage
    }

    /// What a call used, as clients see it, and what is to be stored of it; [`Self::booked`] has to follow that.
    pub fn prepare(&self, call: Call) -> (Usage, Booking) {
        let day = self.today();
        let cost_micros = match call.price {
            Some(price) => Some(price.micros(&call.tokens)),
            // Nothing costs nothing, whatever the price.
            None => (call.tokens == adapter::Usage::default()).then_some(0),
        };
        let usage = Usage {
            input_tokens: call.tokens.input_tokens,
            output_tokens: call.tokens.output_tokens,
            cost_usd: dollars(cost_micros.unwrap_or(0)),
        };
        let caps: Vec<Cap> = caps(&self.shared.config.current().config.usage.caps, day).collect();
        if cost_micros.is_none() && !caps.is_empty() {
            self.name_unpriced(&call);
        }
        let row = NewCall {
            at: self.shared.clock.now_ms(),
            day: day.text(),
            provider: call.provider,
            model: call.model,
            owner: call.owner,
            outcome: call.outcome,
            input_tokens: call.tokens.input_tokens,
            output_tokens: call.tokens.output_tokens,
            cached_tokens: call.tokens.cached_tokens,
            cache_write_tokens: call.tokens.cache_write_tokens,
            estimated: call.estimated,
            cost_micros,
        };
        (usage, Booking { row, caps })
    }

    /// Says which marks a booking passed, given what [`Booking::write`] found. One that could not be stored still counts
    /// until the next start.
    pub fn booked(&self, booking: Booking, stored: Result<&[i64], &StoreError>) {
        let cost = booking.row.cost_micros.unwrap_or(0);
        match stored {
            Ok(spent) => {
                for (cap, spent) in booking.caps.iter().zip(spent) {
                    cap.warn(spent - cost, *spent);
                }
            }
            Err(error) => {
                tracing::error!(target: "diagnostic", source = "usage", code = "usage.not_stored", "a model call could not be booked: {error}");
                self.keep_unstored(booking.row.day, cost);
            }
        }
    }

    /// Dollars spent today.
    pub async fn today_usd(&self) -> Result<f64, StoreError> {
        let today = self.today();
        Ok(dollars(self.spent(&today.text(), today).await?))
    }

    /// The caps and how far they are used.
    pub async fn state(&self) -> Result<UsageCapState, StoreError> {
        let today = self.today();
        let caps = self.shared.config.current().config.usage.caps.clone();
        Ok(UsageCapState {
            today_usd: dollars(self.spent(&today.text(), today).await?),
            month_usd: dollars(self.spent(&today.month_text(), today).await?),
            day_cap_usd: caps.day_usd,
            month_cap_usd: caps.month_usd,
        })
    }

    /// Today, where the gateway lives.
    pub fn today(&self) -> Day {
        self.shared.clock.day(self.shared.clock.now_ms())
    }

    async fn spent(&self, from: &str, today: Day) -> Result<i64, StoreError> {
        let to = today.text();
        let stored = self.shared.store.spent(from, &to).await?;
        let unstored = self.shared.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        let beside = if unstored.0.as_str() >= from && unstored.0 <= to { unstored.1 } else { 0 };
        Ok(stored.saturating_add(beside))
    }

    fn keep_unstored(&self, day: String, micros: i64) {
        let mut unstored = self.shared.unstored.lock().unwrap_or_else(PoisonError::into_inner);
        if unstored.0 != day {
            *unstored = (day, 0);
        }
        unstored.1 = unstored.1.saturating_add(micros);
    }

    /// A cap cannot hold what has no price; whoever set one is to know.
    fn name_unpriced(&self, call: &Call) {
        let id = format!("{}/{}", call.provider, call.model);
        let mut named = self.shared.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < MAX_NAMED && named.insert(id.clone()) {
            tracing::warn!(target: "diagnostic", source = "usage", code = "usage.price_unknown", model = id, "the price of {id} is not known, so usage.caps do not see what it costs; list the model with its cost under models.providers.{}.models", call.provider);
        }
    }
}

/// The caps that are set.
fn caps(caps: &UsageCaps, today: Day) -> impl Iterator<Item = Cap> + use<> {
    let day = caps.day_usd.map(|limit| Cap {
        key: "usage.caps.dayUsd",
        span: "today",
        until: "until midnight",
        from: today.text(),
        limit,
    });
    let month = caps.month_usd.map(|limit| Cap {
        key: "usage.caps.monthUsd",
        span: "this month",
        until: "before the next month",
        from: today.month_text(),
        limit,
    });
    [day, month].into_iter().flatten()
}

impl Cap {
    fn reached(&self, spent: i64) -> String {
        let Self { key, span, until, limit, .. } = self;
        format!(
            "the cap {key} of {} is reached: {} was spent {span}. No model that costs money is asked {until}. To go on \
             now, raise {key} in the configuration.",
            shown(micros(*limit)),
            shown(spent)
        )
    }

    /// Says that a booking passed a mark.
    fn warn(&self, before: i64, after: i64) {
        let Self { key, span, .. } = self;
        let limit = micros(self.limit);
        if before < limit && after >= limit {
            let words = self.reached(after);
            tracing::warn!(target: "diagnostic", source = "usage", code = "usage.cap_reached", cap = key, percent = 100, "{words}");
        } else if let Some(percent) = passed(before, after, limit) {
            let (after, limit) = (shown(after), shown(limit));
            tracing::warn!(target: "diagnostic", source = "usage", code = "usage.cap_near", cap = key, percent, "{percent} % of {key} are used: {after} of {limit} {span}");
        }
    }
}

/// The highest mark short of the cap itself that lies between two sums.
fn passed(before: i64, after: i64, limit: i64) -> Option<i64> {
    let mark = |percent: i64| i128::from(limit) * i128::from(percent);
    let reached = |sum: i64, percent| i128::from(sum) * 100 >= mark(percent);
    WARN_AT.into_iter().rev().find(|percent| reached(after, *percent) && !reached(before, *percent))
}

fn micros(dollars: f64) -> i64 {
    // Out of range saturates.
    (dollars * 1e6).round() as i64
}

fn dollars(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// With as many digits as it takes, two at least.
fn shown(micros: i64) -> String {
    let text = format!("${:.6}", dollars(micros));
    let kept = text.trim_end_matches('0');
    let digits = kept.split_once('.').map_or(0, |(_, digits)| digits.len());
    format!("{kept}{}", "0".repeat(2_usize.saturating_sub(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_passed_once() {
        for (before, after, limit, percent) in [
            (0, 49, 100, None),
            (0, 50, 100, Some(50)),
            (49, 79, 100, Some(50)),
            (50, 79, 100, None),
            (50, 80, 100, Some(80)),
            (0, 99, 100, Some(80)),
            (80, 99, 100, None),
            (0, 0, 100, None),
            (0, i64::MAX, i64::MAX, Some(80)),
        ] {
            assert_eq!(passed(before, after, limit), percent, "{before} to {after} of {limit}");
        }
    }

    #[test]
    fn money_is_shown_with_what_it_has() {
        for (micros, text) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (10_000, "$0.01"),
            (12_300, "$0.0123"),
            (5_000_000, "$5.00"),
            (10_000_000, "$10.00"),
        ] {
            assert_eq!(shown(micros), text);
        }
    }
}
