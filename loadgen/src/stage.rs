//! What the tasks of a run share: the clock, when to start and stop, what has arrived.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::histogram::Latencies;

/// The moments of a run, nanoseconds on its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// Publishers start.
    pub(crate) start_ns: u64,
    /// Measuring starts.
    pub(crate) measure_ns: u64,
    /// Measuring ends; publishers may go on so that something else can be observed.
    pub(crate) measured_ns: u64,
    /// Publishers stop.
    pub(crate) end_ns: u64,
}

impl Window {
    /// Whether the latency of a message due at that time counts.
    #[inline]
    pub(crate) fn is_measured(&self, due_ns: u64) -> bool {
        (self.measure_ns..self.measured_ns).contains(&due_ns)
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// Links are being made.
    Connecting,
    /// Publishers publish.
    Running(Window),
    /// Receivers stop.
    Over,
}

/// One publisher and what came of it.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Its number.
    pub(crate) index: u32,
    /// Subscribers that read, each of which should get every message.
    pub(crate) readers: u64,
    sent: AtomicU64,
    arrived: AtomicU64,
    abandoned: AtomicBool,
    progress: Notify,
}

impl Flow {
    /// A flow that has sent nothing.
    pub(crate) fn new(index: u32, readers: u64) -> Self {
        let (sent, arrived) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            index,
            readers,
            sent,
            arrived,
            abandoned: AtomicBool::new(false),
            progress: Notify::new(),
        }
    }

    /// The publisher has appended so many in all.
    pub(crate) fn set_sent(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// Messages published.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// A receiver got `count` more; wakes the publisher if it waits.
    pub(crate) fn add_arrived(&self, count: u64) {
        self.arrived.fetch_add(count, Ordering::Relaxed);
        self.progress.notify_one();
    }

    /// Deliveries so far, divided by the readers: how far the flow as a whole has come.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed) / self.readers.max(1)
    }

    /// Whether every delivery has been made.
    pub(crate) fn is_complete(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) >= self.sent().saturating_mul(self.readers)
    }

    /// A receiver is gone: deliveries that a publisher waits for may never be made.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.progress.notify_one();
    }

    /// Whether a receiver is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Waits for a delivery, or for a receiver to go.
    pub(crate) async fn progress(&self) {
        self.progress.notified().await;
    }
}

/// The figures of one thread.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Deliveries.
    pub(crate) delivered: AtomicU64,
    latencies: Mutex<Latencies>,
}

impl Counters {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self {
            delivered: AtomicU64::new(0),
            latencies: Mutex::new(Latencies::new()),
        }
    }

    /// The latencies, for one batch at a time.
    pub(crate) fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything shared.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The run's clock.
    pub(crate) clock: Clock,
    /// The run's number, in every payload and name.
    pub(crate) run: u32,
    /// One per thread.
    pub(crate) counters: Arc<Vec<Counters>>,
    phase: Arc<watch::Sender<Phase>>,
}

impl Stage {
    /// A stage for so many threads.
    pub(crate) fn new(run: u32, threads: usize) -> Self {
        let counters = (0..threads).map(|_| Counters::new()).collect();
        let phase = Arc::new(watch::Sender::new(Phase::Connecting));
        Self {
            clock: Clock::start(),
            run,
            counters: Arc::new(counters),
            phase,
        }
    }

    /// Publishers may start.
    pub(crate) fn start(&self, window: Window) {
        self.phase.send_replace(Phase::Running(window));
    }

    /// Receivers may stop.
    pub(crate) fn finish(&self) {
        self.phase.send_replace(Phase::Over);
    }

    /// Waits for the start.
    pub(crate) async fn started(&self) -> Window {
        let mut phase = self.phase.subscribe();
        let reached = phase
            .wait_for(|phase| !matches!(phase, Phase::Connecting))
            .await;
        match reached.as_deref() {
            Ok(Phase::Running(window)) => *window,
            _ => Window::default(),
        }
    }

    /// Waits for the end.
    pub(crate) async fn over(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives in this very struct.
        drop(phase.wait_for(|phase| matches!(phase, Phase::Over)).await);
    }

    /// Deliveries of all threads.
    pub(crate) fn delivered(&self) -> u64 {
        self.counters
            .iter()
            .map(|counters| counters.delivered.load(Ordering::Relaxed))
            .sum()
    }
}
