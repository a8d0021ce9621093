//! Typed reading of the tree: a mapping as a [`Section`] whose keys are taken one by one, a value
//! as a [`Field`] that is asked for the type its reader expects.
//!
//! Every question that has no answer is reported with its place, and reading goes on with `None`,
//! so that one load finds everything. A key counts as known because somebody took it; what is left
//! when a section is closed is unknown.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::report::{At, Report};
use super::suggest::{unknown_key, unknown_word};
use super::text;
use super::value::{Entry, Form, Kind, Scalar, Value, below, item};

/// The most of a value that is ever printed.
const SHOWN_CHARS_MAX: usize = 48;

/// What becomes of keys nobody took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// They are errors, as in the reference.
    Refuse,
    /// The reference ignores them in silence; we warn, and `--strict` refuses.
    Warn,
}

/// A mapping being read.
pub(super) struct Section<'t> {
    entries: &'t [Entry],
    /// Where the mapping is.
    pub(super) at: At,
    /// Its path; empty at the top.
    pub(super) path: String,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// What is under `key`, unless it is absent or null.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then(|| Field::of(entry, &self.path))
    }

    /// What is under `key`; its absence is an error.
    pub(super) fn require(&mut self, key: &'static str, report: &mut Report) -> Option<Field<'t>> {
        let field = self.take(key);
        if field.is_none() {
            report.error(self.at, &self.path, || {
                format!("the key \"{key}\" is missing")
            });
        }
        field
    }

    /// Every key with what is under it, for mappings whose keys are free.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'t str, Field<'t>)> + '_ {
        self.entries
            .iter()
            .map(|entry| (entry.key.as_str(), Field::of(entry, &self.path)))
    }

    /// Reports the keys nobody took.
    pub(super) fn close(&self, unknown: Unknown, report: &mut Report) {
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let path = below(&self.path, &entry.key);
            let message = || unknown_key(&entry.key, &self.known);
            match unknown {
                Unknown::Refuse => report.error(entry.at, &path, message),
                Unknown::Warn => report.unread(entry.at, &path, message),
            }
        }
    }
}

/// A value being read.
pub(super) struct Field<'t> {
    value: &'t Value,
    /// Where to point when something is wrong with it: its key, or itself in a list.
    pub(super) at: At,
    /// Its path.
    pub(super) path: String,
}

impl<'t> Field<'t> {
    /// The whole of a file.
    pub(super) const fn root(value: &'t Value) -> Self {
        Self {
            value,
            at: value.at,
            path: String::new(),
        }
    }

    fn of(entry: &'t Entry, parent: &str) -> Self {
        Self {
            value: &entry.value,
            at: entry.at,
            path: below(parent, &entry.key),
        }
    }

    /// Says that this value cannot be used, unless it has been said already.
    pub(super) fn refuse(&self, report: &mut Report, message: impl FnOnce() -> String) {
        let form = self.scalar().map(|scalar| scalar.form);
        if form != Some(Form::Unanswered) {
            report.error(self.at, &self.path, message);
        }
    }

    /// Says that this value deserves a look.
    pub(super) fn warn(&self, report: &mut Report, message: impl FnOnce() -> String) {
        report.warn(self.at, &self.path, message);
    }

