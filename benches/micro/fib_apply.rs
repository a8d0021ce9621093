//! Changes: deltas applied by a FIB, subscriptions recorded by a RIB, a link lost, a snapshot loaded.
//!
//! "slowest" rows are single operations by the clock: they show that growth does not stall a shard. A
//! neighbour on the machine can stall it too, so the least of the runs is the table's and the most the
//! machine's.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the clock, and counts what an f64 holds exactly"
)]

use std::time::Instant;

use slipring_benches::fib_world::{HASH_SEED, LIMITS, Names, add, filled, link, mix};
use slipring_benches::timing::{RUNS, figure, heading, row, spent};
use slipring_fib::{Change, Delta, Fib, FibLimits, LinkClass, Rib};

const SIZES: [u64; 3] = [100, 10_000, 1_000_000];
const SERVICES: u64 = 1_000;
const LINKS: u64 = 1_000;

fn main() {
    heading("fib_apply");
    let names = Names::of(SERVICES);
    for size in SIZES {
        fill_and_empty(&names, size);
    }
    fill_and_empty(&Names::of(1), SIZES[2]);
    fill_and_empty(&Names::of(SIZES[2]), SIZES[2]);
    churn(&names);
    slowest(&names);
    rib_instances();
    rib_large(&names);
}

/// Adds all names to an empty replica, then removes them.
fn fill_and_empty(names: &Names, size: u64) {
    let rounds = (100_000 / size).max(1);
    let adds: Vec<Delta> = (0..size)
        .map(|number| add(number + 1, names.name(number), link(mix(number) % LINKS)))
        .collect();
    let removes: Vec<Delta> = (0..size)
        .map(|number| remove(size + number + 1, names, number))
        .collect();
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        // The best of many short rounds is one nobody interrupted.
        let mut best = [f64::INFINITY; 2];
        for _ in 0..rounds {
            let mut fib = Fib::new(FibLimits::from(LIMITS), HASH_SEED);
            for (best, deltas) in best.iter_mut().zip([&adds, &removes]) {
                let nanos = spent(|| {
                    for delta in deltas {
                        fib.apply(delta).expect("the deltas are in order");
                    }
                });
                *best = best.min(nanos / size as f64);
            }
        }
        for (samples, best) in samples.iter_mut().zip(best) {
            samples.push(best);
        }
    }
    let services = names.services();
    for (what, samples) in ["add", "remove"].into_iter().zip(samples) {
        let figure = figure(samples);
        row(
            &format!("apply, {size} names of {services} services: {what}"),
            &figure,
            "ns",
        );
        println!("    that is {:.0} deltas a second", 1e9 / figure.median);
    }
}

/// The delta that takes back what name `number` added.
fn remove(seq: u64, names: &Names, number: u64) -> Delta {
    let change = Change::Remove {
        name: names.name(number),
        link: link(mix(number) % LINKS),
    };
    Delta { seq, change }
}

/// A million names of which one goes and another comes, a hundred thousand times a run.
fn churn(names: &Names) {
    let (size, count) = (SIZES[2], 100_000);
    let mut fib = filled(names, size, LINKS);
    let mut seq = size;
    let mut first = 0;
    let samples = (0..RUNS).map(|_| {
        let nanos = spent(|| {
            for number in first..first + count {
                fib.apply(&remove(seq + 1, names, number))
                    .expect("the name is there");
                let fresh = size + number;
                let delta = add(seq + 2, names.name(fresh), link(mix(fresh) % LINKS));
                fib.apply(&delta).expect("the name is new");
                seq += 2;
            }
        });
        first += count;
        nanos / (2 * count) as f64
    });
    row(
        "apply, churn at 1000000 names",
        &figure(samples.collect()),
        "ns",
    );
}

