//! From a configuration to a running node, and to its end.
//!
//! The only file that counts CPUs: it makes the mesh, starts one pinned thread for each shard, waits
//! until every listener is up, and joins the threads when they have drained. The first shard binds
//! first, so that a port chosen by the operating system is shared by all of them.

use std::{
    collections::hash_map::RandomState,
    future::Future,
    hash::BuildHasher,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, mpsc},
};

use slipring_core::{Bounds, ControlCore, Limits, ShardCore, ShardOptions};
use slipring_fib::RibLimits;
use slipring_proto::{crypto::aws::AwsCrypto, link::LocalNode};
use thiserror::Error;

use crate::{
    config::{Config, Endpoint},
    io::{
        clock::Clock,
        listener::{Addresses, Listener},
        mailbox::{Mailbox, Node},
        mesh::Mesh,
        runtime::{Local, Runtime, Thread, choice, epoll::Epoll, uring::Uring},
        shard::{CONTROL_SHARD, Shard},
        task,
        tls::{self, ServerTls, TlsFault, TlsSlots},
    },
    socket_file::{SocketFile, remove_stale},
};

/// The version announced in link negotiation: that of the wire we speak, so that every published
/// client recognises it (WIRE §4.2).
pub const WIRE_VERSION: &str = "3.4.6";

/// What keeps a node from starting.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BootFault {
    /// A listener cannot be bound.
    #[error("cannot listen on {endpoint}: {source}")]
    Bind {
        /// The endpoint.
        endpoint: String,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime that the configuration insists on cannot run.
    #[error("{0}")]
    Runtime(String),
    /// A shard's thread or executor cannot start.
    #[error("shard {shard} cannot start: {source}")]
    Shard {
        /// The shard.
        shard: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A listener's certificates cannot be used.
    #[error("{endpoint}: {source}")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        source: TlsFault,
    },
}

/// A node whose shards run.
#[derive(Debug)]
pub struct Running {
    /// The handle on its shards.
    pub node: Node,
    /// Where it listens, with the ports that were bound, in the order of the configuration.
    pub endpoints: Vec<Endpoint>,
    /// Why this runtime runs, in one line.
    pub runtime: String,
    /// Its name: `uring` or `epoll`.
    pub io: &'static str,
    threads: Vec<Thread>,
    /// Removed when the node is gone.
    sockets: Vec<SocketFile>,
}

impl Running {
    /// Waits until every shard has ended.
    ///
    /// # Errors
    ///
    /// The first shard that ended badly.
    pub fn join(self) -> Result<(), BootFault> {
        let mut first = Ok(());
        for (shard, thread) in self.threads.into_iter().enumerate() {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            if let Err(source) = ended {
                first = first.and(Err(BootFault::Shard { shard, source }));
            }
        }
        first
    }

    /// Leaves shards that do not end to the end of the process.
    pub fn abandon(self) {
        drop(self.sockets);
    }

    /// Whether every shard has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads
            .iter()
            .all(std::thread::JoinHandle::is_finished)
    }
}

/// Starts every shard of `config`.
///
/// # Errors
///
/// The first thing that is in the way; nothing is left running.
pub fn start(config: &Config) -> Result<Running, BootFault> {
    let shards = u64::from(config.shards.get());
    let chosen = choice::choose(config.io, shards).map_err(BootFault::Runtime)?;
    let tls =
        tls::load_all(config).map_err(|(endpoint, source)| BootFault::Tls { endpoint, source })?;
    if chosen.is_uring {
        launch::<Uring>(config, &tls, chosen.reason)
    } else {
        launch::<Epoll>(config, &tls, chosen.reason)
    }
}

/// What one shard's thread is given.
struct Seed {
    number: u8,
    config: Config,
    clock: Clock,
    mesh: Mesh,
    mailbox: Arc<Mailbox>,
    tls: Vec<Option<ServerTls>>,
    hash_seed: u64,
    /// Addresses that an earlier shard bound, once there is one.
    bound: Option<Vec<Endpoint>>,
    ready: mpsc::Sender<Result<Listening, BootFault>>,
}

