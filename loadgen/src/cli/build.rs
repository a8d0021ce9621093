//! From values to checked plans.
//!
//! Everything is read before anything is refused, so that one start tells all that is wrong.

use std::time::Duration;

use slipring_sdk::Endpoint;
use slipring_sdk::endpoint::{ClientIdentity, Tls};
use slipring_sdk::io::transport::TransportOptions;

use crate::churn::Churn;
use crate::cli::given::Given;
use crate::cli::text;
use crate::identity::{Identity, POOL_HEADERS_MIN};
use crate::pace::{Load, Stream};
use crate::plan::{Links, PAYLOAD_BYTES_MAX, Plan, Reporting, Shape, SoakPlan, StormPlan, Threads};
use crate::probe::PROBE_BYTES;
use crate::sizes::Sizes;

/// More links than any machine offers.
const LINKS_MAX: usize = 1_000_000;
/// More names than any link carries.
const NAMES_MAX: usize = 100_000_000;
/// h2 frame sizes of RFC 9113.
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;
/// Most headers in the pool of a link.
const POOL_HEADERS_MAX: usize = 1 << 22;

/// The plan of `loadgen run`.
pub(super) fn run(mut given: Given) -> Result<Box<Plan>, String> {
    let plan = plan(&mut given, Duration::from_secs(10));
    let plan = plan.map(Box::new);
    given.conclude(plan)?.ok_or_else(no_target)
}

/// The plan of `loadgen soak`.
pub(super) fn soak(mut given: Given) -> Result<Box<SoakPlan>, String> {
    let plan = plan(&mut given, Duration::from_secs(3_600));
    let interval = given.time("interval").unwrap_or(Duration::from_secs(60));
    let growth_mib: u64 = given.count("growth-max", 0..=1 << 30).unwrap_or(64);
    if interval.is_zero() {
        given.problem_with("interval", "an interval takes time");
    }
    let plan = plan.map(|mut run| {
        let total = std::mem::replace(&mut run.duration, interval);
        Box::new(SoakPlan {
            run,
            total,
            growth_kib_max: growth_mib * 1_024,
        })
    });
    given.conclude(plan)?.ok_or_else(no_target)
}

/// The plan of `loadgen storm`.
pub(super) fn storm(mut given: Given) -> Result<Box<StormPlan>, String> {
    let links = links(&mut given, false);
    let plan = StormPlan {
        count: given.count("links", 1..=LINKS_MAX).unwrap_or(1_000),
        concurrency: given.count("concurrency", 1..=LINKS_MAX).unwrap_or(64),
        hold: given.time("hold").unwrap_or(Duration::from_secs(1)),
        names: given.count("names", 0..=NAMES_MAX).unwrap_or(0),
        threads: threads(&mut given),
        reporting: reporting(&mut given),
        links: match links {
            Some(links) => links,
            None => return given.conclude(()).and(Err(no_target())),
        },
    };
    given.conclude(Box::new(plan))
}

fn no_target() -> String {
    "which TARGET? for instance 127.0.0.1:46357".to_owned()
}

/// What `run` and `soak` have in common; `None` if there is no target to make links to.
fn plan(given: &mut Given, duration: Duration) -> Option<Plan> {
    let shape = shape(given);
    let (load, stream) = load(given, shape);
    let sizes = sizes(given);
    let identity = identity(given);
    let count = given.count("links", 0..=LINKS_MAX);
    // The links of instances are part of the shape.
    let idle_links = match shape {
        Shape::Instances { .. } => 0,
        Shape::Pairs { .. } | Shape::Fanout { .. } | Shape::Incast { .. } => count.unwrap_or(0),
    };
    let seed = given.count("seed", 0..=u64::MAX).unwrap_or(1);
    let messages = given.count("messages", 1..=u64::MAX);
    let duration = given.time("duration").unwrap_or(duration);
    let warmup = given.time("warmup").unwrap_or(Duration::from_secs(1));
    let idle_names = given.count("names", 0..=NAMES_MAX).unwrap_or(0);
    let churn = churn(given);
    let threads = threads(given);
    let reporting = reporting(given);
    let trace = given.time("trace-syscalls");
    if trace.is_some() && reporting.pid.is_none() {
        given.problem_with("trace-syscalls", "whose? it needs --pid");
    }
    Some(Plan {
        name: given.text("plan"),
        links: links(given, true)?,
        shape,
        load,
        stream,
        sizes,
        seed,
        duration,
        messages,
        warmup,
        idle_links,
        idle_names,
        identity,
        churn,
        threads,
        trace,
        reporting,
    })
}

