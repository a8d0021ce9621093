//! From values to checked plans.
//!
//! Everything is read before anything is refused, so that one start tells all that is wrong.

use std::path::Path;
use std::time::Duration;

use crate::churn::Churn;
use crate::cli::given::Given;
use crate::cli::linking::{lead, linking};
use crate::cli::targets::TargetEntry;
use crate::compare::{ComparePlan, Contestant};
use crate::identity::{Identity, POOL_HEADERS_MIN};
use crate::pace::{Load, Stream};
use crate::page::PagePlan;
use crate::plan::{PAYLOAD_BYTES_MAX, Plan, Reporting, Shape, SoakPlan, StormPlan, Threads};
use crate::probe::PROBE_BYTES;
use crate::sizes::Sizes;

/// More links than any machine offers.
const LINKS_MAX: usize = 1_000_000;
/// More names than any link carries.
const NAMES_MAX: usize = 100_000_000;
/// Most headers in the pool of a link.
const POOL_HEADERS_MAX: usize = 1 << 22;

/// The plan of `loadgen run`.
pub(super) fn run(mut given: Given) -> Result<Box<Plan>, String> {
    let plan = alone(&mut given, Duration::from_secs(10));
    given.conclude(plan)?.map(Box::new).ok_or_else(no_target)
}

/// The plan of `loadgen compare`.
pub(super) fn compare(mut given: Given) -> Result<Box<ComparePlan>, String> {
    let rounds = given.count("rounds", 1..=1_000).unwrap_or(5);
    if given.is_given("pid") {
        given.problem_with("pid", "it names one process; write TARGET,pid=PID for each");
    }
    if given.targets.len() < 2 {
        given.problem("which targets? two at least, for instance --spawn nats://host:port");
    }
    let plans = plans(&mut given, Duration::from_secs(10));
    let mut contestants: Vec<Contestant> = Vec::new();
    for (entry, plan) in plans {
        let taken = |label: &str| contestants.iter().any(|one| one.label == label);
        match entry.label(&plan.links.target, taken) {
            Ok(label) => contestants.push(Contestant { label, plan }),
            Err(why) => given.problem(why),
        }
    }
    given.conclude(Box::new(ComparePlan {
        contestants,
        rounds,
    }))
}

/// The plan of `loadgen soak`.
pub(super) fn soak(mut given: Given) -> Result<Box<SoakPlan>, String> {
    let plan = alone(&mut given, Duration::from_secs(3_600));
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
    let linking = linking(&mut given);
    one_target(&mut given);
    let count = given.count("links", 1..=LINKS_MAX).unwrap_or(1_000);
    let concurrency = given.count("concurrency", 1..=LINKS_MAX).unwrap_or(64);
    let hold = given.time("hold").unwrap_or(Duration::from_secs(1));
    let names = given.count("names", 0..=NAMES_MAX).unwrap_or(0);
    let threads = threads(&mut given);
    let mut reporting = reporting(&mut given);
    let entry = given.targets.first().cloned();
    let led = entry.and_then(|entry| {
        reporting.pid = entry.pid().or(reporting.pid);
        lead(&mut given, &linking, &entry, &threads, false)
    });
    if let Some(target) = led.as_ref().map(|led| &led.links.target)
        && target.slim().is_none()
    {
        let why = format!("storm opens links to a SLIM node; {target} is none");
        given.problem(why);
    }
    let plan = led.map(|led| {
        Box::new(StormPlan {
            links: led.links,
            count,
            concurrency,
            hold,
            names,
            threads: led.threads,
            reporting,
        })
    });
    given.conclude(plan)?.ok_or_else(no_target)
}

/// The plan of `loadgen report`.
pub(super) fn report(mut given: Given) -> Result<PagePlan, String> {
    if given.files.is_empty() {
        given.problem("which FILES? results that run, compare or storm wrote with --json");
    }
    let plan = PagePlan {
        files: std::mem::take(&mut given.files),
        html: given.text("html").map(Into::into),
    };
    given.conclude(plan)
}

fn no_target() -> String {
    "which TARGET? for instance 127.0.0.1:46357".to_owned()
}

/// Sees to it that there is one target.
fn one_target(given: &mut Given) {
    match given.targets.as_slice() {
        [] => given.problem(no_target()),
        [_] => {}
        [_, other, ..] => {
            let why =
                format!("one TARGET at a time, {other} is a second; loadgen compare takes several");
            given.problem(why);
        }
    }
}

/// The plan for the only target; `None` if there is a problem with it.
fn alone(given: &mut Given, duration: Duration) -> Option<Plan> {
    one_target(given);
    let mut plans = plans(given, duration);
    plans.pop().map(|(_, plan)| plan)
}

/// The same plan for each target that links can be made to.
fn plans(given: &mut Given, duration: Duration) -> Vec<(TargetEntry, Plan)> {
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
    let linking = linking(given);
    let name = given.text("plan").map(|plan| plan_name(&plan));
    let mut plans = Vec::new();
    for entry in given.targets.clone() {
        let Some(led) = lead(given, &linking, &entry, &threads, true) else {
            continue;
        };
        let mut reporting = reporting.clone();
        reporting.pid = entry.pid().or(reporting.pid);
        if trace.is_some() && reporting.pid.is_none() && led.spawn.is_none() {
            given.problem_with("trace-syscalls", "whose? it needs --pid");
        }
        let plan = Plan {
            name: name.clone(),
            links: led.links,
            shape,
            load,
            stream,
            sizes: sizes.clone(),
            seed,
            duration,
            messages,
            warmup,
            idle_links,
            idle_names,
            identity,
            churn,
            threads: led.threads,
            spawn: led.spawn,
            trace,
            reporting,
        };
        plans.push((entry, plan));
    }
    check_protocols(given, &plans);
    plans
}

/// Finds what a broker among the targets has no word for.
fn check_protocols(given: &mut Given, plans: &[(TargetEntry, Plan)]) {
    let targets = || plans.iter().map(|(_, plan)| &plan.links.target);
    let has_slim = targets().any(|target| target.slim().is_some());
    let broker = targets().find(|target| target.slim().is_none());
    if let Some(broker) = broker {
        given.check_broker(broker, has_slim);
    }
}

/// A plan as others may see it: where its file lies on this host is nobody's business.
fn plan_name(plan: &str) -> String {
    let file = Path::new(plan).file_name();
    file.map_or_else(|| plan.to_owned(), |file| file.to_string_lossy().into())
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
