//! Time and tables for the micro benchmarks: a case is run some times, and its median, least and most
//! become a row.
//!
//! Times are CPU time where the kernel's account of it is fine enough, so that what neighbours on the
//! machine take is not counted; what they take from the shared caches is.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the clock, and counts what an f64 holds exactly"
)]

use std::{hint::black_box, time::Instant};

/// Times each case is run; the table shows the median, the least and the most.
pub const RUNS: usize = 7;

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The middle one of the samples; of an even number of them the upper of the two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Nanoseconds for one of `ops` operations; `run` does them all and returns something to keep.
pub fn time(ops: u64, mut run: impl FnMut() -> u64) -> Figure {
    black_box(run());
    let samples = (0..RUNS).map(|_| {
        let mut kept = 0;
        let nanos = spent(|| kept = run());
        black_box(kept);
        nanos / ops as f64
    });
    figure(samples.collect())
}

/// Nanoseconds `run` takes: on a CPU where it takes long, so that what others on the machine take is
/// not counted, and by the clock below 20 ms, where the kernel's account of it is too coarse.
pub fn spent(run: impl FnOnce()) -> f64 {
    let (start, cpu_start) = (Instant::now(), cpu_nanos());
    run();
    let (nanos, cpu_nanos) = (start.elapsed().as_nanos() as f64, cpu_nanos() - cpu_start);
    if nanos < 20e6 {
        nanos
    } else {
        cpu_nanos as f64
    }
}

fn cpu_nanos() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat");
    let schedstat = schedstat.expect("this is Linux with CONFIG_SCHED_INFO");
    let nanos = schedstat
        .split(' ')
        .next()
        .and_then(|nanos| nanos.parse().ok());
    nanos.expect("the first field is nanoseconds")
}

/// The figure of some samples; not a number if there are none.
#[must_use]
pub fn figure(mut samples: Vec<f64>) -> Figure {
    samples.sort_by(f64::total_cmp);
    let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
    Figure {
        median: at(samples.len() / 2),
        min: at(0),
        max: at(samples.len().saturating_sub(1)),
    }
}

/// Prints one case.
pub fn row(case: &str, figure: &Figure, unit: &str) {
    let Figure { median, min, max } = figure;
    println!("{case:<58} {median:>10.1} {min:>10.1} {max:>10.1}  {unit}");
}

/// The machine, its load and the columns. Load matters: neighbours share the last-level cache.
pub fn heading(bench: &str) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("?");
    let cpus = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    println!(
        "{bench}: {model}, {cpus} CPUs, Linux {}",
        read("/proc/sys/kernel/osrelease").trim()
    );
    println!(
        "load average at start: {}; times are CPU time",
        read("/proc/loadavg").trim()
    );
    println!("{:<58} {:>10} {:>10} {:>10}", "", "median", "min", "max");
}

/// Resident bytes of this process.
#[must_use]
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second field is resident pages") * 4096
}
