//! Values as they were given: where each came from, which one wins, and how they are read.
//!
//! Flags win over the plan file, and a flag that chooses among alternatives (`--fanout` against the
//! file's `pairs`) displaces the file's choice. Problems are collected, so that all of them are
//! told at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::flags::{Kind, Verb, setting, unknown};
use crate::cli::targets::TargetEntry;
use crate::target::Target;

/// Settings of which one excludes the others, or makes no sense without them.
const ALTERNATIVES: &[&[&str]] = &[
    &["pairs", "fanout", "stalled", "incast", "instances"],
    &["window", "rate", "token-rate"],
    &["size", "sizes"],
];

/// Settings of what is sent that a broker has no place for, each with the value that asks for
/// nothing.
const SLIM_MESSAGES: &[(&str, Option<&str>)] = &[
    ("stalled", Some("0")),
    ("instances", None),
    ("stream", None),
    ("token-rate", None),
    ("identity", Some("none")),
    ("identity-pool", None),
    ("churn-subscribe", None),
    ("churn-connect", None),
];

/// The same of how links are made.
const SLIM_LINKS: &[(&str, Option<&str>)] = &[
    ("mac", Some("on")),
    ("frame-bytes", None),
    ("spawn-tls", Some("off")),
];

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the command line.
    Flag,
    /// In a line of a plan, counted from 1.
    Line(Arc<str>, usize),
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Entry {
    /// The setting as its writer sees it.
    fn describe(&self, name: &str) -> String {
        match &self.place {
            Place::Flag => format!("--{name} {}", self.text),
            Place::Line(file, line) => format!("{file}:{line}: {name} = {}", self.text),
        }
    }
}

/// Everything given.
#[derive(Debug)]
pub(super) struct Given {
    verb: Verb,
    /// Targets in the order given, running ones and those to be started.
    pub(super) targets: Vec<TargetEntry>,
    /// The results to draw.
    pub(super) files: Vec<PathBuf>,
    entries: BTreeMap<&'static str, Entry>,
    problems: Vec<String>,
}

impl Given {
    /// Nothing yet.
    pub(super) fn new(verb: Verb) -> Self {
        Self {
            verb,
            targets: Vec::new(),
            files: Vec::new(),
            entries: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb
    }

    /// Whether a flag of that name has a value behind it.
    pub(super) fn has_value(&self, name: &str) -> bool {
        setting(self.verb, name).is_none_or(|setting| setting.kind != Kind::Bare)
    }

    /// Takes what is no flag: a target, or a file.
    pub(super) fn take_word(&mut self, word: OsString) {
        if self.verb == Verb::Report {
            self.files.push(word.into());
            return;
        }
        match TargetEntry::running(&word.to_string_lossy()) {
            Ok(target) => self.targets.push(target),
            Err(why) => self.problem(why),
        }
    }

    /// Takes a flag; the last of several wins, but for targets, of which all count.
    pub(super) fn take_flag(&mut self, name: &str, text: String) {
        match setting(self.verb, name) {
            Some(_) if let Some(target) = TargetEntry::started(name, &text) => {
                self.targets.push(target);
            }
            Some(setting) => {
                let place = Place::Flag;
                self.entries.insert(setting.name, Entry { text, place });
            }
            None => self.problem(format!("--{name}: {}", unknown(self.verb, name))),
        }
    }

    /// Takes the values of a plan file where no flag says otherwise.
    pub(super) fn take_file(&mut self, values: BTreeMap<&'static str, Entry>) {
        let displaced = |name: &str| {
            let rivals = ALTERNATIVES.iter().find(|group| group.contains(&name));
            rivals.is_some_and(|group| group.iter().any(|rival| self.is_given(rival)))
        };
        let kept: Vec<_> = values
            .into_iter()
            .filter(|(name, _)| !self.is_given(name) && !displaced(name))
            .collect();
        self.entries.extend(kept);
    }

    /// Notes something wrong.
    pub(super) fn problem(&mut self, text: impl Into<String>) {
        let text = text.into();
        // What is wrong for several targets is told once.
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// Notes what is wrong with a setting, naming where it stands.
    pub(super) fn problem_with(&mut self, name: &str, why: impl Display) {
        let text = match self.entries.get(name) {
            Some(entry) => format!("{}: {why}", entry.describe(name)),
            None => format!("--{name}: {why}"),
        };
        self.problem(text);
    }

    /// Whether the setting has a value.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Finds what only SLIM has a word for, when `target` is a broker. What concerns the links
    /// alone may be said if there is a SLIM node beside it, to which it then applies.
    pub(super) fn check_broker(&mut self, target: &Target, has_slim: bool) {
        let of_links = SLIM_LINKS.iter().filter(|_| !has_slim);
        for (name, neutral) in SLIM_MESSAGES.iter().chain(of_links) {
            let asks = |entry: &Entry| Some(entry.text.as_str()) != *neutral;
            if self.entries.get(name).is_some_and(asks) {
                let protocol = target.protocol();
                let why = format!("it is a matter of SLIM; a target speaks {protocol}");
                self.problem_with(name, why);
            }
        }
    }

    /// Which of `names` are given.
    pub(super) fn given_of<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let is_given = |name: &&&str| self.is_given(name);
        names.iter().filter(is_given).copied().collect()
    }

    /// The value as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.entries.get(name).map(|entry| entry.text.clone())
    }

