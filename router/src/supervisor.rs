//! The life of a running node, seen from outside its shards: signals, orders, certificates, the end.
//!
//! It runs on the main thread, which is pinned to nothing and carries no traffic. The first SIGTERM or
//! SIGINT drains, the second stops; SIGHUP and changed certificate files reload.

mod service;
mod signals;

use signals::Signals;

use std::{
    future::poll_fn,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use thiserror::Error;
use tokio::sync::mpsc;

use crate::{
    admin::{self, AdminThread, BuildFacts, Orders},
    boot::{BootFault, Running, WIRE_VERSION},
    cli::exit,
    config::{Authority, Certificate, Config, Server},
    io::{mailbox::Node, tls::ServerTls},
    log::LogHandle,
    metrics::ShardReport,
};

/// How often a draining node looks whether its shards have ended.
const END_POLL: Duration = Duration::from_millis(10);

/// How often certificate files are looked at.
const CERTIFICATE_POLL: Duration = Duration::from_secs(2);

/// How long a shard may take to answer before the node goes on without it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// How long shards may take to end after the deadline of a drain.
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);

/// How long shards may take to end once their links were told to stop.
const STOP_PATIENCE: Duration = Duration::from_millis(100);

/// Links that leave within one second of a drain, when the configured spread allows it: a small node
/// need not take its time.
const LEAVES_PER_SECOND: u64 = 500;

/// What ends a node badly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LifeFault {
    /// The admin surface cannot start.
    #[error("{0}")]
    Admin(#[from] admin::Fault),
    /// A shard ended badly.
    #[error("{0}")]
    Shard(#[from] BootFault),
    /// The system does not let us watch for signals.
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

impl LifeFault {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Admin(_) => exit::CONFIG,
            Self::Shard(_) | Self::Signals(_) => exit::SOFTWARE,
        }
    }
}

/// An order from the control socket.
#[derive(Clone, Copy, Debug)]
enum Order {
    Drain(Option<Duration>),
    Stop,
}

/// Stays until the node has ended.
///
/// # Errors
///
/// What ended it badly.
pub fn supervise(
    config: &Config,
    running: Running,
    mut certificates: Stamps,
    log: &LogHandle,
    out: &mut dyn Write,
) -> Result<(), LifeFault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LifeFault::Signals)?;
    let (orders, mut inbox) = mpsc::unbounded_channel();
    let facts = BuildFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("SLIPRING_COMMIT")
            .unwrap_or_default()
            .to_owned(),
        slim_version: WIRE_VERSION.to_owned(),
        io: running.io.to_owned(),
    };
    let orders = orders_for(config, &running, orders, log);
    // Before anybody is told that the node is there: who reads it may signal at once.
    let signals = {
        let _entered = runtime.enter();
        Signals::watch().map_err(LifeFault::Signals)
    };
    let admin = admin::start(&config.admin, running.node.clone(), facts, orders);
    let (mut signals, admin) = match (signals, admin.map_err(LifeFault::from)) {
        (Ok(signals), Ok(admin)) => (signals, admin),
        (Err(fault), _) | (_, Err(fault)) => {
            running.node.stop();
            running.join()?;
            return Err(fault);
        }
    };
    // Whoever reads the announcement may have gone; the node serves all the same.
    drop(announce(config, &running, &admin, out));
    service::ready();
    if let Some(period) = service::watchdog() {
        // It runs on this thread, so that a supervisor that hangs is found, too.
        runtime.spawn(service::keep_fed(
            running.node.clone(),
            period,
            service::alive,
        ));
    }
    let lived = runtime.block_on(live(
        config,
        &running,
        &mut certificates,
        &mut signals,
        &mut inbox,
    ));
    drop(admin);
    lived?;
    if running.is_finished() {
        running.join()?;
    } else {
        // The process ends, and with it threads that still wait for peers.
        running.abandon();
    }
    tracing::info!("stopped");
    Ok(())
}

