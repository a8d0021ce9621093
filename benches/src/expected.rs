//! Figures that are gates: committed in a file, compared in each run, accepted by one command.
//!
//! The file is TOML: what it was measured with, then one `"case" = figure` a line. A figure that grew by
//! more than its tolerance fails; one that shrank by as much is told, so that it is accepted before it
//! can be lost again.
#![allow(
    clippy::print_stdout,
    reason = "a gate shows what it measured, also when it passes"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What a gate measures, and how it is run.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// The file, relative to the crate of the benches.
    pub file: &'static str,
    /// What a figure counts, in the plural.
    pub unit: &'static str,
    /// Per cent that a figure may grow by.
    pub tolerance_percent: f64,
    /// The one line that accepts what is measured.
    pub accept: &'static str,
}

/// A case and its figure.
pub type Measured = (String, f64);

/// How a figure compares with what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Smaller by more than the tolerance.
    Cheaper,
    /// Larger by more than the tolerance.
    Dearer,
    /// Within the tolerance.
    Same,
    /// Nothing was expected of this case.
    Unknown,
}

impl Gate {
    /// Compares, or with `accept` writes the file anew. Answers what fails, one line each.
    ///
    /// `made_by` says what the figures depend on beside the code: a compiler, a library; empty for
    /// nothing.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn judge(
        &self,
        made_by: &str,
        measured: &[Measured],
        accept: bool,
    ) -> Result<Vec<String>, String> {
        let path = self.path();
        if accept {
            fs::write(&path, self.text(made_by, measured))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            println!(
                "{} figures accepted into benches/{}",
                measured.len(),
                self.file
            );
            return Ok(Vec::new());
        }
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let expected = parse(&text).map_err(|error| format!("benches/{}: {error}", self.file))?;
        let mut failures = self.compare(&expected.figures, measured);
        if !failures.is_empty() {
            failures.push(format!("to accept a justified change: {}", self.accept));
            if expected.made_by != made_by {
                failures.push(format!(
                    "the expected figures were made by {}; these by {made_by}",
                    expected.made_by
                ));
            }
        }
        Ok(failures)
    }

    /// Prints each case beside what is expected of it. Answers what fails.
    fn compare(&self, expected: &BTreeMap<String, f64>, measured: &[Measured]) -> Vec<String> {
        println!(
            "{:<36}{:>14}{:>14}{:>10}",
            self.unit, "measured", "expected", "percent"
        );
        let mut failures = Vec::new();
        for (case, figure) in measured {
            let before = expected.get(case).copied();
            let percent = before.map_or(f64::NAN, |before| change_percent(before, *figure));
            let verdict = self.verdict(before, *figure);
            let before = before.unwrap_or(f64::NAN);
            let note = match verdict {
                Verdict::Same => "",
                Verdict::Cheaper => "cheaper: accept it, so that it stays",
                Verdict::Dearer => "DEARER",
                Verdict::Unknown => "NEW",
            };
            println!("{case:<36}{figure:>14.3}{before:>14.3}{percent:>+10.2}  {note}");
            match verdict {
                Verdict::Same | Verdict::Cheaper => {}
                Verdict::Dearer => failures.push(format!(
                    "{case}: {figure:.3} {}, expected {before:.3}: {percent:+.2} %, allowed {:+.2} %",
                    self.unit, self.tolerance_percent
                )),
                Verdict::Unknown => failures.push(format!(
                    "{case}: {figure:.3} {}, and nothing is expected of it yet",
                    self.unit
                )),
            }
        }
        let is_gone = |case: &&String| !measured.iter().any(|(measured, _)| measured == *case);
        for case in expected.keys().filter(is_gone) {
            failures.push(format!("{case}: expected, and not measured any more"));
        }
        failures
    }

    fn verdict(&self, before: Option<f64>, now: f64) -> Verdict {
        let Some(before) = before else {
            return Verdict::Unknown;
        };
        let percent = change_percent(before, now);
        if percent > self.tolerance_percent {
            Verdict::Dearer
        } else if percent < -self.tolerance_percent {
            Verdict::Cheaper
        } else {
            Verdict::Same
        }
    }

    fn text(&self, made_by: &str, measured: &[Measured]) -> String {
        let mut text = format!("# Written by `{}`.\n", self.accept);
        if !made_by.is_empty() {
            writeln!(text, "made_by = \"{made_by}\"").expect("a string takes everything");
        }
        writeln!(text, "\n[{}]", self.unit.replace(' ', "_")).expect("a string takes everything");
        for (case, figure) in measured {
            writeln!(text, "\"{case}\" = {figure}").expect("a string takes everything");
        }
        text
    }

    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.file)
    }
}

