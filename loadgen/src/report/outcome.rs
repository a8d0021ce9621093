//! The findings of each kind of run, and how they read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::churn::Churned;
use crate::histogram::Latencies;
use crate::report::json::Json;
use crate::report::{Report, grouped, rounded, time};
use crate::run::Syscalls;

/// The verdict of a run without faults.
const ALL_DELIVERED: &str = "every delivery once, in order, intact";

/// Two samples, subtracted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Time between them.
    pub(crate) span: Duration,
    /// Deliveries between them.
    pub(crate) delivered: u64,
    /// CPU time of this process.
    pub(crate) own_cpu: Duration,
    /// CPU time of the target.
    pub(crate) target_cpu: Option<Duration>,
    /// The target's resident memory at the later one.
    pub(crate) target_resident_kib: Option<u64>,
    /// The target's highest resident memory.
    pub(crate) target_resident_kib_peak: Option<u64>,
}

impl Measured {
    /// Deliveries per second.
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.span.as_secs_f64().max(1e-9)
    }

    /// CPU time per one of `count`, in microseconds.
    fn per(cpu: Duration, count: u64) -> f64 {
        cpu.as_secs_f64() * 1e6 / count.max(1) as f64
    }

    /// Rows and fields; `per` is what the CPU time is divided by.
    pub(crate) fn report(&self, report: &mut Report, prefix: &str, count: u64, per: &str) {
        let seconds = self.span.as_secs_f64().max(1e-9);
        let line = |cpu: Duration| {
            let share = 100.0 * cpu.as_secs_f64() / seconds;
            format!(
                "{:.3} us per {per}, {share:.0} % of a CPU",
                Self::per(cpu, count)
            )
        };
        if let Some(cpu) = self.target_cpu {
            report.row(&format!("{prefix}target CPU"), line(cpu));
        }
        report.row(&format!("{prefix}loadgen CPU"), line(self.own_cpu));
        if let (Some(now), Some(peak)) = (self.target_resident_kib, self.target_resident_kib_peak) {
            let text = format!("{} KiB, peak {} KiB", grouped(now), grouped(peak));
            report.row(&format!("{prefix}target memory"), text);
        }
    }

    /// Everything measured as JSON; CPU time also per one of `count`.
    pub(crate) fn json(&self, count: u64) -> Json {
        let micros = |cpu: Duration| Self::per(cpu, count);
        Json::object([
            ("span_seconds", self.span.as_secs_f64().into()),
            ("count", count.into()),
            (
                "target_cpu_seconds",
                self.target_cpu.map(|cpu| cpu.as_secs_f64()).into(),
            ),
            ("target_cpu_us_each", self.target_cpu.map(micros).into()),
            ("loadgen_cpu_seconds", self.own_cpu.as_secs_f64().into()),
            ("loadgen_cpu_us_each", micros(self.own_cpu).into()),
            ("target_resident_kib", self.target_resident_kib.into()),
            (
                "target_resident_kib_peak",
                self.target_resident_kib_peak.into(),
            ),
        ])
    }
}

/// Every message accounted for, over the whole run, warm-up included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    /// Published.
    pub(crate) sent: u64,
    /// Deliveries due: published, times readers.
    pub(crate) expected: u64,
    /// Deliveries made, each counted once.
    pub(crate) received: u64,
    /// Due and not made.
    pub(crate) lost: u64,
    /// Made a second time.
    pub(crate) duplicates: u64,
    /// Made after a later one.
    pub(crate) reordered: u64,
    /// Made with a payload that is not what was sent.
    pub(crate) corrupted: u64,
    /// Not of this run, or not for this subscriber.
    pub(crate) foreign: u64,
}

