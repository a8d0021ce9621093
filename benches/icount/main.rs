//! The instruction gate: what each case executes, counted by callgrind.
//!
//! Without arguments it runs every case in a process of its own under valgrind, and compares with
//! `expected.toml`; two per cent more than that fails. `--accept` writes the file anew, `--case NAME`
//! runs one case as valgrind does. Counted is what happens inside [`measured`] and nothing of what
//! prepares it. Everything that could differ from run to run is fixed: hash seeds, cryptography (the
//! fake), environment, addresses (valgrind's), and the CPU that libraries ask about (valgrind's too).
//!
//! It is built like the shipped binary, so that what is counted is what ships.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a gate shows what it measured, and its counts are exact in an f64"
)]

mod callgrind;
mod cases;

use std::{env, process::ExitCode};

use slipring_benches::expected::Gate;

use crate::cases::{CASES, Case};

const GATE: Gate = Gate {
    file: "icount/expected.toml",
    unit: "instructions each",
    tolerance_percent: 2.0,
    accept: "cargo bench -p slipring-benches --profile release --bench icount -- --accept",
};

/// Another instruction set has other counts.
const ARCH: &str = "x86_64";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let outcome = match args.iter().position(|arg| arg == "--case") {
        Some(at) => run_one(args.get(at + 1).map_or("", String::as_str)),
        None => run_all(args.iter().any(|arg| arg == "--accept")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_one(name: &str) -> Result<(), String> {
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        format!(
            "no case is called {name:?}; there are\n  {}",
            names.join("\n  ")
        )
    })?;
    (case.run)();
    Ok(())
}

fn run_all(accept: bool) -> Result<(), String> {
    if env::consts::ARCH != ARCH {
        println!("instruction counts SKIPPED: they are kept for {ARCH}");
        return Ok(());
    }
    let Some(valgrind) = callgrind::version()? else {
        // A machine that gates must be able to; on others the rest of the checks is worth having.
        return if env::var_os("CI").is_some_and(|value| value == "true") {
            Err("valgrind is missing, and CI=true: the instruction gate cannot be left out".into())
        } else {
            println!(
                "instruction counts SKIPPED: valgrind is missing (Debian: apt-get install valgrind)"
            );
            Ok(())
        };
    };
    let count = |case: &Case| {
        let total = callgrind::count(case.name)?;
        Ok((case.name.to_owned(), total as f64 / case.operations as f64))
    };
    let measured = CASES
        .iter()
        .map(count)
        .collect::<Result<Vec<_>, String>>()?;
    let failures = GATE.judge(&callgrind::made_by(&valgrind), &measured, accept)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("\n{}", failures.join("\n")))
    }
}
