//! Memory: what is granted against the worst case, swap, huge pages.

use super::{Level, Probed, Subject, Topic};
use crate::config::about;

const HUGE_PAGES_PATH: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// What the first cgroup hierarchy writes for no limit is this or more: the largest whole page.
const NO_LIMIT: u64 = 1 << 62;

pub(super) const WORST_CASE: Topic = Topic {
    name: "memory",
    source: "/proc/self/cgroup, memory.max up to the root, /proc/meminfo",
    reason: "past its cgroup's limit the kernel kills the node; socket buffers come on top",
};

pub(super) fn worst_case(subject: &Subject<'_>) -> Probed {
    let needed = subject.config.memory_worst_case().total_bytes();
    let there = total(subject)?;
    let sum = format!("the worst case is {}", about(needed));
    // A quarter more for the kernel's socket buffers, which are charged to the cgroup, too.
    let wanted_mib = (needed + needed / 4) >> 20;
    match granted(subject)? {
        Some(limit) if limit < needed => WORST_CASE.at(
            Level::Fail,
            format!("the cgroup grants {}; {sum}", about(limit)),
            format!("MemoryMax={wanted_mib}M in the unit, or lower slipring.limits"),
        ),
        _ if there < needed => WORST_CASE.warn(
            format!("the host has {}; {sum}", about(there)),
            "lower slipring.limits until slipring check shows less",
        ),
        Some(limit) => WORST_CASE.ok(format!("the cgroup grants {}; {sum}", about(limit))),
        None => WORST_CASE.note(
            format!("no cgroup limit, the host has {}; {sum}", about(there)),
            format!("MemoryMax={wanted_mib}M in the unit"),
        ),
    }
}

/// The memory of the host, in bytes.
fn total(subject: &Subject<'_>) -> Result<u64, String> {
    let text = subject.host.read("/proc/meminfo")?;
    let row = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes: Option<u64> = row
        .and_then(|row| row.split_whitespace().next())
        .and_then(|word| word.parse().ok());
    let kibibytes = kibibytes.ok_or("/proc/meminfo has no MemTotal")?;
    Ok(kibibytes.saturating_mul(1 << 10))
}

/// The least limit from this process's cgroup up to the root, in either hierarchy.
fn granted(subject: &Subject<'_>) -> Result<Option<u64>, String> {
    let membership = subject.host.read("/proc/self/cgroup")?;
    let unified = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let first = membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|controller| controller == "memory")
            .then_some(path)
    });
    let unified = unified.map(|path| least(subject, "/sys/fs/cgroup", path, "memory.max"));
    let first = first.map(|path| {
        least(
            subject,
            "/sys/fs/cgroup/memory",
            path,
            "memory.limit_in_bytes",
        )
    });
    let limits = [unified, first].into_iter().flatten().flatten();
    Ok(limits.filter(|limit| *limit < NO_LIMIT).min())
}

/// The least number in files called `file` from `path` up to `mount`.
pub(super) fn least(subject: &Subject<'_>, mount: &str, path: &str, file: &str) -> Option<u64> {
    ancestors(path)
        .filter_map(|path| subject.host.number(&format!("{mount}{path}/{file}")).ok())
        .min()
}

/// `/a/b`, `/a`, and nothing: in a container the longer ones may be out of sight.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_end_matches('/');
    std::iter::successors(Some(path), |path| path.rfind('/').map(|end| &path[..end]))
}

pub(super) const SWAP: Topic = Topic {
    name: "swap",
    source: "/proc/swaps",
    reason: "an idle link's memory is what goes to disk, and its first message waits for it",
};

pub(super) fn swap(subject: &Subject<'_>) -> Probed {
    let text = subject.host.read("/proc/swaps")?;
    let areas: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    if areas.is_empty() {
        SWAP.ok("none")
    } else {
        SWAP.warn(
            areas.join(", "),
            "swapoff -a, or MemorySwapMax=0 in the unit",
        )
    }
}

pub(super) const HUGE_PAGES: Topic = Topic {
    name: "huge-pages",
    source: HUGE_PAGES_PATH,
    reason: "given unasked, they make resident what is reserved and never touched",
};

pub(super) fn huge_pages(subject: &Subject<'_>) -> Probed {
    let Some(text) = subject.host.read_if_there(HUGE_PAGES_PATH)? else {
        return HUGE_PAGES.ok("the kernel has none");
    };
    let chosen = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    match chosen {
        Some(("always", _)) => HUGE_PAGES.note(
            "always; the node declines them for itself, its neighbours may not",
            format!("echo madvise > {HUGE_PAGES_PATH}"),
        ),
        Some((chosen, _)) => HUGE_PAGES.ok(chosen),
        None => Err(format!("{HUGE_PAGES_PATH} chooses nothing: \"{text}\"")),
    }
}
