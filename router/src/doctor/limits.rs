//! Limits of the process: locked memory and descriptors.

use super::{Level, Probed, Subject, Topic};
use crate::{
    config::{IoChoice, about},
    io::runtime::choice::MEMLOCK_BYTES_PER_SHARD,
};

const LIMITS: &str = "/proc/self/limits";

/// Descriptors of the process beside its links: log, admin surface, files it loads.
const PROCESS_DESCRIPTORS: u64 = 64;
/// Descriptors of one shard beside its links: rings, events, timers.
const SHARD_DESCRIPTORS: u64 = 32;

pub(super) const MEMLOCK: Topic = Topic {
    name: "memlock",
    source: LIMITS,
    reason: "each io_uring shard locks its rings in memory; limits are those of this process",
};

pub(super) fn memlock(subject: &Subject<'_>) -> Probed {
    let shards = subject.shards();
    let wanted = MEMLOCK_BYTES_PER_SHARD.saturating_mul(shards);
    let want = match shards {
        1 => format!("1 shard wants {}", about(wanted)),
        _ => format!("{shards} shards want {}", about(wanted)),
    };
    match soft_limit(subject, "Max locked memory")? {
        None => MEMLOCK.ok(format!("unlimited; {want}")),
        Some(limit) if limit >= wanted => MEMLOCK.ok(format!("{}; {want}", about(limit))),
        Some(limit) => {
            let kibibytes = wanted >> 10;
            let outcome = match subject.config.io {
                IoChoice::Uring => "the node does not start",
                IoChoice::Auto => "the node falls back to epoll",
                IoChoice::Epoll => "but slipring.io is epoll, which locks nothing",
            };
            MEMLOCK.at(
                subject.uring_at_stake(),
                format!("{limit} bytes; {want}: {outcome}"),
                format!("ulimit -l {kibibytes}, or LimitMEMLOCK={kibibytes}K in the unit"),
            )
        }
    }
}

pub(super) const NOFILE: Topic = Topic {
    name: "nofile",
    source: LIMITS,
    reason: "a link is a descriptor; at the limit new connections wait or are refused",
};

pub(super) fn nofile(subject: &Subject<'_>) -> Probed {
    let wanted = descriptors(subject);
    let links = subject.config.limits.links_max;
    let want = format!("links_max {links} wants {wanted}");
    let remedy = format!("ulimit -n {wanted}, or LimitNOFILE={wanted} in the unit");
    match soft_limit(subject, "Max open files")? {
        None => NOFILE.ok(format!("unlimited; {want}")),
        Some(limit) if limit >= wanted => NOFILE.ok(format!("{limit}; {want}")),
        Some(limit) => {
            let own = own_descriptors(subject);
            if limit <= own {
                let found = format!("{limit}; the node alone needs {own}, and {want}");
                return NOFILE.at(Level::Fail, found, remedy);
            }
            let room = limit - own;
            NOFILE.warn(format!("{limit}: room for {room} links; {want}"), remedy)
        }
    }
}

pub(super) const FILES: Topic = Topic {
    name: "file-max",
    source: "/proc/sys/fs/nr_open, /proc/sys/fs/file-max",
    reason: "no process may have more than nr_open, and all together no more than file-max",
};

pub(super) fn files(subject: &Subject<'_>) -> Probed {
    let wanted = descriptors(subject);
    let each = subject.host.number("/proc/sys/fs/nr_open")?;
    let all = subject.host.number("/proc/sys/fs/file-max")?;
    let found = format!("nr_open {each}, file-max {all}; the node wants {wanted}");
    if each < wanted {
        FILES.warn(found, format!("sysctl -w fs.nr_open={wanted}"))
    } else if all < wanted {
        let twice = wanted.saturating_mul(2);
        FILES.warn(found, format!("sysctl -w fs.file-max={twice}"))
    } else {
        FILES.ok(found)
    }
}

/// Descriptors at every bound of the configuration.
fn descriptors(subject: &Subject<'_>) -> u64 {
    let limits = &subject.config.limits;
    let unfinished = u64::from(limits.unfinished_per_shard_max).saturating_mul(subject.shards());
    u64::from(limits.links_max)
        .saturating_add(unfinished)
        .saturating_add(own_descriptors(subject))
}

/// Descriptors before the first link.
fn own_descriptors(subject: &Subject<'_>) -> u64 {
    let listeners = subject.config.servers.len() as u64;
    PROCESS_DESCRIPTORS + subject.shards() * (SHARD_DESCRIPTORS + listeners)
}

/// The soft limit called `name`; `None` when there is none.
fn soft_limit(subject: &Subject<'_>, name: &str) -> Result<Option<u64>, String> {
    let text = subject.host.read(LIMITS)?;
    let row = text.lines().find_map(|line| line.strip_prefix(name));
    let word = row.and_then(|row| row.split_whitespace().next());
    match word {
        Some("unlimited") => Ok(None),
        Some(word) => match word.parse() {
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(format!("{LIMITS} holds no number for {name}: \"{word}\"")),
        },
        None => Err(format!("{LIMITS} has no row {name}")),
    }
}
