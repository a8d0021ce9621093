//! Every finding in every level.

use std::collections::BTreeSet;
use std::io;

use slipring::config::Config;
use slipring::doctor::Level::{self, Fail, Note, Ok, Warn};

use crate::host::Change::{self, Folder, Gone, Text};
use crate::host::{NODE, findings, node, refused};

/// The levels that each finding can have, the one for what cannot be read apart.
const LEVELS: &[(&str, &[Level])] = &[
    ("kernel", &[Ok, Note, Warn, Fail]),
    ("io_uring", &[Ok, Note, Warn, Fail]),
    ("memlock", &[Ok, Note, Warn, Fail]),
    ("nofile", &[Ok, Warn, Fail]),
    ("file-max", &[Ok, Warn]),
    ("memory", &[Ok, Note, Warn, Fail]),
    ("swap", &[Ok, Warn]),
    ("huge-pages", &[Ok, Note]),
    ("cpu-quota", &[Ok, Warn]),
    ("governor", &[Ok, Warn]),
    ("isolated", &[Ok, Note, Warn]),
    ("smt", &[Ok, Warn]),
    ("numa", &[Ok, Note, Warn]),
    ("interrupts", &[Ok, Note, Warn]),
    ("backlog", &[Ok, Warn]),
    ("syn-backlog", &[Ok, Note, Warn]),
    ("buffers", &[Ok, Warn]),
    ("ports", &[Ok, Warn]),
    ("conntrack", &[Ok, Note, Warn]),
    ("busy-poll", &[Ok, Note]),
    ("clock", &[Ok, Warn]),
    ("mitigations", &[Ok, Note]),
];

/// One made-up host and what is found there.
struct Case {
    name: &'static str,
    changes: &'static [(&'static str, Change)],
    /// Words of the node's file, and what stands there instead.
    node: (&'static str, &'static str),
    level: Level,
    /// What the finding and its remedy say, in this order.
    words: &'static [&'static str],
}

const AS_IT_IS: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]");
const ON_URING: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]\n  io: uring");
const ON_EPOLL: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]\n  io: epoll");
const EVERYWHERE: (&str, &str) = ("cpus: [2, 3]", "cpus: [0, 1, 2, 3]");

const fn case(
    name: &'static str,
    level: Level,
    changes: &'static [(&'static str, Change)],
    words: &'static [&'static str],
) -> Case {
    Case {
        name,
        changes,
        node: AS_IT_IS,
        level,
        words,
    }
}

impl Case {
    const fn of(self, node: (&'static str, &'static str)) -> Self {
        Self { node, ..self }
    }
}

const OLD: &[(&str, Change)] = &[("proc/sys/kernel/osrelease", Text("5.4.0-42"))];
const LOCKED: &[(&str, Change)] = &[(
    "proc/self/limits",
    Text("Max open files 131072 131072 files\nMax locked memory 65536 65536 bytes\n"),
)];
const UNLIMITED: &[(&str, Change)] = &[(
    "proc/self/limits",
    Text("Max open files unlimited x\nMax locked memory unlimited x\n"),
)];
const SMALL_GROUP: &[(&str, Change)] =
    &[("sys/fs/cgroup/system.slice/memory.max", Text("1073741824"))];
const NO_GROUP: &[(&str, Change)] = &[(
    "sys/fs/cgroup/system.slice/slipring.service/memory.max",
    Text("max"),
)];
const OLD_GROUPS: &[(&str, Change)] = &[
    (
        "proc/self/cgroup",
        Text("4:cpu,memory:/box\n2:cpuset:/\n0::/\n"),
    ),
    (
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes",
        Text("1073741824"),
    ),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        Text("9223372036854771712"),
    ),
    ("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", Text("50000")),
    ("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", Text("100000")),
];
const STRUCK: &[(&str, Change)] = &[("proc/irq/38/effective_affinity_list", Text("2"))];
const TWO_NODES: &[(&str, Change)] = &[
    ("sys/devices/system/node/node0/cpulist", Text("0,2")),
    ("sys/devices/system/node/node1/cpulist", Text("1,3")),
];

const HUGE: &[(&str, Change)] = &[(
    "sys/kernel/mm/transparent_hugepage/enabled",
    Text("[always] madvise never"),
)];

