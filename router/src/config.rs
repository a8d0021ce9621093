//! The typed configuration: everything the program may be told before it starts.
//!
//! What enters: the reference's node YAML, an optional overlay file with our own keys, the
//! environment and files those two refer to, and a few facts about the host. What leaves: one
//! [`Config`], complete and checked, or every reason why there is none.
//!
//! 1. Parsing is pure: [`load`] sees texts and closures, never a file or the environment itself.
//!    Only [`from_host`] reads the outside world.
//! 2. Nothing in a [`Config`] is optional because it was not written; defaults are already in.
//! 3. A key that would decide who gets in is never ignored: it works, or loading fails.

mod file;
mod host;
mod limits;
mod memory;
mod own;
mod render;
mod report;
mod resolve;
mod section;
mod server;
mod service;
mod shape;
mod substitute;
mod suggest;
mod text;
mod tls;
mod tree;
mod unserved;
mod value;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use file::{BUILT_IN, BUILT_IN_TEXT, load};
pub use host::{from_host, host_facts};
pub use limits::{Bound, LIMITS, Limits, Unit};
pub use memory::{
    BASE_BYTES, FIB_NAME_BYTES, LINK_CLEAR_BYTES, LINK_TLS_BYTES, MESH_LANES, MESH_SLOT_BYTES,
    MemoryLine, MemorySum, OverMemory, RIB_NAME_BYTES, RIB_SUBSCRIPTION_BYTES, SHARD_BYTES, about,
};
pub use report::{Errors, Finding};
pub(crate) use suggest::nearest;
pub(crate) use text::{duration as parse_duration, show_duration, word};

/// Where the read-only HTTP surface listens unless configured.
pub const ADMIN_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 46_380);

/// The words of `slipring.io`.
pub const IO_CHOICES: &[(&str, IoChoice)] = &[
    ("auto", IoChoice::Auto),
    ("uring", IoChoice::Uring),
    ("epoll", IoChoice::Epoll),
];
/// The words of `slipring.log.format`.
pub const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("text", LogFormat::Text), ("json", LogFormat::Json)];
/// The words of `tracing.log_level`.
pub const LEVELS: &[(&str, Level)] = &[
    ("trace", Level::Trace),
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("warn", Level::Warn),
    ("error", Level::Error),
    ("off", Level::Off),
];
/// The words of `tls_version`.
pub const TLS_VERSIONS: &[(&str, TlsVersion)] =
    &[("tls1.2", TlsVersion::Tls12), ("tls1.3", TlsVersion::Tls13)];

/// The whole configuration of one node, defaults filled in and relations checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who this node is.
    pub node: Node,
    /// Where it listens; never empty.
    pub servers: Vec<Server>,
    /// How many shards run; at most 256, because a link's identity holds the shard in 8 bits.
    pub shards: NonZeroU16,
    /// The CPU of each shard, in shard order; as many as there are shards.
    pub cpus: Vec<usize>,
    /// What the names of the shards' threads begin with.
    pub thread_name: String,
    /// Which runtime drives the shards.
    pub io: IoChoice,
    /// Every bound.
    pub limits: Limits,
    /// Where the operator looks and speaks.
    pub admin: Admin,
    /// How the node stops.
    pub drain: Drain,
    /// What is logged and how.
    pub log: Log,
    /// Whether every TLS handshake and link negotiation must be post-quantum hybrid.
    pub enforce_pqc: bool,
    /// What loaded but deserves a look, in the order of the files.
    pub warnings: Vec<Finding>,
}

impl Config {
    /// The most memory this configuration can need.
    #[must_use]
    pub fn memory_worst_case(&self) -> MemorySum {
        let tls = self.servers.iter().any(|server| server.tls.is_some());
        MemorySum::new(&self.limits, self.shards.get(), tls)
    }

    /// The configuration as one file that would load to the same, secrets left out.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        render::yaml(self)
    }
}

/// Who this node is, to its peers and in link negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The key of the one `services` entry, for example `slim/0`.
    pub service: String,
    /// The name sent in link negotiation; `node-<uuid>`, new at each start, unless configured.
    pub node_id: String,
    /// The routing domain sent in link negotiation; empty without `domain_name`.
    pub deployment_name: String,
}

