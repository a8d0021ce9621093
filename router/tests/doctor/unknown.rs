//! What cannot be read.

use slipring::doctor::Level::Note;

use crate::findings::found;
use crate::host::Change::{self, Folder, Gone, Text};
use crate::host::node;

/// A finding, a file, what becomes of it, and what is said then.
const UNREADABLE: &[(&str, &str, Change, &str)] = &[
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
];

#[test]
fn what_cannot_be_read_is_unknown_and_says_why() {
    let config = node("cpus", "cpus");
    for (name, path, change, why) in UNREADABLE {
        let (level, text) = found(name, &[(path, *change)], &config, &Ok(()));
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