fn shape(given: &mut Given) -> Shape {
    let chosen = given.given_of(&["pairs", "fanout", "incast", "instances"]);
    if let [_, second, ..] = chosen[..] {
        given.problem_with(second, "choose one of pairs, fanout, incast and instances");
    }
    if given.is_given("stalled") && !given.is_given("fanout") {
        given.problem_with("stalled", "it needs fanout");
    }
    let pairs = given.count("pairs", 1..=LINKS_MAX);
    let fanout = given.count("fanout", 1..=LINKS_MAX);
    let stalled = given.count("stalled", 0..=LINKS_MAX).unwrap_or(0);
    let incast = given.count("incast", 1..=LINKS_MAX);
    let instances = given.count("instances", 1..=NAMES_MAX);
    if let Some(subscribers) = fanout {
        Shape::Fanout {
            subscribers,
            stalled,
        }
    } else if let Some(publishers) = incast {
        Shape::Incast { publishers }
    } else if let Some(instances) = instances {
        // What is wrong with the number of links is told where it is read.
        let links = given.text("links");
        let links = links.and_then(|text| text.replace('_', "").parse().ok());
        if links == Some(0) {
            given.problem_with("links", "instances need at least one");
        }
        Shape::Instances {
            instances,
            links: links.unwrap_or(1).clamp(1, LINKS_MAX),
        }
    } else {
        Shape::Pairs {
            pairs: pairs.unwrap_or(1),
        }
    }
}

/// How fast, and whether in bursts.
fn load(given: &mut Given, shape: Shape) -> (Load, Option<Stream>) {
    let window = given.count("window", 1..=u64::MAX);
    let rate = given.rate("rate");
    let tokens = given.count("stream", 1..=1_000_000);
    let token_rate = given.rate("token-rate");
    if given.given_of(&["window", "rate"]).len() > 1 {
        given.problem_with("rate", "choose window or rate");
    }
    if given.given_of(&["window", "token-rate"]).len() > 1 {
        given.problem_with(
            "token-rate",
            "tokens that have their time cannot wait for a window",
        );
    }
    if given.is_given("token-rate") && !given.is_given("stream") {
        given.problem_with("token-rate", "it needs stream");
    }
    let flows = shape.flows() as f64;
    let load = match (rate, token_rate, tokens) {
        (Some(rate), ..) => Load::Open { rate },
        // Bursts back to back.
        (None, Some(token_rate), Some(_)) => Load::Open {
            rate: token_rate * flows,
        },
        _ => Load::Closed {
            window: window.unwrap_or(1_024),
        },
    };
    let interval_ns = token_rate.map_or(0.0, |rate| 1e9 / rate);
    if let (Some(rate), Some(token_rate)) = (rate, token_rate)
        && token_rate * flows < rate
    {
        let most = token_rate * flows;
        let why =
            format!("publishers of {token_rate} tokens per second send at most {most} in all");
        given.problem_with("rate", why);
    }
    let stream = tokens.map(|tokens| Stream {
        tokens,
        interval_ns,
    });
    (load, stream)
}

fn sizes(given: &mut Given) -> Sizes {
    let bounds = PROBE_BYTES..=PAYLOAD_BYTES_MAX;
    if given.given_of(&["size", "sizes"]).len() > 1 {
        given.problem_with("sizes", "choose size or sizes");
    }
    let one = given.count("size", bounds.clone());
    let mix = given.parsed("sizes", |text| Sizes::parse(text, &bounds));
    mix.unwrap_or_else(|| Sizes::one(one.unwrap_or(256)))
}

