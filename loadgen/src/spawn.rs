//! Starting a target: our router, or a peer's binary, each with its best documented settings.
//!
//! A [`Recipe`] comes in, a [`Spawned`] that listens leaves. The target is started by a process
//! of its own, the [`guard`], which ends it by its id when this process lets go of a pipe: at the
//! end of a turn, on an error, on a signal, on a crash. Its files lie in a folder that the guard
//! removes.

pub(crate) mod guard;
mod recipes;
mod secure;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use slipring_sdk::random::random_u64;

use crate::clock::Clock;
use crate::report::json::Json;
use crate::target::Target;

pub(crate) use crate::spawn::recipes::Kind;
pub(crate) use crate::spawn::secure::Certificate;

/// A target that does not listen by then is given up.
const LISTEN_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it is tried.
const LISTEN_TRY_EVERY: Duration = Duration::from_millis(20);
/// Lines of a target's output that an error repeats.
const OUTPUT_LINES_MAX: usize = 8;

/// What to start, and where.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// What the program is.
    pub(crate) kind: Kind,
    /// Where it lies.
    pub(crate) program: PathBuf,
    /// The CPU to pin it to; `None` leaves it to the kernel.
    pub(crate) cpu: Option<usize>,
    /// Whether links sign headers.
    pub(crate) signed: bool,
    /// What a SLIM node shows its links; `None` is clear text.
    pub(crate) certificate: Option<Certificate>,
}

impl Recipe {
    /// The target on the loopback.
    pub(crate) fn target(&self, port: u16) -> Target {
        match (self.kind.target(port), &self.certificate) {
            (Target::Slim(_), Some(certificate)) => {
                Target::Slim(Box::new(certificate.endpoint(port)))
            }
            (target, _) => target,
        }
    }

    /// The recipe as JSON, with the settings the target gets.
    pub(crate) fn json(&self) -> Json {
        let file = self.program.file_name().unwrap_or_default();
        let settings = self.kind.settings(self, 0, Path::new("FOLDER"));
        let environment = settings.environment.iter();
        let environment = environment.map(|(name, value)| format!("environment: {name}={value}\n"));
        let told = environment.collect::<String>() + &settings.file;
        Json::object([
            ("kind", self.kind.label().into()),
            ("program", file.to_string_lossy().into_owned().into()),
            ("version", self.kind.version(&self.program).into()),
            ("cpu", self.cpu.into()),
            ("settings", told.into()),
        ])
    }
}

/// Why a target could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It ended before it listened.
    #[error("{program} ended before it listened ({status}); it said:\n{output}")]
    Ended {
        /// The program.
        program: String,
        /// How.
        status: String,
        /// The last lines of its output.
        output: String,
    },
    /// It runs and does not listen.
    #[error(
        "{program} does not listen on port {port} after {} s; it said:\n{output}",
        LISTEN_WAIT_MAX.as_secs()
    )]
    Silent {
        /// The program.
        program: String,
        /// The port it was told to listen on.
        port: u16,
        /// The last lines of its output.
        output: String,
    },
    /// The system gives no process, folder or port for it.
    #[error("cannot start {program}: {source}")]
    System {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running target. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Where it listens.
    pub(crate) target: Target,
    /// Its process.
    pub(crate) pid: u32,
    folder: PathBuf,
    guard: Child,
    /// Open as long as the target is wanted.
    wanted: Option<ChildStdin>,
}

impl Spawned {
    /// Starts a target on a port of its own and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started, or ends, or does not listen.
    pub(crate) async fn start(recipe: &Recipe) -> Result<Self, Error> {
        let program = recipe.program.display().to_string();
        let system = |source| Error::System {
            program: program.clone(),
            source,
        };
        let port = free_port().map_err(system)?;
        let mut spawned = Self::launch(recipe, port).map_err(system)?;
        let clock = Clock::start();
        loop {
            if let Some(status) = spawned.ended() {
                let output = spawned.output();
                return Err(Error::Ended {
                    program,
                    status,
                    output,
                });
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                spawned.target = recipe.target(port);
                return Ok(spawned);
            }
            if clock.elapsed() > LISTEN_WAIT_MAX {
                let output = spawned.output();
                return Err(Error::Silent {
                    program,
                    port,
                    output,
                });
            }
            tokio::time::sleep(LISTEN_TRY_EVERY).await;
        }
    }

    fn launch(recipe: &Recipe, port: u16) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("loadgen-{:016x}", random_u64()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        match Self::guarded(recipe, port, &folder) {
            Ok(spawned) => Ok(spawned),
            Err(error) => {
                // The guard, whose task this is, never started.
                fs::remove_dir_all(&folder).unwrap_or_default();
                Err(error)
            }
        }
    }

    fn guarded(recipe: &Recipe, port: u16, folder: &Path) -> std::io::Result<Self> {
        let settings = recipe.kind.settings(recipe, port, folder);
        fs::write(folder.join(recipes::FILE), &settings.file)?;
        if let Some(certificate) = &recipe.certificate {
            certificate.write(folder)?;
        }
        let cpu = recipe
            .cpu
            .map_or_else(|| "-".to_owned(), |cpu| cpu.to_string());
        let mut guard = Command::new(std::env::current_exe()?)
            .arg(guard::WORD)
            .arg(cpu)
            .arg(folder)
            .arg(&recipe.program)
            .args(settings.arguments)
            .envs(settings.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is meant for the load generator, whose end the guard then sees.
            .process_group(0)
            .spawn()?;
        let wanted = guard.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Ok(pid) = line.trim().parse() else {
            drop(wanted);
            guard.wait()?;
            return Err(std::io::Error::other(line.trim().to_owned()));
        };
        Ok(Self {
            target: recipe.target(port),
            pid,
            folder: folder.to_owned(),
            guard,
            wanted,
        })
    }

    /// How the target ended, if it has.
    pub(crate) fn ended(&self) -> Option<String> {
        fs::read_to_string(self.folder.join(guard::ENDED)).ok()
    }

    /// The last lines that the target wrote.
    fn output(&self) -> String {
        let bytes = fs::read(self.folder.join(guard::OUTPUT)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(OUTPUT_LINES_MAX);
        if lines.is_empty() {
            "  (nothing)".to_owned()
        } else {
            lines[first..]
                .iter()
                .map(|line| format!("  {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        drop(self.wanted.take());
        // The guard ends when the target has.
        self.guard.wait().map(drop).unwrap_or_default();
    }
}

/// A port of the loopback that nobody uses at this moment.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Finds a program: a path as it is, a bare name beside this program, on PATH, and where
/// distributions put servers.
///
/// # Errors
/// There is no such file.
pub(crate) fn locate(program: &Path) -> Result<PathBuf, String> {
    let shown = program.display();
    if program.components().count() > 1 {
        return if program.is_file() {
            Ok(program.to_owned())
        } else {
            Err(format!("{shown}: there is no such program"))
        };
    }
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain([PathBuf::from("/usr/local/sbin"), PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("{shown}: no such program beside loadgen or on PATH"))
}

/// Settings that a target is started with.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The text of its file.
    pub(crate) file: String,
    /// Its command line.
    pub(crate) arguments: Vec<OsString>,
    /// Its environment, beside that of this process.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
}
