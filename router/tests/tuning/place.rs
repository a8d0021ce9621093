//! The script that places interrupts, on a host that is made up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::path;

const INTERRUPTS: &str = "            CPU0       CPU1       CPU2       CPU3
  9:          0          0          0          0   IO-APIC   9-fasteoi   acpi
 37:          0          0          0          0   PCI-MSIX  0-edge      virtio2-config
 38:      15228          0          0          0   PCI-MSIX  1-edge      virtio2-input.0
 39:          0      12372          0          0   PCI-MSIX  2-edge      virtio2-output.0
 50:          0          0          1          0   PCI-MSIX  3-edge      eth1-TxRx-0
 51:          0          0          1          0   PCI-MSIX  4-edge      eth11-TxRx-0
 60:          0          0          1          0   PCI-MSIX  5-edge      eth2-TxRx-0
NMI:          0          0          0          0   Non-maskable interrupts
";

/// Four CPUs, a virtual card, one of the usual kind, and one that is down.
const FILES: &[(&str, &str)] = &[
    ("proc/interrupts", INTERRUPTS),
    ("proc/irq/38/smp_affinity_list", "0-3\n"),
    // Without a line end, to see whether undo keeps bytes.
    ("proc/irq/39/smp_affinity_list", "2"),
    ("proc/irq/50/smp_affinity_list", "0\n"),
    ("proc/irq/51/smp_affinity_list", "3\n"),
    ("proc/irq/60/smp_affinity_list", "3\n"),
    ("sys/devices/system/cpu/online", "0-3\n"),
    (
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "powersave\n",
    ),
    (
        "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
        "powersave\n",
    ),
    (
        "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
        "performance\n",
    ),
    ("sys/devices/virtual/workqueue/cpumask", "f\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth1/operstate", "up\n"),
    ("sys/class/net/eth1/device/vendor", "x\n"),
    ("sys/class/net/eth2/operstate", "down\n"),
    ("sys/class/net/eth2/device/vendor", "x\n"),
    ("proc/77/comm", "irqbalance\n"),
];

struct MadeUp {
    folder: tempfile::TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl MadeUp {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Self { folder };
        for (name, text) in FILES {
            let place = host.root().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        let device = host.root().join("sys/class/net/eth0/device");
        symlink("../../../devices/pci0000:00/0000:00:03.0/virtio2", device).unwrap();
        // The link of a virtual card leads somewhere.
        let target = host
            .root()
            .join("sys/devices/pci0000:00/0000:00:03.0/virtio2");
        fs::create_dir_all(target).unwrap();
        host
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn place(&self, words: &[&str]) -> Said {
        let output = Command::new("bash")
            .arg(path("tuning/place.sh"))
            .args(words)
            .arg("--root")
            .arg(self.root())
            .arg("--state")
            .arg(self.state())
            .output()
            .unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Every file below the root, with its bytes.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.root()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    continue;
                }
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        found
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(Path::new(name))).unwrap()
    }
}

const SHARDS: [&str; 2] = ["--shards", "2-3"];

const PLAN: &str = "\
shards on CPUs 2-3, interrupts on CPUs 0,1
set   /proc/irq/38/smp_affinity_list: 0-3 -> 0
set   /proc/irq/39/smp_affinity_list: 2 -> 1
keep  /proc/irq/50/smp_affinity_list: 0
set   /sys/devices/virtual/workqueue/cpumask: f -> 3
set   /sys/devices/system/cpu/cpu2/cpufreq/scaling_governor: powersave -> performance
keep  /sys/devices/system/cpu/cpu3/cpufreq/scaling_governor: performance
4 settings would change; nothing was touched
";

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let host = MadeUp::new();
    let before = host.bytes();
    for words in [&[][..], &["plan"], &["--dry-run"], &["apply", "--dry-run"]] {
        let said = host.place(&[words, &SHARDS].concat());
        assert_eq!(
            (said.code, said.out.as_str()),
            (Some(0), PLAN),
            "{}",
            said.err
        );
        assert!(said.err.contains("irqbalance runs"), "{}", said.err);
        assert_eq!(host.bytes(), before);
        assert!(!host.state().exists());
    }
}

#[test]
fn undo_restores_what_apply_changed_byte_for_byte() {
    let host = MadeUp::new();
    let before = host.bytes();
    let said = host.place(&[&["apply"][..], &SHARDS].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out
            .ends_with("4 settings changed; undo puts them back\n"),
        "{}",
        said.out
    );
    assert_eq!(host.text("proc/irq/38/smp_affinity_list"), "0\n");
    assert_eq!(host.text("proc/irq/39/smp_affinity_list"), "1\n");
    assert_eq!(host.text("sys/devices/virtual/workqueue/cpumask"), "3\n");
    let governor = "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor";
    assert_eq!(host.text(governor), "performance\n");
    let changed = host.bytes();
    let differing = changed
        .iter()
        .filter(|(path, bytes)| before[*path] != **bytes);
    assert_eq!(
        differing.count(),
        4,
        "it changes what it says and nothing else"
    );
    // What was there before the first time is what counts.
    let again = host.place(&["apply"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("undo first"), "{}", again.err);
    assert_eq!(host.place(&["undo", "--dry-run"]).code, Some(0));
    assert_eq!(host.bytes(), changed);
    let said = host.place(&["undo"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(host.bytes(), before);
    assert!(!host.state().exists());
    let said = host.place(&["undo"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("nothing to undo"), "{}", said.err);
}

#[test]
fn a_setting_that_cannot_be_had_is_named_and_the_others_are_made() {
    let host = MadeUp::new();
    let missing = host.root().join("proc/irq/38/smp_affinity_list");
    fs::remove_file(&missing).unwrap();
    let before = host.bytes();
    let said = host.place(&[&["apply"][..], &SHARDS].concat());
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.err.contains("irq/38/smp_affinity_list"),
        "{}",
        said.err
    );
    assert_eq!(host.text("proc/irq/39/smp_affinity_list"), "1\n");
    assert_eq!(host.place(&["undo"]).code, Some(0));
    assert_eq!(host.bytes(), before);
}

#[test]
fn words_that_make_no_sense_are_named_before_anything_happens() {
    let host = MadeUp::new();
    let before = host.bytes();
    for (words, why) in [
        (&["aply"][..], "unknown word \"aply\""),
        (&["apply", "--shards"], "takes a value"),
        (&["apply", "--shards", "2-x"], "\"2-x\" is no list of CPUs"),
        (
            &["apply", "--shards", "2", "--irqs", "9"],
            "CPU 9 is not online",
        ),
    ] {
        let mut command = Command::new("bash");
        command.arg(path("tuning/place.sh"));
        command
            .arg("--root")
            .arg(host.root())
            .arg("--state")
            .arg(host.state());
        let output = command.args(words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{words:?}: {said}");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(host.bytes(), before);
    assert!(!host.state().exists());
}

/// Where it is installed, the linter has nothing to say.
#[test]
fn shellcheck_finds_nothing() {
    let Ok(output) = Command::new("shellcheck")
        .arg(path("tuning/place.sh"))
        .output()
    else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
