//! How many system calls the target makes, as others count them.
//!
//! `perf stat` counts entries into the kernel without stopping the process, so it is tried first.
//! Where it may not, `strace` is, which stops the target at every call: it is slower then, has
//! larger batches, and needs fewer calls per message than it would in peace. Either way the count
//! is taken after measuring, so that CPU time and latency do not feel it, and the rate of the
//! counted part is reported with it.

use std::process::Command;
use std::time::Duration;

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Count {
    /// Calls.
    pub(crate) calls: u64,
    /// In so long.
    pub(crate) span: Duration,
    /// Who counted.
    pub(crate) by: &'static str,
}

/// Counts the calls of a process and its threads for `span`; blocks as long.
///
/// # Errors
/// Why neither program could.
pub(crate) fn count(pid: u32, span: Duration) -> Result<Count, String> {
    perf(pid, span).or_else(|why_not_perf| {
        strace(pid, span)
            .map_err(|why_not_strace| format!("perf: {why_not_perf}; strace: {why_not_strace}"))
    })
}

fn perf(pid: u32, span: Duration) -> Result<Count, String> {
    let (pid, seconds) = (pid.to_string(), span.as_secs_f64().to_string());
    let event = ["stat", "-x", ";", "-e", "raw_syscalls:sys_enter"];
    let mut command = Command::new("perf");
    command
        .args(event)
        .args(["-p", &pid, "--", "sleep", &seconds]);
    let text = said(command)?;
    let calls = perf_calls(&text).ok_or_else(|| last_line(&text))?;
    Ok(Count {
        calls,
        span,
        by: "perf stat",
    })
}

fn strace(pid: u32, span: Duration) -> Result<Count, String> {
    let (pid, seconds) = (pid.to_string(), span.as_secs_f64().to_string());
    let mut command = Command::new("timeout");
    let strace = ["strace", "-q", "-c", "-f", "-p"];
    command.args(["-s", "INT", &seconds]).args(strace).arg(&pid);
    let text = said(command)?;
    let calls = strace_calls(&text).ok_or_else(|| last_line(&text))?;
    Ok(Count {
        calls,
        span,
        by: "strace",
    })
}

/// What a program writes to standard error, where both of them report.
fn said(mut command: Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        // Numbers without separators of a language.
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The count in a line such as `1234;;raw_syscalls:sys_enter;1000;100.00;;`.
fn perf_calls(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("sys_enter"))?;
    line.split(';').next()?.trim().parse().ok()
}

/// The count in a line such as `100.00    0.000947          94        10           total`.
fn strace_calls(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn last_line(text: &str) -> String {
    let told = text.lines().rev().find(|line| !line.trim().is_empty());
    told.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_and_refusals_are_not() {
        let perf = "3472;;raw_syscalls:sys_enter;994000;100.00;;\n";
        assert_eq!(perf_calls(perf), Some(3_472));
        let refused = "<not supported>;;raw_syscalls:sys_enter;0;100.00;;\n";
        assert_eq!(perf_calls(refused), None);
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n \
                      57.66    0.000546         182         3           epoll_wait\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000947          94        10         2 total\n";
        assert_eq!(strace_calls(strace), Some(10));
        let refused = "strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n";
        assert_eq!(strace_calls(refused), None);
        assert_eq!(last_line(refused), refused.trim());
    }

    #[test]
    fn a_process_that_is_not_there_is_a_reason_not_a_number() {
        let why = count(4_194_999, Duration::from_millis(10)).unwrap_err();
        assert!(why.contains("perf: ") && why.contains("strace: "), "{why}");
    }
}
