//! Lookups in a FIB of 10², 10⁴ and 10⁶ names, and the bytes a name takes.
//!
//! "all names" asks for names at random among all, so at 10⁶ it measures memory: nothing fits a cache.
//! "64 names" and "10000 names" ask for so many of them at random, as traffic does, and measure the
//! table. "chained" makes each question depend on the answer before, so it is the latency and not the
//! throughput.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the clock, and counts what an f64 holds exactly"
)]

use std::env;
use std::process::Command;

use slipring_benches::fib_world::{Names, add, below, filled, link, mix};
use slipring_benches::timing::{Figure, heading, resident_bytes, row, time};
use slipring_fib::{ClassSet, Fib, LinkId};
use slipring_proto::name::Name;

const SIZES: [u64; 3] = [100, 10_000, 1_000_000];
const SERVICES: u64 = 1_000;
const LINKS: u64 = 1_000;
const LOOKUPS: u64 = 1_000_000;

fn main() {
    let args: Vec<String> = env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--bytes") {
        let number = |at: usize| {
            args.get(at)
                .and_then(|arg| arg.parse().ok())
                .expect("a number")
        };
        print_bytes(number(at + 1), number(at + 2));
        return;
    }
    heading("fib_lookup");
    let names = Names::of(SERVICES);
    memory_latency();
    name_alone(&names);
    for size in SIZES {
        exact(&names, size);
    }
    for size in SIZES {
        any(size);
    }
    all();
    bytes();
}

/// What the cases below spend on making the names they ask for.
fn name_alone(names: &Names) {
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            let name = names.name(below(mix(at), SIZES[2]));
            let [c0, c1, c2] = name.prefix.0;
            sum ^ c0 ^ c1 ^ c2 ^ name.id as u64 ^ (name.id >> 64) as u64
        })
    });
    row("make a name at random, without a lookup", &figure, "ns");
}

fn outside() -> LinkId {
    link(16_000_000)
}

fn ask(fib: &mut Fib, destination: Name, ingress: LinkId) -> u64 {
    fib.one(destination, ingress, ClassSet::ALL)
        .map_or(0, |choice| choice.link.to_u64())
}

fn exact(names: &Names, size: u64) {
    let mut fib = filled(names, size, LINKS);
    let ingress = outside();
    let case = |what: &str| format!("exact, {size} names: {what}");
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            sum ^ ask(&mut fib, names.name(below(mix(at), size)), ingress)
        })
    });
    row(&case("all names"), &figure, "ns");
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |last, at| {
            ask(
                &mut fib,
                names.name(below(mix(at ^ (last >> 63)), size)),
                ingress,
            )
        })
    });
    row(&case("all names, chained"), &figure, "ns");
    for active in [64, 10_000] {
        let figure = in_use(&mut fib, names, size, active);
        row(&case(&format!("{active} names")), &figure, "ns");
    }
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            sum ^ ask(&mut fib, names.name(size + below(mix(at), size)), ingress)
        })
    });
    row(&case("unknown names"), &figure, "ns");
}

/// `active` of the names, asked for at random: a node knows many more names than talk at one time.
fn in_use(fib: &mut Fib, names: &Names, size: u64, active: u64) -> Figure {
    let step = (size / active).max(1);
    let ingress = outside();
    time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            let number = below(mix(at), active) * step % size;
            sum ^ ask(fib, names.name(number), ingress)
        })
    })
}

/// One service with so many instances; the one who asks is himself an instance.
fn any(size: u64) {
    let names = Names::of(1);
    let destination = names.any(0);
    let links = size.min(LINKS);
    let mut fib = filled(&names, size, links);
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            sum ^ ask(&mut fib, destination, link(below(mix(at), links)))
        })
    });
    row(
        &format!("any, {size} instances of one service on {links} links"),
        &figure,
        "ns",
    );
    let mut fib = one_each(&names, size);
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |sum, at| {
            sum ^ ask(&mut fib, destination, link(below(mix(at), size)))
        })
    });
    row(
        &format!("any, {size} instances of one service, a link each"),
        &figure,
        "ns",
    );
}

/// Each instance on a link of its own.
fn one_each(names: &Names, size: u64) -> Fib {
    let mut fib = filled(names, 0, 1);
    for number in 0..size {
        let delta = add(number + 1, names.name(number), link(number));
        fib.apply(&delta).expect("names are distinct");
    }
    fib
}

fn all() {
    let size = 10_000;
    let names = Names::of(1);
    let fib = one_each(&names, size);
    let mut out = Vec::new();
    let figure = time(100 * size, || {
        (0..100).fold(0, |sum, at| {
            fib.all(names.any(0), link(at), ClassSet::ALL, &mut out);
            sum + out.len() as u64
        })
    });
    row("all, 10000 links, for each target", &figure, "ns");
}

/// What one access to memory costs here and now: 64 MiB read in an order no prefetcher guesses.
fn memory_latency() {
    let lines = 1_u64 << 20;
    // An odd step through a power of two visits every line, far apart.
    let memory: Vec<[u64; 8]> = (0..lines)
        .map(|at| [(at * 635_621 + 12_345) % lines; 8])
        .collect();
    let figure = time(LOOKUPS, || {
        (0..LOOKUPS).fold(0, |at, _| memory.get(at as usize).map_or(0, |line| line[0]))
    });
    row("one memory access among 64 MiB, chained", &figure, "ns");
}

/// Bytes a name, each layout in a process of its own: memory one run freed would hide another's.
fn bytes() {
    println!();
    for (layout, services) in [
        ("1 service", 1),
        ("1,000 services", 1_000),
        ("1,000,000 services", 1_000_000),
    ] {
        for size in [10_000, 250_000, 500_000, 700_000, 1_000_000] {
            let program = env::current_exe().expect("this process has a file");
            let out = Command::new(program)
                .args(["--bytes", &size.to_string(), &services.to_string()])
                .output()
                .expect("this program can be started");
            let text = String::from_utf8_lossy(&out.stdout);
            println!(
                "bytes a name, {size:>7} names, {layout:<18} {}",
                text.trim()
            );
        }
    }
}

fn print_bytes(size: u64, services: u64) {
    let names = Names::of(services);
    let before = resident_bytes();
    let fib = filled(&names, size, LINKS);
    let resident = resident_bytes().saturating_sub(before) / size;
    let counted = fib.memory_bytes() as u64 / size;
    println!("counted {counted:>4}   resident {resident:>4}");
}