/// What a shard listens on.
#[derive(Debug)]
struct Listening {
    /// Where, in the order of the configuration.
    endpoints: Vec<Endpoint>,
    /// The files of its Unix sockets.
    sockets: Vec<SocketFile>,
}

fn launch<R: Runtime>(
    config: &Config,
    tls: &[Option<ServerTls>],
    runtime: String,
) -> Result<Running, BootFault> {
    let shards = usize::from(config.shards.get());
    let mesh = Mesh::new(shards, config.limits.mesh_slots as usize);
    let mailboxes: Vec<_> = (0..shards).map(|_| Arc::new(Mailbox::default())).collect();
    let node = Node::new(mailboxes.clone());
    let clock = Clock::start();
    // The standard library's hasher is seeded by the system; its first output is as unpredictable.
    let hash_seed = RandomState::new().hash_one(std::process::id());
    let mut running = Running {
        node,
        endpoints: Vec::new(),
        runtime,
        io: R::NAME,
        threads: Vec::new(),
        sockets: Vec::new(),
    };
    let mut bound = None;
    for (number, mailbox) in (0_u8..=u8::MAX).zip(mailboxes) {
        let (ready, started) = mpsc::channel();
        let seed = Seed {
            number,
            config: config.clone(),
            clock,
            mesh: mesh.clone(),
            mailbox,
            tls: tls.to_vec(),
            hash_seed,
            bound: bound.clone(),
            ready,
        };
        match launch_shard::<R>(seed, &started) {
            Ok((thread, listening)) => {
                running.threads.push(thread);
                running.sockets.extend(listening.sockets);
                bound.get_or_insert(listening.endpoints);
            }
            Err(fault) => {
                // The shards that run wait for those that never will.
                for missing in number..config.shards.get().try_into().unwrap_or(u8::MAX) {
                    let _is_last = mesh.end(missing).finish();
                }
                running.node.stop();
                // The first fault is the one to tell.
                drop(running.join());
                return Err(fault);
            }
        }
    }
    running.endpoints = bound.unwrap_or_default();
    running.node.announce_ready();
    Ok(running)
}

/// Starts one shard and waits until it listens.
fn launch_shard<R: Runtime>(
    seed: Seed,
    started: &mpsc::Receiver<Result<Listening, BootFault>>,
) -> Result<(Thread, Listening), BootFault> {
    let shard = usize::from(seed.number);
    let cpu = seed.config.cpus.get(shard).copied().unwrap_or(shard);
    let name = format!("{}-{shard}", seed.config.thread_name);
    let thread = R::start(name, cpu, move || shard_main::<R>(seed))
        .map_err(|source| BootFault::Shard { shard, source })?;
    match started.recv() {
        Ok(Ok(listening)) => Ok((thread, listening)),
        Ok(Err(fault)) => {
            drop(thread.join());
            Err(fault)
        }
        Err(_) => {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            let source = ended
                .err()
                .unwrap_or_else(|| io::Error::other("it ended at once"));
            Err(BootFault::Shard { shard, source })
        }
    }
}

/// Everything that one shard's thread does.
fn shard_main<R: Runtime>(seed: Seed) -> Local<()> {
    Box::pin(async move {
        let mailbox = Arc::clone(&seed.mailbox);
        let tls = TlsSlots::new(seed.tls.clone());
        let ready = seed.ready.clone();
        let shard = Rc::new(make_shard::<R>(&seed));
        let bound = seed.bound.as_deref();
        let listeners = bind_all::<R>(&shard, &tls, bound);
        let outcome = match listeners {
            Ok((listening, tasks)) => {
                for task in tasks {
                    R::spawn(task);
                }
                Ok(listening)
            }
            Err(fault) => Err(fault),
        };
        let is_up = outcome.is_ok();
        // Nobody waits for the answer only if the process is ending already.
        if ready.send(outcome).is_err() || !is_up {
            return;
        }
        drop(ready);
        task::run(shard, mailbox, tls).await;
    })
}

