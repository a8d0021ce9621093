//! Latencies of one receiver, merged into those of a run.
//!
//! Nanoseconds in, percentiles out: three significant digits up to two minutes; longer waits count
//! as two minutes.

use hdrhistogram::Histogram;

use crate::report::json::Json;

/// Longest latency told apart.
const LATENCY_NS_MAX: u64 = 120_000_000_000;
/// The percentiles every report carries.
const QUANTILES: [(&str, f64); 4] = [
    ("p50", 0.50),
    ("p90", 0.90),
    ("p99", 0.99),
    ("p99.9", 0.999),
];

/// A histogram of latencies.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    /// Absent if the library refuses the fixed bounds, which a test rules out.
    recorded: Option<Histogram<u64>>,
}

impl Latencies {
    /// Nothing recorded yet.
    pub(crate) fn new() -> Self {
        Self {
            recorded: Histogram::new_with_bounds(100, LATENCY_NS_MAX, 3).ok(),
        }
    }

    /// Counts one latency.
    #[inline]
    pub(crate) fn record(&mut self, latency_ns: u64) {
        if let Some(recorded) = &mut self.recorded {
            recorded.saturating_record(latency_ns);
        }
    }

    /// Adds what another receiver recorded.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Some(own), Some(other)) = (&mut self.recorded, &other.recorded) {
            // Both have the same bounds, so nothing can be out of range.
            own.add(other).unwrap_or_default();
        }
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.recorded.as_ref().map_or(0, Histogram::len)
    }

    /// Percentile name and nanoseconds, the maximum last; empty if nothing was recorded.
    pub(crate) fn percentiles(&self) -> Vec<(&'static str, u64)> {
        let Some(recorded) = self.recorded.as_ref().filter(|h| !h.is_empty()) else {
            return Vec::new();
        };
        let mut out: Vec<_> = QUANTILES
            .iter()
            .map(|&(name, q)| (name, recorded.value_at_quantile(q)))
            .collect();
        out.push(("max", recorded.max()));
        out
    }

    /// The percentiles and the whole curve, for charts.
    pub(crate) fn json(&self) -> Json {
        let mut fields = vec![("count".to_owned(), Json::from(self.count()))];
        for (name, ns) in self.percentiles() {
            fields.push((format!("{name}_ns"), Json::from(ns)));
        }
        let curve = self.recorded.iter().flat_map(|recorded| {
            recorded.iter_quantiles(5).map(|step| {
                let quantile = Json::from(step.quantile_iterated_to());
                Json::List(vec![quantile, Json::from(step.value_iterated_to())])
            })
        });
        fields.push(("curve".to_owned(), Json::List(curve.collect())));
        Json::Object(fields)
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_set_are_exact_to_three_digits() {
        let mut latencies = Latencies::new();
        for microsecond in 1..=1_000 {
            latencies.record(microsecond * 1_000);
        }
        let near = |found: u64, expected: u64| found.abs_diff(expected) <= expected / 500;
        let found = latencies.percentiles();
        assert_eq!(latencies.count(), 1_000);
        assert!(near(found[0].1, 500_000), "{found:?}");
        assert!(near(found[2].1, 990_000), "{found:?}");
        assert_eq!(found[4].0, "max");
        assert!(near(found[4].1, 1_000_000), "{found:?}");
    }

    #[test]
    fn merging_adds_and_absurd_latencies_saturate() {
        let mut all = Latencies::new();
        let mut one = Latencies::new();
        one.record(u64::MAX);
        one.record(5_000);
        all.merge(&one);
        all.merge(&one);
        assert_eq!(all.count(), 4);
    }
}