/// By how many per cent `now` is more than `before`.
fn change_percent(before: f64, now: f64) -> f64 {
    if before == now {
        0.0
    } else {
        (now - before) / before * 100.0
    }
}

/// A file of expected figures.
#[derive(Debug, PartialEq)]
struct Expected {
    made_by: String,
    figures: BTreeMap<String, f64>,
}

/// Reads the part of TOML that [`Gate::text`] writes.
fn parse(text: &str) -> Result<Expected, String> {
    let mut expected = Expected {
        made_by: String::new(),
        figures: BTreeMap::new(),
    };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '[']) {
            continue;
        }
        let wrong = || format!("line {number}: `{line}` is not `\"case\" = figure`");
        let (key, value) = line.split_once(" = ").ok_or_else(wrong)?;
        if key == "made_by" {
            value.trim_matches('"').clone_into(&mut expected.made_by);
            continue;
        }
        let case = key.trim_matches('"').to_owned();
        let figure = value.parse().map_err(|_| wrong())?;
        if expected.figures.insert(case, figure).is_some() {
            return Err(format!("line {number}: {key} stands twice"));
        }
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Gate = Gate {
        file: "nowhere",
        unit: "steps",
        tolerance_percent: 2.0,
        accept: "make accept",
    };

    #[test]
    fn what_is_written_is_read() {
        let measured = [("a b".to_owned(), 12.5), ("c".to_owned(), 0.0)];
        let expected = parse(&GATE.text("a compiler", &measured)).expect("our own text");
        assert_eq!(expected.made_by, "a compiler");
        assert_eq!(expected.figures, BTreeMap::from(measured));
    }

    #[test]
    fn a_line_that_is_no_figure_is_named() {
        let error = parse("made_by = \"x\"\n\n\"case\" = many\n").expect_err("no figure");
        assert!(error.starts_with("line 3:"), "{error}");
        let error = parse("\"case\" = 1\n\"case\" = 2\n").expect_err("twice");
        assert!(error.starts_with("line 2:"), "{error}");
    }

    #[test]
    fn growth_past_the_tolerance_fails_and_shrinking_does_not() {
        let verdict = |now| GATE.verdict(Some(100.0), now);
        assert_eq!(verdict(102.0), Verdict::Same);
        assert_eq!(verdict(102.1), Verdict::Dearer);
        assert_eq!(verdict(98.0), Verdict::Same);
        assert_eq!(verdict(97.9), Verdict::Cheaper);
        assert_eq!(GATE.verdict(None, 1.0), Verdict::Unknown);
        assert_eq!(GATE.verdict(Some(0.0), 0.0), Verdict::Same);
        assert_eq!(GATE.verdict(Some(0.0), 1.0), Verdict::Dearer);
    }

    #[test]
    fn a_failure_names_the_case_both_figures_and_the_change() {
        let expected = BTreeMap::from([("old".to_owned(), 1.0), ("slow".to_owned(), 100.0)]);
        let measured = [("new".to_owned(), 1.0), ("slow".to_owned(), 110.0)];
        let failures = GATE.compare(&expected, &measured);
        assert_eq!(failures.len(), 3, "{failures:?}");
        assert!(failures[0].starts_with("new: "));
        let slow = "slow: 110.000 steps, expected 100.000: +10.00 %, allowed +2.00 %";
        assert_eq!(failures[1], slow);
        assert!(failures[2].starts_with("old: expected, and not measured"));
    }
}
