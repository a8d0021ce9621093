//! The tasks of a run: publishers and their subscribers.
//!
//! A publisher appends messages, each with a probe of its own, as many at a time as its pace
//! allows; a subscriber takes all that has arrived, checks every
//! sequence number and one tag in sixty-four, and reports once per batch.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::message::Messages;
use crate::pace::{Load, Pace, Stream};
use crate::probe::{Probe, Tally};
use crate::stage::{Flow, Stage, Window};
use crate::target::{LinkError, Receiver, Sender};

/// Most bytes appended before other tasks get their turn.
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Below this an open loop waits by polling: timers are a millisecond coarse.
const SPIN_NS_MAX: u64 = 2_000_000;
/// A publisher that waits for deliveries looks so often whether its link is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Messages between two looks at the clock within one batch.
const CLOCK_EVERY: u64 = 128;

/// A publisher's part of the plan.
#[derive(Debug)]
pub(crate) struct Publishing {
    /// What it sends.
    pub(crate) messages: Messages,
    /// How fast.
    pub(crate) load: Load,
    /// In bursts, if so.
    pub(crate) stream: Option<Stream>,
    /// How many publishers share the load.
    pub(crate) flows: usize,
    /// Stop after so many.
    pub(crate) messages_max: u64,
}

/// Publishes until the window closes or the number is reached, then waits until all has left.
pub(crate) async fn publish<S: Sender>(
    stage: Stage,
    flow: Arc<Flow>,
    sender: S,
    mut plan: Publishing,
) -> Result<(), LinkError> {
    let batch_max = (BATCH_BYTES_MAX / plan.messages.mean_bytes().max(1)).max(1) as u64;
    let window = stage.started().await;
    let index = flow.index as usize;
    let pace = Pace::new(plan.load, plan.stream, index, plan.flows, window.start_ns);
    if matches!(pace, Pace::Closed { .. }) {
        // An open loop has its first message due then; this one would send at once.
        let ahead_ns = window.start_ns.saturating_sub(stage.clock.now_ns());
        tokio::time::sleep(Duration::from_nanos(ahead_ns)).await;
    }
    let mut sent = 0;
    while sent < plan.messages_max {
        let now_ns = stage.clock.now_ns();
        if now_ns >= window.end_ns {
            break;
        }
        let allowed = pace
            .allowed(now_ns, sent, flow.arrived())
            .min(plan.messages_max - sent);
        if allowed == 0 {
            if matches!(pace, Pace::Closed { .. }) {
                if let Some(error) = sender.over() {
                    return Err(error);
                }
                if flow.is_abandoned() {
                    break;
                }
            }
            wait(&pace, &flow, sent, now_ns, &window).await;
            continue;
        }
        let batch = sent..sent + allowed.min(batch_max);
        sent = batch.end;
        flow.set_sent(sent);
        sender.append(|out| {
            for sequence in batch {
                let stamp_ns = pace.due_ns(sequence, now_ns);
                let probe = Probe {
                    run: stage.run,
                    flow: flow.index,
                    sequence,
                    stamp_ns,
                };
                plan.messages.put(&probe, out)?;
            }
            Ok::<_, LinkError>(())
        })??;
        sender.room().await?;
        if allowed > batch_max {
            tokio::task::yield_now().await;
        }
    }
    sender.flush().await
}

