//! Sets of durations.

use std::time::Duration;

/// Durations, sorted when asked.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub fn extend(&mut self, others: Samples) {
        self.0.extend(others.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds; 0 where there is no sample. `part` is between 0 and 1.
    pub fn at(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * part).ceil() as usize).map_or(0.0, |sample| sample.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert!(samples.at(0.5).abs() < f64::EPSILON);
        (1..=100).rev().for_each(|ms| samples.push(Duration::from_millis(ms)));
        assert_eq!((samples.at(0.0), samples.at(0.5), samples.at(0.99), samples.at(1.0)), (1.0, 51.0, 100.0, 100.0));
    }
}
