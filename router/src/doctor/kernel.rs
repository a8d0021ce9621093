//! The kernel: its age, its rings, its clock, its guards against the CPU.

use super::{Level, Probed, Subject, Topic, count};
use crate::{config::IoChoice, io::runtime::choice};

const RELEASE_PATH: &str = "/proc/sys/kernel/osrelease";
const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";
const CLOCK_PATH: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const CLOCKS: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";

/// Clocks that a process reads without a system call.
const CLOCKS_IN_USER_SPACE: &[&str] = &[
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
];

pub(super) const RELEASE: Topic = Topic {
    name: "kernel",
    source: RELEASE_PATH,
    reason: "older kernels lack operations that the io_uring runtime uses",
};

pub(super) fn release(subject: &Subject<'_>) -> Probed {
    let release = subject.host.read(RELEASE_PATH)?;
    let Some(version) = choice::parse_release(&release) else {
        return Err(format!("{RELEASE_PATH} holds no release: \"{release}\""));
    };
    let (major, minor) = choice::KERNEL_LEAST;
    if version >= choice::KERNEL_LEAST {
        return RELEASE.ok(format!("Linux {release}"));
    }
    let level = subject.uring_at_stake();
    RELEASE.at(
        level,
        format!("Linux {release} is older than {major}.{minor}"),
        "boot a newer kernel, or set slipring.io: epoll",
    )
}

pub(super) const URING: Topic = Topic {
    name: "io_uring",
    source: "a ring made and dropped, /proc/sys/kernel/io_uring_disabled, /proc/self/status",
    reason: "without rings the node runs on epoll: the same service, more system calls",
};

pub(super) fn uring(subject: &Subject<'_>) -> Probed {
    let disabled = subject.host.read_if_there(DISABLED)?;
    let status = subject.host.read("/proc/self/status")?;
    let seccomp = match word_after(&status, "Seccomp:") {
        Some("0") => "no seccomp filter",
        Some("1") => "seccomp in strict mode",
        Some("2") => "a seccomp filter is in force",
        _ => "seccomp unknown",
    };
    let state = match &disabled {
        Some(value) => format!("io_uring_disabled is {value}, {seccomp}"),
        None => format!("no io_uring_disabled, {seccomp}"),
    };
    let Err(error) = subject.ring else {
        let made = format!("a ring can be made; {state}");
        return match subject.config.io {
            IoChoice::Epoll => URING.note(
                format!("{made}; slipring.io is epoll"),
                "slipring.io: auto, unless epoll is wanted",
            ),
            IoChoice::Auto | IoChoice::Uring => URING.ok(made),
        };
    };
    let disabled = disabled.unwrap_or_default();
    let obstacle = choice::explain(error, &disabled);
    let remedy = if matches!(disabled.as_str(), "1" | "2") {
        "sysctl -w kernel.io_uring_disabled=0"
    } else if seccomp == "no seccomp filter" {
        "boot a kernel with CONFIG_IO_URING, or set slipring.io: epoll"
    } else {
        "allow io_uring_setup, io_uring_enter, io_uring_register: tuning/container/seccomp.json"
    };
    URING.at(
        subject.uring_at_stake(),
        format!("no ring: {obstacle}; {state}"),
        remedy,
    )
}

/// The word after `key` on its line.
fn word_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .map(str::trim)
}

pub(super) const CLOCK: Topic = Topic {
    name: "clock",
    source: CLOCK_PATH,
    reason: "every turn reads the clock; these sources make that a system call or worse",
};

pub(super) fn clock(subject: &Subject<'_>) -> Probed {
    let clock = subject.host.read(CLOCK_PATH)?;
    if CLOCKS_IN_USER_SPACE.contains(&clock.as_str()) {
        return CLOCK.ok(clock);
    }
    let available = subject.host.read(CLOCKS).unwrap_or_default();
    let better = CLOCKS_IN_USER_SPACE
        .iter()
        .find(|known| available.split_whitespace().any(|word| word == **known));
    let remedy = better.map_or_else(
        || "dmesg | grep -i clocksource says why the kernel gave up tsc".to_owned(),
        |better| format!("echo {better} > {CLOCK_PATH}"),
    );
    CLOCK.warn(format!("{clock}; available: {available}"), remedy)
}

pub(super) const MITIGATIONS: Topic = Topic {
    name: "mitigations",
    source: VULNERABILITIES,
    reason: "each makes the way into the kernel dearer, and the node's time is spent there",
};

pub(super) fn mitigations(subject: &Subject<'_>) -> Probed {
    let mut active = Vec::new();
    let mut exposed = Vec::new();
    for name in subject.host.names(VULNERABILITIES)? {
        let state = subject.host.read(&format!("{VULNERABILITIES}/{name}"))?;
        if state.starts_with("Mitigation") {
            active.push(name);
        } else if state.starts_with("Vulnerable") {
            exposed.push(name);
        }
    }
    if active.is_empty() && exposed.is_empty() {
        return MITIGATIONS.ok("none is needed");
    }
    let mut found = format!("{} on: {}", count(active.len(), "guard"), active.join(", "));
    if !exposed.is_empty() {
        found.push_str(&format!("; vulnerable: {}", exposed.join(", ")));
    }
    // Which of them a host may do without is not for a router to say.
    Ok(MITIGATIONS.finding(Level::Note, found, None))
}
