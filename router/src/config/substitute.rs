//! Puts the environment and files into the tree: `${env:NAME}` and `${file:/path}`.
//!
//! What enters: a tree and two closures that know the outside. What leaves: the same tree, its
//! text values without references. Keys, numbers and booleans are left alone, and what was put
//! in is not looked at again.
//!
//! The reference replaces a value that is one reference and nothing else. Beyond that we take
//! references within a text, `${env:NAME:-default}` for a variable that is unset or empty, and
//! `$${env:` for a text that is meant to hold `${env:`.

use std::path::Path;

use super::report::Report;
use super::value::{Form, Kind, Scalar, Value, below, item};

/// The most text, in bytes, that references may bring into one load.
const SUBSTITUTED_BYTES_MAX: usize = 4 << 20;

/// Asks for an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;
/// Asks for the text of a file; the error is what to tell the operator.
pub(super) type Files<'a> = &'a dyn Fn(&Path) -> Result<String, String>;

/// What may be asked of the outside.
pub(super) struct Outside<'a> {
    environment: Environment<'a>,
    files: Files<'a>,
    bytes_left: usize,
}

impl<'a> Outside<'a> {
    /// Answers from these closures.
    pub(super) const fn new(environment: Environment<'a>, files: Files<'a>) -> Self {
        Self {
            environment,
            files,
            bytes_left: SUBSTITUTED_BYTES_MAX,
        }
    }

    /// Replaces every reference in `value`, which is at `path`.
    pub(super) fn substitute(&mut self, value: &mut Value, path: &str, report: &mut Report) {
        match &mut value.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    self.substitute(&mut entry.value, &below(path, &entry.key), report);
                }
            }
            Kind::List(list) => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.substitute(value, &item(path, index), report);
                }
            }
            Kind::Scalar(scalar) => match self.resolve(&scalar.text) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    *scalar = Scalar {
                        text,
                        form: Form::Substituted,
                    };
                }
                Err(why) => {
                    scalar.form = Form::Unanswered;
                    report.error(value.at, path, || why);
                }
            },
        }
    }

    /// The text with its references replaced; `None` when it has none.
    fn resolve(&mut self, text: &str) -> Result<Option<String>, String> {
        let mut resolved = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some(start) = rest.find("${") {
            let (before, reference) = rest.split_at(start);
            let Some(body) = body_of(reference) else {
                let (dollar, after) = rest.split_at(start + 2);
                resolved.push_str(dollar);
                rest = after;
                continue;
            };
            found = true;
            if let Some(escaped) = before.strip_suffix('$') {
                // `$${env:` stands for the characters `${env:`.
                resolved.push_str(escaped);
                resolved.push_str("${");
                rest = reference.get(2..).unwrap_or_default();
                continue;
            }
            resolved.push_str(before);
            let value = self.answer(body)?;
            self.bytes_left = self
                .bytes_left
                .checked_sub(value.len())
                .ok_or_else(|| format!("references bring in over {SUBSTITUTED_BYTES_MAX} bytes"))?;
            resolved.push_str(&value);
            rest = reference.get(body.len() + 3..).unwrap_or_default();
        }
        resolved.push_str(rest);
        Ok(found.then_some(resolved))
    }

    /// What the reference `body` (`env:NAME`, `file:/path`) stands for.
    fn answer(&self, body: &str) -> Result<String, String> {
        if let Some(path) = body.strip_prefix("file:") {
            return (self.files)(Path::new(path))
                .map_err(|why| format!("cannot read \"{path}\": {why}"));
        }
        let variable = body.strip_prefix("env:").unwrap_or(body);
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        let value = (self.environment)(name);
        match (value, default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(format!("the environment has no variable \"{name}\"")),
        }
    }
}

/// The text that, once its references are replaced, is `text`.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        escaped.push_str(before);
        escaped.push_str(if body_of(reference).is_some() {
            "$${"
        } else {
            "${"
        });
        rest = reference.get(2..).unwrap_or_default();
    }
    escaped.push_str(rest);
    escaped
}

/// What is between `${` and `}` of a reference we know; `None` for any other use of `${`.
fn body_of(reference: &str) -> Option<&str> {
    let body = reference.strip_prefix("${")?;
    if !body.starts_with("env:") && !body.starts_with("file:") {
        return None;
    }
    body.split_once('}').map(|(body, _)| body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Option<String>, String> {
        let environment = |name: &str| match name {
            "PORT" => Some("46357".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${env:PORT}".to_owned()),
            "LARGE" => Some("x".repeat(3 << 20)),
            _ => None,
        };
        let files = |path: &Path| match path.to_str() {
            Some("/token") => Ok("secret\n".to_owned()),
            _ => Err("no such file".to_owned()),
        };
        Outside::new(&environment, &files).resolve(text)
    }

    #[test]
    fn references_are_replaced_and_everything_else_is_kept() {
        for (text, expected) in [
            ("plain", None),
            ("${PORT}", None),
            ("${env:PORT", None),
            ("${env:PORT}", Some("46357")),
            ("0.0.0.0:${env:PORT}", Some("0.0.0.0:46357")),
            ("${env:PORT}${env:PORT}", Some("4635746357")),
            ("${other} ${env:PORT}", Some("${other} 46357")),
            ("${env:EMPTY}", Some("")),
            ("${env:EMPTY:-x}", Some("x")),
            ("${env:NONE:-}", Some("")),
            ("${env:NONE:-a:-b}", Some("a:-b")),
            ("${env:PORT:-1}", Some("46357")),
            ("${env:NESTED}", Some("${env:PORT}")),
            ("${file:/token}", Some("secret\n")),
            ("$${env:PORT}", Some("${env:PORT}")),
            ("a$${env:PORT}b${env:PORT}", Some("a${env:PORT}b46357")),
            ("$$", None),
        ] {
            assert_eq!(resolved(text), Ok(expected.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn escaped_text_resolves_to_itself() {
        for text in [
            "${env:PORT}",
            "$${env:PORT}",
            "$$${env:PORT",
            "a${env:PORT ${env:PORT}}",
            "${env:${file:/token}",
            "$",
            "${",
            "${PORT}${file:}",
        ] {
            let escaped = escaped(text);
            let back = resolved(&escaped).expect("it asks for nothing");
            assert_eq!(back.unwrap_or(escaped), text);
        }
    }

    #[test]
    fn what_is_missing_or_too_large_is_named() {
        for (text, expected) in [
            ("${env:NONE}", "the environment has no variable \"NONE\""),
            ("${env:}", "the environment has no variable \"\""),
            ("${file:/none}", "cannot read \"/none\": no such file"),
            (
                "${env:LARGE}${env:LARGE}",
                "references bring in over 4194304 bytes",
            ),
        ] {
            assert_eq!(resolved(text), Err(expected.to_owned()), "{text}");
        }
    }
}