    /// The mapping this is; null is an empty one.
    pub(super) fn section(&self, report: &mut Report) -> Option<Section<'t>> {
        let entries: &'t [Entry] = match &self.value.kind {
            Kind::Map(entries) => entries,
            Kind::Scalar(scalar) if scalar.is_null() => &[],
            Kind::List(_) | Kind::Scalar(_) => {
                self.mistyped("a mapping", report);
                return None;
            }
        };
        Some(Section {
            entries,
            at: self.at,
            path: self.path.clone(),
            known: Vec::new(),
        })
    }

    /// The items of the list this is.
    pub(super) fn items(&self, report: &mut Report) -> Vec<Self> {
        let Kind::List(list) = &self.value.kind else {
            self.mistyped("a list", report);
            return Vec::new();
        };
        let field = |(index, value): (usize, &'t Value)| Self {
            value,
            at: value.at,
            path: item(&self.path, index),
        };
        list.iter().enumerate().map(field).collect()
    }

    /// Whether this is a list.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self.value.kind, Kind::List(_))
    }

    /// The text this is. A number or a boolean is none: what YAML makes of it is not what was
    /// written.
    pub(super) fn text(&self, report: &mut Report) -> Option<&'t str> {
        match self.scalar() {
            Some(scalar) if scalar.form == Form::Unanswered => None,
            Some(scalar) if scalar.form != Form::Plain => Some(&scalar.text),
            Some(scalar) if plain_type(&scalar.text) == "text" => Some(&scalar.text),
            Some(scalar) => {
                let found = plain_type(&scalar.text);
                self.refuse(report, || {
                    format!("expected text, found {found}; put it in quotes")
                });
                None
            }
            None => {
                self.mistyped("text", report);
                None
            }
        }
    }

    /// The boolean this is.
    pub(super) fn boolean(&self, report: &mut Report) -> Option<bool> {
        let value = self.retypable().and_then(boolean_of);
        if value.is_none() {
            self.mistyped("true or false", report);
        }
        value
    }

    /// The whole number this is, within `range`.
    pub(super) fn whole(&self, range: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let Some(number) = self.retypable().and_then(text::whole) else {
            self.mistyped("a whole number", report);
            return None;
        };
        let fitting = u64::try_from(number)
            .ok()
            .filter(|number| range.contains(number));
        if fitting.is_none() {
            self.refuse(report, || {
                let (least, most) = (range.start(), range.end());
                format!("must be from {least} to {most}, found {}", self.shown())
            });
        }
        fitting
    }

    /// The duration this is.
    pub(super) fn duration(&self, report: &mut Report) -> Option<Duration> {
        let Some(scalar) = self.scalar() else {
            self.mistyped("a duration such as \"1m30s\"", report);
            return None;
        };
        let value = text::duration(&scalar.text);
        if value.is_none() {
            self.refuse(report, || {
                format!(
                    "expected a duration such as \"1m30s\", found {}",
                    self.shown()
                )
            });
        }
        value
    }

    /// The size in bytes this is: a whole number, or text with a unit.
    pub(super) fn size(&self, report: &mut Report) -> Option<u64> {
        let value = self.scalar().and_then(|scalar| text::size(&scalar.text));
        if value.is_none() {
            self.refuse(report, || {
                format!("expected a size such as \"64KiB\", found {}", self.shown())
            });
        }
        value
    }

    /// Which of `choices` this is.
    pub(super) fn choice<T: Copy>(
        &self,
        choices: &[(&'static str, T)],
        report: &mut Report,
    ) -> Option<T> {
        let text = self.word();
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            self.refuse(report, || {
                let known: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                unknown_word(&self.shown(), text, &known)
            });
        }
        chosen.map(|(_, value)| *value)
    }

    /// The text of the scalar this is, without blanks around it; empty for a collection.
    pub(super) fn word(&self) -> &'t str {
        self.scalar().map_or("", |scalar| scalar.text.trim())
    }

    /// The text of the scalar this is, as it stands; `None` for a collection.
    pub(super) fn raw(&self) -> Option<&'t str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// Says that this is not what was expected, without printing what it is.
    pub(super) fn mistyped(&self, expected: &str, report: &mut Report) {
        self.refuse(report, || {
            format!("expected {expected}, found {}", self.found())
        });
    }

    /// The value as it may be printed: never one that came from outside, which may be a secret.
    pub(super) fn shown(&self) -> String {
        match self.scalar() {
            Some(scalar) if matches!(scalar.form, Form::Plain | Form::Quoted) => {
                let mut shown: String = scalar.text.chars().take(SHOWN_CHARS_MAX).collect();
                if shown.len() < scalar.text.len() {
                    shown.push('…');
                }
                format!("\"{}\"", shown.escape_debug())
            }
            _ => self.found().to_owned(),
        }
    }

    /// What kind of value this is, in words.
    fn found(&self) -> &'static str {
        match &self.value.kind {
            Kind::Map(_) => "a mapping",
            Kind::List(_) => "a list",
            Kind::Scalar(scalar) => match scalar.form {
                Form::Plain => plain_type(&scalar.text),
                Form::Quoted => "text",
                Form::Substituted | Form::Unanswered => "substituted text",
            },
        }
    }

    const fn scalar(&self) -> Option<&'t Scalar> {
        match &self.value.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Map(_) | Kind::List(_) => None,
        }
    }

    /// The text of a scalar that may be something else than text.
    fn retypable(&self) -> Option<&'t str> {
        let scalar = self.scalar()?;
        match scalar.form {
            Form::Plain => Some(&scalar.text),
            Form::Substituted => Some(scalar.text.trim()),
            Form::Quoted | Form::Unanswered => None,
        }
    }
}

fn boolean_of(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// What YAML takes a scalar without quotes for.
fn plain_type(text: &str) -> &'static str {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        "nothing"
    } else if boolean_of(text).is_some() {
        "a boolean"
    } else if text::whole(text).is_some() {
        "a number"
    } else if is_float(text) {
        "a decimal number"
    } else {
        "text"
    }
}

/// Whether YAML takes `text` for a number with a fraction or an exponent.
fn is_float(text: &str) -> bool {
    let unsigned = text.trim_start_matches(['-', '+']);
    let special = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned);
    let numeric = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned
            .chars()
            .all(|letter| letter.is_ascii_digit() || "+-.eE".contains(letter));
    special || (numeric && text.parse::<f64>().is_ok())
}
