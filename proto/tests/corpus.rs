//! Replays every committed corpus through the function its fuzz target calls.
//!
//! The seeds of a corpus are made by rule from real messages, so that they can be made again after
//! a change of the samples: `UPDATE_CORPUS=1 cargo test -p slipring-proto --test corpus`. Inputs
//! that fuzzing finds are added beside them under other names and stay.

mod corpus_seeds;
mod fuzz_logic;
mod samples;

use std::path::{Path, PathBuf};
use std::{env, fs, panic};

/// Fewest inputs a corpus is worth anything with.
const INPUTS_MIN: usize = 20;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

fn replay(target: &str, seeds: Vec<Vec<u8>>, check: fn(&[u8])) {
    let folder = folder(target);
    if env::var_os("UPDATE_CORPUS").is_some() {
        fs::create_dir_all(&folder).expect("the corpus folder can be made");
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:03}")), seed).expect("a seed is written");
        }
    }
    let mut inputs: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the corpus is committed")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= INPUTS_MIN, "{target}: {}", inputs.len());
    for path in inputs {
        let input = fs::read(&path).expect("an input can be read");
        let checked = panic::catch_unwind(|| check(&input));
        assert!(checked.is_ok(), "{} fails", path.display());
    }
    for seed in seeds {
        check(&seed);
    }
}

#[test]
fn deframer() {
    replay("deframer", corpus_seeds::deframer(), fuzz_logic::deframer);
}

#[test]
fn envelope() {
    replay("envelope", corpus_seeds::envelope(), fuzz_logic::envelope);
}

#[test]
fn rewrite() {
    replay("rewrite", corpus_seeds::rewrite(), fuzz_logic::rewrite);
}

#[test]
fn negotiation() {
    replay(
        "negotiation",
        corpus_seeds::negotiation(),
        fuzz_logic::negotiation,
    );
}

#[test]
fn name() {
    replay("name", corpus_seeds::name(), fuzz_logic::name);
}

#[test]
fn differential() {
    replay(
        "differential",
        corpus_seeds::differential(),
        fuzz_logic::differential,
    );
}
