//! Made-up hosts: cards, network stack, and what else the kernel does.

use slipring::doctor::Level::{Note, Ok, Warn};

use crate::cases::{Case, EVERYWHERE, case};
use crate::host::Change::{self, Text};

const STRUCK: &[(&str, Change)] = &[("proc/irq/38/effective_affinity_list", Text("2"))];

pub(crate) const NETWORK: &[Case] = &[
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
