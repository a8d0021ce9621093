//! What a comparison found: medians, ratios, and whether they count.

use crate::compare::entrant::{Entrant, MEASURES, entrant_json, ratio};
use crate::compare::figures::Spread;
use crate::compare::{ComparePlan, Turn};
use crate::histogram::Latencies;
use crate::pace::Load;
use crate::report::json::Json;
use crate::report::{Report, grouped};

/// From this part of a CPU on, whatever runs on it is at its limit.
const SHARE_FULL: f64 = 0.95;

/// Everything found so far.
pub(crate) struct Comparison {
    entrants: Vec<Entrant>,
    plan: String,
    placed: Option<String>,
    rounds: usize,
    /// Whether the load waits for the target.
    is_closed: bool,
}

impl Comparison {
    /// Nothing found yet.
    pub(super) fn new(plan: &ComparePlan) -> Self {
        let entrants = plan.contestants.iter().map(|one| Entrant {
            label: one.label.clone(),
            target: match one.plan.spawn {
                Some(_) => "started here".to_owned(),
                None => one.plan.links.target.to_string(),
            },
            protocol: one.plan.links.target.protocol(),
            spawn: one.plan.spawn.as_ref().map(crate::spawn::Recipe::json),
            turns: Vec::new(),
            latencies: Latencies::new(),
        });
        let target_cpu = plan
            .contestants
            .iter()
            .find_map(|one| one.plan.spawn.as_ref()?.cpu);
        let placed = target_cpu.map(|cpu| {
            let own: Vec<_> = plan
                .plan()
                .threads
                .cpus
                .iter()
                .map(usize::to_string)
                .collect();
            format!(
                "what is started on CPU {cpu}, loadgen on CPU {}",
                own.join(", ")
            )
        });
        Self {
            entrants: entrants.collect(),
            plan: plan.plan().to_string(),
            placed,
            rounds: plan.rounds,
            is_closed: matches!(plan.plan().load, Load::Closed { .. }),
        }
    }

    pub(super) fn add(&mut self, at: usize, turn: Turn) {
        self.entrants[at].turns.push(turn);
    }

    pub(super) fn add_latencies(&mut self, at: usize, latencies: &Latencies) {
        self.entrants[at].latencies.merge(latencies);
    }

    /// How it reads.
    pub(crate) fn report(self) -> Report {
        let mut report = Report::new("every delivery of every round once, in order, intact");
        report.row("plan", self.plan.clone());
        let order: Vec<_> = self.entrants.iter().map(|one| one.label.as_str()).collect();
        report.row(
            "turns",
            format!("{} rounds of {}", self.rounds, order.join(", ")),
        );
        if let Some(placed) = &self.placed {
            report.row("pinned", placed.clone());
        }
        self.add_table(&mut report);
        self.add_ratios(&mut report);
        for entrant in &self.entrants {
            self.add_notes(entrant, &mut report);
            if let Some(fault) = entrant.fault() {
                report.fault(fault);
            }
        }
        report.field("rounds", self.rounds);
        report.field("ratios", self.ratios_json());
        report.field(
            "targets",
            Json::List(self.entrants.into_iter().map(entrant_json).collect()),
        );
        report
    }