/// Waits until there may be something to send.
async fn wait(pace: &Pace, flow: &Flow, sent: u64, now_ns: u64, window: &Window) {
    let left = Duration::from_nanos(window.end_ns.saturating_sub(now_ns));
    match pace {
        Pace::Closed { .. } => {
            // The rest may never arrive: look around now and then, and at the end of the window.
            let patience = left.min(LOOK_EVERY);
            drop(tokio::time::timeout(patience, flow.progress()).await);
        }
        Pace::Open { .. } => {
            let ahead_ns = pace.due_ns(sent, now_ns).saturating_sub(now_ns);
            if ahead_ns > SPIN_NS_MAX {
                let ahead = Duration::from_nanos(ahead_ns - SPIN_NS_MAX / 2);
                tokio::time::sleep(ahead.min(left)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// What a subscriber saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The flows it is subscribed to.
    pub(crate) flows: Vec<Arc<Flow>>,
    /// One per flow, in the same order.
    pub(crate) tallies: Vec<Tally>,
    /// Messages that were not of this run.
    pub(crate) foreign: u64,
    /// Why the link ended before the run did.
    pub(crate) broken: Option<String>,
}

/// Receives until the run is over.
pub(crate) async fn receive<R: Receiver>(
    stage: Stage,
    thread: usize,
    flows: Vec<Arc<Flow>>,
    mut receiver: R,
) -> Seen {
    let mut inbox = Inbox::new(stage.clone(), thread, flows);
    let receiving = async {
        inbox.window = stage.started().await;
        loop {
            match inbox.next_batch(&mut receiver).await {
                Ok(true) => {}
                Ok(false) => {
                    inbox.seen.broken = Some(receiver.end());
                    return;
                }
                Err(error) => {
                    inbox.seen.broken = Some(error.brief());
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = receiving => {}
        () = stage.over() => {}
    }
    if inbox.seen.broken.is_some() {
        inbox.seen.flows.iter().for_each(|flow| flow.abandon());
    }
    inbox.seen
}

/// One subscriber's books.
struct Inbox {
    stage: Stage,
    thread: usize,
    /// Deliveries of the current batch, by flow.
    fresh: Vec<u64>,
    window: Window,
    seen: Seen,
}

impl Inbox {
    fn new(stage: Stage, thread: usize, flows: Vec<Arc<Flow>>) -> Self {
        let fresh = vec![0; flows.len()];
        let tallies = vec![Tally::default(); flows.len()];
        let seen = Seen {
            flows,
            tallies,
            ..Seen::default()
        };
        Self {
            stage,
            thread,
            fresh,
            window: Window::default(),
            seen,
        }
    }

    /// Waits for messages and books all that have arrived; false at the end of the stream.
    async fn next_batch<R: Receiver>(&mut self, receiver: &mut R) -> Result<bool, LinkError> {
        if !receiver.wait().await? {
            return Ok(false);
        }
        let stage = self.stage.clone();
        let counters = &stage.counters[self.thread];
        let mut count = 0;
        {
            let mut latencies = counters.latencies();
            let mut now_ns = stage.clock.now_ns();
            receiver.drain(|payload| {
                if let Some(stamp_ns) = self.book(payload)
                    && self.window.is_measured(stamp_ns)
                {
                    latencies.record(now_ns.saturating_sub(stamp_ns));
                }
                count += 1;
                if count % CLOCK_EVERY == 0 {
                    now_ns = stage.clock.now_ns();
                }
            })?;
        }
        let mut delivered = 0;
        for (flow, fresh) in self.seen.flows.iter().zip(&mut self.fresh) {
            if *fresh > 0 {
                flow.add_arrived(*fresh);
                delivered += std::mem::take(fresh);
            }
        }
        counters.delivered.fetch_add(delivered, Ordering::Relaxed);
        Ok(true)
    }

    /// Counts one message and answers when it was due.
    #[inline]
    fn book(&mut self, payload: Option<&[u8]>) -> Option<u64> {
        let probe = payload
            .and_then(Probe::read)
            .filter(|probe| probe.run == self.stage.run);
        let at = probe.and_then(|probe| self.flow_at(probe.flow));
        let (Some(payload), Some(probe), Some(at)) = (payload, probe, at) else {
            self.seen.foreign += 1;
            return None;
        };
        let tally = &mut self.seen.tallies[at];
        tally.observe(probe.sequence);
        if !probe.is_intact(payload) {
            tally.corrupted += 1;
        }
        self.fresh[at] += 1;
        Some(probe.stamp_ns)
    }

    /// The place of a flow in the books. Most subscribers have one flow.
    #[inline]
    fn flow_at(&self, index: u32) -> Option<usize> {
        match self.seen.flows.as_slice() {
            [only] => (only.index == index).then_some(0),
            all => all.binary_search_by_key(&index, |flow| flow.index).ok(),
        }
    }
}
