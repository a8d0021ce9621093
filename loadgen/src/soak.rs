//! `loadgen soak`: the same load for hours, interval by interval.
//!
//! Every interval makes its links anew, measures, and waits until the last message has arrived.
//! That makes loss exact per interval, and shows what a router keeps of links that are gone as well
//! as what it keeps of messages. The target's memory is read at the end of each interval, under
//! load; growth is the median of the last quarter of intervals against that of the first.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::histogram::Latencies;
use crate::plan::SoakPlan;
use crate::report::json::Json;
use crate::report::{Deliveries, Measured, Outcome, Report, grouped, rounded, time};
use crate::run::{Failure, run};

/// What one interval found.
#[derive(Debug)]
pub(crate) struct Interval {
    measured: Measured,
    lost: u64,
    p99: Option<Duration>,
    /// Everything that makes it no result.
    faults: Vec<String>,
}

/// What all of them found.
#[derive(Debug, Default)]
pub(crate) struct SoakOutcome {
    intervals: Vec<Interval>,
    total: Deliveries,
    latencies: Latencies,
    /// Why it ended early.
    ended: Option<String>,
}

/// Runs the plan; `tell` gets a line for each interval when it is over.
///
/// # Errors
/// The first interval could not begin; what ends a later one is part of the outcome.
pub(crate) async fn soak(
    plan: &SoakPlan,
    fleet: &Fleet,
    mut tell: impl FnMut(&str),
) -> Result<SoakOutcome, Failure> {
    let mut outcome = SoakOutcome::default();
    let mut measured = Duration::ZERO;
    for _ in 0..plan.intervals() {
        let found = match run(&plan.run, fleet).await {
            Ok(found) => found,
            Err(failure) if outcome.intervals.is_empty() => return Err(failure),
            Err(failure) => {
                outcome.ended = Some(failure.to_string());
                break;
            }
        };
        measured += found.measured.span;
        let interval = Interval::of(&found, plan.run.sizes.mean_bytes());
        outcome.total.add(&found.deliveries);
        outcome.latencies.merge(&found.latencies);
        tell(&interval.line(outcome.intervals.len() + 1, measured));
        outcome.intervals.push(interval);
    }
    Ok(outcome)
}

impl Interval {
    fn of(outcome: &Outcome, payload_bytes: f64) -> Self {
        let percentiles = outcome.latencies.percentiles();
        let p99 = percentiles.iter().find(|(name, _)| *name == "p99");
        Self {
            measured: outcome.measured.clone(),
            lost: outcome.deliveries.lost,
            p99: p99.map(|(_, ns)| Duration::from_nanos(*ns)),
            faults: outcome.report(0, payload_bytes).faults,
        }
    }

    fn line(&self, number: usize, measured: Duration) -> String {
        let clock = measured.as_secs();
        let mut line = format!(
            "{number:>5}  {:02}:{:02}:{:02}  {:>11}/s  p99 {:>10}  {} lost",
            clock / 3_600,
            clock / 60 % 60,
            clock % 60,
            grouped(rounded(self.measured.rate())),
            self.p99.map_or_else(|| "-".to_owned(), time),
            grouped(self.lost),
        );
        if let Some(kib) = self.measured.target_resident_kib {
            line.push_str(&format!("  target {} KiB", grouped(kib)));
        }
        if !self.faults.is_empty() {
            line.push_str(&format!("  NOT CLEAN: {}", self.faults.join("; ")));
        }
        line
    }

    fn json(&self) -> Json {
        Json::object([
            ("deliveries_per_second", self.measured.rate().into()),
            ("p99_seconds", self.p99.map(|p99| p99.as_secs_f64()).into()),
            ("lost", self.lost.into()),
            (
                "target_resident_kib",
                self.measured.target_resident_kib.into(),
            ),
            (
                "target_cpu_seconds",
                self.measured.target_cpu.map(|cpu| cpu.as_secs_f64()).into(),
            ),
            ("faults", self.faults.clone().into()),
        ])
    }
}

