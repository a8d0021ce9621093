//! Starts valgrind on this very program and reads what it counted.

use std::{
    env, fs, io,
    process::{Command, Output},
};

/// The mangled names of all instances of [`crate::cases::measured`], whichever mangling is in use.
const MEASURED: &str = "*8measured*";

/// What valgrind calls itself, or nothing if there is none.
///
/// # Errors
/// Why it could not be started although it is there.
pub(crate) fn version() -> Result<Option<String>, String> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(Some(text(&output.stdout))),
        Ok(output) => Err(format!("valgrind --version: {}", text(&output.stderr))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("valgrind: {error}")),
    }
}

/// Instructions that the case executes inside the measured function.
///
/// # Errors
/// What went wrong in the case or in valgrind, or that nothing was counted.
pub(crate) fn count(case: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--demangle=no")
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(program)
        .args(["--case", case])
        // What stands above the stack moves the stack, and with it what aligned copies cost.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    collected(&output).map_err(|what| format!("{case}: {what}\n{}", text(&output.stderr)))
}

/// Reads the line `==PID== Collected : COUNT`.
fn collected(output: &Output) -> Result<u64, String> {
    if !output.status.success() {
        return Err(format!("valgrind ended with {}", output.status));
    }
    let report = text(&output.stderr);
    let count = report
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok());
    match count {
        Some(0) => Err("nothing was counted: are the symbols stripped?".to_owned()),
        Some(count) => Ok(count),
        None => Err("valgrind told no count".to_owned()),
    }
}

/// What the counts depend on beside the code.
pub(crate) fn made_by(valgrind: &str) -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = Command::new(rustc).arg("--version").output();
    let rustc = rustc.map_or_else(|_| "rustc ?".to_owned(), |output| text(&output.stdout));
    let rustc: Vec<&str> = rustc.split(' ').take(2).collect();
    format!("{}, {valgrind}, {}", rustc.join(" "), libc())
}

/// The C library that is loaded into this process, by the release that its file tells of itself.
fn libc() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| {
            path.rsplit('/')
                .next()
                .is_some_and(|file| file.starts_with("libc.so"))
        });
    let bytes = path
        .and_then(|path| fs::read(path).ok())
        .unwrap_or_default();
    let mark = b"GNU C Library ";
    let line = bytes
        .windows(mark.len())
        .position(|window| window == mark)
        .map(|at| {
            bytes
                .iter()
                .skip(at)
                .take_while(|byte| byte.is_ascii_graphic() || **byte == b' ')
        });
    let line: String = line
        .into_iter()
        .flatten()
        .map(|byte| char::from(*byte))
        .collect();
    match line.rsplit_once("version ") {
        Some((_, release)) => format!("glibc {}", release.trim_end_matches('.')),
        None => "an unknown C library".to_owned(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
