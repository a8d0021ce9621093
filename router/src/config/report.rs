//! Collects everything there is to say about the files, with the place of each.
//!
//! What enters: complaints made while reading, in any order. What leaves: findings sorted by file
//! and place. Errors beyond [`FINDINGS_MAX`] are counted, not kept, so that a hostile file cannot
//! buy an unbounded report.

use std::fmt;

/// As many errors, and as many warnings, as one report keeps.
const FINDINGS_MAX: usize = 100;

/// One thing to say about the configuration, and where in which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file as it was named on the command line; `built-in` for the defaults.
    pub file: String,
    /// Line and column, both counted from 1; `None` when the whole file is meant.
    pub place: Option<(usize, usize)>,
    /// The path of the key, for example `services.slim/0.dataplane.servers[0].endpoint`; empty
    /// when no key is meant.
    pub key: String,
    /// What is the matter, with a suggestion where there is one.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why there is no configuration: every reason, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// The reasons; never empty.
    pub findings: Vec<Finding>,
    /// What would have been warned about as well.
    pub warnings: Vec<Finding>,
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// A place in one of the files; the default is the top of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// Index into the names given to [`Report::new`].
    pub(super) file: usize,
    /// Counted from 1; 0 means the file as a whole.
    pub(super) line: usize,
    /// Counted from 1.
    pub(super) column: usize,
}

impl At {
    /// The file with this index, as a whole.
    pub(super) const fn whole(file: usize) -> Self {
        Self {
            file,
            line: 0,
            column: 0,
        }
    }
}

/// The complaints so far.
pub(super) struct Report {
    files: Vec<String>,
    strict: bool,
    errors: Kept,
    warnings: Kept,
}

impl Report {
    /// An empty report about `files`; with `strict`, an unknown key is always an error.
    pub(super) const fn new(files: Vec<String>, strict: bool) -> Self {
        Self {
            files,
            strict,
            errors: Kept::new(),
            warnings: Kept::new(),
        }
    }

    /// Says that there will be no configuration because of what is at `at`.
    pub(super) fn error(&mut self, at: At, key: &str, message: impl FnOnce() -> String) {
        self.errors.keep(at, key, message);
    }

    /// Says that what is at `at` loads but deserves a look.
    pub(super) fn warn(&mut self, at: At, key: &str, message: impl FnOnce() -> String) {
        self.warnings.keep(at, key, message);
    }

    /// Warns of a key nobody reads, or refuses it when the caller asked for strictness.
    pub(super) fn unread(&mut self, at: At, key: &str, message: impl FnOnce() -> String) {
        if self.strict {
            self.error(at, key, message);
        } else {
            self.warn(at, key, message);
        }
    }

    /// Whether nothing stands in the way of a configuration so far.
    pub(super) const fn is_sound(&self) -> bool {
        self.errors.list.is_empty()
    }

    /// Everything, for a caller that has nothing but complaints.
    pub(super) fn into_errors(self) -> Errors {
        Errors {
            findings: self.errors.into_findings(&self.files),
            warnings: self.warnings.into_findings(&self.files),
        }
    }

    /// The warnings when there was no error, else everything.
    pub(super) fn finish(self) -> Result<Vec<Finding>, Errors> {
        if self.is_sound() {
            return Ok(self.warnings.into_findings(&self.files));
        }
        Err(self.into_errors())
    }
}

/// Findings of one severity.
struct Kept {
    list: Vec<(At, String, String)>,
    uncounted: usize,
}

impl Kept {
    const fn new() -> Self {
        Self {
            list: Vec::new(),
            uncounted: 0,
        }
    }

    fn keep(&mut self, at: At, key: &str, message: impl FnOnce() -> String) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push((at, printable(key), printable(&message())));
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    fn into_findings(mut self, files: &[String]) -> Vec<Finding> {
        self.list.sort_by_key(|(at, ..)| *at);
        let named = |index: usize| files.get(index).cloned().unwrap_or_default();
        let mut findings: Vec<Finding> = self
            .list
            .into_iter()
            .map(|(at, key, message)| Finding {
                file: named(at.file),
                place: (at.line > 0).then_some((at.line, at.column)),
                key,
                message,
            })
            .collect();
        if self.uncounted > 0 {
            findings.push(Finding {
                file: named(0),
                place: None,
                key: String::new(),
                message: format!("and {} more", self.uncounted),
            });
        }
        findings
    }
}

/// What is said may quote the file: its control characters are shown, not obeyed by a terminal.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_leave_in_the_order_of_the_files_and_beyond_the_cap_are_only_counted() {
        let mut report = Report::new(vec!["a".to_owned(), "b".to_owned()], false);
        for line in (1..=FINDINGS_MAX + 7).rev() {
            let at = At {
                file: line % 2,
                line,
                column: 1,
            };
            report.error(at, "", || "no".to_owned());
        }
        assert!(!report.is_sound());
        let findings = report.finish().unwrap_err().findings;
        assert_eq!(findings.len(), FINDINGS_MAX + 1);
        assert_eq!(findings[FINDINGS_MAX].to_string(), "a: and 7 more");
        let kept = &findings[..FINDINGS_MAX];
        assert!(kept.is_sorted_by_key(|finding| (finding.file.clone(), finding.place)));
    }
}
