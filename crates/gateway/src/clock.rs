//! The only place that reads the wall clock, so that tests can hold it.

use simpleclaw_protocol::Timestamp;

/// Where behaviour depends on the time of day, this is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the home of the wall clock")]
    pub fn now_ms(self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub fn now(self) -> Timestamp {
        Timestamp(self.now_ms())
    }
}