/// The longest single applications while growing to a million names.
fn slowest(names: &Names) {
    let parts = [
        ("99 %", 100),
        ("99.9 %", 1000),
        ("99.99 %", 10_000),
        ("all", u64::MAX),
    ];
    let mut samples = parts.map(|_| Vec::new());
    for _ in 0..RUNS {
        let mut fib = filled(names, 0, LINKS);
        let mut nanos: Vec<u64> = (0..SIZES[2])
            .map(|number| {
                let delta = add(number + 1, names.name(number), link(mix(number) % LINKS));
                let start = Instant::now();
                fib.apply(&delta).expect("names are distinct");
                start.elapsed().as_nanos() as u64
            })
            .collect();
        nanos.sort_unstable();
        for (samples, (_, part)) in samples.iter_mut().zip(parts) {
            let above = nanos.len() as u64 / part;
            let at = nanos.len() - 1 - above as usize;
            samples.push(nanos[at] as f64 / 1e3);
        }
    }
    for ((part, _), samples) in parts.into_iter().zip(samples) {
        let case = format!("apply, growing to 1000000 names: {part} take at most");
        row(&case, &figure(samples), "us");
    }
}

/// 50,000 instances of one service over 1,000 links: subscribe all, lose a link, lose all.
fn rib_instances() {
    let names = Names::of(1);
    let (size, links) = (50_000, 1_000);
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let mut rib = Rib::new(LIMITS, HASH_SEED);
        let mut fib = filled(&names, 0, 1);
        let subscribe = spent(|| {
            for number in 0..size {
                let (link, name) = (link(number % links), names.name(number));
                rib.subscribe(link, LinkClass::Edge, mix(number), name)
                    .expect("there is room");
                follow(&mut rib, &mut fib);
            }
        });
        let one = spent(|| {
            rib.remove_link(link(0));
            follow(&mut rib, &mut fib);
        });
        let rest = spent(|| {
            for number in 1..links {
                rib.remove_link(link(number));
                follow(&mut rib, &mut fib);
            }
        });
        assert_eq!((rib.names(), fib.entries(), fib.digest()), (0, 0, 0));
        samples[0].push(subscribe / 1e6);
        samples[1].push(one / 1e3);
        samples[2].push(rest / 1e6);
    }
    let [subscribe, one, rest] = samples.map(figure);
    row(
        "RIB and FIB, 50000 instances on 1000 links: subscribe all",
        &subscribe,
        "ms",
    );
    row(
        "RIB and FIB, one of these links lost (50 names)",
        &one,
        "us",
    );
    row("RIB and FIB, the other 999 lost", &rest, "ms");
}

fn follow(rib: &mut Rib, fib: &mut Fib) {
    while let Some(delta) = rib.poll_delta() {
        fib.apply(&delta).expect("the replica follows");
    }
}

/// A million names in the RIB: recording them, their bytes, a snapshot, a replica that loads it.
fn rib_large(names: &Names) {
    let size = SIZES[2];
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    let mut bytes = 0;
    for _ in 0..RUNS {
        let mut rib = Rib::new(LIMITS, HASH_SEED);
        let subscribe = spent(|| {
            for number in 0..size {
                let (link, name) = (link(mix(number) % LINKS), names.name(number));
                rib.subscribe(link, LinkClass::Edge, mix(number), name)
                    .expect("there is room");
                while rib.poll_delta().is_some() {}
            }
        });
        let mut snapshot = None;
        let copy = spent(|| snapshot = Some(rib.snapshot()));
        let snapshot = snapshot.expect("it was just made");
        let mut fib = filled(names, 0, LINKS);
        let load = spent(|| fib.load(&snapshot).expect("there is room"));
        assert_eq!(fib.digest(), rib.digest());
        samples[0].push(subscribe / size as f64);
        samples[1].push(copy / 1e6);
        samples[2].push(load / 1e6);
        bytes = rib.memory_bytes() as u64 / size;
    }
    let [subscribe, snapshot, load] = samples.map(figure);
    row("RIB alone, 1000000 names: subscribe", &subscribe, "ns");
    row("RIB, 1000000 names: snapshot", &snapshot, "ms");
    row("FIB, 1000000 names: load the snapshot", &load, "ms");
    println!("RIB bytes a name, 1000000 names of 1000 services: {bytes}");
}
