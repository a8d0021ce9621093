//! The table of scenarios: what is run, and what must come of it.

use std::fmt;

use super::run::Measure;

/// One plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) criteria: Vec<Criterion>,
}

/// What must come of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Criterion {
    pub(super) measure: Measure,
    pub(super) against: Against,
    /// At least so many times better; or at most so many microseconds.
    pub(super) bound: f64,
}

/// What it is measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// Microseconds.
    Microseconds,
    /// Another target in the same plan.
    Peer(String),
    /// The router in another plan.
    Plan(String),
}

/// What is wrong with the table, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ScenarioError {
    line: usize,
    what: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "benches/scenarios/table.txt, line {}: {}",
            self.line, self.what
        )
    }
}

impl std::error::Error for ScenarioError {}

/// Reads the table.
pub(super) fn parse(text: &str) -> Result<Vec<Scenario>, ScenarioError> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: String| ScenarioError { line: number, what };
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, title, _flags, _peers, criteria] = fields.as_slice() else {
            return Err(wrong(format!("{} fields, and not 5", fields.len())));
        };
        if scenarios.iter().any(|scenario| scenario.name == *name) {
            return Err(wrong(format!("{name} stands twice")));
        }
        let criteria = criteria
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let criteria = criteria
            .map(|text| criterion(text).ok_or_else(|| wrong(format!("`{text}` is no criterion"))))
            .collect::<Result<_, _>>()?;
        scenarios.push(Scenario {
            name: (*name).to_owned(),
            title: (*title).to_owned(),
            criteria,
        });
    }
    Ok(scenarios)
}

fn criterion(text: &str) -> Option<Criterion> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [measure, against, bound] = words.as_slice() else {
        return None;
    };
    let measure = Measure::ALL
        .into_iter()
        .find(|known| known.label() == *measure)?;
    let against = match against.strip_prefix('@') {
        Some(plan) => Against::Plan(plan.to_owned()),
        None if *against == "us" => Against::Microseconds,
        None => Against::Peer((*against).to_owned()),
    };
    let bound = bound
        .parse()
        .ok()
        .filter(|bound: &f64| bound.is_finite() && *bound > 0.0)?;
    Some(Criterion {
        measure,
        against,
        bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_read_and_mistakes_are_named() {
        let text = "# a comment\n\nfast | Fast | --pairs 1 | nats | cpu nats 1.5, p99.9 us 1000, rate @slow 0.7\n";
        let scenarios = parse(text).expect("a table");
        assert_eq!(scenarios[0].title, "Fast");
        let against: Vec<_> = scenarios[0]
            .criteria
            .iter()
            .map(|one| &one.against)
            .collect();
        let nats = Against::Peer("nats".to_owned());
        assert_eq!(
            against,
            [
                &nats,
                &Against::Microseconds,
                &Against::Plan("slow".to_owned())
            ]
        );
        for (bad, what) in [
            ("a | b | c | d\n", "line 1: 4 fields"),
            (
                "\na | b | c | d | cpu nats\n",
                "line 2: `cpu nats` is no criterion",
            ),
            ("a | b | c | d | speed nats 1\n", "line 1: `speed nats 1`"),
            (
                "a | b | c | d |\na | b | c | d |\n",
                "line 2: a stands twice",
            ),
        ] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