/// One listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The address it is bound to.
    pub endpoint: Endpoint,
    /// The TLS it speaks; `None` is clear text, which the configuration asked for by name.
    pub tls: Option<TlsServer>,
    /// Whether a link must negotiate header MACs to be accepted.
    pub require_header_mac: bool,
    /// How long after its stream opened a link may take to negotiate.
    pub negotiation_timeout: Duration,
    /// The largest h2 frame we announce, in bytes; the shell's own choice when absent.
    pub max_frame_bytes: Option<u32>,
    /// The largest header list we accept, in bytes; the shell's own choice when absent.
    pub max_header_list_bytes: Option<u32>,
    /// The most streams a transport of this listener may have open; never above
    /// [`Limits::streams_per_transport`].
    pub streams_max: u32,
    /// When a silent transport is probed and given up.
    pub keepalive: Keepalive,
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// The TLS of one listener.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsServer {
    /// The certificate shown and its key.
    pub certificate: Certificate,
    /// Who must have signed a client's certificate; `None` asks clients for none.
    pub client_ca: Option<Authority>,
    /// The one version spoken.
    pub version: TlsVersion,
}

/// Where a certificate chain and its private key come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Certificate {
    /// Two PEM files, read at start and when a reload is asked for.
    File {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The private key; refused by the loader when group or others may read it.
        key: PathBuf,
    },
    /// PEM text from the configuration itself.
    Pem {
        /// The chain, leaf first.
        cert: String,
        /// The private key.
        key: Secret,
    },
}

/// Where trusted certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A PEM file.
    File(PathBuf),
    /// PEM text from the configuration itself.
    Pem(String),
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3, the default.
    Tls13,
}

/// When a silent transport is probed with an h2 PING, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence after which a PING is sent.
    pub time: Duration,
    /// How long its answer may take.
    pub timeout: Duration,
}

/// Which runtime drives the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring where the kernel allows it, else epoll; the default.
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// Where the operator looks and speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The read-only HTTP address; `None` when switched off.
    pub http: Option<SocketAddr>,
    /// The Unix socket that takes orders.
    pub control: PathBuf,
}

/// How the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long after the drain began the remaining links are closed.
    pub deadline: Duration,
    /// Over how long the links are told to go, so that they do not all reconnect at once.
    pub spread: Duration,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The level of everything no filter names.
    pub level: Level,
    /// Modules with a level of their own, in the order written; the last match wins.
    pub filters: Vec<Filter>,
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
    /// Whether lines carry the thread's name.
    pub thread_names: bool,
    /// Whether lines carry the thread's number.
    pub thread_ids: bool,
}

/// A level of logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to know; the default.
    Info,
    /// What an operator should look at.
    Warn,
    /// What went wrong.
    Error,
    /// Nothing.
    Off,
}

/// One module, or tree of modules, with a level of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The module's path, for example `slipring::io`.
    pub module: String,
    /// Its level; the general one when absent.
    pub level: Option<Level>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people; the default.
    Text,
    /// One JSON object per line.
    Json,
}

/// Text that must not be printed: it has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one reader that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Endpoint {
    /// Whether only this host can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// What loading needs to know about the host and cannot read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The CPUs this process may run on, ascending.
    pub cpus: Vec<usize>,
    /// The memory the cgroup grants, in bytes; `None` when it grants all there is.
    pub memory_bytes: Option<u64>,
    /// Where the control socket goes unless configured.
    pub control: PathBuf,
    /// A random number: the uuid in the name of a node that has none.
    pub node_id: u128,
}

/// One file, read already.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What it is called in findings.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// The files of one load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The node's file; the built-in configuration when absent.
    pub base: Option<Source<'a>>,
    /// A second file, holding only a `slipring` section, which wins key by key.
    pub overlay: Option<Source<'a>>,
    /// Whether keys nobody reads are errors everywhere.
    pub strict: bool,
}

/// Answers for the environment and for files that the texts refer to.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// The value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file, or why it cannot be had.
    pub file: &'a dyn Fn(&Path) -> Result<String, String>,
}
