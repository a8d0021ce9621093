//! A host in a folder, on which a node with two shards has nothing to complain about.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use slipring::config::{Config, HostFacts};
use slipring::doctor::host::Host;
use slipring::doctor::{Finding, Subject, examine};

use crate::config_support;

/// What a change of one file makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// This text.
    Text(&'static str),
    /// Gone.
    Gone,
    /// Something that cannot be read: a folder.
    Folder,
}

/// The files of the host: four CPUs, shards on 2 and 3, a card whose queues strike 0 and 1.
const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.12.0-1-amd64\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    (
        "proc/self/status",
        "Name:\tslipring\nSeccomp:\t0\nSeccomp_filters:\t0\n",
    ),
    ("proc/self/limits", LIMITS),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/self/cgroup", "0::/system.slice/slipring.service\n"),
    (
        "sys/fs/cgroup/system.slice/slipring.service/memory.max",
        "68719476736\n",
    ),
    ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
    (
        "sys/fs/cgroup/system.slice/slipring.service/cpu.max",
        "max 100000\n",
    ),
    (
        "proc/meminfo",
        "MemTotal:       131072000 kB\nMemFree:        1000 kB\n",
    ),
    (
        "proc/swaps",
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
    ),
    (
        "sys/kernel/mm/transparent_hugepage/enabled",
        "always [madvise] never\n",
    ),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/cpu/isolated", "2-3\n"),
    ("sys/devices/system/cpu/nohz_full", "2-3\n"),
    (
        "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
        "performance\n",
    ),
    (
        "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
        "performance\n",
    ),
    (
        "sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
        "2\n",
    ),
    (
        "sys/devices/system/cpu/cpu3/topology/thread_siblings_list",
        "3\n",
    ),
    ("sys/devices/system/node/node0/cpulist", "0-3\n"),
    ("sys/devices/system/node/online", "0\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth1/operstate", "down\n"),
    ("sys/class/net/eth1/device/numa_node", "1\n"),
    (
        "sys/devices/pci0000:00/0000:00:03.0/virtio2/numa_node",
        "0\n",
    ),
    ("proc/interrupts", INTERRUPTS),
    ("proc/irq/37/smp_affinity_list", "2\n"),
    ("proc/irq/38/effective_affinity_list", "0\n"),
    ("proc/irq/39/effective_affinity_list", "\n"),
    ("proc/irq/39/smp_affinity_list", "0-1\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t33554432\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
    ("proc/sys/net/core/rmem_max", "212992\n"),
    ("proc/sys/net/core/wmem_max", "212992\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    (
        "proc/sys/net/ipv4/ip_local_reserved_ports",
        "46350-46360,46380\n",
    ),
    ("proc/sys/net/core/busy_poll", "0\n"),
    ("proc/sys/net/core/busy_read", "0\n"),
    (
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "tsc\n",
    ),
    (
        "sys/devices/system/clocksource/clocksource0/available_clocksource",
        "tsc hpet acpi_pm\n",
    ),
    (
        "sys/devices/system/cpu/vulnerabilities/meltdown",
        "Not affected\n",
    ),
];

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max open files            131072               131072               files
Max locked memory         8388608              8388608              bytes
";

const INTERRUPTS: &str = "           CPU0       CPU1       CPU2       CPU3
  9:          0          0          0          0   IO-APIC   9-fasteoi   acpi
 37:          0          0          0          0   PCI-MSIX-0000:00:03.0   0-edge      virtio2-config
 38:      15228          0          0          0   PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0
 39:          0      12372          0          0   PCI-MSIX-0000:00:03.0   2-edge      virtio2-output.0
 40:          0          0          0          7   PCI-MSIX-0000:00:04.0   1-edge      virtio21-input.0
NMI:          0          0          0          0   Non-maskable interrupts
";

/// A node that has nothing to complain about there.
pub(crate) const NODE: &str = "\
services:
  slim/0:
    dataplane:
      servers:
        - {endpoint: \"0.0.0.0:46357\", tls: {insecure: true}}
slipring:
  cpus: [2, 3]
  admin: {http: \"127.0.0.1:46380\"}
";

/// The same node with other words for `from`.
pub(crate) fn node(from: &str, to: &str) -> Config {
    assert!(NODE.contains(from), "{from}");
    let host = HostFacts {
        cpus: vec![0, 1, 2, 3],
        ..config_support::host()
    };
    let text = NODE.replace(from, to);
    config_support::load_on(&host, Some(text.as_bytes()), None, false).unwrap()
}

/// What the kernel says to a ring.
pub(crate) fn refused() -> io::Result<()> {
    Err(io::ErrorKind::PermissionDenied.into())
}

/// Looks at the host with `changes` made to it.
pub(crate) fn findings(
    changes: &[(&str, Change)],
    config: &Config,
    ring: &io::Result<()>,
) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| {
        let place = folder.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    };
    for (path, text) in FILES {
        fs::write(place(path), text).unwrap();
    }
    let device = place("sys/class/net/eth0/device");
    symlink("../../../devices/pci0000:00/0000:00:03.0/virtio2", device).unwrap();
    for (path, change) in changes {
        let place = place(path);
        match change {
            Change::Text(text) => fs::write(place, text).unwrap(),
            Change::Gone if place.is_dir() => fs::remove_dir_all(place).unwrap(),
            Change::Gone => fs::remove_file(place).unwrap(),
            Change::Folder => {
                if place.exists() {
                    fs::remove_file(&place).unwrap();
                }
                fs::create_dir(place).unwrap();
            }
        }
    }
    let host = Host {
        root: folder.path().to_owned(),
    };
    examine(&Subject {
        host: &host,
        config,
        ring,
    })
}
