//! What this host does to a node with this configuration: findings, each with its reason and remedy.
//!
//! What enters: the configuration, the files of `/proc` and `/sys` below a [`Host`]'s root, and whether
//! the kernel made a ring. What leaves: [`Finding`]s. Nothing is changed, and nothing is guessed: what
//! cannot be read is a note that says why.
//!
//! Limits and cgroups are those of the process that asks. Under a service manager they are set for the
//! service; `tuning/systemd/slipring.service` therefore runs the doctor before the node.

mod cpus;
pub mod host;
mod kernel;
mod limits;
mod memory;
mod network;
mod nic;
pub mod report;

use std::io;

use crate::config::{Config, IoChoice};
use host::Host;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know, or not to be had.
    Note,
    /// The node runs, but slower, with fewer links, or at the mercy of something.
    Warn,
    /// The node does not start.
    Fail,
}

/// Every level, the worst first, with its word.
pub const LEVELS: &[(&str, Level)] = &[
    ("fail", Level::Fail),
    ("warn", Level::Warn),
    ("note", Level::Note),
    ("ok", Level::Ok),
];

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is called.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was read; begins with `unknown: ` when it could not be.
    pub found: String,
    /// Where it was read.
    pub source: &'static str,
    /// Why it matters.
    pub reason: &'static str,
    /// What to do, as a command or a key of the configuration; `None` when there is nothing to do.
    pub remedy: Option<String>,
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Where files are read.
    pub host: &'a Host,
    /// What the node was told to be.
    pub config: &'a Config,
    /// What the kernel said when it was asked for a ring.
    pub ring: &'a io::Result<()>,
}

/// What one probe looks at, where, and why.
#[derive(Clone, Copy, Debug)]
struct Topic {
    name: &'static str,
    source: &'static str,
    reason: &'static str,
}

/// A probe's outcome: a finding, or why there is none.
type Probed = Result<Finding, String>;

/// What looks at one topic.
type Probe = fn(&Subject<'_>) -> Probed;

/// Every probe, in the order of the report.
const PROBES: &[(Topic, Probe)] = &[
    (kernel::RELEASE, kernel::release),
    (kernel::URING, kernel::uring),
    (limits::MEMLOCK, limits::memlock),
    (limits::NOFILE, limits::nofile),
    (limits::FILES, limits::files),
    (memory::WORST_CASE, memory::worst_case),
    (memory::SWAP, memory::swap),
    (memory::HUGE_PAGES, memory::huge_pages),
    (cpus::QUOTA, cpus::quota),
    (cpus::GOVERNOR, cpus::governor),
    (cpus::ISOLATED, cpus::isolated),
    (cpus::SIBLINGS, cpus::siblings),
    (nic::NUMA, nic::numa),
    (nic::INTERRUPTS, nic::interrupts),
    (network::BACKLOG, network::backlog),
    (network::SYN_BACKLOG, network::syn_backlog),
    (network::BUFFERS, network::buffers),
    (network::PORTS, network::ports),
    (network::CONNTRACK, network::conntrack),
    (network::BUSY_POLL, network::busy_poll),
    (kernel::CLOCK, kernel::clock),
    (kernel::MITIGATIONS, kernel::mitigations),
];

/// Looks at everything.
#[must_use]
pub fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let look =
        |(topic, probe): &(Topic, Probe)| probe(subject).unwrap_or_else(|why| topic.unknown(&why));
    PROBES.iter().map(look).collect()
}

impl Subject<'_> {
    /// How bad it is when io_uring cannot run: what the node was told to do then.
    fn uring_at_stake(&self) -> Level {
        match self.config.io {
            IoChoice::Uring => Level::Fail,
            IoChoice::Auto => Level::Warn,
            IoChoice::Epoll => Level::Note,
        }
    }

    fn shards(&self) -> u64 {
        u64::from(self.config.shards.get())
    }
}

impl Topic {
    fn finding(self, level: Level, found: String, remedy: Option<String>) -> Finding {
        Finding {
            name: self.name,
            level,
            found,
            source: self.source,
            reason: self.reason,
            remedy,
        }
    }

    fn ok(self, found: impl Into<String>) -> Probed {
        Ok(self.finding(Level::Ok, found.into(), None))
    }

    fn at(self, level: Level, found: impl Into<String>, remedy: impl Into<String>) -> Probed {
        Ok(self.finding(level, found.into(), Some(remedy.into())))
    }

    fn note(self, found: impl Into<String>, remedy: impl Into<String>) -> Probed {
        self.at(Level::Note, found, remedy)
    }

    fn warn(self, found: impl Into<String>, remedy: impl Into<String>) -> Probed {
        self.at(Level::Warn, found, remedy)
    }

    fn unknown(self, why: &str) -> Finding {
        self.finding(Level::Note, format!("unknown: {why}"), None)
    }
}

/// A count and what it counts, in the right number.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
