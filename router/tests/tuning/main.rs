//! The files in `tuning/`: they are well-formed, name what exists, agree with the program, and the
//! script that places interrupts changes what it says and puts back what it changed.
#![allow(
    clippy::unwrap_used,
    reason = "a value that is not there fails the test, which is what is wanted"
)]

mod container;
mod json;
mod place;
mod sysctl;
mod unit;

use std::path::{Path, PathBuf};

/// The path of a file of the tree.
fn path(name: &str) -> PathBuf {
    let router = Path::new(env!("CARGO_MANIFEST_DIR"));
    router.parent().unwrap().join(name)
}

/// A file of `tuning/`.
fn tuning(name: &str) -> String {
    let path = path("tuning").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Its lines that are neither comments nor empty.
fn settings(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// The page that explains the knobs.
fn page() -> String {
    tuning("README.md")
}
