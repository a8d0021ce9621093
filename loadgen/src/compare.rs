//! `loadgen compare`: the same plan against several targets in turn, A B A B, and the ratios.
//!
//! Turns alternate so that a host that warms up, slows down or is visited by others treats all
//! targets alike; medians over the rounds are compared. A target that is started here runs during
//! its own turns only. A run with any loss makes every comparison with its target void.

mod entrant;
mod figures;
mod result;

use std::io::Write as _;

use crate::compare::figures::Figures;
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::report::grouped;
use crate::report::json::Json;
use crate::run::{Failure, run};
use crate::spawn::Spawned;

pub(crate) use crate::compare::figures::Spread;
pub(crate) use crate::compare::result::Comparison;

/// One target of a comparison and its plan, which differs from the others' in the target only.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    /// The name under which it is reported.
    pub(crate) label: String,
    /// The plan.
    pub(crate) plan: Plan,
}

/// One `loadgen compare`.
#[derive(Clone, Debug)]
pub(crate) struct ComparePlan {
    /// The targets, two at least; the first is set against each of the others.
    pub(crate) contestants: Vec<Contestant>,
    /// Turns of each.
    pub(crate) rounds: usize,
}

impl ComparePlan {
    /// The plan that all share.
    pub(crate) fn plan(&self) -> &Plan {
        &self.contestants[0].plan
    }

    /// The plan as JSON, without the targets, which the findings name.
    pub(crate) fn json(&self) -> Json {
        let mut plan = self.plan().json();
        if let Json::Object(fields) = &mut plan {
            fields.retain(|(name, _)| !matches!(name.as_str(), "protocol" | "spawned" | "target"));
        }
        plan
    }
}

/// One turn of one target.
struct Turn {
    figures: Figures,
    faults: Vec<String>,
    json: Json,
}

/// Lets every target have its turns.
///
/// # Errors
/// A target cannot be started or reached.
pub(crate) async fn compare(plan: &ComparePlan, fleet: &Fleet) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::new(plan);
    for round in 0..plan.rounds {
        for (at, contestant) in plan.contestants.iter().enumerate() {
            let turn = take_turn(contestant, &mut comparison, at, fleet).await?;
            let rate = grouped(figures::rounded(turn.figures.rate));
            let found = match turn.faults.first() {
                Some(fault) => format!(", {fault}"),
                None => String::new(),
            };
            tell(&format!(
                "round {} of {}: {} {rate} deliveries/s{found}",
                round + 1,
                plan.rounds,
                contestant.label
            ));
            comparison.add(at, turn);
        }
    }
    Ok(comparison)
}

async fn take_turn(
    contestant: &Contestant,
    comparison: &mut Comparison,
    at: usize,
    fleet: &Fleet,
) -> Result<Turn, Failure> {
    let mut plan = contestant.plan.clone();
    let spawned = spawn(&mut plan).await?;
    let outcome = run(&plan, fleet).await?;
    let figures = Figures::of(&outcome);
    comparison.add_latencies(at, &outcome.latencies);
    let links = plan.shape.links() + plan.idle_links;
    let mut report = outcome.report(links, plan.sizes.mean_bytes());
    if let Some(status) = spawned.as_ref().and_then(Spawned::ended) {
        report.fault(format!("the target ended: {status}"));
    }
    Ok(Turn {
        figures,
        faults: report.faults.clone(),
        json: report.findings(),
    })
}

/// Starts the plan's target if that is asked for, and directs the plan to it.
///
/// # Errors
/// It cannot be started.
pub(crate) async fn spawn(plan: &mut Plan) -> Result<Option<Spawned>, Failure> {
    let Some(recipe) = &plan.spawn else {
        return Ok(None);
    };
    let spawned = Spawned::start(recipe).await?;
    plan.links.target = spawned.target.clone();
    plan.reporting.pid = Some(spawned.pid);
    Ok(Some(spawned))
}

/// Tells whoever watches how far things are.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}
