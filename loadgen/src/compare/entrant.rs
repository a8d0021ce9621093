//! One target of a comparison, its turns, and the figures that are compared.

use std::time::Duration;

use crate::compare::Turn;
use crate::compare::figures::{Figures, Spread, rounded};
use crate::histogram::Latencies;
use crate::report::json::Json;
use crate::report::{grouped, time};

/// A figure that is compared: its name in the table and in the JSON, and how it reads.
pub(super) struct Measure {
    pub(super) label: &'static str,
    pub(super) field: &'static str,
    pub(super) take: fn(&Figures) -> Option<f64>,
    pub(super) show: fn(f64) -> String,
}

pub(super) const MEASURES: [Measure; 5] = [
    Measure {
        label: "deliveries/s",
        field: "deliveries_per_second",
        take: |figures| Some(figures.rate),
        show: count,
    },
    Measure {
        label: "deliveries/CPU second",
        field: "deliveries_per_cpu_second",
        take: |figures| figures.per_cpu_second,
        show: count,
    },
    Measure {
        label: "latency p50",
        field: "latency_p50_ns",
        take: |figures| figures.latencies[0],
        show: nanoseconds,
    },
    Measure {
        label: "latency p99",
        field: "latency_p99_ns",
        take: |figures| figures.latencies[1],
        show: nanoseconds,
    },
    Measure {
        label: "latency p99.9",
        field: "latency_p99.9_ns",
        take: |figures| figures.latencies[2],
        show: nanoseconds,
    },
];

fn count(figure: f64) -> String {
    grouped(rounded(figure))
}

fn nanoseconds(figure: f64) -> String {
    time(Duration::from_nanos(rounded(figure)))
}

/// What one target showed.
pub(super) struct Entrant {
    pub(super) label: String,
    pub(super) target: String,
    pub(super) protocol: &'static str,
    pub(super) spawn: Option<Json>,
    pub(super) turns: Vec<Turn>,
    pub(super) latencies: Latencies,
}

impl Entrant {
    pub(super) fn spread(&self, measure: &Measure) -> Option<Spread> {
        Spread::of(
            self.turns
                .iter()
                .filter_map(|turn| (measure.take)(&turn.figures)),
        )
    }

    /// The part of a CPU that the target used, if its process is known.
    pub(super) fn target_share(&self) -> Option<f64> {
        let shares = self
            .turns
            .iter()
            .filter_map(|turn| turn.figures.target_share);
        Spread::of(shares).map(|spread| spread.median)
    }

    /// The part of a CPU that the load generator used.
    pub(super) fn own_share(&self) -> Option<f64> {
        let shares = self.turns.iter().map(|turn| turn.figures.own_share);
        Spread::of(shares).map(|spread| spread.median)
    }

    pub(super) fn lost(&self) -> u64 {
        self.turns.iter().map(|turn| turn.figures.lost).sum()
    }

    /// The first round that is no result, and why.
    pub(super) fn fault(&self) -> Option<String> {
        let faulty = |(at, turn): (usize, &Turn)| {
            let fault = turn.faults.first()?;
            Some(format!("{}, round {}: {fault}", self.label, at + 1))
        };
        self.turns.iter().enumerate().find_map(faulty)
    }
}

/// The ratio of the medians, and the least and greatest of the rounds' own ratios.
pub(super) fn ratio(first: &Entrant, other: &Entrant, measure: &Measure) -> Option<Spread> {
    let (a, b) = (first.spread(measure)?, other.spread(measure)?);
    let rounds = first.turns.iter().zip(&other.turns).filter_map(|(a, b)| {
        let (a, b) = ((measure.take)(&a.figures)?, (measure.take)(&b.figures)?);
        (b > 0.0).then_some(a / b)
    });
    let rounds = Spread::of(rounds)?;
    (b.median > 0.0).then_some(Spread {
        median: a.median / b.median,
        ..rounds
    })
}

/// Everything about one target, as JSON.
pub(super) fn entrant_json(entrant: Entrant) -> Json {
    let spreads = MEASURES.iter().map(|measure| {
        let spread = entrant.spread(measure).map(Spread::json);
        (measure.field.to_owned(), spread.unwrap_or(Json::Null))
    });
    let mut fields = vec![
        ("label".to_owned(), Json::from(entrant.label.as_str())),
        ("target".to_owned(), entrant.target.as_str().into()),
        ("protocol".to_owned(), entrant.protocol.into()),
        ("fault".to_owned(), entrant.fault().into()),
        ("lost".to_owned(), entrant.lost().into()),
        ("medians".to_owned(), Json::Object(spreads.collect())),
        ("latency".to_owned(), entrant.latencies.json()),
    ];
    fields.push(("spawned".to_owned(), entrant.spawn.unwrap_or(Json::Null)));
    let turns = entrant.turns.into_iter().map(|turn| turn.json);
    fields.push(("turns".to_owned(), Json::List(turns.collect())));
    Json::Object(fields)
}
