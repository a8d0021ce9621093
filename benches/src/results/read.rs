//! From files to sets. Three kinds of JSON are known: one run, a comparison with the turns of each target
//! (what `loadgen compare` keeps), and tables side by side (what `benches/datapath` keeps).
//!
//! One run is told by its file, `PLAN-LABEL-ROUND.json`; one that is called otherwise stands alone.

use std::{
    cmp::Reverse,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::run::{OURS, Run, Set, Storm, TableRow, Tables};

/// Targets that the names of files may tell.
const LABELS: [&str; 6] = ["epoll", "mosquitto", "nats", "reference", OURS, "uring"];

/// Why a raw file cannot be used.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be read.
    File(PathBuf, io::Error),
    /// It is no JSON.
    Json(PathBuf, serde_json::Error),
    /// It is JSON of no kind that is known.
    Unknown(PathBuf, String),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Json(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unknown(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for ReadError {}

/// Every set below `root`, the newest first, as the dates in their names say; of one day the one with the
/// most comparisons first.
pub(super) fn sets(root: &Path) -> Result<Vec<Set>, ReadError> {
    let mut sets = Vec::new();
    walk(root, root, &mut sets)?;
    let date = |set: &Set| set.name.split('/').next().unwrap_or_default().to_owned();
    sets.sort_by_key(|set| Reverse((date(set), set.runs.len(), set.name.clone())));
    Ok(sets)
}

fn walk(root: &Path, directory: &Path, sets: &mut Vec<Set>) -> Result<(), ReadError> {
    let failed = |error| ReadError::File(directory.to_owned(), error);
    let mut paths = fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    // The order of a directory differs from host to host.
    paths.sort();
    let name = directory.strip_prefix(root).unwrap_or(directory);
    let mut set = Set {
        name: name.to_string_lossy().into_owned(),
        has_page: directory.join("README.md").exists(),
        ..Set::default()
    };
    for path in paths {
        if path.is_dir() {
            walk(root, &path, sets)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            add(&path, &mut set)?;
        }
    }
    let is_empty = set.runs.is_empty() && set.alone.is_empty() && set.storms.is_empty();
    if !(is_empty && set.tables.is_empty()) {
        sets.push(set);
    }
    Ok(())
}

fn add(path: &Path, set: &mut Set) -> Result<(), ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::File(path.to_owned(), error))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| ReadError::Json(path.to_owned(), error))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let unknown = |what: &str| ReadError::Unknown(path.to_owned(), what.to_owned());
    if value.get("kind").and_then(Value::as_str) == Some("tables") {
        set.tables
            .push(tables(&value).ok_or_else(|| unknown("a row of the tables lacks a field"))?);
        return Ok(());
    }
    if let Some(targets) = value.get("targets").and_then(Value::as_array) {
        for (index, target) in targets.iter().enumerate() {
            let runs = turns(&stem, &file, &value, target).ok_or_else(|| {
                unknown(&format!(
                    "target {index} has no `label`, or a turn of it is no result of loadgen"
                ))
            })?;
            set.runs.extend(runs);
        }
        return Ok(());
    }
    if let Some(storm) = Storm::read(&stem, &file, &value) {
        set.storms.push(storm);
        return Ok(());
    }
    let (plan, label) = plan_and_label(&stem).unwrap_or((&stem, ""));
    let run = Run::read(plan, label, &file, &value);
    let run = run.ok_or_else(|| unknown("no result of loadgen: it says nothing of `clean`"))?;
    if label.is_empty() {
        set.alone.push(run);
    } else {
        set.runs.push(run);
    }
    Ok(())
}

/// The turns of one target of a comparison, each with the plan and the host that all share.
fn turns(plan: &str, file: &str, comparison: &Value, target: &Value) -> Option<Vec<Run>> {
    let label = target.get("label")?.as_str()?;
    let turns = target.get("turns")?.as_array()?;
    let whole = |turn: &Value| {
        let mut whole = turn.as_object()?.clone();
        for shared in ["host", "plan"] {
            if let Some(value) = comparison.get(shared) {
                whole.insert(shared.to_owned(), value.clone());
            }
        }
        Run::read(plan, label, file, &Value::Object(whole))
    };
    turns.iter().map(whole).collect()
}

