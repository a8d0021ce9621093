//! Commands for a node that runs already: what to ask it, and how to show what it says.
//!
//! What enters: a [`Command`], and where the node's configuration says that it can be reached. What
//! leaves: text on `out` or one sentence on `err`, and an exit code: 69 when nothing answers.
//! Looking goes over the admin HTTP address, orders over the control socket; neither is ever mixed
//! with the other, so that who may only look needs no right to change.

mod http;
mod status;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Command, Files, Reach, exit};
use crate::config::{Config, Errors, LEVELS, show_duration};

/// How long an order may take; a reload reads files.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer to an order.
const REPLY_BYTES_MAX: u64 = 4_096;

/// How long `status` watches to tell a rate.
const WATCH: Duration = Duration::from_millis(500);

/// Loads the configuration that the files hold.
pub type Load<'a> = &'a dyn Fn(&Files) -> Result<Config, Errors>;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteFault {
    /// The configuration that says where the node is cannot be loaded.
    #[error("{0}")]
    Config(String),
    /// What answered is not a node, or not one that this program understands.
    #[error("{place} does not answer like a node: {what}")]
    Garbled {
        /// Where it is.
        place: String,
        /// What was unexpected.
        what: String,
    },
    /// The configuration says that there is no such surface.
    #[error("the node has no admin HTTP address; see slipring.admin.http, or give --admin")]
    Off,
    /// The node was asked and said no.
    #[error("{0}")]
    Refused(String),
    /// Nothing answers.
    #[error("no node answers at {place}: {source}")]
    Unreachable {
        /// Where it should be.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The command asks for something a node does not tell.
    #[error("{0}")]
    Untold(&'static str),
}

impl RemoteFault {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => exit::CONFIG,
            Self::Garbled { .. } | Self::Off | Self::Unreachable { .. } => exit::UNAVAILABLE,
            Self::Refused(_) => exit::SOFTWARE,
            Self::Untold(_) => exit::USAGE,
        }
    }
}

/// Obeys `command` if it is one for a running node; says by exit code how it went.
///
/// # Errors
/// Those of `out` and `err`.
pub fn run(
    command: &Command,
    load: Load<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let fault = match answer(command, load) {
        Ok(text) => {
            out.write_all(text.as_bytes())?;
            return Ok(exit::OK);
        }
        Err(fault) => fault,
    };
    writeln!(err, "slipring: {fault}")?;
    // A supervisor of containers knows two answers.
    let is_health = matches!(command, Command::Health { .. });
    Ok(if is_health {
        exit::UNHEALTHY
    } else {
        fault.exit_code()
    })
}

fn answer(command: &Command, load: Load<'_>) -> Result<String, RemoteFault> {
    match command {
        Command::Status { reach, json } => status(looking(reach, load)?, *json),
        Command::Links {
            reach,
            json,
            rows_max,
        } => {
            let form = form(*json);
            let path = format!("/links?top={rows_max}&format={form}");
            page(looking(reach, load)?, &path)
        }
        Command::Fib { reach, json } => page(
            looking(reach, load)?,
            &format!("/fib?format={}", form(*json)),
        ),
        Command::Health { reach } => {
            let address = looking(reach, load)?;
            page(address, "/livez").and_then(|_| page(address, "/readyz"))
        }
        Command::Drain { reach, deadline } => {
            let line = deadline.map_or_else(
                || "drain".to_owned(),
                |deadline| format!("drain {}", show_duration(deadline)),
            );
            order(&ordering(reach, load)?, &line)
        }
        Command::Reload { reach } => order(&ordering(reach, load)?, "reload"),
        Command::LogLevel {
            reach,
            module,
            level,
        } => {
            let word = LEVELS
                .iter()
                .find(|(_, known)| known == level)
                .map_or("", |(word, _)| word);
            let line = match module {
                Some(module) => format!("log-level {module}={word}"),
                None => format!("log-level {word}"),
            };
            order(&ordering(reach, load)?, &line)
        }
        Command::Run(_)
        | Command::Check(_)
        | Command::Config(_)
        | Command::Doctor { .. }
        | Command::Version
        | Command::Help(_) => Err(RemoteFault::Untold(
            "this command is not for a running node",
        )),
    }
}

const fn form(is_json: bool) -> &'static str {
    if is_json { "json" } else { "text" }
}

/// The HTTP address: the one given by name, else the configured one.
fn looking(reach: &Reach, load: Load<'_>) -> Result<SocketAddr, RemoteFault> {
    match reach.admin {
        Some(address) => Ok(address),
        None => configured(reach, load)?.admin.http.ok_or(RemoteFault::Off),
    }
}

/// The control socket: the one given by name, else the configured one.
fn ordering(reach: &Reach, load: Load<'_>) -> Result<PathBuf, RemoteFault> {
    match &reach.control {
        Some(path) => Ok(path.clone()),
        None => Ok(configured(reach, load)?.admin.control),
    }
}

fn configured(reach: &Reach, load: Load<'_>) -> Result<Config, RemoteFault> {
    load(&reach.files).map_err(|errors| {
        let first = errors
            .findings
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        RemoteFault::Config(format!(
            "the configuration does not say where the node is: {first}"
        ))
    })
}

/// The body of a page that was found; a node that is not well says so in the body.
fn page(address: SocketAddr, path: &str) -> Result<String, RemoteFault> {
    let answer = http::get(address, path)?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    Err(RemoteFault::Refused(answer.body.trim_end().to_owned()))
}

fn status(address: SocketAddr, is_json: bool) -> Result<String, RemoteFault> {
    let before = page(address, "/metrics")?;
    std::thread::sleep(WATCH);
    let after = page(address, "/metrics")?;
    let state = http::get(address, "/readyz")?.body;
    let links = page(address, &format!("/links?top={}", status::LINKS))?;
    let status = status::Status {
        state: state.trim_end(),
        before: &before,
        after: &after,
        watched: WATCH,
        links: &links,
    };
    Ok(if is_json {
        status.json()
    } else {
        status.text()
    })
}

/// Gives one order and returns what the node says to it.
fn order(path: &Path, line: &str) -> Result<String, RemoteFault> {
    let place = path.display().to_string();
    let fault = |source| RemoteFault::Unreachable {
        place: place.clone(),
        source,
    };
    let mut stream = UnixStream::connect(path).map_err(fault)?;
    stream
        .set_read_timeout(Some(ORDER_TIMEOUT))
        .map_err(fault)?;
    stream
        .set_write_timeout(Some(ORDER_TIMEOUT))
        .map_err(fault)?;
    stream
        .write_all(format!("{line}\n").as_bytes())
        .map_err(fault)?;
    let mut reply = String::new();
    BufReader::new(stream.take(REPLY_BYTES_MAX))
        .read_line(&mut reply)
        .map_err(fault)?;
    let reply = reply.trim_end();
    match reply.split_once(' ').unwrap_or((reply, "")) {
        ("ok", text) => Ok(format!("{text}\n")),
        ("error", text) => Err(RemoteFault::Refused(text.to_owned())),
        (word, _) => {
            let what = format!("\"{}\"", crate::admin::table::visible(word, 20));
            Err(RemoteFault::Garbled { place, what })
        }
    }
}