impl Deliveries {
    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.expected += other.expected;
        self.received += other.received;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.foreign += other.foreign;
    }

    /// Rows, fields and faults.
    pub(crate) fn report(&self, report: &mut Report) {
        let text = format!(
            "{} sent, {} due, {} delivered",
            grouped(self.sent),
            grouped(self.expected),
            grouped(self.received)
        );
        report.row("messages", text);
        let named = [
            ("lost", self.lost),
            ("duplicates", self.duplicates),
            ("reordered", self.reordered),
            ("damaged", self.corrupted),
            ("misdelivered", self.foreign),
        ];
        let counts: Vec<_> = named
            .iter()
            .map(|(what, n)| format!("{n} {what}"))
            .collect();
        report.row("accounting", counts.join(", "));
        for (what, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            report.fault(format!("{} {what}", grouped(count)));
        }
        let mut fields = vec![
            ("sent", self.sent),
            ("expected", self.expected),
            ("received", self.received),
        ];
        fields.extend(named);
        let fields = fields
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count.into()));
        report.field("deliveries", Json::Object(fields.collect()));
    }
}

/// A subscriber that never read.
#[derive(Clone, Debug)]
pub(crate) struct StalledLink {
    /// When the router closed it, from the first message; `None` if it never did.
    pub(crate) closed_after_seconds: Option<f64>,
    /// How.
    pub(crate) end: String,
}

/// A `run`.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The measured part.
    pub(crate) measured: Measured,
    /// All messages.
    pub(crate) deliveries: Deliveries,
    /// From intended sending to delivery, for messages due in the measured part.
    pub(crate) latencies: Latencies,
    /// Time to make and subscribe all links.
    pub(crate) setup: Duration,
    /// What became of subscribers that never read.
    pub(crate) stalled: Vec<StalledLink>,
    /// Links that ended before their time, and why.
    pub(crate) broken: Vec<String>,
    /// The target's resident memory before the first link.
    pub(crate) resident_kib_before: Option<u64>,
    /// Signed headers with identities of their own, and their bytes.
    pub(crate) pooled: (usize, usize),
    /// What came and went beside.
    pub(crate) churned: Option<Churned>,
    /// The target's system calls, if they were to be counted.
    pub(crate) syscalls: Option<Syscalls>,
}

impl Outcome {
    /// How it reads. `links` is the number of links, `payload_bytes` the mean size of a payload.
    pub(crate) fn report(&self, links: usize, payload_bytes: f64) -> Report {
        let mut report = Report::new(ALL_DELIVERED);
        report.row(
            "links",
            format!("{} in {}", grouped(links as u64), time(self.setup)),
        );
        self.deliveries.report(&mut report);
        let rate = self.measured.rate();
        let megabytes = rate * payload_bytes / 1e6;
        let rate_text = grouped(rounded(rate));
        report.row(
            "deliveries per second",
            format!("{rate_text} ({megabytes:.1} MB/s of payload)"),
        );
        self.measured
            .report(&mut report, "", self.measured.delivered, "delivery");
        report.latencies("latency", "latency", &self.latencies);
        self.beside(&mut report);
        for stalled in &self.stalled {
            let text = match stalled.closed_after_seconds {
                Some(seconds) => format!("closed after {seconds:.1} s ({})", stalled.end),
                None => "still open at the end".to_owned(),
            };
            report.row("stalled link", text);
        }
        report.field("setup_seconds", self.setup.as_secs_f64());
        report.field("deliveries_per_second", rate);
        report.field("measured", self.measured.json(self.measured.delivered));
        report.field("target_resident_kib_before", self.resident_kib_before);
        report.field("broken", self.broken.clone());
        report.field("stalled", stalled_json(&self.stalled));
        add_broken(&mut report, &self.broken);
        report
    }