    /// The value as `parse` understands it; what it does not understand becomes a problem.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.entries.get(name)?;
        match parse(&entry.text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem_with(name, why);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn count<T>(&mut self, name: &str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.parsed(name, |text| {
            let read = text.replace('_', "").parse().ok();
            read.filter(|value| bounds.contains(value)).ok_or_else(|| {
                let (least, most) = (bounds.start(), bounds.end());
                format!("expected a whole number from {least} to {most}")
            })
        })
    }

    /// A number of things per second.
    pub(super) fn rate(&mut self, name: &str) -> Option<f64> {
        self.parsed(name, |text| {
            let read = text.replace('_', "").parse::<f64>().ok();
            // A flow due once in eleven days, or twice within a nanosecond, is a typing mistake.
            read.filter(|rate| (1e-6..=1e9).contains(rate))
                .ok_or_else(|| "expected a positive number per second, at most 1e9".to_owned())
        })
    }

    /// `on` or `off`.
    pub(super) fn switch(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("write on or off".to_owned()),
        })
    }

    /// A time: seconds, or a number with a unit.
    pub(super) fn time(&mut self, name: &str) -> Option<Duration> {
        self.parsed(name, time)
    }

    /// `1`, `2,3`, `4-7` and their mixtures.
    pub(super) fn cpus(&mut self) -> Vec<usize> {
        self.parsed("cpus", cpus).unwrap_or_default()
    }

    /// What was built, unless there were problems: then all of them, one per line.
    pub(super) fn conclude<T>(self, built: T) -> Result<T, String> {
        if self.problems.is_empty() {
            Ok(built)
        } else {
            Err(self.problems.join("\n"))
        }
    }
}

/// Longest time that can be asked for.
const TIME_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1.0));
    let seconds = number.trim().replace('_', "").parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds * unit).ok())
        .filter(|time| *time <= TIME_MAX)
        .ok_or_else(|| "expected a time such as 10, 0.5, 90s, 5m or 4h".to_owned())
}

fn cpus(text: &str) -> Result<Vec<usize>, String> {
    let wrong = || "expected CPU numbers such as 1 or 2,3 or 4-7".to_owned();
    let number = |text: &str| {
        let read = text.trim().parse::<usize>().ok();
        // No machine has more; a list of them all must not eat this one's memory.
        read.filter(|cpu| *cpu < 65_536).ok_or_else(wrong)
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(number(first)?..=number(last)?);
    }
    if cpus.is_empty() {
        Err(wrong())
    } else {
        Ok(cpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            text: text.to_owned(),
            place: Place::Line("p.toml".into(), 7),
        }
    }

    #[test]
    fn a_flag_wins_and_displaces_the_alternatives_of_the_file() {
        let mut given = Given::new(Verb::Run);
        given.take_flag("fanout", "3".to_owned());
        given.take_flag("size", "99".to_owned());
        given.take_file(BTreeMap::from([
            ("pairs", entry("16")),
            ("stalled", entry("1")),
            ("size", entry("64")),
            ("window", entry("8")),
        ]));
        assert_eq!(given.text("fanout").as_deref(), Some("3"));
        assert_eq!(given.text("size").as_deref(), Some("99"));
        assert_eq!(given.text("window").as_deref(), Some("8"));
        assert!(!given.is_given("pairs") && !given.is_given("stalled"));
    }

    #[test]
    fn problems_name_their_place_and_come_together() {
        let mut given = Given::new(Verb::Run);
        given.take_flag("rate", "fast".to_owned());
        given.take_flag("colour", "red".to_owned());
        given.take_file(BTreeMap::from([("size", entry("many"))]));
        assert_eq!(given.rate("rate"), None);
        assert_eq!(given.count::<usize>("size", 32..=64), None);
        let problems = given.conclude(()).unwrap_err();
        let lines: Vec<_> = problems.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("--colour: there is no such setting"));
        assert!(lines[1].starts_with("--rate fast: expected a positive"));
        assert_eq!(
            lines[2],
            "p.toml:7: size = many: expected a whole number from 32 to 64"
        );
    }

    #[test]
    fn times_have_units_and_bounds() {
        for (text, milliseconds) in [
            ("10", 10_000),
            ("0.5", 500),
            ("90s", 90_000),
            ("250ms", 250),
            ("1.5 m", 90_000),
            ("4h", 14_400_000),
        ] {
            assert_eq!(
                time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "-1", "nan", "inf", "1e300", "9999h", "1d"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_are_lists_and_ranges() {
        assert_eq!(cpus("1, 3-5"), Ok(vec![1, 3, 4, 5]));
        for text in ["", "5-3", "a", "1,,2", "0-99999999999"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }
}
