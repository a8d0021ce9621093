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
use crate::churn::Churners;
use crate::clock::nanoseconds;
use crate::fleet::Fleet;
use crate::flow::Seen;
use crate::host::Usage;
use crate::plan::{Plan, Reporting};
use crate::probe::Tally;
use crate::progress::Progress;
use crate::report::{Deliveries, Measured, Outcome};
use crate::spawn;
use crate::stage::{Stage, Window};
use crate::syscalls::{self, Count};
use crate::target::LinkError;

/// Without a delivery for so long, what is missing is lost.
const QUIET_MAX: Duration = Duration::from_secs(3);
/// How often the coordinator looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// From the signal to the first message, so that every task has seen it.
const LEAD: Duration = Duration::from_millis(50);

/// The programs that count system calls take this long at most to begin and to end.
const TRACE_MARGIN: Duration = Duration::from_secs(1);

/// The target's system calls and what was delivered meanwhile, or why they were not counted.
pub(crate) type Syscalls = Result<(Count, Measured), String>;

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
    let mut progress = Progress::new();
    progress.say("making links");
    let assembled = async {
        let cast = Cast::assemble(plan, &stage, fleet).await?;
        Ok::<_, Failure>((cast, Churners::assemble(plan, &stage, fleet).await?))
    };
    let assembled = assembled.await;
    progress.clear();
    let (cast, churners) = assembled?;
    let setup = stage.clock.elapsed();
    let (measured, syscalls) = measure(plan, &stage, &cast, &mut progress).await;
    settle(&stage, &cast).await;
    progress.clear();
    stage.finish();
    let pooled = cast.pooled;
    let mut outcome = collect(&stage, cast).await?;
    outcome.churned = churners.collect().await?;
    if let Some(churned) = &mut outcome.churned {
        outcome.broken.append(&mut churned.broken);
    }
    outcome.setup = setup;
    outcome.measured = measured;
    outcome.syscalls = syscalls;
    outcome.pooled = pooled;
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

/// Starts the publishers and watches the measured part of their run; behind it, where that was
/// asked for, the target's system calls are counted under the same load.
async fn measure(
    plan: &Plan,
    stage: &Stage,
    cast: &Cast,
    progress: &mut Progress,
) -> (Measured, Option<Syscalls>) {
    let start_ns = stage.clock.now_ns() + nanoseconds(LEAD);
    let measure_ns = start_ns + nanoseconds(plan.warmup);
    let measured_ns = measure_ns.saturating_add(nanoseconds(plan.duration));
    let traced = plan
        .trace
        .map_or(Duration::ZERO, |span| span + TRACE_MARGIN);
    let end_ns = measured_ns.saturating_add(nanoseconds(traced));
    stage.start(Window {
        start_ns,
        measure_ns,
        measured_ns,
        end_ns,
    });
    // Without a warm-up everything counts, the first message too, which is sent at that very moment.
    let mut first = Sample::take(stage, &plan.reporting);
    watch(stage, "warming up", measure_ns, progress, || false).await;
    if plan.warmup.is_zero() {
        first.at_ns = measure_ns;
    } else {
        first = Sample::take(stage, &plan.reporting);
    }
    let mut silence = Silence::new(stage);
    let mut is_over = || is_done(stage, cast, &mut silence);
    watch(stage, "measuring", measured_ns, progress, &mut is_over).await;
    let measured = first.until(&Sample::take(stage, &plan.reporting));
    let syscalls = trace(plan, stage, progress).await;
    watch(stage, "ending", end_ns, progress, is_over).await;
    (measured, syscalls)
}

/// Waits until a moment, or until `is_over`.
async fn watch(
    stage: &Stage,
    what: &str,
    until_ns: u64,
    progress: &mut Progress,
    mut is_over: impl FnMut() -> bool,
) {
    loop {
        let left_ns = until_ns.saturating_sub(stage.clock.now_ns());
        if left_ns == 0 || is_over() {
            return;
        }
        let left = Duration::from_nanos(left_ns);
        progress.tick(stage, what, left);
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}

/// Counts the target's system calls while the publishers go on.
async fn trace(plan: &Plan, stage: &Stage, progress: &Progress) -> Option<Syscalls> {
    let (span, pid) = plan.trace.zip(plan.reporting.pid)?;
    progress.say("counting the target's system calls");
    let first = Sample::take(stage, &plan.reporting);
    let counted = tokio::task::spawn_blocking(move || syscalls::count(pid, span)).await;
    let during = first.until(&Sample::take(stage, &plan.reporting));
    let counted = counted.unwrap_or_else(|error| Err(error.to_string()));
    Some(counted.map(|count| (count, during)))
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
