//! What one raw result says, as far as anybody asks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::timing::{Figure, figure};

/// The router under whatever runtime, as results call it.
pub(super) const OURS: &str = "slipring";

/// One run of `loadgen`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) plan: String,
    pub(super) label: String,
    pub(super) file: String,
    pub(super) clean: bool,
    pub(super) verdict: String,
    pub(super) figures: BTreeMap<Measure, f64>,
    /// Messages a second that were asked for, in an open loop.
    pub(super) rate: Option<f64>,
    pub(super) host: Host,
}

/// Where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) cpu_model: String,
    pub(super) cpus: u64,
    pub(super) kernel: String,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// CPU time of the target for a delivery, in microseconds.
    Cpu,
    /// Deliveries a second.
    Rate,
    /// Median latency, in microseconds.
    P50,
    /// Latency that 99 % stay below, in microseconds.
    P99,
    /// Latency that 99.9 % stay below, in microseconds.
    P999,
    /// Peak of the target's resident memory, in KiB.
    Resident,
}

impl Measure {
    pub(super) const ALL: [Self; 6] = [
        Self::Cpu,
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::Resident,
    ];

    /// What the table of scenarios calls it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Resident => "resident",
        }
    }

    pub(super) const fn is_better_higher(self) -> bool {
        matches!(self, Self::Rate)
    }

    /// The field of a raw result, and what divides it.
    const fn place(self) -> (&'static str, f64) {
        match self {
            Self::Cpu => ("/measured/target_cpu_us_each", 1.0),
            Self::Rate => ("/deliveries_per_second", 1.0),
            Self::P50 => ("/latency/p50_ns", 1e3),
            Self::P99 => ("/latency/p99_ns", 1e3),
            Self::P999 => ("/latency/p99.9_ns", 1e3),
            Self::Resident => ("/measured/target_resident_kib_peak", 1.0),
        }
    }
}

impl Run {
    /// Reads a raw result; nothing if it is not one.
    pub(super) fn read(plan: &str, label: &str, file: &str, value: &Value) -> Option<Self> {
        let clean = value.get("clean")?.as_bool()?;
        let text = |at: &str| {
            value
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let figures = Measure::ALL.into_iter().filter_map(|measure| {
            let (at, divisor) = measure.place();
            let figure = value.pointer(at)?.as_f64()? / divisor;
            Some((measure, figure))
        });
        Some(Self {
            plan: plan.to_owned(),
            label: label.to_owned(),
            file: file.to_owned(),
            clean,
            verdict: text("/verdict").to_owned(),
            figures: figures.collect(),
            rate: value
                .pointer("/plan/rate_per_second")
                .and_then(Value::as_f64),
            host: Host {
                cpu_model: text("/host/cpu_model").to_owned(),
                cpus: value
                    .pointer("/host/cpus")
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
                kernel: text("/host/kernel").to_owned(),
            },
        })
    }
}

/// A run of `loadgen storm`: many links opened and held.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storm {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) links: f64,
    pub(super) links_per_second: f64,
    /// CPU time of the target for a link that is opened, in microseconds.
    pub(super) cpu_us_each: Option<f64>,
    /// Time to open that 99 % stay below, in microseconds.
    pub(super) p99_us: Option<f64>,
    /// Resident memory of the target for each link that it holds, in KiB.
    pub(super) resident_kib_each: Option<f64>,
}

impl Storm {
    /// Reads a raw result; nothing if it is no clean one of a storm.
    pub(super) fn read(name: &str, file: &str, value: &Value) -> Option<Self> {
        let number = |at: &str| value.pointer(at).and_then(Value::as_f64);
        value.get("clean")?.as_bool().filter(|clean| *clean)?;
        let links = number("/opened")?;
        let before = number("/target_resident_kib_before");
        let held = number("/holding/target_resident_kib").zip(before);
        Some(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            links,
            links_per_second: number("/links_per_second")?,
            cpu_us_each: number("/opening/target_cpu_us_each"),
            p99_us: number("/open_time/p99_ns").map(|ns| ns / 1e3),
            resident_kib_each: held.map(|(held, before)| (held - before) / links),
        })
    }
}

/// A directory of raw results.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// Its path below `benches/results`.
    pub(super) name: String,
    pub(super) has_page: bool,
    /// Runs that compare targets, in the order of their files.
    pub(super) runs: Vec<Run>,
    /// Runs that stand alone.
    pub(super) alone: Vec<Run>,
    /// Storms, each by itself.
    pub(super) storms: Vec<Storm>,
    /// Tables beside another's.
    pub(super) tables: Vec<Tables>,
}

/// What `benches/datapath` writes.
#[derive(Debug, PartialEq)]
pub(super) struct Tables {
    pub(super) peer: String,
    pub(super) notes: Vec<String>,
    pub(super) rows: Vec<TableRow>,
}

/// One of its rows.
#[derive(Debug, PartialEq)]
pub(super) struct TableRow {
    pub(super) measure: String,
    pub(super) names: u64,
    pub(super) unit: String,
    pub(super) ours: Option<f64>,
    pub(super) theirs: Option<f64>,
}

impl Set {
    /// Median, least and most of a plan's clean runs against one target.
    pub(super) fn figure(&self, plan: &str, label: &str, measure: Measure) -> Option<Figure> {
        let samples: Vec<f64> = self
            .runs
            .iter()
            .filter(|run| run.clean && run.plan == plan && run.label == label)
            .filter_map(|run| run.figures.get(&measure).copied())
            .collect();
        (!samples.is_empty()).then(|| figure(samples))
    }

    /// Clean runs of a plan against one target.
    pub(super) fn rounds(&self, plan: &str, label: &str) -> usize {
        let is_one = |run: &&Run| run.clean && run.plan == plan && run.label == label;
        self.runs.iter().filter(is_one).count()
    }

    /// The plans that were run, each once.
    pub(super) fn plans(&self) -> Vec<&str> {
        let mut plans: Vec<&str> = self.runs.iter().map(|run| run.plan.as_str()).collect();
        plans.sort_unstable();
        plans.dedup();
        plans
    }

    /// The targets of a plan beside the router, each once.
    pub(super) fn peers(&self, plan: &str) -> Vec<&str> {
        let of_plan = self.runs.iter().filter(|run| run.plan == plan);
        let mut peers: Vec<&str> = of_plan
            .map(|run| run.label.as_str())
            .filter(|label| *label != OURS)
            .collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Where the runs were made; the first says it for all.
    pub(super) fn host(&self) -> Host {
        let mut runs = self.runs.iter().chain(&self.alone);
        runs.next().map(|run| run.host.clone()).unwrap_or_default()
    }
}