const CASES: &[Case] = &[
    case(
        "kernel",
        Warn,
        OLD,
        &["5.4.0-42 is older than 5.8", "slipring.io: epoll"],
    ),
    case("kernel", Fail, OLD, &["older"]).of(ON_URING),
    case("kernel", Note, OLD, &["older"]).of(ON_EPOLL),
    case(
        "io_uring",
        Note,
        &[],
        &["a ring can be made", "slipring.io is epoll"],
    )
    .of(ON_EPOLL),
    case(
        "memlock",
        Ok,
        UNLIMITED,
        &["unlimited; 2 shards want 1.0 MiB"],
    ),
    case(
        "memlock",
        Warn,
        LOCKED,
        &["65536 bytes", "falls back to epoll", "ulimit -l 1024"],
    ),
    case(
        "memlock",
        Fail,
        LOCKED,
        &["does not start", "LimitMEMLOCK=1024K"],
    )
    .of(ON_URING),
    case("memlock", Note, LOCKED, &["locks nothing"]).of(ON_EPOLL),
    case(
        "nofile",
        Ok,
        UNLIMITED,
        &["unlimited; links_max 65536 wants 66178"],
    ),
    case(
        "nofile",
        Warn,
        &[(
            "proc/self/limits",
            Text("Max open files            1024 4096 files"),
        )],
        &["1024: room for 894 links", "ulimit -n 66178"],
    ),
    case(
        "nofile",
        Fail,
        &[(
            "proc/self/limits",
            Text("Max open files            64 4096 files"),
        )],
        &["64; the node alone needs 130", "LimitNOFILE=66178"],
    ),
    case(
        "file-max",
        Warn,
        &[("proc/sys/fs/nr_open", Text("4096"))],
        &["nr_open 4096", "sysctl -w fs.nr_open=66178"],
    ),
    case(
        "file-max",
        Warn,
        &[("proc/sys/fs/file-max", Text("10000"))],
        &["file-max 10000", "sysctl -w fs.file-max=132356"],
    ),
    case(
        "memory",
        Fail,
        SMALL_GROUP,
        &["grants 1.0 GiB; the worst case is", "MemoryMax="],
    ),
    case("memory", Fail, OLD_GROUPS, &["grants 1.0 GiB"]),
    case(
        "memory",
        Note,
        NO_GROUP,
        &["no cgroup limit, the host has 125 GiB", "MemoryMax="],
    ),
    case(
        "memory",
        Warn,
        &[("proc/meminfo", Text("MemTotal: 1048576 kB"))],
        &["the host has 1.0 GiB", "lower slipring.limits"],
    ),
    case(
        "swap",
        Warn,
        &[(
            "proc/swaps",
            Text("Filename Type\n/dev/sdb1 partition 1 0 -2\n/swap file 1 0 -3"),
        )],
        &["/dev/sdb1, /swap", "swapoff -a"],
    ),
    case(
        "huge-pages",
        Note,
        HUGE,
        &["always; the node declines", "echo madvise"],
    ),
    case(
        "huge-pages",
        Ok,
        &[("sys/kernel/mm/transparent_hugepage/enabled", Gone)],
        &["none"],
    ),
    case(
        "cpu-quota",
        Ok,
        &[("sys/fs/cgroup/system.slice/cpu.max", Text("250000 100000"))],
        &["2.50 CPUs for 2 shards"],
    ),
    case(
        "cpu-quota",
        Warn,
        &[("sys/fs/cgroup/system.slice/cpu.max", Text("150000 100000"))],
        &["1.50 CPUs for 2 shards", "CPUQuota=200%"],
    ),
    case("cpu-quota", Warn, OLD_GROUPS, &["0.50 CPUs for 2 shards"]),
    case(
        "governor",
        Warn,
        &[(
            "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
            Text("powersave"),
        )],
        &[
            "cpu3 powersave",
            "cpupower -c 2-3 frequency-set -g performance",
        ],
    ),
    case(
        "isolated",
        Ok,
        &[("sys/devices/system/cpu/nohz_full", Text("(null)"))],
        &["all of 2-3 are isolated, with the scheduler's tick"],
    ),
    case(
        "isolated",
        Note,
        &[("sys/devices/system/cpu/isolated", Text(""))],
        &["none of the shards' CPUs 2-3", "nohz_full=2-3"],
    ),
    case(
        "isolated",
        Warn,
        &[("sys/devices/system/cpu/isolated", Text("3"))],
        &["of the shards' CPUs 2-3, 2 are shared"],
    ),
    case(
        "smt",
        Warn,
        &[
            (
                "sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
                Text("2-3"),
            ),
            (
                "sys/devices/system/cpu/cpu3/topology/thread_siblings_list",
                Text("2-3"),
            ),
        ],
        &["CPUs 2 and 3", "slipring.cpus: [2]"],
    ),
    case(
        "numa",
        Ok,
        &[("sys/devices/system/node", Gone)],
        &["one node"],
    ),
    case(
        "numa",
        Note,
        &[
            ("sys/devices/system/node/node0/cpulist", Text("0,2")),
            ("sys/devices/system/node/node1/cpulist", Text("1,3")),
            (
                "sys/devices/pci0000:00/0000:00:03.0/virtio2/numa_node",
                Text("-1"),
            ),
        ],
        &["shards are on nodes 0, 1"],
    ),
    case(
        "numa",
        Warn,
        TWO_NODES,
        &["eth0 is on node 0, shards are on 0, 1", "which are 0,2"],
    ),
    case("interrupts", Ok, STRUCK, &["every listener is local"]).of(("0.0.0.0", "127.0.0.1")),
    case(
        "interrupts",
        Warn,
        STRUCK,
        &[
            "1 of 2 queues on shards' CPUs 2, although 0-1",
            "place.sh apply --shards 2-3 --irqs 0-1",
        ],
    ),
    case(
        "interrupts",
        Warn,
        &[("proc/irq/39/smp_affinity_list", Text("0"))],
        &[
            "2 of 2 queues on shards' CPUs 0 only",
            "place.sh apply --shards 0-1 --irqs 0-1",
        ],
    )
    .of(("cpus: [2, 3]", "cpus: [0, 1]\n  # all that are online here")),
    case(
        "interrupts",
        Note,
        &[],
        &["2 of 2 queues on shards' CPUs 0-1; every"],
    )
    .of(EVERYWHERE),
    case(
        "backlog",
        Warn,
        &[("proc/sys/net/core/somaxconn", Text("128"))],
        &[
            "128; each shard's listener asks for 1024",
            "net.core.somaxconn=1024",
        ],
    ),
    case(
        "syn-backlog",
        Note,
        &[("proc/sys/net/ipv4/tcp_max_syn_backlog", Text("512"))],
        &["512, cookies 1", "tcp_max_syn_backlog=2048"],
    ),
    case(
        "syn-backlog",
        Warn,
        &[
            ("proc/sys/net/ipv4/tcp_max_syn_backlog", Text("512")),
            ("proc/sys/net/ipv4/tcp_syncookies", Text("0")),
        ],
        &["512, cookies 0"],
    ),
    case(
        "buffers",
        Warn,
        &[("proc/sys/net/ipv4/tcp_rmem", Text("4096 87380 1048576"))],
        &[
            "receive 1.0 MiB for windows of 2.0 MiB",
            "tcp_rmem='4096 131072 4194304'",
        ],
    ),
    case(
        "buffers",
        Warn,
        &[("proc/sys/net/ipv4/tcp_wmem", Text("4096 16384 65536"))],
        &["send 64.0 KiB", "tcp_wmem='4096 16384 4194304'"],
    ),
    case(
        "ports",
        Warn,
        &[("proc/sys/net/ipv4/ip_local_reserved_ports", Text(""))],
        &[
            "holds 46357,46380, not reserved",
            "reserved_ports=46357,46380",
        ],
    ),
    case(
        "ports",
        Warn,
        &[(
            "proc/sys/net/ipv4/ip_local_reserved_ports",
            Text("46380,50000-50010"),
        )],
        &["holds 46357, not", "reserved_ports=46380,50000-50010,46357"],
    ),
    case(
        "conntrack",
        Note,
        &[
            ("proc/sys/net/netfilter/nf_conntrack_max", Text("262144")),
            ("proc/sys/net/netfilter/nf_conntrack_count", Text("12")),
        ],
        &["loaded, 12 of 262144 entries", "notrack"],
    ),
    case(
        "conntrack",
        Warn,
        &[
            ("proc/sys/net/netfilter/nf_conntrack_max", Text("65536")),
            ("proc/sys/net/netfilter/nf_conntrack_count", Text("12")),
        ],
        &["12 of 65536", "nf_conntrack_max=131072"],
    ),
    case(
        "busy-poll",
        Note,
        &[("proc/sys/net/core/busy_poll", Text("50"))],
        &["busy_poll 50 us, busy_read 0 us", "net.core.busy_poll=0"],
    ),
    case(
        "clock",
        Warn,
        &[(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            Text("hpet"),
        )],
        &["hpet; available: tsc hpet", "echo tsc >"],
    ),
    case(
        "mitigations",
        Note,
        &[
            (
                "sys/devices/system/cpu/vulnerabilities/meltdown",
                Text("Mitigation: PTI"),
            ),
            (
                "sys/devices/system/cpu/vulnerabilities/mds",
                Text("Vulnerable; SMT vulnerable"),
            ),
        ],
        &["1 guard on: meltdown; vulnerable: mds"],
    ),
];