fn make_shard<R: Runtime>(seed: &Seed) -> Shard<R> {
    let config = &seed.config;
    let node = LocalNode {
        node_id: config.node.node_id.clone(),
        deployment_name: config.node.deployment_name.clone(),
        version: WIRE_VERSION.to_owned(),
    };
    let shards = u8::try_from(config.shards.get()).unwrap_or(u8::MAX);
    let rib = rib_limits(config);
    let options = ShardOptions {
        shard: seed.number,
        shards,
        node,
        limits: core_limits(config, rib),
        has_flow_cache: true,
        hash_seed: seed.hash_seed,
    };
    let core = ShardCore::new(options, AwsCrypto);
    let is_control = seed.number == CONTROL_SHARD;
    let control = is_control.then(|| ControlCore::new(shards, rib, seed.hash_seed));
    let config = Rc::new(config.clone());
    Shard::new(
        seed.number,
        config,
        seed.clock,
        core,
        control,
        seed.mesh.end(seed.number),
    )
}

fn rib_limits(config: &Config) -> RibLimits {
    let limits = &config.limits;
    RibLimits {
        names_max: limits.names_max as usize,
        subscriptions_max: limits.subscriptions_max as usize,
        subscriptions_per_link_max: limits.subscriptions_per_link_max as usize,
    }
}

/// The bounds of one shard: its share of those of the process.
fn core_limits(config: &Config, rib: RibLimits) -> Limits {
    let limits = &config.limits;
    let messages_max = limits.egress_messages_max;
    Limits {
        links_max: limits.links_max.div_ceil(u32::from(config.shards.get())),
        unfinished_max: limits.unfinished_per_shard_max,
        egress_edge: Bounds {
            bytes_max: limits.egress_bytes_max,
            messages_max,
        },
        egress_node: Bounds {
            bytes_max: limits.egress_node_bytes_max,
            messages_max,
        },
        egress_age_max: limits.egress_age_max,
        egress_pool_bytes: limits.egress_pool_bytes,
        assembly_pool_bytes: limits.assembly_pool_bytes,
        window_pool_bytes: limits.window_pool_bytes,
        flow_pool_bytes: limits.flow_pool_bytes,
        write_deadline: limits.write_deadline,
        fib: rib.into(),
        ..Limits::default()
    }
}

type Tasks = Vec<Local<()>>;

/// Binds every listener of this shard.
fn bind_all<R: Runtime>(
    shard: &Rc<Shard<R>>,
    tls: &TlsSlots,
    bound: Option<&[Endpoint]>,
) -> Result<(Listening, Tasks), BootFault> {
    let servers = &shard.config().servers;
    let addresses = Addresses::default();
    let mut endpoints = Vec::new();
    let mut sockets = Vec::new();
    let mut tasks: Tasks = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let wanted = bound
            .and_then(|bound| bound.get(index))
            .unwrap_or(&server.endpoint);
        let listener = Listener::new(Rc::clone(shard), index, tls.clone(), addresses.clone());
        let Some(listener) = listener else { continue };
        let fault = |source| BootFault::Bind {
            endpoint: wanted.to_string(),
            source,
        };
        match wanted {
            Endpoint::Tcp(address) => {
                let socket = R::listen_tcp(*address).map_err(fault)?;
                let local: SocketAddr = R::local_address(&socket).map_err(fault)?;
                endpoints.push(Endpoint::Tcp(local));
                tasks.push(boxed(listener.run_tcp(socket)));
            }
            // A path can be bound once; its links live on the first shard.
            Endpoint::Unix(path) => {
                endpoints.push(wanted.clone());
                if shard.number() == 0 {
                    remove_stale(path).map_err(fault)?;
                    let socket = R::listen_unix(path).map_err(fault)?;
                    sockets.push(SocketFile::of_bound(path).map_err(fault)?);
                    tasks.push(boxed(listener.run_unix(socket)));
                }
            }
        }
    }
    Ok((Listening { endpoints, sockets }, tasks))
}

fn boxed(task: impl Future<Output = ()> + 'static) -> Local<()> {
    Box::pin(task)
}