/// What the supervisor wakes up for.
enum Event {
    /// A signal or the control socket wants something.
    Order(Order),
    /// Certificates shall be read again.
    Reload,
    /// It is time to look whether certificate files have changed.
    Look,
    /// It is time to look whether the shards have ended.
    Tick,
}

/// Prints what runs: the block that an operator, and every test, waits for.
fn announce(
    config: &Config,
    running: &Running,
    admin: &AdminThread,
    out: &mut dyn Write,
) -> io::Result<()> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(
        out,
        "slipring {} on Linux {}",
        env!("CARGO_PKG_VERSION"),
        kernel.trim()
    )?;
    writeln!(out, "  node     {}", config.node.node_id)?;
    writeln!(out, "  runtime  {}", running.runtime)?;
    let cpus: Vec<String> = config.cpus.iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "  shards   {} on CPU {}",
        config.shards,
        cpus.join(", ")
    )?;
    for (server, endpoint) in config.servers.iter().zip(&running.endpoints) {
        let security = match &server.tls {
            None => "clear text",
            Some(tls) if tls.client_ca.is_some() => "mutual TLS",
            Some(_) => "TLS",
        };
        writeln!(out, "  listens  {endpoint} ({security})")?;
    }
    if let Some(http) = admin.http() {
        writeln!(out, "  admin    http://{http}")?;
    }
    writeln!(out, "  control  {}", admin.control().display())?;
    let memory = config.memory_worst_case().total_bytes() >> 20;
    writeln!(out, "  memory   {memory} MiB at worst")?;
    out.flush()
}

fn orders_for(
    config: &Config,
    running: &Running,
    orders: mpsc::UnboundedSender<Order>,
    log: &LogHandle,
) -> Orders {
    let reload = {
        let (config, node) = (config.clone(), running.node.clone());
        let config = Arc::new(config);
        let reload: admin::Reload = Arc::new(move || {
            let (config, node) = (Arc::clone(&config), node.clone());
            Box::pin(async move { reload(&config, &node).await })
        });
        reload
    };
    let stop = orders.clone();
    let log = log.clone();
    Orders {
        // The receiver lives as long as the node; afterwards there is nothing left to order.
        drain: Arc::new(move |deadline| {
            orders.send(Order::Drain(deadline)).ok();
        }),
        stop: Arc::new(move || {
            stop.send(Order::Stop).ok();
        }),
        reload,
        log_level: Arc::new(move |module, level| log.set_level(module, level)),
    }
}

