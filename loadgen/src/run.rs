//! `loadgen run`: lets the publishers loose, waits, judges.
//!
//! The coordinator runs beside the fleet and only sleeps: it samples the target and the deliveries
//! when measuring starts and when it ends, waits for stragglers, and collects the books.

use std::io;
use std::time::Duration;

use slipring_sdk::error::Error;
use slipring_sdk::random::random_u64;
use tokio::task::JoinError;

use crate::cast::Cast;
use crate::clock::nanoseconds;
use crate::fleet::Fleet;
use crate::flow::Seen;
use crate::host::Usage;
use crate::plan::{Plan, Reporting};
use crate::probe::Tally;
use crate::report::{Deliveries, Measured, Outcome};
use crate::spawn;
use crate::stage::{Stage, Window};
use crate::target::LinkError;

/// Without a delivery for so long, what is missing is lost.
const QUIET_MAX: Duration = Duration::from_secs(3);
/// How often the coordinator looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// From the signal to the first message, so that every task has seen it.
const LEAD: Duration = Duration::from_millis(50);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The fleet could not start.
    #[error("cannot start the threads: {0}")]
    Fleet(#[from] io::Error),
    /// A link could not be made.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A target could not be started.
    #[error(transparent)]
    Spawn(#[from] spawn::Error),
    /// A task of ours is gone.
    #[error("a task ended before its time: {0}")]
    Task(#[from] JoinError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Link(error.into())
    }
}

/// A number for the run, so that runs beside or after one another do not meet.
pub(crate) fn run_number() -> u32 {
    u32::try_from(random_u64() >> 32).unwrap_or_default()
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, fleet: &Fleet) -> Result<Outcome, Failure> {
    let stage = Stage::new(run_number(), fleet.len());
    let resident_kib_before = resident_kib(&plan.reporting);
    let cast = Cast::assemble(plan, &stage, fleet).await?;
    let setup = stage.clock.elapsed();
    let measured = measure(plan, &stage, &cast).await;
    settle(&stage, &cast).await;
    stage.finish();
    let mut outcome = collect(&stage, cast).await?;
    outcome.setup = setup;
    outcome.measured = measured;
    outcome.resident_kib_before = resident_kib_before;
    Ok(outcome)
}

/// The target's resident memory, if its process is known.
pub(crate) fn resident_kib(reporting: &Reporting) -> Option<u64> {
    reporting
        .pid
        .and_then(Usage::of)
        .map(|usage| usage.resident_kib)
}

/// One look at everything that is counted.
pub(crate) struct Sample {
    at_ns: u64,
    delivered: u64,
    own: Usage,
    target: Option<Usage>,
}

impl Sample {
    /// Looks now.
    pub(crate) fn take(stage: &Stage, reporting: &Reporting) -> Self {
        Self {
            delivered: stage.delivered(),
            own: Usage::of(std::process::id()).unwrap_or_default(),
            target: reporting.pid.and_then(Usage::of),
            at_ns: stage.clock.now_ns(),
        }
    }

    /// What happened since.
    pub(crate) fn until(&self, later: &Self) -> Measured {
        let target = self.target.zip(later.target);
        Measured {
            span: Duration::from_nanos(later.at_ns.saturating_sub(self.at_ns)),
            delivered: later.delivered.saturating_sub(self.delivered),
            own_cpu: later.own.cpu_since(&self.own),
            target_cpu: target.map(|(before, after)| after.cpu_since(&before)),
            target_resident_kib: later.target.map(|usage| usage.resident_kib),
            target_resident_kib_peak: later.target.map(|usage| usage.resident_kib_peak),
        }
    }
}

/// Starts the publishers and watches the measured part of their run.
async fn measure(plan: &Plan, stage: &Stage, cast: &Cast) -> Measured {
    let start_ns = stage.clock.now_ns() + nanoseconds(LEAD);
    let measure_ns = start_ns + nanoseconds(plan.warmup);
    let end_ns = measure_ns.saturating_add(nanoseconds(plan.duration));
    stage.start(Window {
        start_ns,
        measure_ns,
        end_ns,
    });
    sleep_until(stage, measure_ns).await;
    let first = Sample::take(stage, &plan.reporting);
    let mut silence = Silence::new(stage);
    while stage.clock.now_ns() < end_ns && !is_done(stage, cast, &mut silence) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    first.until(&Sample::take(stage, &plan.reporting))
}

/// Whether everything was published and has arrived, or will not arrive any more.
fn is_done(stage: &Stage, cast: &Cast, silence: &mut Silence) -> bool {
    let silent = silence.look(stage) > QUIET_MAX;
    let all_published = cast
        .publishers
        .iter()
        .all(tokio::task::JoinHandle::is_finished);
    all_published && (silent || cast.flows.iter().all(|flow| flow.is_complete()))
}

/// How long nothing has been delivered.
struct Silence {
    delivered: u64,
    since: Duration,
}

impl Silence {
    fn new(stage: &Stage) -> Self {
        Self {
            delivered: stage.delivered(),
            since: stage.clock.elapsed(),
        }
    }

    fn look(&mut self, stage: &Stage) -> Duration {
        let (delivered, now) = (stage.delivered(), stage.clock.elapsed());
        if delivered != self.delivered {
            *self = Self {
                delivered,
                since: now,
            };
        }
        now.saturating_sub(self.since)
    }
}

async fn sleep_until(stage: &Stage, moment_ns: u64) {
    let ahead_ns = moment_ns.saturating_sub(stage.clock.now_ns());
    tokio::time::sleep(Duration::from_nanos(ahead_ns)).await;
}

/// Waits until everything published has arrived or nothing arrives any more.
async fn settle(stage: &Stage, cast: &Cast) {
    let mut silence = Silence::new(stage);
    // A publisher that its router keeps waiting never ends, so silence alone is enough here.
    while !is_done(stage, cast, &mut silence) && silence.look(stage) <= QUIET_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // A message too many would come now.
    tokio::time::sleep(LOOK_EVERY * 4).await;
}

/// Waits for all tasks and adds up their books.
async fn collect(stage: &Stage, cast: Cast) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let (idle, idle_lost) = cast.idle_links();
    if idle_lost > 0 {
        outcome
            .broken
            .push(format!("{idle_lost} of {idle} idle links ended"));
    }
    for publisher in cast.publishers {
        if !publisher.is_finished() {
            // It waits for room that its router does not give; what it could not send is not lost.
            publisher.abort();
            outcome
                .broken
                .push("a publisher could not send all it had".to_owned());
        } else if let Err(error) = publisher.await? {
            outcome.broken.push(format!("publisher: {}", error.brief()));
        }
    }
    for receiver in cast.receivers {
        let seen = receiver.await?;
        add(&mut outcome.deliveries, &seen);
        outcome
            .broken
            .extend(seen.broken.map(|reason| format!("subscriber: {reason}")));
    }
    for stalled in cast.stalled {
        outcome.stalled.push(stalled.await?);
    }
    for counters in stage.counters.iter() {
        outcome.latencies.merge(&counters.latencies());
    }
    outcome.deliveries.sent = cast.flows.iter().map(|flow| flow.sent()).sum();
    Ok(outcome)
}

/// Adds a subscriber's books to the total.
fn add(total: &mut Deliveries, seen: &Seen) {
    for (flow, tally) in seen.flows.iter().zip(&seen.tallies) {
        let Tally {
            received,
            duplicates,
            reordered,
            corrupted,
            ..
        } = *tally;
        total.expected += flow.sent();
        total.received += received;
        total.lost += tally.lost(flow.sent());
        total.duplicates += duplicates;
        total.reordered += reordered;
        total.corrupted += corrupted;
    }
    total.foreign += seen.foreign;
}
