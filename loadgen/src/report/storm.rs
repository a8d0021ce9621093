//! The findings of a storm, and how they read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::histogram::Latencies;
use crate::report::json::Json;
use crate::report::{Measured, Report, grouped, rounded, time};

/// A `storm`.
#[derive(Debug, Default)]
pub(crate) struct StormOutcome {
    /// Links open at the end of the hold.
    pub(crate) open: usize,
    /// From dialling to open.
    pub(crate) times: Latencies,
    /// Links that failed, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// From the first dial to the last link settled.
    pub(crate) opening: Measured,
    /// While all were open.
    pub(crate) holding: Measured,
    /// From the signal to close to the last link closed on this side.
    pub(crate) closing: Duration,
    /// The target's resident memory before the first link.
    pub(crate) resident_kib_before: Option<u64>,
    /// The target's resident memory after the last was closed.
    pub(crate) resident_kib_after: Option<u64>,
    /// How long after.
    pub(crate) settle: Duration,
}

impl StormOutcome {
    /// How it reads. `wanted` is the number of links asked for.
    pub(crate) fn report(&self, wanted: usize) -> Report {
        let mut report = Report::new("every link opened and stayed");
        let opened = self.times.count();
        let seconds = self.opening.span.as_secs_f64().max(1e-9);
        let rate = opened as f64 / seconds;
        let took = time(self.opening.span);
        let text = format!(
            "{} of {} in {took}",
            grouped(opened),
            grouped(wanted as u64)
        );
        report.row("links opened", text);
        report.row("links per second", grouped(rounded(rate)));
        report.latencies("time to open", "open_time", &self.times);
        self.opening.report(&mut report, "open: ", opened, "link");
        self.holding
            .report(&mut report, "hold: ", self.open as u64, "link");
        report.row("closed in", time(self.closing));
        let held = self.holding.target_resident_kib;
        if let (Some(before), Some(held), Some(after)) =
            (self.resident_kib_before, held, self.resident_kib_after)
        {
            let each = held.saturating_sub(before) as f64 / opened.max(1) as f64;
            let text = format!(
                "{} KiB before, {} KiB held ({each:.1} KiB per link), {} KiB {} after closing",
                grouped(before),
                grouped(held),
                grouped(after),
                time(self.settle)
            );
            report.row("target memory", text);
        }
        for (reason, count) in &self.failures {
            report.row("failed", format!("{} x {reason}", grouped(*count)));
            report.fault(format!("{} x {reason}", grouped(*count)));
        }
        report.unavailable = opened == 0;
        report.field("opened", opened);
        report.field("open_at_end", self.open);
        report.field("links_per_second", rate);
        report.field("opening", self.opening.json(opened));
        report.field("holding", self.holding.json(self.open as u64));
        report.field("closing_seconds", self.closing.as_secs_f64());
        report.field("target_resident_kib_before", self.resident_kib_before);
        report.field("target_resident_kib_after", self.resident_kib_after);
        let failures = self
            .failures
            .iter()
            .map(|(reason, count)| (reason.clone(), (*count).into()));
        report.field("failures", Json::Object(failures.collect()));
        report
    }
}
