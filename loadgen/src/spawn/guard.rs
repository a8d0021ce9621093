//! The process that starts a target and ends it.
//!
//! `loadgen guard CPU FOLDER PROGRAM ARGUMENTS…`, started by [`super::Spawned`] and by nobody
//! else. It writes the target's pid, then waits for the end of its standard input, which comes
//! when the load generator ends in whatever way; then it ends the target and removes the folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use core_affinity::CoreId;

/// The command.
pub(crate) const WORD: &str = "guard";
/// The file in the folder that says how the target ended by itself.
pub(super) const ENDED: &str = "ended";
/// The file in the folder with the target's output.
pub(super) const OUTPUT: &str = "output";
/// How often the guard looks whether the target is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Does what the command line after `guard` says.
pub(crate) fn guard(arguments: &[OsString]) -> ExitCode {
    let [cpu, folder, program, rest @ ..] = arguments else {
        return ExitCode::FAILURE;
    };
    let folder = Path::new(folder);
    let cpu = cpu.to_str().and_then(|cpu| cpu.parse().ok());
    let mut command = Command::new(program);
    command.args(rest);
    let started = start(command, folder, cpu);
    let mut stdout = io::stdout();
    let status = match started {
        Ok(mut child) => {
            // Without a reader the pipe of standard input is closed as well.
            writeln!(stdout, "{}", child.id()).unwrap_or_default();
            watch(&mut child, folder);
            ExitCode::SUCCESS
        }
        Err(error) => {
            writeln!(stdout, "{error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    };
    fs::remove_dir_all(folder).unwrap_or_default();
    status
}

/// Starts the target from a thread on its CPU, which it inherits; the guard stays off it.
fn start(mut command: Command, folder: &Path, cpu: Option<usize>) -> io::Result<Child> {
    let output = File::create(folder.join(OUTPUT))?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let pinned = thread::spawn(move || {
        if cpu.is_none_or(|id| core_affinity::set_for_current(CoreId { id })) {
            command.spawn()
        } else {
            Err(io::Error::other("it cannot be pinned to its CPU"))
        }
    });
    let gone = |_| io::Error::other("the thread that starts it is gone");
    pinned.join().map_err(gone)?
}

/// Waits until the target is not wanted any more, and ends it.
fn watch(child: &mut Child, folder: &Path) {
    let (wanted, unwanted) = channel::<()>();
    thread::spawn(move || {
        // Ends with the pipe; nothing is ever written to it.
        io::stdin().read_to_end(&mut Vec::new()).unwrap_or_default();
        drop(wanted);
    });
    let mut has_ended = false;
    while let Err(RecvTimeoutError::Timeout) = unwanted.recv_timeout(LOOK_EVERY) {
        if !has_ended && let Ok(Some(status)) = child.try_wait() {
            has_ended = true;
            fs::write(folder.join(ENDED), status.to_string()).unwrap_or_default();
        }
    }
    if !has_ended {
        // It may just have ended by itself, which is as well.
        child.kill().unwrap_or_default();
        child.wait().map(drop).unwrap_or_default();
    }
}
