//! What the tree promises about itself, checked.
//!
//! The code, the manual and the tests name the same things: reasons, metrics, statements of the
//! wire. The tree keeps its sizes, its words, its dependency budget, and tells nothing of the
//! machines it was made on. Each check says everything it found at once.
#![allow(clippy::print_stdout, reason = "the counts are part of the report")]
#![allow(
    clippy::unwrap_used,
    reason = "a file that cannot be read fails the test, which is what is wanted"
)]

#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use slipring::metrics::names;
use slipring_core::{CloseReason, DropReason, RefuseReason};

use crate::tree::{files, nothing, read};

/// Statements of the wire checklist.
const STATEMENTS: u32 = 62;

/// Statements without a test, and why.
const UNTESTED: &[(std::ops::RangeInclusive<u32>, &str)] = &[
    (4..=4, "authentication of links is not supported yet"),
    (7..=7, "WebSocket is not supported yet"),
    (22..=22, "there are no peer links yet"),
    (50..=56, "there are no peer links yet"),
    (60..=62, "statements about clients are tested in sdk"),
];

/// Clauses of the wire that no code cites, and why.
const UNCITED: &[(&str, &str)] = &[
    ("6.3", "there are no peer links yet"),
    (
        "6.5",
        "the loss of a link is `ControlRequest::LinkGone`; replays are clients' business",
    ),
    (
        "7.8",
        "order follows from one queue per link and has no line of its own",
    ),
];

/// The words in backticks that begin the rows of the tables of one section of the manual.
fn rows(section: &str) -> Vec<String> {
    let manual = read("router/docs/OPERATIONS.md");
    let heading = format!("\n## {section}\n");
    let (_, after) = manual
        .split_once(&heading)
        .expect("the manual has the section");
    let section = after.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap_or_default().to_owned())
        .collect()
}

/// The names of all functions in the tests of the router and its core, and whether each is set
/// aside by an `ignore`.
fn tests() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (path, text) in files(&[".rs"]) {
        if !path.starts_with("router/tests") && !path.starts_with("router/core/tests") {
            continue;
        }
        let mut is_ignored = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with(concat!("#[ig", "nore")) {
                is_ignored = true;
            } else if let Some((_, rest)) = line.split_once("fn ") {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                found.insert(name.to_owned(), is_ignored);
                is_ignored = false;
            }
        }
    }
    found
}

