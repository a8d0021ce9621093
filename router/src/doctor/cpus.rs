//! The shards' CPUs: what else runs there, how fast they are, what they share.

use super::{
    Probed, Subject, Topic,
    host::{parse_list, show_list},
    memory::ancestors,
};

const CPUS: &str = "/sys/devices/system/cpu";

pub(super) const QUOTA: Topic = Topic {
    name: "cpu-quota",
    source: "/proc/self/cgroup, cpu.max up to the root",
    reason: "a shard past the quota stands still for up to 100 ms, and its links with it",
};

pub(super) fn quota(subject: &Subject<'_>) -> Probed {
    let membership = subject.host.read("/proc/self/cgroup")?;
    let unified = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let first = membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let mut controllers = controllers.split(',');
        controllers
            .any(|controller| controller == "cpu")
            .then_some(path)
    });
    let unified = unified.into_iter().flat_map(ancestors).filter_map(|path| {
        let max = subject.host.read(&format!("/sys/fs/cgroup{path}/cpu.max"));
        let max = max.ok()?;
        hundredths(max.split_once(' ')?)
    });
    let first = first.into_iter().flat_map(ancestors).filter_map(|path| {
        let folder = format!("/sys/fs/cgroup/cpu{path}");
        let quota = subject.host.read(&format!("{folder}/cpu.cfs_quota_us"));
        let period = subject.host.read(&format!("{folder}/cpu.cfs_period_us"));
        hundredths((&quota.ok()?, &period.ok()?))
    });
    let Some(granted) = unified.chain(first).min() else {
        return QUOTA.ok("none");
    };
    let shards = subject.shards();
    let share = format!("{}.{:02} CPUs", granted / 100, granted % 100);
    if granted < shards.saturating_mul(100) {
        let percent = shards.saturating_mul(100);
        QUOTA.warn(
            format!("{share} for {shards} shards"),
            format!("CPUQuota={percent}% in the unit, or slipring.shards: 1 and up to the quota"),
        )
    } else {
        QUOTA.ok(format!("{share} for {shards} shards"))
    }
}

/// Hundredths of a CPU; `None` when the quota is no number, which is how both hierarchies write none.
fn hundredths((quota, period): (&str, &str)) -> Option<u64> {
    let (quota, period): (u64, u64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    quota.saturating_mul(100).checked_div(period)
}

pub(super) const GOVERNOR: Topic = Topic {
    name: "governor",
    source: "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    reason: "a CPU that rests between messages starts each burst at its lowest frequency",
};

pub(super) fn governor(subject: &Subject<'_>) -> Probed {
    let mut slow = Vec::new();
    for cpu in &subject.config.cpus {
        let path = format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor");
        let Some(governor) = subject.host.read_if_there(&path)? else {
            return Err(format!(
                "cpu{cpu} has no cpufreq here; in a virtual machine the host decides"
            ));
        };
        if governor != "performance" {
            slow.push(format!("cpu{cpu} {governor}"));
        }
    }
    if slow.is_empty() {
        GOVERNOR.ok("performance on every shard's CPU")
    } else {
        let cpus = show_list(&sorted(&subject.config.cpus));
        GOVERNOR.warn(
            slow.join(", "),
            format!("cpupower -c {cpus} frequency-set -g performance"),
        )
    }
}

pub(super) const ISOLATED: Topic = Topic {
    name: "isolated",
    source: "/sys/devices/system/cpu/isolated, /sys/devices/system/cpu/nohz_full",
    reason: "whatever else the scheduler puts on a shard's CPU delays all of that shard's links",
};

pub(super) fn isolated(subject: &Subject<'_>) -> Probed {
    let isolated = subject.host.cpus(&format!("{CPUS}/isolated"))?;
    let quiet = subject.host.read_if_there(&format!("{CPUS}/nohz_full"))?;
    // A kernel without the feature has no file, one without CPUs for it writes "(null)".
    let quiet = quiet.as_deref().and_then(parse_list).unwrap_or_default();
    let shards = sorted(&subject.config.cpus);
    let outside: Vec<usize> = (shards.iter().copied())
        .filter(|cpu| !isolated.contains(cpu))
        .collect();
    let cpus = show_list(&shards);
    let remedy = format!(
        "kernel command line: isolcpus=managed_irq,domain,{cpus} nohz_full={cpus} rcu_nocbs={cpus}"
    );
    if outside.is_empty() {
        let ticks = if shards.iter().all(|cpu| quiet.contains(cpu)) {
            "without the tick"
        } else {
            "with the scheduler's tick"
        };
        return ISOLATED.ok(format!("all of {cpus} are isolated, {ticks}"));
    }
    if outside.len() == shards.len() {
        return ISOLATED.note(format!("none of the shards' CPUs {cpus}"), remedy);
    }
    ISOLATED.warn(
        format!(
            "of the shards' CPUs {cpus}, {} are shared: those links are served worse",
            show_list(&outside)
        ),
        remedy,
    )
}

pub(super) const SIBLINGS: Topic = Topic {
    name: "smt",
    source: "/sys/devices/system/cpu/cpu*/topology/thread_siblings_list",
    reason: "two shards on the threads of one core share its caches and most of its units",
};

pub(super) fn siblings(subject: &Subject<'_>) -> Probed {
    let shards = sorted(&subject.config.cpus);
    let mut pairs = Vec::new();
    let mut single = Vec::new();
    for cpu in &shards {
        let path = format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list");
        let threads = subject.host.cpus(&path)?;
        let first = (shards.iter()).find(|other| threads.contains(other));
        match first {
            Some(first) if first < cpu => pairs.push(format!("{first} and {cpu}")),
            _ => single.push(cpu.to_string()),
        }
    }
    if pairs.is_empty() {
        SIBLINGS.ok("every shard has a core of its own")
    } else {
        SIBLINGS.warn(
            format!("shards share cores: CPUs {}", pairs.join(", ")),
            format!("slipring.cpus: [{}]", single.join(", ")),
        )
    }
}

/// The CPUs in ascending order, each once: the configuration may name one for several shards.
pub(super) fn sorted(cpus: &[usize]) -> Vec<usize> {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}
