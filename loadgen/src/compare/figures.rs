//! The figures of one turn, and medians over several.

use crate::report::Outcome;
use crate::report::json::Json;

/// What is compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Deliveries per second.
    pub(crate) rate: f64,
    /// Deliveries per CPU second of the target, if its process is known.
    pub(crate) per_cpu_second: Option<f64>,
    /// The part of one CPU that the load generator used.
    pub(crate) own_share: f64,
    /// The part of one CPU that the target used.
    pub(crate) target_share: Option<f64>,
    /// Latencies in nanoseconds: p50, p99, p99.9.
    pub(crate) latencies: [Option<f64>; 3],
    /// Deliveries that were due and not made.
    pub(crate) lost: u64,
}

impl Figures {
    /// The figures of a run.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let measured = &outcome.measured;
        let seconds = measured.span.as_secs_f64().max(1e-9);
        let target = measured.target_cpu.map(|cpu| cpu.as_secs_f64());
        let delivered = measured.delivered as f64;
        let quantile = |name: &str| {
            let all = outcome.latencies.percentiles();
            let found = all.into_iter().find(|(label, _)| *label == name);
            found.map(|(_, ns)| ns as f64)
        };
        Self {
            rate: delivered / seconds,
            per_cpu_second: target.filter(|cpu| *cpu > 0.0).map(|cpu| delivered / cpu),
            own_share: measured.own_cpu.as_secs_f64() / seconds,
            target_share: target.map(|cpu| cpu / seconds),
            latencies: ["p50", "p99", "p99.9"].map(quantile),
            lost: outcome.deliveries.lost,
        }
    }
}

/// The middle of several figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of an even number, the mean of the middle two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of all that are there; `None` of none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[half - 1], sorted[half])
        } else {
            sorted[half]
        };
        Some(Self { median, min, max })
    }

    /// As JSON.
    pub(crate) fn json(self) -> Json {
        Json::object([
            ("median", self.median.into()),
            ("min", self.min.into()),
            ("max", self.max.into()),
        ])
    }
}

/// A figure as a whole number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are positive and far below 2^64; the cast saturates"
)]
pub(crate) fn rounded(figure: f64) -> u64 {
    figure.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_middle_two() {
        let odd = Spread::of([5.0, 1.0, 3.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 5.0));
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_target_without_a_process_has_no_figure_per_cpu_second() {
        assert_eq!(Figures::of(&Outcome::default()).per_cpu_second, None);
    }
}
