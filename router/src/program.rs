//! The program as a story: arguments, configuration, log, boot, a life, and an exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use crate::{
    boot,
    cli::{self, Command, Files, check, exit, help},
    config::{self, Config},
    doctor,
    io::runtime::choice,
    supervisor::{self, Stamps},
};

/// How long the last log lines may take to be written.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let command = cli::parse(std::env::args_os().skip(1), std::env::var_os("CONFIG"));
    let outcome = match command {
        Ok(command) => obey(command),
        Err(usage) => complain(exit::USAGE, &usage),
    };
    // A reader that closed the pipe has seen what it wanted.
    ExitCode::from(outcome.unwrap_or(exit::OK))
}

fn obey(command: Command) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match command {
        Command::Run(files) => {
            drop(out);
            run(&files)
        }
        Command::Check(files) => match load(&files) {
            Ok(config) => check::write_check(&config, &files, &mut out),
            Err(errors) => check::write_errors(&errors, &mut io::stderr()),
        },
        Command::Config(files) => match load(&files) {
            Ok(config) => out
                .write_all(config.to_yaml().as_bytes())
                .map(|()| exit::OK),
            Err(errors) => check::write_errors(&errors, &mut io::stderr()),
        },
        Command::Doctor { files, json } => match load(&files) {
            Ok(config) => diagnose(&config, json, &mut out),
            Err(errors) => check::write_errors(&errors, &mut io::stderr()),
        },
        Command::Version => help::write_version(&mut out).map(|()| exit::OK),
        Command::Help(verb) => help::write_help(verb, &mut out).map(|()| exit::OK),
        remote @ (Command::Status { .. }
        | Command::Links { .. }
        | Command::Fib { .. }
        | Command::Drain { .. }
        | Command::Reload { .. }
        | Command::LogLevel { .. }
        | Command::Health { .. }) => cli::remote::run(&remote, &load, &mut out, &mut io::stderr()),
    }
}

fn diagnose(config: &Config, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let findings = doctor::examine(&doctor::Subject {
        host: &doctor::host::real(),
        config,
        ring: &choice::try_ring(),
    });
    if json {
        doctor::report::write_json(&findings, out)
    } else {
        doctor::report::write(&findings, out)
    }
}

fn load(files: &Files) -> Result<Config, config::Errors> {
    let host = config::host_facts(cpus());
    config::from_host(
        files.config.as_deref(),
        files.overlay.as_deref(),
        files.strict,
        &host,
    )
}

/// The CPUs that this process may run on.
fn cpus() -> Vec<usize> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    let cpus: Vec<usize> = ids.into_iter().map(|core| core.id).collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}

fn run(files: &Files) -> io::Result<u8> {
    let config = match load(files) {
        Ok(config) => config,
        Err(errors) => return check::write_errors(&errors, &mut io::stderr()),
    };
    if let Err(over) = config.memory_worst_case().allow(&config.limits) {
        return complain(exit::CONFIG, &over);
    }
    let log = match crate::log::start(&config.log) {
        Ok(log) => log,
        Err(fault) => return complain(exit::SOFTWARE, &fault),
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // Before there are shards: what the kernel has given by then is little.
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::warn!(%error, "huge pages cannot be declined; links may cost more memory");
    }
    let certificates = Stamps::of(&config);
    let running = match boot::start(&config) {
        Ok(running) => running,
        Err(fault) => return complain(exit::CONFIG, &fault),
    };
    let ended = supervisor::supervise(&config, running, certificates, &log, &mut io::stdout());
    log.flush(LOG_PATIENCE);
    match ended {
        Ok(()) => Ok(exit::OK),
        Err(fault) => complain(fault.exit_code(), &fault),
    }
}

fn complain(code: u8, what: &dyn std::fmt::Display) -> io::Result<u8> {
    writeln!(io::stderr(), "slipring: {what}")?;
    Ok(code)
}
