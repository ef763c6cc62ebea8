//! What a model costs. A dollar for a million tokens is a millionth of a dollar for one, so sums are in micro-dollars.

use serde::Deserialize;
use simpleclaw_adapters::provider::Usage;
use simpleclaw_protocol::methods::models::ModelCost;

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    pub input: f64,
    pub output: f64,
    /// Of input from the provider's cache; as `input` where absent.
    pub cache_read: Option<f64>,
    /// Of input into it; as `input` where absent.
    pub cache_write: Option<f64>,
    /// Long conversations cost more with some.
    pub long: Option<Long>,
}

/// Holds for the whole of a call whose input is over so many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Long {
    pub over: u64,
    pub input: f64,
    pub output: f64,
    pub cache_read: Option<f64>,
}

impl Price {
    pub const FREE: Self = Self { input: 0.0, output: 0.0, cache_read: None, cache_write: None, long: None };

    /// A price that a person wrote, which says nothing of a cache: its share of the input's price is the known one.
    pub fn written(input: f64, output: f64, known: Option<&Self>) -> Self {
        let share = |of: fn(&Self) -> Option<f64>| {
            known.filter(|known| known.input > 0.0).and_then(|known| Some(of(known)? / known.input * input))
        };
        let (cache_read, cache_write) = (share(|known| known.cache_read), share(|known| known.cache_write));
        Self { input, output, cache_read, cache_write, long: None }
    }

    /// What a call costs, in millionths of a dollar.
    pub fn micros(&self, usage: &Usage) -> i64 {
        let long = self.long.filter(|long| usage.input_tokens > long.over);
        let (input, output, cache_read) = match long {
            Some(long) => (long.input, long.output, long.cache_read),
            None => (self.input, self.output, self.cache_read),
        };
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens - cached);
        let plain = usage.input_tokens - cached - written;
        let micros = plain as f64 * input
            + cached as f64 * cache_read.unwrap_or(input)
            + written as f64 * self.cache_write.unwrap_or(input)
            + usage.output_tokens as f64 * output;
        // Out of range saturates.
        micros.round() as i64
    }

    pub fn is_free(&self) -> bool {
        self.input == 0.0 && self.output == 0.0
    }
}

impl From<Price> for ModelCost {
    fn from(price: Price) -> Self {
        Self { input: price.input, output: price.output, cache_read: price.cache_read, cache_write: price.cache_write }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_token_has_its_price() {
        let long = Some(Long { over: 1_000, input: 4.0, output: 20.0, cache_read: Some(0.4) });
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.2), cache_write: Some(2.5), long };
        let plain = Price { cache_read: None, cache_write: None, long: None, ..price };
        let usage = |input_tokens, output_tokens, cached_tokens, cache_write_tokens| Usage {
            input_tokens,
            output_tokens,
            cached_tokens,
            cache_write_tokens,
        };
        for (price, usage, micros) in [
            (price, usage(0, 0, 0, 0), 0),
            (price, usage(100, 10, 0, 0), 300),
            // 20 plain, 60 read, 20 written.
            (price, usage(100, 10, 60, 20), 40 + 12 + 50 + 100),
            (price, usage(1_001, 10, 1, 0), 4_000 + 200),
            (plain, usage(100, 10, 60, 20), 300),
            // A server that counts more cached than there is.
            (price, usage(10, 0, 50, 50), 2),
            (Price::FREE, usage(1_000_000, 1_000_000, 0, 0), 0),
            (price, usage(u64::MAX, u64::MAX, 0, 0), i64::MAX),
        ] {
            assert_eq!(price.micros(&usage), micros, "{price:?} {usage:?}");
        }
    }

    #[test]
    fn a_written_price_keeps_the_share_of_the_cache() {
        let known = Price { input: 4.0, output: 20.0, cache_read: Some(0.5), cache_write: Some(5.0), long: None };
        let written = Price { input: 8.0, output: 9.0, cache_read: Some(1.0), cache_write: Some(10.0), long: None };
        assert_eq!(Price::written(8.0, 9.0, Some(&known)), written);
        let alone = Price { input: 8.0, output: 9.0, ..Price::FREE };
        assert_eq!(Price::written(8.0, 9.0, None), alone);
        assert_eq!(Price::written(8.0, 9.0, Some(&Price::FREE)), alone);
    }
}