fn identity(given: &mut Given) -> Identity {
    let identity = given.parsed("identity", Identity::parse);
    let headers = given.count("identity-pool", POOL_HEADERS_MIN..=POOL_HEADERS_MAX);
    let identity = identity.unwrap_or(Identity::None);
    match (identity, headers) {
        (Identity::Fresh { bytes, .. }, Some(headers)) => Identity::Fresh { bytes, headers },
        (other, Some(_)) => {
            given.problem_with("identity-pool", "it needs identity fresh");
            other
        }
        (other, None) => other,
    }
}

fn churn(given: &mut Given) -> Option<Churn> {
    let subscribe = given.rate("churn-subscribe");
    let connect = given.rate("churn-connect");
    let links = given.count("churn-links", 1..=LINKS_MAX);
    let asked = given.given_of(&["churn-subscribe", "churn-connect"]);
    if asked.is_empty() {
        if links.is_some() {
            given.problem_with("churn-links", "it needs churn-subscribe or churn-connect");
        }
        return None;
    }
    if let (Some(verb), true) = (asked.first(), given.is_given("instances")) {
        given.problem_with(
            verb,
            "instances are subscribed once and have no load beside",
        );
    }
    Some(Churn {
        links: links.unwrap_or(4),
        subscribe,
        connect,
    })
}

fn threads(given: &mut Given) -> Threads {
    let cpus = given.cpus();
    let count = given.count("threads", 1..=4_096);
    Threads {
        count: count.unwrap_or_else(|| cpus.len().max(1)),
        cpus,
    }
}

fn reporting(given: &mut Given) -> Reporting {
    Reporting {
        json: given.text("json").map(Into::into),
        pid: given.count("pid", 1..=u32::MAX),
    }
}

/// How links are made; `resumes` allows a TLS session to be taken up again. `None` without a
/// usable target, which is a problem then.
fn links(given: &mut Given, resumes: bool) -> Option<Links> {
    let transport = transport(given);
    let signed = given.switch("mac").unwrap_or(true);
    let sources = given.count("sources", 0..=16_000_000).unwrap_or(0);
    let tls = tls(given);
    let Some(target) = given.target.clone() else {
        given.problem(no_target());
        return None;
    };
    let mut target: Endpoint = match target.parse() {
        Ok(target) => target,
        Err(error) => {
            given.problem(text(error));
            return None;
        }
    };
    if let Some(mut tls) = tls? {
        if let Some(name) = given.text("server-name") {
            tls = tls.with_server_name(&name);
        }
        if !resumes {
            tls = tls.without_resumption();
        }
        target = target.with_tls(tls);
    }
    if let Err(error) = target.tls() {
        given.problem(format!("{error} (--ca FILE)"));
    }
    Some(Links {
        target,
        transport,
        signed,
        sources,
    })
}

fn transport(given: &mut Given) -> TransportOptions {
    let Some(bytes) = given.count("frame-bytes", FRAME_BYTES) else {
        return TransportOptions::default();
    };
    let mut transport = match bytes {
        16_384 => TransportOptions::published(),
        _ => TransportOptions::default(),
    };
    transport.frame_bytes_max = bytes;
    transport.data_bytes_max = bytes as usize;
    transport
}

/// TLS material: absent, or `Some(None)` if none was asked for. `None` if it cannot be used.
fn tls(given: &mut Given) -> Option<Option<Tls>> {
    let read = |given: &mut Given, name: &str| {
        given.parsed(name, |path| std::fs::read(path).map_err(text))
    };
    let asked = given.given_of(&["ca", "cert", "key"]);
    let (ca, cert, key) = (read(given, "ca"), read(given, "cert"), read(given, "key"));
    match asked[..] {
        [] => return Some(None),
        ["ca"] | ["ca", "cert", "key"] => {}
        [first, ..] => {
            given.problem_with(first, "TLS takes ca alone, or ca, cert and key together");
            return None;
        }
    }
    let identity = cert.as_deref().zip(key.as_deref());
    let identity = identity.map(|(chain_pem, key_pem)| ClientIdentity { chain_pem, key_pem });
    match Tls::from_pem(&ca?, identity) {
        Ok(tls) => Some(Some(tls)),
        Err(error) => {
            given.problem_with("ca", error);
            None
        }
    }
}
