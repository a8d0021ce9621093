//! The admin surface. This page is its API.
//!
//! Two sockets, two powers: what can be reached over HTTP cannot change anything, and what can
//! change something is reached through the file system only.
//!
//! # Looking: HTTP/1.1 on `slipring.admin.http`
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | this list |
//! | `GET /metrics` | Prometheus text; names in `router/docs/OPERATIONS.md` |
//! | `GET /livez` | 200 when every shard answers within one second, else 503 |
//! | `GET /readyz` | 200 while new connections are welcome, else 503 (`starting`, `draining`) |
//! | `GET /links` | every link, the one with the most waiting bytes first |
//! | `GET /fib` | the numbers of the RIB, and how each shard's replica compares |
//!
//! `/links` and `/fib` are tables for people; with `?format=json` or `Accept: application/json` they
//! are JSON. `/links?top=N` shows N links at most. Any method but GET is 405, any other path 404, a
//! parameter that makes no sense 400. On a loopback address a request whose `Host` is a name other
//! than `localhost` is 421, so that no web page can look through somebody's browser.
//!
//! A connection carries one request. Its head may have 16 KiB and 64 fields, its body is never
//! read, and everything, answer included, must be over within ten seconds. There are at most 32
//! connections; more wait in the backlog. The shards are asked at most twenty times a second,
//! however many ask us: who comes sooner waits for the next answer and shares it. No answer is
//! older than its request.
//!
//! # Changing: lines on the Unix socket `slipring.admin.control`, mode 0600
//!
//! | line | effect |
//! |---|---|
//! | `drain [DURATION]` | as the first SIGTERM; within this time instead of the configured one |
//! | `stop` | as the second SIGTERM |
//! | `reload` | certificates are read again; new handshakes use them |
//! | `log-level [MODULE=]LEVEL` | changes what is logged from now on |
//! | `hang SHARD` | only with the feature `fault-injection` |
//! | `panic SHARD` | only with the feature `fault-injection` |
//!
//! Each line is answered by one line, `ok …` or `error …`. A line has at most 256 bytes. There are
//! at most eight connections of at most a minute. Nothing can be read here.
//!
//! # Inside
//!
//! One thread of its own, not pinned, asks shards by message; a shard is never waited for with
//! anything held. What enters: requests. What leaves: copies, or one call of an [`Orders`]
//! callback, so that the state machine of the process stays in one place.

mod ask;
mod control;
mod fib;
mod http;
mod links;
mod pages;
mod socket;
pub(crate) mod table;

use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use thiserror::Error;
use tokio::{runtime, sync::oneshot, task::LocalSet};

use crate::{
    config::{Admin, Level},
    io::mailbox::Node,
};

/// What an order came to: what was done, or why nothing was. One line of text each.
pub type Outcome = Result<String, String>;

/// Starts to drain, within the given time or the configured one.
pub type Drain = Arc<dyn Fn(Option<Duration>) + Send + Sync>;

/// Ends every link at once.
pub type Stop = Arc<dyn Fn() + Send + Sync>;

/// Reads certificates again; over when no new handshake sees the old ones.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// Changes the level of a module, or of everything that has no level of its own.
pub type LogLevel = Arc<dyn Fn(Option<&str>, Level) -> Outcome + Send + Sync>;

/// What the control socket may set in motion. The callbacks run on the admin thread.
#[derive(Clone)]
pub struct Orders {
    /// `drain`.
    pub drain: Drain,
    /// `stop`.
    pub stop: Stop,
    /// `reload`.
    pub reload: Reload,
    /// `log-level`.
    pub log_level: LogLevel,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Orders")
    }
}

/// What runs, as `/metrics` and `slipring status` tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFacts {
    /// The version of the program.
    pub version: String,
    /// The commit it was built from, empty when unknown.
    pub commit: String,
    /// The SLIM version announced in link negotiation.
    pub slim_version: String,
    /// The runtime that was chosen: `uring` or `epoll`.
    pub io: String,
}

/// Why the admin surface cannot come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The control socket cannot be made.
    #[error("control socket {}: {source}", path.display())]
    Control {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A running process answers on the control socket.
    #[error("control socket {}: another process answers there", path.display())]
    ControlTaken {
        /// Where it is.
        path: PathBuf,
    },
    /// The HTTP address cannot be listened on.
    #[error("admin HTTP {address}: {source}")]
    Http {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The thread or its runtime cannot be started.
    #[error("admin thread: {0}")]
    Thread(io::Error),
}

/// The running surface. Dropping it ends the thread and removes the control socket.
#[derive(Debug)]
pub struct AdminThread {
    http: Option<SocketAddr>,
    control: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminThread {
    /// Where HTTP is answered, with the port that was bound; `None` when it is switched off.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where the control socket is.
    #[must_use]
    pub fn control(&self) -> &Path {
        &self.control
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        // A thread that ended by itself has dropped its end already.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

/// Everything the surface answers from.
#[derive(Debug)]
struct Surface {
    asks: ask::Asks,
    facts: BuildFacts,
    started: tokio::time::Instant,
    orders: Orders,
}

/// Brings the surface up: when this returns, both sockets answer.
///
/// # Errors
/// [`Fault`] says which of the two sockets is in the way; nothing is left behind.
pub fn start(
    config: &Admin,
    node: Node,
    facts: BuildFacts,
    orders: Orders,
) -> Result<AdminThread, Fault> {
    let http = config.http.map(listen).transpose()?;
    let address = http
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    let control = socket::ControlSocket::bind(&config.control)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Fault::Thread)?;
    let (stop, stopped) = oneshot::channel();
    let main = move || {
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            let started = tokio::time::Instant::now();
            let surface = Surface {
                asks: ask::Asks::new(node),
                facts,
                started,
                orders,
            };
            run(surface, http, control, stopped).await;
        });
    };
    let name = "slipring-admin".to_owned();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(main)
        .map_err(Fault::Thread)?;
    Ok(AdminThread {
        http: address,
        control: config.control.clone(),
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// Serves both sockets until `stopped` resolves; the control socket's file goes with its owner.
async fn run(
    surface: Surface,
    http: Option<TcpListener>,
    control: socket::ControlSocket,
    stopped: oneshot::Receiver<()>,
) {
    let surface = std::rc::Rc::new(surface);
    if let Some(listener) = http {
        tokio::task::spawn_local(http::serve(std::rc::Rc::clone(&surface), listener));
    }
    let (listener, file) = control.into_parts();
    tokio::task::spawn_local(control::serve(surface, listener));
    // The sender is dropped or used; both mean the same.
    stopped.await.ok();
    drop(file);
}

fn listen(address: SocketAddr) -> Result<TcpListener, Fault> {
    let fault = |source| Fault::Http { address, source };
    let listener = TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}