/// The one finding called `name`, as level and text, remedy last.
fn found(
    name: &str,
    changes: &[(&str, Change)],
    config: &Config,
    ring: &io::Result<()>,
) -> (Level, String) {
    let findings = findings(changes, config, ring);
    let finding = findings.iter().find(|finding| finding.name == name);
    let finding = finding.unwrap();
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    (finding.level, format!("{} | {remedy}", finding.found))
}

#[test]
fn a_host_that_is_set_up_has_nothing_but_good_news() {
    let findings = findings(&[], &node("cpus", "cpus"), &Result::Ok(()));
    let names: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
    let known: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
    for finding in findings {
        assert_eq!(finding.level, Ok, "{finding:?}");
        assert_eq!(finding.remedy, None, "{finding:?}");
    }
}

#[test]
fn every_case_is_found_with_its_level_its_words_and_its_remedy() {
    for case in CASES {
        // The case of a host with two CPUs, both of which carry shards.
        let mut changes = case.changes.to_vec();
        if case.node.1.contains("all that are online") {
            changes.push(("sys/devices/system/cpu/online", Text("0-1")));
        }
        let config = node(case.node.0, case.node.1);
        let (level, text) = found(case.name, &changes, &config, &Result::Ok(()));
        assert_eq!(level, case.level, "{}: {text}", case.name);
        let mut rest = text.as_str();
        for word in case.words {
            let Some((_, after)) = rest.split_once(word) else {
                panic!("{}: no \"{word}\" in: {text}", case.name);
            };
            rest = after;
        }
    }
}