/// Whether `test` is about what `prefix` names.
fn is_about(test: &str, prefix: &str) -> bool {
    let rest = test.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// T-05: a reason is a label, a row, and a test that provokes it.
fn check_reasons(section: &str, word: &str, labels: &[&str]) {
    let (rows, tests) = (rows(section), tests());
    let mut found = Vec::new();
    for label in labels {
        match rows.iter().filter(|row| row == label).count() {
            1 => {}
            count => found.push(format!("{label}: {count} rows under {section}")),
        }
        let prefix = format!("{word}_{label}");
        if !tests.keys().any(|test| is_about(test, &prefix)) {
            found.push(format!("{label}: no test is called {prefix}_…"));
        }
    }
    let unknown = rows.iter().filter(|row| !labels.contains(&row.as_str()));
    found.extend(unknown.map(|row| format!("{row}: a row under {section} and no reason")));
    nothing("reasons, rows and tests do not agree", &found);
}

#[test]
fn every_drop_has_a_row_and_a_test() {
    let labels: Vec<_> = DropReason::ALL
        .iter()
        .map(|reason| reason.label())
        .collect();
    check_reasons("Drops", "drop", &labels);
}

#[test]
fn every_close_has_a_row_and_a_test() {
    let labels: Vec<_> = CloseReason::ALL
        .iter()
        .map(|reason| reason.label())
        .collect();
    check_reasons("Closes", "close", &labels);
}

#[test]
fn every_refusal_has_a_row_and_a_test() {
    let labels: Vec<_> = RefuseReason::ALL
        .iter()
        .map(|reason| reason.label())
        .collect();
    check_reasons("Refusals", "refuse", &labels);
}

/// A test that does not run proves nothing.
#[test]
fn no_reason_rests_on_a_test_that_is_set_aside() {
    let tests = tests();
    let drops = DropReason::ALL
        .iter()
        .map(|reason| format!("drop_{}", reason.label()));
    let closes = CloseReason::ALL
        .iter()
        .map(|reason| format!("close_{}", reason.label()));
    let refusals = RefuseReason::ALL
        .iter()
        .map(|reason| format!("refuse_{}", reason.label()));
    let found: Vec<String> = drops
        .chain(closes)
        .chain(refusals)
        .filter(|prefix| {
            let mut own = tests.iter().filter(|(test, _)| is_about(test, prefix));
            own.all(|(_, is_ignored)| *is_ignored)
        })
        .collect();
    nothing("every test of these is set aside", &found);
}

#[test]
fn every_metric_has_a_row_and_every_row_a_metric() {
    let known: Vec<&str> = names::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(rows("Metrics"), known, "the same metrics in the same order");
    let manual = read("router/docs/OPERATIONS.md");
    for metric in names::ALL {
        let kind = metric.kind.word();
        let row = format!(
            "| `{}` | {kind} | {}",
            metric.name,
            metric.labels.join(", ")
        );
        assert!(manual.contains(&row), "{row}");
    }
}

#[test]
fn every_promise_stands_in_the_manual() {
    let manual = read("router/docs/OPERATIONS.md");
    for number in 1..=16 {
        assert_eq!(
            manual.matches(&format!("\n| P{number} |")).count(),
            1,
            "P{number}"
        );
    }
}

#[test]
fn every_statement_of_the_wire_has_a_test_or_a_reason_to_have_none() {
    let tests = tests();
    let mut found = Vec::new();
    for number in 1..=STATEMENTS {
        let prefix = format!("wire_{number:02}_");
        let is_tested = tests.keys().any(|test| test.starts_with(&prefix));
        let excuse = UNTESTED
            .iter()
            .find(|(numbers, _)| numbers.contains(&number));
        match (is_tested, excuse) {
            (false, None) => found.push(format!("{number}: no test is called {prefix}…")),
            (true, Some((_, why))) => found.push(format!("{number} is tested although {why}")),
            (true, None) | (false, Some(_)) => {}
        }
    }
    nothing("the wire checklist and the tests do not agree", &found);
}

#[test]
fn every_clause_of_the_wire_is_cited_and_every_citation_is_one() {
    let contract = read("proto/docs/WIRE.md");
    let is_clause = |word: &str| {
        let digits = word
            .strip_prefix('§')
            .map(|word| word.trim_end_matches('.'));
        digits
            .filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
    };
    let starts = contract.lines().filter_map(|line| {
        is_clause(
            line.trim_start_matches("## ")
                .split_whitespace()
                .next()
                .unwrap_or_default(),
        )
    });
    let clauses: BTreeSet<String> = starts.collect();
    let mut cited = BTreeSet::new();
    for text in files(&[".rs"]).values() {
        for after in text.split(concat!("WIRE", " §")).skip(1) {
            let end = after
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(after.len());
            cited.insert(after[..end].trim_end_matches('.').to_owned());
        }
    }
    let unknown = cited
        .difference(&clauses)
        .map(|clause| format!("§{clause} is no clause"));
    let mut found: Vec<String> = unknown.collect();
    for clause in clauses.iter().filter(|clause| clause.contains('.')) {
        let excuse = UNCITED.iter().find(|(known, _)| known == clause);
        match (cited.contains(clause), excuse) {
            (false, None) => found.push(format!("§{clause} is cited nowhere")),
            (true, Some((_, why))) => found.push(format!("§{clause} is cited although {why}")),
            (true, None) | (false, Some(_)) => {}
        }
    }
    nothing("the wire and the code do not agree", &found);
}
