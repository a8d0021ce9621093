//! A workload: what is connected, who sends what to whom, how fast and for how long.
//!
//! The command line becomes a [`Plan`], a [`SoakPlan`] or a [`StormPlan`], checked while it is read,
//! before anything is connected; all print themselves into the report so that a result can be
//! repeated.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use slipring_sdk::io::transport::TransportOptions;

use crate::churn::Churn;
use crate::identity::Identity;
use crate::pace::{Load, Stream};
use crate::report::json::Json;
use crate::sizes::Sizes;
use crate::spawn::Recipe;
use crate::target::Target;

/// Largest payload that, with its envelope, stays below what a link carries (WIRE §1.2).
pub(crate) const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024 - 4_096;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Each of `pairs` publishers sends to a subscriber of its own.
    Pairs {
        /// How many.
        pairs: usize,
    },
    /// One publisher sends to all of `subscribers`, of which `stalled` never read.
    Fanout {
        /// Reading ones.
        subscribers: usize,
        /// Ones that never read.
        stalled: usize,
    },
    /// `publishers` send to one subscriber.
    Incast {
        /// How many.
        publishers: usize,
    },
    /// `instances` of one service subscribe over `links` links; then each gets one message.
    Instances {
        /// Subscriptions in all.
        instances: usize,
        /// Links that carry them.
        links: usize,
    },
}

impl Shape {
    /// One word for reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pairs { .. } => "pairs",
            Self::Fanout { .. } => "fanout",
            Self::Incast { .. } => "incast",
            Self::Instances { .. } => "instances",
        }
    }

    /// Flows, that is, publishers.
    pub(crate) fn flows(self) -> usize {
        match self {
            Self::Pairs { pairs } => pairs,
            Self::Incast { publishers } => publishers,
            Self::Fanout { .. } | Self::Instances { .. } => 1,
        }
    }

    /// Links the shape needs.
    pub(crate) fn links(self) -> usize {
        match self {
            Self::Pairs { pairs } => pairs * 2,
            Self::Fanout {
                subscribers,
                stalled,
            } => 1 + subscribers + stalled,
            Self::Incast { publishers } => publishers + 1,
            Self::Instances { links, .. } => links + 1,
        }
    }
}

/// How the links are made.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// The router, or the broker.
    pub(crate) target: Target,
    /// HTTP/2 and socket settings.
    pub(crate) transport: TransportOptions,
    /// Sign headers (and negotiate a key). Off imitates a peer without link authentication.
    pub(crate) signed: bool,
    /// Local addresses 127.0.0.2 and up to spread the links over; 0 leaves it to the kernel.
    pub(crate) sources: u32,
}

/// Threads and where they run.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    /// How many.
    pub(crate) count: usize,
    /// CPU numbers to pin to, in turn; empty leaves it to the kernel.
    pub(crate) cpus: Vec<usize>,
}

/// Where results go and what is measured beside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reporting {
    /// JSON result.
    pub(crate) json: Option<PathBuf>,
    /// The target's process.
    pub(crate) pid: Option<u32>,
}

/// One `loadgen run`.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The plan file it came from.
    pub(crate) name: Option<String>,
    /// How links are made.
    pub(crate) links: Links,
    /// Who sends to whom.
    pub(crate) shape: Shape,
    /// How fast.
    pub(crate) load: Load,
    /// In bursts, if so.
    pub(crate) stream: Option<Stream>,
    /// Payloads.
    pub(crate) sizes: Sizes,
    /// What sizes and identities are drawn from.
    pub(crate) seed: u64,
    /// Measured time.
    pub(crate) duration: Duration,
    /// Stop after so many messages per publisher, if that is sooner.
    pub(crate) messages: Option<u64>,
    /// Time before measuring starts.
    pub(crate) warmup: Duration,
    /// Links that only exist.
    pub(crate) idle_links: usize,
    /// Names each idle link subscribes to.
    pub(crate) idle_names: usize,
    /// Identity text in headers.
    pub(crate) identity: Identity,
    /// Coming and going beside the load.
    pub(crate) churn: Option<Churn>,
    /// Threads.
    pub(crate) threads: Threads,
    /// Started for the run, if the target is not there already.
    pub(crate) spawn: Option<Recipe>,
    /// Count the target's system calls for so long after measuring.
    pub(crate) trace: Option<Duration>,
    /// Results.
    pub(crate) reporting: Reporting,
}

