//! Plan files: flat TOML whose keys are the names of flags.
//!
//! Everything wrong in a file is found in one reading, each with its line. A plan may be given by
//! the name of a ready-made one or by path.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::flags::{Kind, Setting, Verb, nearest, setting, settings, unknown};
use crate::cli::given::{Entry, Place};
use crate::plans::PLANS;

/// The key that says what a plan is for; it sets nothing.
pub(crate) const ABOUT: &str = "about";
/// Files beyond this are not plans.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A plan's text and what it is called in messages.
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) text: String,
}

impl Source {
    /// Finds the plan that `wanted` means: a ready-made one, or a file.
    pub(super) fn find(wanted: &str) -> Result<Self, String> {
        if let Some(plan) = PLANS.iter().find(|plan| plan.name == wanted) {
            return Ok(Self {
                name: format!("{}.toml", plan.name).into(),
                text: plan.text.to_owned(),
            });
        }
        match read(wanted) {
            Ok(text) => Ok(Self {
                name: wanted.into(),
                text,
            }),
            Err(why) if wanted.contains(['/', '.']) => Err(why),
            Err(_) => {
                let meant = nearest(wanted, PLANS.iter().map(|plan| plan.name));
                let hint = meant.map_or_else(
                    || "loadgen plans lists them".to_owned(),
                    |meant| format!("did you mean \"{meant}\"?"),
                );
                Err(format!("no such plan, and no such file; {hint}"))
            }
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!(
            "larger than {FILE_BYTES_MAX} bytes: that is no plan"
        ));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// What a plan file sets, and everything that is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) about: Option<String>,
    pub(super) values: BTreeMap<&'static str, Entry>,
    pub(super) problems: Vec<String>,
}

/// Reads a plan for `verb`.
pub(super) fn contents(verb: Verb, source: &Source) -> Contents {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut contents = Contents::default();
    for error in errors {
        let line = error
            .span()
            .map_or(1, |span| line_of(&source.text, span.start));
        let what = error.message();
        contents
            .problems
            .push(format!("{}:{line}: {what}", source.name));
    }
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let line = line_of(&source.text, key.span().start);
        if let Err(why) = contents.take(verb, source, line, key.get_ref(), value) {
            contents
                .problems
                .push(format!("{}:{line}: {}: {why}", source.name, key.get_ref()));
        }
    }
    contents
}

impl Contents {
    fn take(
        &mut self,
        verb: Verb,
        source: &Source,
        line: usize,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), String> {
        let value = value.get_ref();
        if key == ABOUT {
            let text = value.as_str().ok_or("expected a quoted text")?;
            self.about = Some(text.to_owned());
            return Ok(());
        }
        let Some(setting) = setting(verb, key) else {
            return Err(unknown_key(verb, key));
        };
        if !setting.in_plan {
            let flag = setting.name;
            return Err(format!("it is a flag (--{flag}), not a key of plans"));
        }
        let entry = Entry {
            text: plain(setting, value)?,
            place: Place::Line(Arc::clone(&source.name), line),
        };
        self.values.insert(setting.name, entry);
        Ok(())
    }
}

/// What is said about a key that sets nothing.
fn unknown_key(verb: Verb, key: &str) -> String {
    let keys = settings(verb).filter(|setting| setting.in_plan);
    match nearest(key, keys.map(|setting| setting.name).chain([ABOUT])) {
        Some(meant) if setting(verb, key).is_none() => {
            format!("there is no such key; did you mean \"{meant}\"?")
        }
        _ => unknown(verb, key),
    }
}

/// The value as it would be typed behind the flag.
fn plain(setting: &Setting, value: &DeValue<'_>) -> Result<String, String> {
    let text = match (setting.kind, value) {
        (Kind::Count | Kind::Number | Kind::Time | Kind::Cpus, DeValue::Integer(number)) => {
            let digits = number.as_str().replace('_', "");
            i128::from_str_radix(&digits, number.radix())
                .ok()
                .map(|value| value.to_string())
        }
        (Kind::Number | Kind::Time, DeValue::Float(number)) => {
            Some(number.as_str().replace('_', ""))
        }
        (Kind::Switch, DeValue::Boolean(value)) => {
            Some(if *value { "on" } else { "off" }.to_owned())
        }
        (Kind::Text | Kind::Time | Kind::Cpus, DeValue::String(text)) => Some(text.to_string()),
        (Kind::Cpus, DeValue::Array(numbers)) => {
            let each = numbers
                .iter()
                .map(|number| plain(setting, number.get_ref()));
            Some(each.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        _ => None,
    };
    text.ok_or_else(|| {
        let expected = match setting.kind {
            Kind::Bare => "nothing: it is a flag",
            Kind::Count => "a whole number",
            Kind::Cpus => "a list of CPU numbers, or a text such as \"2,4-7\"",
            Kind::Number => "a number",
            Kind::Switch => "true or false",
            Kind::Text => "a quoted text",
            Kind::Time => "seconds, or a text such as \"5m\"",
        };
        format!("expected {expected}")
    })
}

/// The line, counted from 1, of a position in a text.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Contents {
        let source = Source {
            name: "p.toml".into(),
            text: text.to_owned(),
        };
        contents(Verb::Run, &source)
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let contents = read(
            "about = \"what for\"\npairs = 1_6\nrate = 1.5e3\nmac = false\n\
             identity = \"fresh\"\nduration = \"5m\"\nwarmup = 0\ncpus = [1, 2]\nseed = 0x10\n",
        );
        assert!(contents.problems.is_empty(), "{:?}", contents.problems);
        assert_eq!(contents.about.as_deref(), Some("what for"));
        let value = |name: &str| contents.values[name].text.clone();
        let names = [
            "pairs", "rate", "mac", "identity", "duration", "warmup", "cpus", "seed",
        ];
        assert_eq!(
            names.map(value),
            ["16", "1.5e3", "off", "fresh", "5m", "0", "1,2", "16"]
        );
        let place = &contents.values["rate"].place;
        assert_eq!(*place, Place::Line("p.toml".into(), 3));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let contents = read(
            "pairs = \"16\"\nwindo = 3\nhold = 1\npid = 4\nmac = 1\nsize = \nrate = 2\n\
             rate = 3\nabout = 1\n[links]\nx = 1\n",
        );
        let all = contents.problems.join("\n");
        for expected in [
            "p.toml:1: pairs: expected a whole number",
            "p.toml:2: windo: there is no such key; did you mean \"window\"?",
            "p.toml:3: hold: it belongs to loadgen storm",
            "p.toml:4: pid: it is a flag (--pid), not a key of plans",
            "p.toml:5: mac: expected true or false",
            "p.toml:6: ",
            "p.toml:8: duplicate key",
            "p.toml:9: about: expected a quoted text",
            "p.toml:10: links: expected a whole number",
        ] {
            assert!(all.contains(expected), "{expected} not in\n{all}");
        }
    }

    #[test]
    fn plans_are_found_by_name_or_path_and_else_the_nearest_is_named() {
        assert_eq!(
            &*Source::find("pairs-256").ok().unwrap().name,
            "pairs-256.toml"
        );
        let refused = |wanted| Source::find(wanted).err().unwrap();
        assert!(refused("pairs-265").contains("did you mean \"pairs-256\"?"));
        assert!(refused("nonsense-at-all").contains("loadgen plans lists them"));
        assert!(refused("./absent.toml").contains("No such file"));
    }
}
