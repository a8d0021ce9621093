//! Replays the committed corpus through the function the fuzz target calls.
//!
//! The seeds are made by rule: `UPDATE_CORPUS=1 cargo test -p slipring-fib --test corpus` writes them
//! again after the meaning of the bytes has changed. Inputs that fuzzing finds are added beside them
//! under other names and stay.

mod fuzz_logic;

use std::path::Path;
use std::{env, fs, panic};

/// Fewest inputs the corpus is worth anything with.
const INPUTS_MIN: usize = 20;
const SUBSCRIBE: u8 = 0;
const UNSUBSCRIBE: u8 = 7;
const REMOVE_LINK: u8 = 11;
const ONE: u8 = 12;
const ALL: u8 = 14;
const RESYNC: u8 = 15;

#[test]
fn churn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/churn");
    let seeds = seeds();
    if env::var_os("UPDATE_CORPUS").is_some() {
        fs::create_dir_all(&folder).expect("the corpus folder can be made");
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:03}")), seed).expect("a seed is written");
        }
    }
    let entries = fs::read_dir(&folder).expect("the corpus is committed");
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= INPUTS_MIN, "only {} inputs", inputs.len());
    for path in inputs {
        let input = fs::read(&path).expect("an input can be read");
        let replayed = panic::catch_unwind(|| fuzz_logic::churn(&input));
        assert!(replayed.is_ok(), "{} fails", path.display());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new(), vec![1], vec![2, SUBSCRIBE, 0, 0]];
    seeds.push(input([
        [SUBSCRIBE, 1, 0, 1],
        [UNSUBSCRIBE, 1, 0, 1],
        [UNSUBSCRIBE, 1, 0, 1],
    ]));
    seeds.push(input([
        [SUBSCRIBE, 1, 0, 0],
        [SUBSCRIBE, 1, 0, 2],
        [UNSUBSCRIBE, 1, 0, 3],
    ]));
    seeds.push(input([
        [SUBSCRIBE, 1, 2, 1],
        [ONE, 2, 2, 0],
        [ONE, 2, 4, 0],
        [ALL, 1, 2, 0],
    ]));
    // A set that is indexed, asked, emptied to below its index and filled again.
    let fill = |name: u8| (0..48).map(move |link| [SUBSCRIBE, link, name, 1]);
    let drain = |name: u8| (4..44).map(move |link| [UNSUBSCRIBE, link, name, 1]);
    let ask = |name: u8| (0..48).map(move |link| [ONE, link, name, 0]);
    seeds.push(input(fill(0).chain(ask(0)).chain(ask(2))));
    seeds.push(input(
        fill(0)
            .chain(drain(0))
            .chain(ask(0))
            .chain(fill(0))
            .chain(ask(0)),
    ));
    seeds.push(input(
        fill(2).chain((0..48).rev().map(|link| [REMOVE_LINK, link, 0, 0])),
    ));
    seeds.push(input(
        fill(4)
            .chain(fill(6))
            .chain([[RESYNC, 0, 0, 0]])
            .chain(ask(2)),
    ));
    // Every limit met: names, subscriptions, subscriptions of a link.
    seeds.push(input((0..8).map(|name| [SUBSCRIBE, 5, name, 1])));
    seeds.push(input(
        (0..8).flat_map(|name| (0..4).map(move |id| [SUBSCRIBE, 9, name, id])),
    ));
    seeds.push(input((0..6).flat_map(|name| {
        (0..48).map(move |link| [SUBSCRIBE, link, name, 1])
    })));
    // Class filters, with lookups between them.
    seeds.push(input(
        fill(0).chain((0..16).map(|mask| [ONE, 3, 0, mask | (mask << 4)])),
    ));
    seeds.push(input(
        fill(0).chain((0..16).map(|mask| [ALL, 3, 2, mask | (mask << 4)])),
    ));
    // The rest wanders.
    for seed in 0..12_u64 {
        let mut random = seed;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(seed | 1);
            random.to_be_bytes()[0]
        };
        let length = 60 * (seed + 1);
        seeds.push(input((0..length).map(|_| [next(), next(), next(), next()])));
    }
    seeds
}

/// A seed byte, then the operations.
fn input(ops: impl IntoIterator<Item = [u8; 4]>) -> Vec<u8> {
    [7].into_iter().chain(ops.into_iter().flatten()).collect()
}
