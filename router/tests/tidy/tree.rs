//! The files of the tree.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The root of the tree.
pub(crate) fn root() -> PathBuf {
    let router = Path::new(env!("CARGO_MANIFEST_DIR"));
    router.parent().unwrap().to_owned()
}

/// Every file of the tree with one of the endings, build products and corpora apart.
pub(crate) fn files(endings: &[&str]) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_product = matches!(
                name.as_str(),
                ".git" | "target" | "corpus" | "artifacts" | "venv" | "__pycache__"
            );
            if path.is_dir() && !is_product {
                waiting.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// One file of it.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Fails with everything that was found.
pub(crate) fn nothing(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}