    /// A column per target, a row per figure: the median, and the least and greatest.
    fn add_table(&self, report: &mut Report) {
        let mut rows = vec![(
            String::new(),
            self.entrants.iter().map(|one| one.label.clone()).collect(),
        )];
        for measure in &MEASURES {
            let cell = |entrant: &Entrant| match entrant.spread(measure) {
                None => "-".to_owned(),
                Some(Spread { median, min, max }) => {
                    let show = measure.show;
                    format!("{} [{} .. {}]", show(median), show(min), show(max))
                }
            };
            let cells = self.entrants.iter().map(cell).collect();
            rows.push((measure.label.to_owned(), cells));
        }
        let shares = self.entrants.iter().map(|entrant| {
            let percent = |share: Option<f64>| {
                share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share))
            };
            format!(
                "{} and {}",
                percent(entrant.target_share()),
                percent(entrant.own_share())
            )
        });
        rows.push(("CPU target, loadgen".to_owned(), shares.collect()));
        let lost = self.entrants.iter().map(|one| grouped(one.lost()));
        rows.push(("lost".to_owned(), lost.collect()));
        add_columns(report, &rows);
    }

    /// A column per pair of targets, a row per ratio.
    fn add_ratios(&self, report: &mut Report) {
        let Some((first, others)) = self.entrants.split_first() else {
            return;
        };
        let title = |other: &Entrant| format!("{} : {}", first.label, other.label);
        let mut rows = vec![("ratio".to_owned(), others.iter().map(title).collect())];
        for measure in &MEASURES {
            let cell = |other: &Entrant| {
                if first.fault().or_else(|| other.fault()).is_some() {
                    return "VOID".to_owned();
                }
                match ratio(first, other, measure) {
                    None => "-".to_owned(),
                    Some(Spread { median, min, max }) => {
                        format!("{median:.2} [{min:.2} .. {max:.2}]")
                    }
                }
            };
            rows.push((measure.label.to_owned(), others.iter().map(cell).collect()));
        }
        add_columns(report, &rows);
    }

    /// What a reader of the figures has to know.
    fn add_notes(&self, entrant: &Entrant, report: &mut Report) {
        let label = &entrant.label;
        let is_full = |share: Option<f64>| share.is_some_and(|share| share >= SHARE_FULL);
        let is_target_full = is_full(entrant.target_share());
        if is_full(entrant.own_share()) && !is_target_full {
            let text = "was not saturated, loadgen was: its deliveries/s are a lower bound";
            report.row("note", format!("{label} {text}"));
        } else if self.is_closed && entrant.target_share().is_some() && !is_target_full {
            let text = "nor loadgen used its CPU in full: they waited, or other programs had the \
                        CPUs; deliveries per CPU second tell more than deliveries/s";
            report.row("note", format!("neither {label} {text}"));
        }
        if entrant
            .turns
            .iter()
            .any(|turn| turn.figures.per_cpu_second.is_none())
        {
            let label = &entrant.label;
            report.row(
                "note",
                format!("{label} has no pid, so nothing is known of its CPU time"),
            );
        }
        let has_slim = self.entrants.iter().any(|one| one.protocol == "slim");
        if has_slim && entrant.protocol != "slim" {
            report.row(
                "note",
                format!("{label} carries the payload only: no header, no identity, no MAC"),
            );
        }
    }

    fn ratios_json(&self) -> Json {
        let Some((first, others)) = self.entrants.split_first() else {
            return Json::Null;
        };
        let pair = |other: &Entrant| {
            let void = first.fault().or_else(|| other.fault());
            let mut fields = vec![
                ("of".to_owned(), Json::from(first.label.as_str())),
                ("to".to_owned(), other.label.as_str().into()),
                ("void".to_owned(), void.clone().into()),
            ];
            for measure in MEASURES.iter().filter(|_| void.is_none()) {
                let spread = ratio(first, other, measure).map(Spread::json);
                fields.push((measure.field.to_owned(), spread.unwrap_or(Json::Null)));
            }
            Json::Object(fields)
        };
        Json::List(others.iter().map(pair).collect())
    }
}

/// Rows of cells that stand below each other.
fn add_columns(report: &mut Report, rows: &[(String, Vec<String>)]) {
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|(_, cells)| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (label, cells) in rows {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}  "));
        let line: String = padded.collect();
        report.row(label, line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use crate::compare::figures::Figures;

    use super::*;

    fn entrant(label: &str, rates: &[f64], fault: Option<&str>) -> Entrant {
        let turns = rates.iter().map(|&rate| Turn {
            figures: Figures {
                rate,
                per_cpu_second: Some(rate * 2.0),
                ..Figures::default()
            },
            faults: fault.map(str::to_owned).into_iter().collect(),
            json: Json::Null,
        });
        Entrant {
            label: label.to_owned(),
            target: "t".to_owned(),
            protocol: "slim",
            spawn: None,
            turns: turns.collect(),
            latencies: Latencies::new(),
        }
    }

    fn comparison(entrants: Vec<Entrant>) -> Comparison {
        Comparison {
            entrants,
            plan: String::new(),
            placed: None,
            rounds: 3,
            is_closed: true,
        }
    }

    #[test]
    fn the_ratio_is_that_of_the_medians_with_the_range_of_the_rounds() {
        let a = entrant("a", &[10.0, 30.0, 20.0], None);
        let b = entrant("b", &[10.0, 10.0, 5.0], None);
        let found = ratio(&a, &b, &MEASURES[0]).unwrap();
        assert_eq!((found.median, found.min, found.max), (2.0, 1.0, 4.0));
        let text = comparison(vec![a, b]).report().table();
        for part in ["a : b", "deliveries/s           2.00 [1.00 .. 4.00]"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.contains("clean"), "{text}");
    }

    #[test]
    fn a_fault_makes_the_comparisons_with_its_target_void_and_no_others() {
        let a = entrant("a", &[2.0], None);
        let b = entrant("b", &[1.0], Some("3 lost"));
        let c = entrant("c", &[4.0], None);
        let report = comparison(vec![a, b, c]).report();
        let text = report.table();
        assert!(text.contains("VOID   0.50 [0.50 .. 0.50]"), "{text}");
        assert!(text.contains("NOT A RESULT: b, round 1: 3 lost"), "{text}");
    }
}
