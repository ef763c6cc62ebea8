//! Who failed a moment ago. Such a model is asked last, not never: where it is the only one, a person who asks again
//! is not told to wait by us but by the provider.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use simpleclaw_adapters::provider::{ProviderError, ProviderErrorKind};
use tokio::time::Instant;

/// However often it fails.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// However long the provider asks for.
const LONGEST_ASKED: Duration = Duration::from_secs(6 * 60 * 60);
/// Entries past which the old ones are swept.
const MANY: usize = 256;

/// Clocks of those that cool down.
#[derive(Default)]
pub struct Cooldowns {
    /// By provider, or by `provider/model`.
    failed: Mutex<HashMap<String, Cooling>>,
}

#[derive(Debug, Clone, Copy)]
struct Cooling {
    until: Instant,
    /// In a row.
    failures: u32,
}

/// How long a failure of a kind counts at first, and whether it is the whole provider's; `None`: the request was at
/// fault, and the next one may be answered.
fn weight(kind: ProviderErrorKind) -> Option<(Duration, bool)> {
    let (seconds, whole) = match kind {
        // These end only when a person does something: no use in asking each time.
        ProviderErrorKind::Auth => (300, true),
        ProviderErrorKind::Quota => (600, true),
        ProviderErrorKind::RateLimit => (30, false),
        ProviderErrorKind::Timeout => (30, false),
        ProviderErrorKind::Network => (15, true),
        ProviderErrorKind::Cut => (15, false),
        ProviderErrorKind::Context | ProviderErrorKind::Request => return None,
    };
    Some((Duration::from_secs(seconds), whole))
}

impl Cooldowns {
    pub fn failed(&self, error: &ProviderError) {
        self.failed_at(error, Instant::now());
    }

    fn failed_at(&self, error: &ProviderError, now: Instant) {
        let Some((base, whole)) = weight(error.kind) else { return };
        let key = match &error.model {
            Some(model) if !whole => format!("{}/{model}", error.provider),
            _ => error.provider.clone(),
        };
        let mut failed = self.lock();
        if failed.len() >= MANY {
            failed.retain(|_, cooling| cooling.until > now);
        }
        let failures = failed.get(&key).map_or(0, |cooling| cooling.failures).saturating_add(1);
        let grown = base.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(LONGEST.max(base));
        let wait = match error.retry_after_ms {
            Some(ms) => Duration::from_millis(ms).min(LONGEST_ASKED),
            None => grown,
        };
        failed.insert(key, Cooling { until: now + wait, failures });
    }

    /// The provider is another one now, or gone.
    pub fn forget(&self, provider: &str) {
        self.lock().retain(|key, _| provider_of(key) != provider);
    }

    /// It answered: what was is forgotten.
    pub fn succeeded(&self, provider: &str, model: &str) {
        let mut failed = self.lock();
        if !failed.is_empty() {
            failed.remove(provider);
            failed.remove(&format!("{provider}/{model}"));
        }
    }

    /// How long a `provider/model` still counts as failing.
    pub fn left(&self, id: &str) -> Option<Duration> {
        self.left_at(id, Instant::now())
    }

    fn left_at(&self, id: &str, now: Instant) -> Option<Duration> {
        let failed = self.lock();
        let until =
            [id, provider_of(id)].into_iter().filter_map(|key| failed.get(key)).map(|cooling| cooling.until).max()?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Cooling>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a `provider/model`, or of a provider alone.
fn provider_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(provider, _)| provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ProviderErrorKind, retry_after_ms: Option<u64>) -> ProviderError {
        ProviderError {
            provider: "p".to_owned(),
            model: Some("m/1".to_owned()),
            kind,
            message: String::new(),
            http_status: None,
            retry_after_ms,
        }
    }

    #[test]
    fn each_kind_has_its_time_and_its_reach() {
        use ProviderErrorKind::{Auth, Context, Cut, Network, Quota, RateLimit, Request, Timeout};
        let now = Instant::now();
        for (kind, retry_after_ms, model, provider) in [
            (Auth, None, Some(300), Some(300)),
            (Quota, None, Some(600), Some(600)),
            (RateLimit, None, Some(30), None),
            (RateLimit, Some(7_000), Some(7), None),
            (RateLimit, Some(u64::MAX), Some(6 * 60 * 60), None),
            (Timeout, None, Some(30), None),
            (Network, None, Some(15), Some(15)),
            (Network, Some(60_000), Some(60), Some(60)),
            (Cut, None, Some(15), None),
            (Context, None, None, None),
            (Request, None, None, None),
        ] {
            let cooldowns = Cooldowns::default();
            cooldowns.failed_at(&error(kind, retry_after_ms), now);
            let left = |id| cooldowns.left_at(id, now).map(|left| left.as_secs());
            assert_eq!((left("p/m/1"), left("p/other")), (model, provider), "{kind:?} {retry_after_ms:?}");
            assert_eq!(left("q/m/1"), None);
            assert_eq!(cooldowns.left_at("p/m/1", now + LONGEST_ASKED), None);
        }
    }

    #[test]
    fn failing_again_counts_longer_until_it_answers() {
        let (cooldowns, now) = (Cooldowns::default(), Instant::now());
        let mut seconds = Vec::new();
        for _ in 0..7 {
            cooldowns.failed_at(&error(ProviderErrorKind::Cut, None), now);
            seconds.push(cooldowns.left_at("p/m/1", now).expect("cools down").as_secs());
        }
        assert_eq!(seconds, [15, 30, 60, 120, 240, 480, 600]);
        cooldowns.succeeded("p", "m/1");
        assert_eq!(cooldowns.left_at("p/m/1", now), None);
        cooldowns.failed_at(&error(ProviderErrorKind::Cut, None), now);
        assert_eq!(cooldowns.left_at("p/m/1", now), Some(Duration::from_secs(15)));
    }

    #[test]
    fn a_provider_is_forgotten_with_its_models_and_no_other() {
        let (cooldowns, now) = (Cooldowns::default(), Instant::now());
        for provider in ["p", "pp"] {
            for kind in [ProviderErrorKind::Network, ProviderErrorKind::Cut] {
                cooldowns.failed_at(&ProviderError { provider: provider.to_owned(), ..error(kind, None) }, now);
            }
        }
        cooldowns.forget("p");
        for (id, left) in [("p", None), ("p/m/1", None), ("pp", Some(15)), ("pp/m/1", Some(15))] {
            assert_eq!(cooldowns.left_at(id, now).map(|left| left.as_secs()), left, "{id}");
        }
        cooldowns.failed_at(&error(ProviderErrorKind::Cut, None), now);
        assert_eq!(cooldowns.left_at("p/m/1", now), Some(Duration::from_secs(15)), "counted from the first again");
    }
}
