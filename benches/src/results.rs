//! RESULTS.md and its charts, made from the raw results of `loadgen` and nothing else.
//!
//! Enters: the directories under `benches/results` and the table of scenarios. Leaves: the texts of
//! RESULTS.md, of the charts, and of the few lines that README quotes. Files that were made by hand are
//! found by a test, which makes them again.
//!
//! A directory with JSON in it is one *set*: what was measured on one host on one day. Figures are
//! medians within a set; sets are never mixed. The newest set speaks for the router; of one day, the
//! one with the most comparisons.

mod chart;
mod judge;
mod markdown;
mod read;
mod run;
mod scenario;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use read::ReadError;
pub use scenario::ScenarioError;

/// Where the generated lines of README begin.
const FIGURES_BEGIN: &str = "<!-- figures -->";

/// Where they end.
const FIGURES_END: &str = "<!-- /figures -->";

/// Why nothing was generated.
#[derive(Debug)]
pub enum GenerateError {
    /// A raw file is not what it should be.
    Read(ReadError),
    /// The table of scenarios is not what it should be.
    Scenario(ScenarioError),
    /// A file could not be read or written.
    File(PathBuf, io::Error),
    /// README has one of the two marks, or has them in the wrong order.
    Marks(PathBuf),
}

impl std::fmt::Display for GenerateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Scenario(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Marks(path) => write!(
                f,
                "{}: needs one line {FIGURES_BEGIN} and after it one line {FIGURES_END}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for GenerateError {}

impl From<ReadError> for GenerateError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<ScenarioError> for GenerateError {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

/// Every generated file of the tree at `root`, with its path below it and its text.
///
/// # Errors
/// What is wrong with a raw file, the table or README.
pub fn generate(root: &Path) -> Result<BTreeMap<PathBuf, String>, GenerateError> {
    let scenarios = scenario::parse(&text_of(&root.join("benches/scenarios/table.txt"))?)?;
    let sets = read::sets(&root.join("benches/results"))?;
    let mut files = BTreeMap::new();
    let mut charts = Vec::new();
    for set in &sets {
        let drawn = chart::charts(set, &scenarios);
        for (name, svg) in &drawn {
            files.insert(
                PathBuf::from(format!("benches/charts/{name}.svg")),
                svg.clone(),
            );
        }
        charts.push(drawn.into_iter().map(|(name, _)| name).collect());
    }
    let text = markdown::results(&sets, &charts, &scenarios);
    files.insert(PathBuf::from("benches/RESULTS.md"), text);
    let readme = root.join("README.md");
    let old = text_of(&readme)?;
    if let Some(new) = quoted(&old, &markdown::headline(&sets, &scenarios))
        .ok_or_else(|| GenerateError::Marks(readme.clone()))?
    {
        files.insert(PathBuf::from("README.md"), new);
    }
    Ok(files)
}

/// Generated files that the tree has otherwise, or has and should not have.
///
/// # Errors
/// As [`generate`].
pub fn stale(root: &Path) -> Result<Vec<PathBuf>, GenerateError> {
    let files = generate(root)?;
    let differs = |(path, text): &(&PathBuf, &String)| {
        fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text)
    };
    let mut stale: Vec<PathBuf> = files
        .iter()
        .filter(differs)
        .map(|(path, _)| path.clone())
        .collect();
    let charts = PathBuf::from("benches/charts");
    for entry in fs::read_dir(root.join(&charts))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = charts.join(entry.file_name());
        if !files.contains_key(&path) {
            stale.push(path);
        }
    }
    Ok(stale)
}

/// `text` with the lines between its marks replaced; nothing inside if it has no marks, and nothing at
/// all if it has half of them.
fn quoted(text: &str, lines: &str) -> Option<Option<String>> {
    match (text.split_once(FIGURES_BEGIN), text.contains(FIGURES_END)) {
        (None, false) => Some(None),
        (Some((before, after)), true) => {
            let (_, after) = after.split_once(FIGURES_END)?;
            Some(Some(format!(
                "{before}{FIGURES_BEGIN}\n{lines}{FIGURES_END}{after}"
            )))
        }
        (None, true) | (Some(_), false) => None,
    }
}

fn text_of(path: &Path) -> Result<String, GenerateError> {
    fs::read_to_string(path).map_err(|error| GenerateError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tree_has_is_what_the_raw_files_give() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let stale = stale(&root).expect("the raw files are readable");
        assert!(
            stale.is_empty(),
            "{stale:?} are not what the raw results give; run\n  cargo run -p slipring-benches --bin results"
        );
    }

    #[test]
    fn lines_between_the_marks_are_replaced_and_half_a_pair_is_refused() {
        let text = "a\n<!-- figures -->\nold\n<!-- /figures -->\nb\n";
        let new = quoted(text, "new\n").expect("a pair").expect("marks");
        assert_eq!(new, "a\n<!-- figures -->\nnew\n<!-- /figures -->\nb\n");
        assert_eq!(quoted("a\n", "new\n"), Some(None));
        assert_eq!(quoted("<!-- figures -->\n", "new\n"), None);
        assert_eq!(
            quoted("<!-- /figures -->\n<!-- figures -->\n", "new\n"),
            None
        );
    }
}