/// `PLAN-LABEL-ROUND`.
fn plan_and_label(stem: &str) -> Option<(&str, &str)> {
    let (rest, round) = stem.rsplit_once('-')?;
    let (plan, label) = rest.rsplit_once('-')?;
    let is_round = round.parse::<u32>().is_ok();
    (is_round && LABELS.contains(&label)).then_some((plan, label))
}

fn tables(value: &Value) -> Option<Tables> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let row = |row: &Value| {
        Some(TableRow {
            measure: text(row, "measure")?,
            names: row.get("names")?.as_u64()?,
            unit: text(row, "unit")?,
            ours: row.get(OURS)?.as_f64(),
            theirs: row.get("reference")?.as_f64(),
        })
    };
    let notes = value.get("notes")?.as_array()?.iter();
    Some(Tables {
        peer: text(value, "peer")?,
        notes: notes
            .filter_map(|note| Some(note.as_str()?.to_owned()))
            .collect(),
        rows: value
            .get("rows")?
            .as_array()?
            .iter()
            .map(row)
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of one test, removed with everything in it. A crate for it would be built for the
    /// instruction gate too, which is to stay small.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let name = format!("slipring-results-{}-{test}", std::process::id());
            let place = std::env::temp_dir().join(name);
            fs::create_dir(&place).expect("no other test has this directory");
            Self(place)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("it was made for this test");
        }
    }

    #[test]
    fn a_file_tells_plan_and_target_or_stands_alone() {
        assert_eq!(
            plan_and_label("16k-1-pair-reference-2"),
            Some(("16k-1-pair", "reference"))
        );
        assert_eq!(plan_and_label("fanout-64"), None);
        assert_eq!(plan_and_label("s-01-baseline"), None);
        assert_eq!(plan_and_label("idle-64-links-3"), None);
    }

    #[test]
    fn a_comparison_is_read_whole_and_a_broken_one_named() {
        let directory = Scratch::new("comparison");
        let path = directory.0.join("plan.json");
        let target = |label: &str| {
            let turn = r#"{"clean":true,"deliveries_per_second":5.0}"#;
            format!(r#"{{"label":"{label}","turns":[{turn},{turn}]}}"#)
        };
        let (ours, other) = (target("slipring"), target("nats"));
        let plan = r#""host":{"cpus":2},"plan":{"rate_per_second":9.0}"#;
        fs::write(
            &path,
            format!(r#"{{"clean":true,{plan},"targets":[{ours},{other}]}}"#),
        )
        .expect("a file");
        let read = sets(&directory.0).expect("a comparison");
        fs::write(
            &path,
            r#"{"clean":true,"targets":[{"turns":[{"clean":true}]}]}"#,
        )
        .expect("a file");
        let error = sets(&directory.0).expect_err("no label");
        fs::write(&path, "{").expect("a file");
        let broken = sets(&directory.0).expect_err("no JSON");
        assert_eq!(read[0].plans(), ["plan"]);
        assert_eq!(read[0].peers("plan"), ["nats"]);
        assert_eq!(read[0].runs.len(), 4);
        assert_eq!(
            (read[0].runs[3].rate, read[0].runs[3].host.cpus),
            (Some(9.0), 2)
        );
        assert!(
            error
                .to_string()
                .contains("plan.json: target 0 has no `label`"),
            "{error}"
        );
        assert!(matches!(broken, ReadError::Json(..)), "{broken}");
    }

    #[test]
    fn the_newest_day_comes_first_and_of_one_day_the_most_comparisons() {
        let directory = Scratch::new("order");
        for (set, runs) in [
            ("2026-01-02/a", 2),
            ("2026-01-02/b", 1),
            ("2026-01-01/c", 3),
        ] {
            let place = directory.0.join(set);
            fs::create_dir_all(&place).expect("a directory for this set");
            for round in 1..=runs {
                let file = place.join(format!("plan-slipring-{round}.json"));
                fs::write(file, r#"{"clean":true}"#).expect("a file");
            }
        }
        let sets = sets(&directory.0).expect("three sets");
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["2026-01-02/a", "2026-01-02/b", "2026-01-01/c"]);
    }
}
