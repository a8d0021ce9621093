//! What the two FIB benches share: names by number, filled replicas, timing and tables.
//!
//! Names are computed from their number rather than kept in a list, so that what is measured is the
//! table's memory traffic and not the list's.

use std::hint::black_box;
use std::time::Instant;

use slipring_fib::{Change, Delta, Fib, FibLimits, LinkClass, LinkId, RibLimits};
use slipring_proto::name::{ANY_ID, Name, Prefix};

/// Times each case is run; the table shows the median, the least and the most.
pub const RUNS: usize = 7;
pub const LIMITS: RibLimits = RibLimits {
    names_max: 4_000_000,
    subscriptions_max: 4_000_000,
    subscriptions_per_link_max: 4_000_000,
};
pub const HASH_SEED: u64 = 0x5eed_5eed_5eed_5eed;

/// SplitMix64's output function: a different word for every word.
pub fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A number below `bound` from a random word, without a division.
pub fn below(word: u64, bound: u64) -> u64 {
    ((word >> 32) * bound) >> 32
}

/// The names of a node: so many services, each with its share of the numbers.
pub struct Names {
    prefixes: Vec<Prefix>,
}

impl Names {
    /// Organization and namespace are few, as in life.
    pub fn of(services: u64) -> Self {
        let prefix = |service| Prefix([mix(service % 7), mix(service % 61), mix(service)]);
        Self {
            prefixes: (0..services).map(prefix).collect(),
        }
    }

    pub fn services(&self) -> u64 {
        self.prefixes.len() as u64
    }

    /// Name `number`. Multiplication by an odd number keeps different numbers different.
    pub fn name(&self, number: u64) -> Name {
        let service = below(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.services());
        let id_0 = u128::from(number.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let id_1 = u128::from(number.wrapping_mul(0x94d0_49bb_1331_11eb));
        Name::new(self.prefixes[service as usize], (id_0 << 64) | id_1)
    }

    /// The destination that means every instance of service `service`.
    pub fn any(&self, service: usize) -> Name {
        Name::new(self.prefixes[service], ANY_ID)
    }
}

/// Link `number` of a node with four shards.
pub fn link(number: u64) -> LinkId {
    let slot = u32::try_from(number / 4).expect("a slot has 24 bits");
    LinkId::new(u8::try_from(number % 4).expect("below 4"), slot, 1)
}

pub fn add(seq: u64, name: Name, link: LinkId) -> Delta {
    Delta {
        seq,
        change: Change::Add {
            name,
            link,
            class: LinkClass::Edge,
        },
    }
}

/// A replica with the first `count` names, spread over `links` links.
pub fn filled(names: &Names, count: u64, links: u64) -> Fib {
    let mut fib = Fib::new(FibLimits::from(LIMITS), HASH_SEED);
    for number in 0..count {
        let delta = add(number + 1, names.name(number), link(mix(number) % links));
        fib.apply(&delta).expect("names are distinct");
    }
    fib
}

/// Median, least and most.
pub struct Figure {
    pub median: f64,
    pub min: f64,
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

pub fn figure(mut samples: Vec<f64>) -> Figure {
    samples.sort_by(f64::total_cmp);
    let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
    Figure {
        median: at(samples.len() / 2),
        min: at(0),
        max: at(samples.len() - 1),
    }
}

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
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second field is resident pages") * 4096
}
