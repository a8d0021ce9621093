//! What a run found, as a table for people and as JSON for machines.
//!
//! The verdict is here: a run that lost, doubled, reordered or damaged anything, or whose links
//! failed, is no result, says so first, and exits with 1.

pub(crate) mod json;
mod outcome;
mod storm;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::histogram::Latencies;
use crate::host::{Host, commit};
use crate::plan::Reporting;
use crate::report::json::Json;

pub(crate) use crate::report::outcome::{
    Deliveries, InstancesOutcome, Measured, Outcome, StalledLink,
};
pub(crate) use crate::report::storm::StormOutcome;

/// A finished result.
#[derive(Debug)]
pub(crate) struct Report {
    /// What is wrong with it; empty for a clean run.
    pub(crate) faults: Vec<String>,
    /// The target was never reached.
    pub(crate) unavailable: bool,
    /// The verdict if nothing is wrong.
    clean: &'static str,
    rows: Vec<(String, String)>,
    fields: Vec<(String, Json)>,
}

impl Report {
    /// Nothing found yet. `clean` is the verdict if it stays so.
    pub(crate) fn new(clean: &'static str) -> Self {
        let (faults, rows, fields) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            faults,
            unavailable: false,
            clean,
            rows,
            fields,
        }
    }

    /// A line of the table.
    pub(crate) fn row(&mut self, label: &str, value: impl Into<String>) {
        self.rows.push((label.to_owned(), value.into()));
    }

    /// A field of the JSON.
    pub(crate) fn field(&mut self, name: &str, value: impl Into<Json>) {
        self.fields.push((name.to_owned(), value.into()));
    }

    /// Something that makes the run no result.
    pub(crate) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// Latencies in the table and in the JSON.
    pub(crate) fn latencies(&mut self, label: &str, name: &str, latencies: &Latencies) {
        let all: Vec<_> = latencies
            .percentiles()
            .into_iter()
            .map(|(quantile, ns)| format!("{quantile} {}", time(Duration::from_nanos(ns))))
            .collect();
        if !all.is_empty() {
            self.row(label, all.join("  "));
        }
        self.field(name, latencies.json());
    }

    /// One line that says whether the run counts.
    pub(crate) fn verdict(&self) -> String {
        if self.faults.is_empty() {
            format!("clean: {}", self.clean)
        } else {
            format!("NOT A RESULT: {}", self.faults.join("; "))
        }
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (label, value) in &self.rows {
            // Writing to a string cannot fail.
            writeln!(text, "{label:<22} {value}").unwrap_or_default();
        }
        writeln!(text, "{:<22} {}", "verdict", self.verdict()).unwrap_or_default();
        text
    }

    /// The verdict and the findings as JSON, without where and how they were found.
    pub(crate) fn findings(self) -> Json {
        let mut fields = vec![
            ("clean".to_owned(), Json::from(self.faults.is_empty())),
            ("verdict".to_owned(), self.verdict().into()),
        ];
        fields.extend(self.fields);
        Json::Object(fields)
    }

    /// The JSON document: the verdict, the plan, the findings, and where and how it was run.
    pub(crate) fn json(self, plan: Json, reporting: &Reporting, arguments: &[String]) -> Json {
        let clean = self.faults.is_empty();
        let verdict = self.verdict();
        let mut fields = vec![
            ("clean".to_owned(), Json::from(clean)),
            ("verdict".to_owned(), verdict.into()),
            ("plan".to_owned(), plan),
        ];
        fields.extend(self.fields);
        fields.push(("command_line".to_owned(), shared(arguments).into()));
        fields.push(("written_at".to_owned(), written_at().into()));
        fields.push(("commit".to_owned(), commit().into()));
        fields.push(("version".to_owned(), env!("CARGO_PKG_VERSION").into()));
        fields.push(("host".to_owned(), Host::read().json()));
        fields.push(("target_pid".to_owned(), reporting.pid.map(u64::from).into()));
        Json::Object(fields)
    }
}

/// The command line as others may see it: where programs and files lie on this host is nobody's
/// business. Targets stay as they are.
fn shared(arguments: &[String]) -> Vec<String> {
    let mut previous = "--program";
    let mut command_line = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let is_path = matches!(
            previous,
            "--program" | "--plan" | "--json" | "--html" | "--ca" | "--cert" | "--key"
        ) || previous.starts_with("--spawn-");
        let name = argument.rsplit_once('/').filter(|_| is_path);
        command_line.push(name.map_or_else(|| argument.clone(), |(_, name)| name.to_owned()));
        previous = argument;
    }
    command_line
}

/// Seconds since 1970 at which the result was written down.
#[allow(
    clippy::disallowed_methods,
    reason = "a date for people; nothing is measured with it"
)]
fn written_at() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// A duration with three digits and a unit.
pub(crate) fn time(duration: Duration) -> String {
    let ns = duration.as_secs_f64() * 1e9;
    match ns {
        _ if ns < 1e3 => format!("{ns:.0} ns"),
        _ if ns < 1e6 => format!("{:.3} us", ns / 1e3),
        _ if ns < 1e9 => format!("{:.3} ms", ns / 1e6),
        _ => format!("{:.3} s", ns / 1e9),
    }
}

/// A rate as a whole number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^64; the cast saturates"
)]
pub(crate) fn rounded(rate: f64) -> u64 {
    rate.round() as u64
}

/// A number with separators between thousands.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(time(Duration::from_nanos(999)), "999 ns");
        assert_eq!(time(Duration::from_micros(1_500)), "1.500 ms");
    }

    #[test]
    fn a_command_line_tells_no_folders() {
        let given =
            "/opt/x/loadgen compare unix:///run/s --spawn-nats /opt/y/nats --json /a/b.json";
        let given: Vec<_> = given.split(' ').map(str::to_owned).collect();
        let told = "loadgen compare unix:///run/s --spawn-nats nats --json b.json";
        assert_eq!(shared(&given).join(" "), told);
    }

    #[test]
    fn a_fault_is_the_verdict() {
        let mut report = Report::new("fine");
        assert!(report.verdict().starts_with("clean"));
        report.fault("3 lost".to_owned());
        assert!(report.table().contains("NOT A RESULT: 3 lost"));
        let json = report.json(Json::Null, &Reporting::default(), &[]);
        assert!(json.to_string().contains("\"clean\": false"));
    }
}