    /// What only some plans have.
    fn beside(&self, report: &mut Report) {
        let (headers, bytes) = self.pooled;
        if headers > 0 {
            let megabytes = bytes as f64 / 1e6;
            let text = format!(
                "{} signed headers, {megabytes:.1} MB",
                grouped(headers as u64)
            );
            report.row("fresh identities", text);
            report.field("identity_pool_headers", headers);
            report.field("identity_pool_bytes", bytes);
        }
        if let Some(churned) = &self.churned {
            let text = format!(
                "{} subscriptions made and ended ({} due), {} links closed and opened ({} due)",
                grouped(churned.subscribed),
                grouped(churned.subscribed_due),
                grouped(churned.connected),
                grouped(churned.connected_due)
            );
            report.row("churn", text);
            report.latencies("churn: ack", "churn_ack", &churned.acks);
            report.latencies("churn: open", "churn_open", &churned.opens);
            report.field("churn_subscribed", churned.subscribed);
            report.field("churn_subscribed_due", churned.subscribed_due);
            report.field("churn_connected", churned.connected);
            report.field("churn_connected_due", churned.connected_due);
        }
        match &self.syscalls {
            None => {}
            Some(Err(why)) => report.row("system calls", format!("not measured: {why}")),
            Some(Ok((_, during))) if during.delivered == 0 => {
                report.row("system calls", "not measured: the messages had run out");
            }
            Some(Ok((count, during))) => {
                let calls_rate = count.calls as f64 / count.span.as_secs_f64().max(1e-9);
                let each = calls_rate / during.rate();
                let text = format!(
                    "{each:.3} per delivery, counted by {} at {} deliveries per second",
                    count.by,
                    grouped(rounded(during.rate()))
                );
                report.row("system calls", text);
                report.field("syscalls_each", each);
                report.field("syscalls_counted_by", count.by);
                report.field("syscalls_deliveries_per_second", during.rate());
            }
        }
    }
}

fn stalled_json(stalled: &[StalledLink]) -> Json {
    let one = |link: &StalledLink| {
        Json::object([
            ("closed_after_seconds", link.closed_after_seconds.into()),
            ("end", link.end.clone().into()),
        ])
    };
    Json::List(stalled.iter().map(one).collect())
}

/// Alike failures together, the commonest named.
fn add_broken(report: &mut Report, broken: &[String]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in broken {
        *counts.entry(reason).or_default() += 1;
    }
    for (reason, count) in counts {
        report.fault(format!("{count} x {reason}"));
    }
}

/// A `run --instances`.
#[derive(Debug, Default)]
pub(crate) struct InstancesOutcome {
    /// Subscriptions acknowledged.
    pub(crate) acked: u64,
    /// Subscriptions refused.
    pub(crate) refused: u64,
    /// From the first request to the last ack.
    pub(crate) subscribing: Measured,
    /// From the first message to the last delivery.
    pub(crate) sending: Measured,
    /// All messages.
    pub(crate) deliveries: Deliveries,
    /// Links that ended before their time, and why.
    pub(crate) broken: Vec<String>,
    /// The target's resident memory before the first link.
    pub(crate) resident_kib_before: Option<u64>,
}

impl InstancesOutcome {
    /// How it reads.
    pub(crate) fn report(&self, instances: usize, links: usize) -> Report {
        let mut report = Report::new(ALL_DELIVERED);
        let wanted = instances as u64;
        let shape = format!("{} over {links} links", grouped(wanted));
        report.row("instances", shape);
        let took = time(self.subscribing.span);
        report.row(
            "all acknowledged in",
            format!("{took}, {} acks", grouped(self.acked)),
        );
        self.subscribing
            .report(&mut report, "subscribe: ", wanted, "instance");
        report.row("one message to each in", time(self.sending.span));
        self.sending
            .report(&mut report, "send: ", wanted, "delivery");
        self.deliveries.report(&mut report);
        let missing = wanted.saturating_sub(self.acked + self.refused);
        if missing > 0 {
            report.fault(format!("{} acks missing", grouped(missing)));
        }
        if self.refused > 0 {
            report.fault(format!("{} subscriptions refused", grouped(self.refused)));
        }
        report.field("acked", self.acked);
        report.field("refused", self.refused);
        report.field("subscribing", self.subscribing.json(wanted));
        report.field("sending", self.sending.json(wanted));
        report.field("target_resident_kib_before", self.resident_kib_before);
        report.field("broken", self.broken.clone());
        add_broken(&mut report, &self.broken);
        report
    }
}
