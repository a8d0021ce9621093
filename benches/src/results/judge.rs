//! How the router compares, and whether that is enough.

use super::{
    run::{Measure, OURS, Set},
    scenario::{Against, Criterion, Scenario},
};

/// What came of a criterion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The figure that the bound is for: a ratio, or microseconds.
    Measured { figure: f64, is_met: bool },
    /// One side of it was not measured in this set.
    Unmeasured,
}

/// How many times better the router is than `label` in the same plan.
pub(super) fn ratio(set: &Set, plan: &str, label: &str, measure: Measure) -> Option<f64> {
    between(set, (plan, OURS), (plan, label), measure)
}

/// Judges one criterion of a plan.
pub(super) fn judge(set: &Set, scenario: &Scenario, criterion: &Criterion) -> Outcome {
    let plan = scenario.name.as_str();
    let measure = criterion.measure;
    let figure = match &criterion.against {
        Against::Peer(label) => ratio(set, plan, label, measure),
        Against::Plan(other) => between(set, (plan, OURS), (other, OURS), measure),
        Against::Microseconds => set.figure(plan, OURS, measure).map(|figure| figure.median),
    };
    let is_met = |figure: f64| match criterion.against {
        Against::Microseconds => figure <= criterion.bound,
        Against::Peer(_) | Against::Plan(_) => figure >= criterion.bound,
    };
    figure.map_or(Outcome::Unmeasured, |figure| Outcome::Measured {
        figure,
        is_met: is_met(figure),
    })
}

/// How many times better the first median is than the second.
fn between(set: &Set, ours: (&str, &str), other: (&str, &str), measure: Measure) -> Option<f64> {
    let ours = set.figure(ours.0, ours.1, measure)?.median;
    let other = set.figure(other.0, other.1, measure)?.median;
    Some(if measure.is_better_higher() {
        ours / other
    } else {
        other / ours
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{run::Run, scenario};

    /// Three rounds of each; the middle one is the median, and a void one does not count.
    fn set() -> Set {
        let run = |plan: &str, label: &str, clean: bool, cpu: f64| {
            let text = format!(
                r#"{{"clean":{clean},"deliveries_per_second":{},"measured":{{"target_cpu_us_each":{cpu}}}}}"#,
                1e6 / cpu
            );
            let value = serde_json::from_str(&text).expect("JSON");
            Run::read(plan, label, "file", &value).expect("a run")
        };
        let runs = [
            ("fast", OURS, true, 0.5),
            ("fast", OURS, true, 0.4),
            ("fast", OURS, true, 0.9),
            ("fast", OURS, false, 0.001),
            ("fast", "nats", true, 1.0),
            ("slow", OURS, true, 1.0),
        ];
        Set {
            runs: runs
                .map(|(plan, label, clean, cpu)| run(plan, label, clean, cpu))
                .to_vec(),
            ..Set::default()
        }
    }

    fn outcome(criterion: &str) -> Outcome {
        let scenario =
            scenario::parse(&format!("fast | Fast | | | {criterion}\n")).expect("a table");
        judge(&set(), &scenario[0], &scenario[0].criteria[0])
    }

    #[test]
    fn medians_of_clean_runs_are_compared() {
        let measured = |figure, is_met| Outcome::Measured { figure, is_met };
        assert_eq!(outcome("cpu nats 2"), measured(2.0, true));
        assert_eq!(outcome("cpu nats 2.1"), measured(2.0, false));
        assert_eq!(outcome("cpu @slow 2"), measured(2.0, true));
        assert_eq!(outcome("rate @slow 2"), measured(2.0, true));
        assert_eq!(outcome("cpu us 0.5"), measured(0.5, true));
        assert_eq!(outcome("cpu us 0.4"), measured(0.5, false));
        assert_eq!(outcome("cpu mosquitto 1"), Outcome::Unmeasured);
        assert_eq!(outcome("p99 us 1"), Outcome::Unmeasured);
    }
}
