//! Made-up hosts: kernel, limits, memory, CPUs.

use slipring::doctor::Level::{self, Fail, Note, Ok, Warn};

use crate::host::Change::{self, Gone, Text};

/// One made-up host and what is found there.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) changes: &'static [(&'static str, Change)],
    /// Words of the node's file, and what stands there instead.
    pub(crate) node: (&'static str, &'static str),
    pub(crate) level: Level,
    /// What the finding and its remedy say, in this order.
    pub(crate) words: &'static [&'static str],
}

pub(crate) const AS_IT_IS: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]");
pub(crate) const ON_URING: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]\n  io: uring");
pub(crate) const ON_EPOLL: (&str, &str) = ("cpus: [2, 3]", "cpus: [2, 3]\n  io: epoll");
pub(crate) const EVERYWHERE: (&str, &str) = ("cpus: [2, 3]", "cpus: [0, 1, 2, 3]");

pub(crate) const fn case(
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
    pub(crate) const fn of(self, node: (&'static str, &'static str)) -> Self {
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
const TWO_NODES: &[(&str, Change)] = &[
    ("sys/devices/system/node/node0/cpulist", Text("0,2")),
    ("sys/devices/system/node/node1/cpulist", Text("1,3")),
];

const HUGE: &[(&str, Change)] = &[(
    "sys/kernel/mm/transparent_hugepage/enabled",
    Text("[always] madvise never"),
)];

pub(crate) const MACHINE: &[Case] = &[
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
];
