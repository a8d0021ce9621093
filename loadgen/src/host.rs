//! Facts about the machine and about processes on it, read from /proc and /sys.
//!
//! Everything is optional: what the system does not tell is left out of the report, never guessed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::report::json::Json;

/// The kernel counts process times in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What kind of machine this is.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    cpu_model: Option<String>,
    cpus: usize,
    governor: Option<String>,
    kernel: Option<String>,
    memory_kib: Option<u64>,
}

impl Host {
    /// Reads the facts.
    pub(crate) fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        Self {
            cpu_model: value_after(&cpuinfo, "model name", ':').map(str::to_owned),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            governor: line_of(governor),
            kernel: line_of("/proc/sys/kernel/osrelease"),
            memory_kib: kib_of("/proc/meminfo", "MemTotal"),
        }
    }

    /// The facts as JSON.
    pub(crate) fn json(&self) -> Json {
        Json::object([
            ("cpu_model", self.cpu_model.clone().into()),
            ("cpus", self.cpus.into()),
            ("governor", self.governor.clone().into()),
            ("kernel", self.kernel.clone().into()),
            ("memory_kib", self.memory_kib.into()),
        ])
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unknown = "unknown";
        write!(
            f,
            "{} x {}, kernel {}, governor {}",
            self.cpus,
            self.cpu_model.as_deref().unwrap_or(unknown),
            self.kernel.as_deref().unwrap_or(unknown),
            self.governor.as_deref().unwrap_or(unknown),
        )
    }
}

/// The commit of the working directory, if it is a git tree and git is there.
pub(crate) fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident memory now.
    pub(crate) resident_kib: u64,
    /// Highest resident memory so far.
    pub(crate) resident_kib_peak: u64,
}

impl Usage {
    /// Reads the figures of a process; `None` if it is gone or out of reach.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let status = format!("/proc/{pid}/status");
        Some(Self {
            cpu: cpu_of_threads(pid).or_else(|| cpu_of_process(pid))?,
            resident_kib: kib_of(&status, "VmRSS")?,
            resident_kib_peak: kib_of(&status, "VmHWM")?,
        })
    }

    /// CPU time since `earlier`.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }
}

/// Run time of every living thread in nanoseconds, finer than ticks.
fn cpu_of_threads(pid: u32) -> Option<Duration> {
    let mut total_ns = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else {
            continue;
        };
        total_ns += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (total_ns > 0).then(|| Duration::from_nanos(total_ns))
}

/// User and system time of the process in ticks, dead threads included.
fn cpu_of_process(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; fields are counted after it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK.saturating_mul(user.saturating_add(system)))
}

/// The first line of a file.
fn line_of(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

/// The value of a `key: N kB` line.
fn kib_of(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    value_after(&text, key, ':')?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn value_after<'a>(text: &'a str, key: &str, separator: char) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(separator).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_uses_memory_and_an_absent_one_is_none() {
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.resident_kib > 0 && own.resident_kib_peak >= own.resident_kib);
        assert!(Usage::of(u32::MAX).is_none());
    }

    #[test]
    fn host_facts_print() {
        let host = Host::read();
        assert!(host.cpus >= 1);
        assert!(host.to_string().contains("kernel"));
    }
}