#[test]
fn a_ring_that_is_refused_names_who_refuses_it() {
    const SECCOMP: (&str, Change) = ("proc/self/status", Text("Seccomp:\t2"));
    const DISABLED: (&str, Change) = ("proc/sys/kernel/io_uring_disabled", Text("2"));
    for (io, level) in [("auto", Warn), ("uring", Fail), ("epoll", Note)] {
        let config = node("cpus: [2, 3]", &format!("cpus: [2, 3]\n  io: {io}"));
        for (changes, words) in [
            (&[DISABLED][..], "io_uring_disabled is 2"),
            (&[DISABLED], "| sysctl -w kernel.io_uring_disabled=0"),
            (&[SECCOMP], "a seccomp filter is in force"),
            (&[SECCOMP], "tuning/container/seccomp.json"),
            (
                &[],
                "no seccomp filter | boot a kernel with CONFIG_IO_URING",
            ),
        ] {
            let (found, text) = found("io_uring", changes, &config, &refused());
            assert_eq!(found, level, "{io}: {text}");
            assert!(text.contains(words), "{io}: {text}");
        }
    }
}

#[test]
fn every_level_of_every_finding_is_shown_by_a_case() {
    let mut shown: BTreeSet<(&str, Level)> =
        CASES.iter().map(|case| (case.name, case.level)).collect();
    // The host as it is, and the rings that are refused.
    shown.extend(LEVELS.iter().map(|(name, _)| (*name, Ok)));
    shown.extend([("io_uring", Warn), ("io_uring", Fail)]);
    let known: BTreeSet<(&str, Level)> = LEVELS
        .iter()
        .flat_map(|(name, levels)| levels.iter().map(move |level| (*name, *level)))
        .collect();
    assert_eq!(shown, known);
}

