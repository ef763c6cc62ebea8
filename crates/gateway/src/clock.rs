//! The only place that reads the wall clock, so that tests can hold it.

use jiff::Span;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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

    /// The time of now as part of a name: `20261122-130157`, in UTC.
    pub fn stamp(self) -> String {
        let digits: String = self.now().to_string().chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
        format!("{day}-{time}")
    }

    /// The day of this machine's calendar that a time lies in.
    pub fn day(self, ms: i64) -> Day {
        day_in(TimeZone::system(), ms)
    }
}

/// A day where the gateway lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    date: Date,
    /// Its midnight, in milliseconds since the Unix epoch.
    pub starts_ms: i64,
}

impl Day {
    /// `2026-11-22`; texts of days sort as the days do.
    pub fn text(self) -> String {
        self.date.to_string()
    }

    /// The first day of its month.
    pub fn month_text(self) -> String {
        self.date.first_of_month().to_string()
    }

    /// So many days before.
    pub fn text_before(self, days: u32) -> String {
        let span = Span::new().try_days(i64::from(days)).unwrap_or_default();
        self.date.saturating_sub(span).to_string()
    }
}

fn day_in(zone: TimeZone, ms: i64) -> Day {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone);
    let starts_ms = time.start_of_day().map_or(ms, |start| start.timestamp().as_millisecond());
    Day { date: time.date(), starts_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_place() {
        let ms = "2026-11-01T03:30:00.000Z".parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        for (zone, day, month, starts) in [
            ("UTC0", "2026-11-01", "2026-11-01", "2026-11-01T00:00:00Z"),
            ("EST5", "2026-10-31", "2026-10-01", "2026-10-31T05:00:00Z"),
            ("<+14>-14", "2026-11-01", "2026-11-01", "2026-10-31T10:00:00Z"),
        ] {
            let found = day_in(TimeZone::posix(zone).expect("a zone"), ms);
            let starts = starts.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
            assert_eq!((found.text().as_str(), found.month_text().as_str(), found.starts_ms), (day, month, starts));
        }
        let day = day_in(TimeZone::UTC, ms);
        assert_eq!((day.text_before(0), day.text_before(29)), ("2026-11-01".to_owned(), "2026-10-03".to_owned()));
    }
}
