//! The FIB beside the subscription table of `agntcy-slim-datapath`, as published and by its public
//! interface alone: same names, same links, same questions, same machine, one after the other.
//!
//! Inserting is what a subscription costs until it is found: a record in the RIB and a delta applied
//! to one replica here, one call there. Names carry their text there, as on the wire, where subscribers
//! always send it. Names are made before the clock starts; the ones that are asked for, while it runs,
//! which costs both the same few nanoseconds.
//!
//! The two are not the same thing: the reference's table is shared by threads and pays for it, a FIB
//! belongs to one shard and is fed by deltas.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod reference;
mod rows;
mod slipring;

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use slipring_benches::{
    fib_world::{Names, below, mix},
    timing::{RUNS, figure, heading, resident_bytes, spent, time},
};

use crate::rows::{Rows, Side};

const SIZES: [u64; 3] = [100, 10_000, 1_000_000];
const SERVICES: u64 = 1_000;
const LINKS: u64 = 1_000;
const INSTANCES: u64 = 10_000;
const LOOKUPS: u64 = 200_000;

/// A table that takes longer to fill is asked for what it has by then.
const FILL_MAX: Duration = Duration::from_secs(900);

/// Names between two looks at the clock while filling: enough to be timed.
const FILL_STEP: u64 = 10_000;

/// What both tables can do.
trait Table {
    /// What a name is while it waits to be inserted.
    type Waiting;

    fn new() -> Self;
    fn waiting(names: &Names, number: u64) -> Self::Waiting;
    fn insert(&mut self, waiting: Self::Waiting, number: u64, link: u64);
    /// The link that a message to name `number` leaves by.
    fn exact(&mut self, names: &Names, number: u64) -> u64;
    /// The link that a message to any instance of the first service leaves by.
    fn any(&mut self, names: &Names, ingress: u64) -> u64;
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [mode, side, size] = args.as_slice()
        && mode == "--bytes"
    {
        let size = size.parse().expect("a number of names");
        let bytes = if side == Side::Slipring.label() {
            bytes_a_name::<slipring::Fib>(size)
        } else {
            bytes_a_name::<reference::Published>(size)
        };
        println!("{bytes}");
        return;
    }
    heading("datapath");
    let mut rows = Rows::default();
    measure::<slipring::Fib>(Side::Slipring, &mut rows);
    measure::<reference::Published>(Side::Reference, &mut rows);
    rows.print();
    if let Some(at) = args.iter().position(|arg| arg == "--json") {
        let path = args.get(at + 1).expect("--json FILE");
        std::fs::write(path, rows.json()).expect("the file can be written");
    }
}

fn measure<T: Table>(side: Side, rows: &mut Rows) {
    let names = Names::of(SERVICES);
    for size in SIZES {
        let (mut table, filled, seconds) = fill::<T>(&names, size, LINKS);
        if filled < size {
            rows.note(format!(
                "{}: {filled} of {size} names within {} s; the rows of {size} are of so many",
                side.label(),
                FILL_MAX.as_secs()
            ));
        }
        rows.add(side, "insert", size, "1/s", filled as f64 / seconds);
        let figure = time(LOOKUPS, || {
            (0..LOOKUPS).fold(0, |sum, at| {
                sum ^ table.exact(&names, below(mix(at), filled))
            })
        });
        rows.add(side, "exact lookup at random", size, "ns", figure.median);
        if filled == size {
            let bytes = in_a_process_of_its_own(side, size);
            rows.add(side, "resident memory of a name", size, "B", bytes);
        }
    }
    let names = Names::of(1);
    let (mut table, filled, seconds) = fill::<T>(&names, INSTANCES, INSTANCES);
    assert_eq!(filled, INSTANCES, "so many instances fit the time");
    let rate = filled as f64 / seconds;
    rows.add(
        side,
        "insert, instances of one service",
        INSTANCES,
        "1/s",
        rate,
    );
    let few = LOOKUPS / 10;
    let figure = time(few, || {
        (0..few).fold(0, |sum, at| {
            sum ^ table.any(&names, below(mix(at), INSTANCES))
        })
    });
    rows.add(side, "any of the instances", INSTANCES, "ns", figure.median);
    let figure = time(few, || {
        (0..few).fold(0, |sum, at| {
            sum ^ table.exact(&names, below(mix(at), INSTANCES))
        })
    });
    rows.add(side, "one of the instances", INSTANCES, "ns", figure.median);
}

/// Fills a table; answers how many names it took, and in how many seconds a table of its size is filled,
/// the median of some rounds if it is small.
fn fill<T: Table>(names: &Names, size: u64, links: u64) -> (T, u64, f64) {
    let rounds = if size > INSTANCES { 1 } else { RUNS };
    let mut samples = Vec::new();
    loop {
        let (table, filled, seconds) = fill_once::<T>(names, size, links);
        samples.push(seconds);
        if samples.len() >= rounds || filled < size {
            return (table, filled, figure(samples).median);
        }
    }
}

/// A table that is filled in a few microseconds is filled many times over, since the clock is coarser.
fn fill_once<T: Table>(names: &Names, size: u64, links: u64) -> (T, u64, f64) {
    let copies = (FILL_STEP / size).max(1);
    let mut tables: Vec<T> = (0..copies).map(|_| T::new()).collect();
    let start = Instant::now();
    let mut nanos = 0.0;
    let mut filled = 0;
    while filled < size && start.elapsed() < FILL_MAX {
        let step = filled..(filled + FILL_STEP).min(size);
        let waiting: Vec<Vec<_>> = tables
            .iter()
            .map(|_| step.clone().map(|at| T::waiting(names, at)).collect())
            .collect();
        nanos += spent(|| {
            for (table, waiting) in tables.iter_mut().zip(waiting) {
                for (number, waiting) in step.clone().zip(waiting) {
                    table.insert(waiting, number, mix(number) % links);
                }
            }
        });
        filled = step.end;
    }
    let table = tables.pop().expect("there is at least one");
    (table, filled, nanos / 1e9 / copies as f64)
}

/// Resident bytes for each name. Small tables are kept many times over: pages are coarse.
fn bytes_a_name<T: Table>(size: u64) -> f64 {
    let names = Names::of(SERVICES);
    let copies = (10_000 / size).max(1);
    let mut tables = Vec::with_capacity(copies as usize);
    let before = resident_bytes();
    for _ in 0..copies {
        let mut table = T::new();
        for number in 0..size {
            table.insert(T::waiting(&names, number), number, mix(number) % LINKS);
        }
        tables.push(table);
    }
    (resident_bytes() - before) as f64 / (copies * size) as f64
}

/// Memory that one run freed would hide another's.
fn in_a_process_of_its_own(side: Side, size: u64) -> f64 {
    let program = env::current_exe().expect("this process has a file");
    let output = Command::new(program)
        .args(["--bytes", side.label(), &size.to_string()])
        .output()
        .expect("this program can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number of bytes")
}