#[test]
fn what_cannot_be_read_is_unknown_and_says_why() {
    let config = node("cpus", "cpus");
    for (name, path, change, why) in [
        ("kernel", "proc/sys/kernel/osrelease", Gone, "No such file"),
        (
            "kernel",
            "proc/sys/kernel/osrelease",
            Text("new"),
            "holds no release: \"new\"",
        ),
        (
            "io_uring",
            "proc/self/status",
            Gone,
            "/proc/self/status: No such file",
        ),
        (
            "io_uring",
            "proc/sys/kernel/io_uring_disabled",
            Folder,
            "directory",
        ),
        (
            "memlock",
            "proc/self/limits",
            Text(""),
            "has no row Max locked memory",
        ),
        (
            "memlock",
            "proc/self/limits",
            Text("Max locked memory lots"),
            "no number",
        ),
        ("nofile", "proc/self/limits", Gone, "No such file"),
        (
            "file-max",
            "proc/sys/fs/nr_open",
            Text("many"),
            "holds no number: \"many\"",
        ),
        (
            "memory",
            "proc/meminfo",
            Text("MemFree: 1 kB"),
            "has no MemTotal",
        ),
        ("memory", "proc/self/cgroup", Gone, "No such file"),
        ("swap", "proc/swaps", Gone, "No such file"),
        (
            "huge-pages",
            "sys/kernel/mm/transparent_hugepage/enabled",
            Text("x"),
            "chooses nothing",
        ),
        ("cpu-quota", "proc/self/cgroup", Folder, "directory"),
        (
            "governor",
            "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
            Gone,
            "cpu3 has no cpufreq here; in a virtual machine the host decides",
        ),
        (
            "isolated",
            "sys/devices/system/cpu/isolated",
            Text("?"),
            "holds no list: \"?\"",
        ),
        (
            "smt",
            "sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
            Gone,
            "No such",
        ),
        (
            "numa",
            "sys/devices/system/node/node0/cpulist",
            Gone,
            "No such file",
        ),
        ("interrupts", "proc/interrupts", Gone, "No such file"),
        (
            "interrupts",
            "proc/interrupts",
            Text("NMI: 0"),
            "no card with queues of its own",
        ),
        (
            "interrupts",
            "proc/irq/39/smp_affinity_list",
            Gone,
            "No such file",
        ),
        (
            "interrupts",
            "sys/class/net",
            Gone,
            "/sys/class/net: No such file",
        ),
        (
            "backlog",
            "proc/sys/net/core/somaxconn",
            Gone,
            "No such file",
        ),
        (
            "syn-backlog",
            "proc/sys/net/ipv4/tcp_syncookies",
            Gone,
            "No such file",
        ),
        (
            "buffers",
            "proc/sys/net/ipv4/tcp_wmem",
            Text("1 2"),
            "holds no three numbers",
        ),
        (
            "ports",
            "proc/sys/net/ipv4/ip_local_port_range",
            Text("1"),
            "holds no range",
        ),
        (
            "conntrack",
            "proc/sys/net/netfilter/nf_conntrack_max",
            Folder,
            "directory",
        ),
        (
            "busy-poll",
            "proc/sys/net/core/busy_read",
            Gone,
            "No such file",
        ),
        (
            "clock",
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            Gone,
            "No such file",
        ),
        (
            "mitigations",
            "sys/devices/system/cpu/vulnerabilities",
            Gone,
            "No such file",
        ),
    ] {
        let (level, text) = found(name, &[(path, change)], &config, &Result::Ok(()));
        assert_eq!(level, Note, "{name}: {text}");
        assert!(
            text.starts_with("unknown: ") && text.contains(why),
            "{name}: {text}"
        );
        assert!(
            text.ends_with("| "),
            "{name}: no remedy for what is not known: {text}"
        );
    }
}

#[test]
fn the_node_of_these_tests_is_the_one_the_words_are_replaced_in() {
    for (from, _) in [AS_IT_IS, ON_URING, ON_EPOLL, EVERYWHERE] {
        assert_eq!(NODE.matches(from).count(), 1);
    }
}