async fn live(
    config: &Config,
    running: &Running,
    certificates: &mut Stamps,
    Signals { term, int, hup }: &mut Signals,
    inbox: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<(), LifeFault> {
    let mut look = tokio::time::interval(CERTIFICATE_POLL);
    let mut end = tokio::time::interval(END_POLL);
    // It is not asked until the node drains, which may be months later.
    end.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut stop_by = None;
    loop {
        let event = poll_fn(|cx| {
            if term.poll_recv(cx).is_ready() || int.poll_recv(cx).is_ready() {
                return Poll::Ready(Event::Order(next_step(running)));
            }
            if let Poll::Ready(Some(order)) = inbox.poll_recv(cx) {
                return Poll::Ready(Event::Order(order));
            }
            if hup.poll_recv(cx).is_ready() {
                return Poll::Ready(Event::Reload);
            }
            if look.poll_tick(cx).is_ready() {
                return Poll::Ready(Event::Look);
            }
            if running.node.is_draining() && end.poll_tick(cx).is_ready() {
                return Poll::Ready(Event::Tick);
            }
            Poll::Pending
        })
        .await;
        let is_due = match event {
            Event::Look => certificates.have_changed(config),
            Event::Reload => true,
            Event::Order(_) | Event::Tick => false,
        };
        if is_due {
            *certificates = Stamps::of(config);
            log_reload(reload(config, &running.node).await);
        }
        match event {
            Event::Look | Event::Reload | Event::Tick => {}
            Event::Order(Order::Drain(deadline)) if !running.node.is_draining() => {
                stop_by = Some(drain(config, running, deadline).await);
            }
            Event::Order(Order::Drain(_)) => {}
            Event::Order(Order::Stop) => {
                service::stopping();
                tracing::info!("stopping now");
                running.node.stop();
                stop_by = Some(tokio::time::Instant::now() + STOP_PATIENCE);
            }
        }
        if running.is_finished() {
            return Ok(());
        }
        if stop_by.is_some_and(|deadline| tokio::time::Instant::now() >= deadline) {
            tracing::warn!("some peers did not take their last frames in time");
            return Ok(());
        }
    }
}

/// What a signal means: the first drains, the next stops.
fn next_step(running: &Running) -> Order {
    if running.node.is_draining() {
        Order::Stop
    } else {
        Order::Drain(None)
    }
}

/// Starts to drain. Returns when the shards must have ended.
async fn drain(
    config: &Config,
    running: &Running,
    deadline: Option<Duration>,
) -> tokio::time::Instant {
    service::stopping();
    // A shard that does not answer costs the node its haste, not its drain.
    let views = tokio::time::timeout(ANSWER_PATIENCE, running.node.views()).await;
    let links = views.ok().map(|views| count_links(&views));
    let enough = links.map(|links| Duration::from_millis(links * 1_000 / LEAVES_PER_SECOND));
    let spread = config
        .drain
        .spread
        .min(enough.unwrap_or(config.drain.spread));
    let deadline = deadline.unwrap_or(config.drain.deadline);
    tracing::info!(links, ?spread, ?deadline, "draining");
    running.node.drain(spread, deadline);
    tokio::time::Instant::now() + deadline + DRAIN_PATIENCE
}

fn count_links(views: &[ShardReport]) -> u64 {
    let classes = views.iter().flat_map(|report| report.core.links);
    classes.map(u64::from).sum()
}

/// Reads all certificates again and gives them to new handshakes, and tells the service manager when
/// that begins and ends.
async fn reload(config: &Config, node: &Node) -> Result<String, String> {
    // A node that leaves has said so, and must not take it back.
    if node.is_draining() {
        return replace_certificates(config, node).await;
    }
    service::reloading();
    let outcome = replace_certificates(config, node).await;
    service::ready();
    outcome
}

/// Reads all certificates again and gives them to new handshakes. Nothing changes if one is bad.
async fn replace_certificates(config: &Config, node: &Node) -> Result<String, String> {
    let mut fresh = Vec::new();
    for (index, server) in config.servers.iter().enumerate() {
        let Some(tls) = &server.tls else { continue };
        let loaded = ServerTls::load(tls, config.enforce_pqc);
        fresh.push((
            index,
            loaded.map_err(|fault| format!("{}: {fault}", server.endpoint))?,
        ));
    }
    let count = fresh.len();
    for (index, tls) in fresh {
        // A shard that does not answer now takes them as soon as it does.
        let replaced = node.replace_tls(index, &tls);
        tokio::time::timeout(ANSWER_PATIENCE, replaced).await.ok();
    }
    Ok(format!(
        "{count} listeners show fresh certificates to new handshakes"
    ))
}

fn log_reload(outcome: Result<String, String>) {
    match outcome {
        Ok(what) => tracing::info!("{what}"),
        Err(fault) => tracing::error!("certificates stay as they were: {fault}"),
    }
}

/// When the files that listeners show were last changed. Taken before they are read, so that no change
/// is missed.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamps(Vec<Option<SystemTime>>);

impl Stamps {
    /// As they are now.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let changed = |path: PathBuf| {
            std::fs::metadata(path)
                .and_then(|file| file.modified())
                .ok()
        };
        Self(config.servers.iter().flat_map(files).map(changed).collect())
    }

    fn have_changed(&self, config: &Config) -> bool {
        *self != Self::of(config)
    }
}

fn files(server: &Server) -> Vec<PathBuf> {
    let Some(tls) = &server.tls else {
        return Vec::new();
    };
    let mut files = Vec::new();
    if let Certificate::File { cert, key } = &tls.certificate {
        files.extend([cert.clone(), key.clone()]);
    }
    if let Some(Authority::File(path)) = &tls.client_ca {
        files.push(path.clone());
    }
    files
}
