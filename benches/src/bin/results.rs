//! Writes RESULTS.md, its charts, and the figures that README quotes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use slipring_benches::results::{GenerateError, generate, stale};

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program tells what it did"
)]
fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match write(&root) {
        Ok(written) if written.is_empty() => println!("everything is as the raw results give it"),
        Ok(written) => {
            for path in written {
                println!("{}", path.display());
            }
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Writes what is stale and removes charts of results that are gone. Answers what was touched.
fn write(root: &Path) -> Result<Vec<PathBuf>, GenerateError> {
    let files = generate(root)?;
    let stale = stale(root)?;
    for path in &stale {
        let place = root.join(path);
        let done = match files.get(path) {
            Some(text) => fs::create_dir_all(place.parent().unwrap_or(root))
                .and_then(|()| fs::write(&place, text)),
            None => fs::remove_file(&place),
        };
        done.map_err(|error| GenerateError::File(place, error))?;
    }
    Ok(stale)
}