impl SoakOutcome {
    /// How it reads.
    pub(crate) fn report(&self, plan: &SoakPlan) -> Report {
        let mut report = Report::new("every delivery of every interval once, in order, intact");
        report.row("intervals", grouped(self.intervals.len() as u64));
        self.total.report(&mut report);
        let mut rates: Vec<_> = self.intervals.iter().map(|i| i.measured.rate()).collect();
        rates.sort_by(f64::total_cmp);
        if let [least, .., most] | [least @ most] = rates[..] {
            let median = rates[rates.len() / 2];
            let text = [median, least, most].map(|rate| grouped(rounded(rate)));
            let [median, least, most] = text;
            report.row(
                "deliveries per second",
                format!("{median} (least {least}, most {most})"),
            );
        }
        report.latencies("latency", "latency", &self.latencies);
        self.judge_memory(plan, &mut report);
        for (number, interval) in (1..).zip(&self.intervals) {
            // Losses and their like are in the sum already.
            for fault in interval.faults.iter().filter(|fault| fault.contains(" x ")) {
                report.fault(format!("interval {number}: {fault}"));
            }
        }
        if let Some(why) = &self.ended {
            let number = self.intervals.len() + 1;
            report.fault(format!("interval {number} could not begin: {why}"));
        }
        let intervals = self.intervals.iter().map(Interval::json).collect();
        report.field("intervals", Json::List(intervals));
        report
    }

    fn judge_memory(&self, plan: &SoakPlan, report: &mut Report) {
        let resident = |interval: &Interval| interval.measured.target_resident_kib;
        let kib: Vec<_> = self.intervals.iter().filter_map(resident).collect();
        let Some((first, last)) = ends(&kib) else {
            report.row("target memory", "not judged: no --pid");
            return;
        };
        let (bound, growth) = (plan.growth_kib_max, last.saturating_sub(first));
        let text = format!(
            "{} KiB at first, {} KiB at last; growth of {} KiB allowed",
            grouped(first),
            grouped(last),
            grouped(bound)
        );
        report.row("target memory", text);
        report.field("target_growth_kib", growth);
        if growth > bound {
            report.fault(format!(
                "the target grew by {} KiB, more than {}",
                grouped(growth),
                grouped(bound)
            ));
        }
    }
}

/// The medians of the first and of the last quarter; one value stands for itself.
fn ends(kib: &[u64]) -> Option<(u64, u64)> {
    let quarter = kib.len().div_ceil(4);
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied()
    };
    Some((
        median(kib.get(..quarter)?)?,
        median(kib.get(kib.len() - quarter..)?)?,
    ))
}

#[cfg(test)]
mod tests {
    use crate::cli::{Command, parse};

    use super::*;

    fn interval(resident_kib: u64, faults: &[&str]) -> Interval {
        Interval {
            measured: Measured {
                span: Duration::from_secs(2),
                delivered: 5_000,
                target_resident_kib: Some(resident_kib),
                ..Measured::default()
            },
            lost: faults.len() as u64,
            p99: Some(Duration::from_micros(1_500)),
            faults: faults.iter().map(|&fault| fault.to_owned()).collect(),
        }
    }

    #[test]
    fn growth_is_between_quarters_and_one_outlier_is_none() {
        assert_eq!(ends(&[]), None);
        assert_eq!(ends(&[7]), Some((7, 7)));
        assert_eq!(ends(&[1, 2, 3, 4]), Some((1, 4)));
        let outlier = [10, 11, 900, 10, 10, 10, 10, 10, 10, 11, 12, 10];
        assert_eq!(ends(&outlier), Some((11, 11)));
    }

    #[test]
    fn a_line_says_how_an_interval_went() {
        let line = interval(20_480, &["3 lost"]).line(7, Duration::from_secs(3_725));
        let expected = "    7  01:02:05        2,500/s  p99   1.500 ms  1 lost  \
                        target 20,480 KiB  NOT CLEAN: 3 lost";
        assert_eq!(line, expected);
    }

    fn report(words: &str, intervals: Vec<Interval>) -> Report {
        let words = format!("soak 127.0.0.1:1 {words}");
        let Ok(Command::Soak(plan)) = parse(words.split_whitespace()) else {
            panic!("not a soak")
        };
        let outcome = SoakOutcome {
            intervals,
            ..SoakOutcome::default()
        };
        outcome.report(&plan)
    }

    #[test]
    fn growth_beyond_the_bound_fails_and_within_it_does_not() {
        let grown = || vec![interval(10_000, &[]), interval(13_000, &[])];
        let failed = report("--growth-max 2", grown());
        assert!(
            failed
                .verdict()
                .contains("grew by 3,000 KiB, more than 2,048")
        );
        assert!(report("--growth-max 3", grown()).faults.is_empty());
    }

    #[test]
    fn a_link_that_broke_in_one_interval_fails_the_whole() {
        let intervals = vec![interval(1, &[]), interval(1, &["1 x churn: refused"])];
        let failed = report("", intervals);
        assert!(failed.verdict().contains("interval 2: 1 x churn: refused"));
    }
}