impl Plan {
    /// The plan as JSON.
    pub(crate) fn json(&self) -> Json {
        let (window, rate) = match self.load {
            Load::Closed { window } => (Some(window), None),
            Load::Open { rate } => (None, Some(rate)),
        };
        let stream = self.stream.map(|stream| {
            Json::object([
                ("tokens", stream.tokens.into()),
                ("interval_ns", stream.interval_ns.into()),
            ])
        });
        Json::object([
            ("name", self.name.clone().into()),
            ("protocol", self.links.target.protocol().into()),
            ("shape", self.shape.name().into()),
            ("flows", self.shape.flows().into()),
            ("links", (self.shape.links() + self.idle_links).into()),
            ("summary", self.to_string().into()),
            (
                "target",
                self.spawn
                    .is_none()
                    .then(|| self.links.target.to_string())
                    .into(),
            ),
            (
                "spawned",
                self.spawn.as_ref().map_or(Json::Null, Recipe::json),
            ),
            ("shape_detail", format!("{:?}", self.shape).into()),
            ("payload_bytes", self.sizes.mean_bytes().into()),
            ("sizes", self.sizes.to_string().into()),
            ("seed", self.seed.into()),
            ("window", window.into()),
            ("rate_per_second", rate.into()),
            ("stream", stream.into()),
            ("duration_seconds", self.duration.as_secs_f64().into()),
            ("messages_max", self.messages.into()),
            ("warmup_seconds", self.warmup.as_secs_f64().into()),
            ("idle_links", self.idle_links.into()),
            ("idle_names", self.idle_names.into()),
            ("identity", self.identity.to_string().into()),
            ("churn", self.churn.map(Churn::json).into()),
            ("signed", self.links.signed.into()),
            ("tls", self.links.target.is_tls().into()),
            (
                "frame_bytes_max",
                u64::from(self.links.transport.frame_bytes_max).into(),
            ),
            ("threads", self.threads.count.into()),
            ("cpus", self.threads.cpus.clone().into()),
        ])
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        match self.shape {
            Shape::Pairs { pairs: 1 } => f.write_str("1 pair")?,
            Shape::Pairs { pairs } => write!(f, "{pairs} pairs")?,
            Shape::Fanout { subscribers, .. } => write!(f, "1 to {subscribers}")?,
            Shape::Incast { publishers } => write!(f, "{publishers} to 1")?,
            Shape::Instances { instances, .. } => write!(f, "{instances} instances")?,
        }
        write!(f, ", {} payload, ", self.sizes.brief())?;
        match self.load {
            Load::Closed { window } => write!(f, "{window} under way each")?,
            Load::Open { rate } => write!(f, "{rate}/s offered")?,
        }
        if self.identity != Identity::None {
            write!(f, ", identity {}", self.identity)?;
        }
        let (seconds, warmup) = (self.duration.as_secs_f64(), self.warmup.as_secs_f64());
        write!(f, ", {seconds} s after {warmup} s of warm-up")
    }
}

/// One `loadgen soak`.
#[derive(Clone, Debug)]
pub(crate) struct SoakPlan {
    /// What each interval does; its measured time is that of the interval.
    pub(crate) run: Plan,
    /// Measured time of all intervals together.
    pub(crate) total: Duration,
    /// Growth of the target's memory beyond which it fails.
    pub(crate) growth_kib_max: u64,
}

impl SoakPlan {
    /// How many intervals make up the whole, at least one.
    pub(crate) fn intervals(&self) -> u128 {
        let interval_ns = self.run.duration.as_nanos().max(1);
        self.total.as_nanos().div_ceil(interval_ns).max(1)
    }

    /// The plan as JSON.
    pub(crate) fn json(&self) -> Json {
        Json::object([
            ("total_seconds", self.total.as_secs_f64().into()),
            ("growth_kib_max", self.growth_kib_max.into()),
            ("interval", self.run.json()),
        ])
    }
}

/// One `loadgen storm`.
#[derive(Clone, Debug)]
pub(crate) struct StormPlan {
    /// How links are made.
    pub(crate) links: Links,
    /// Links to open.
    pub(crate) count: usize,
    /// Links being opened at any time.
    pub(crate) concurrency: usize,
    /// How long all stay open.
    pub(crate) hold: Duration,
    /// Names each link subscribes to.
    pub(crate) names: usize,
    /// Threads.
    pub(crate) threads: Threads,
    /// Results.
    pub(crate) reporting: Reporting,
}

impl StormPlan {
    /// The plan as JSON.
    pub(crate) fn json(&self) -> Json {
        Json::object([
            ("shape", "storm".into()),
            ("links", self.count.into()),
            ("concurrency", self.concurrency.into()),
            ("hold_seconds", self.hold.as_secs_f64().into()),
            ("names_per_link", self.names.into()),
            ("signed", self.links.signed.into()),
            ("tls", self.links.target.is_tls().into()),
            ("threads", self.threads.count.into()),
            ("cpus", self.threads.cpus.clone().into()),
        ])
    }
}
