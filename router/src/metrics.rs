//! What a scrape is made of: plain integers that a shard fills on its own thread and hands over by
//! message.
//!
//! What enters: one [`ShardReport`] per shard, copied out between two turns; never an atomic that
//! two threads share. What leaves: Prometheus text ([`render`]) under the names of [`names`].
//!
//! 1. Filling a [`Histogram`] is two additions and a search among fifteen bounds; no float, no
//!    allocation, no clock of its own.
//! 2. A report is a copy. Reading it changes nothing.

mod exposition;
pub mod farewell;
pub mod names;
pub mod render;

use std::time::Duration;

use slipring_core::ShardView;

/// Upper bounds of the buckets of every [`Histogram`], in nanoseconds: 1 µs to 10 s in steps of
/// alternately 5 and 2. A turn is slow from 10 ms and a failure from 50 ms; both are bounds here.
pub const BOUNDS_NANOS: [u64; 15] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Buckets of a [`Histogram`]: one per bound and one for everything above the last.
const BUCKETS: usize = BOUNDS_NANOS.len() + 1;

/// How long something took, counted in fixed buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum_nanos: u64,
}

impl Histogram {
    /// Counts one `span`.
    pub fn record(&mut self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket = bucket.saturating_add(1);
        }
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Adds everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.buckets.iter_mut().zip(other.buckets) {
            *own = own.saturating_add(more);
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many spans were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |sum, bucket| sum.saturating_add(*bucket))
    }

    /// All spans together, in nanoseconds.
    #[must_use]
    pub const fn sum_nanos(&self) -> u64 {
        self.sum_nanos
    }

    /// Spans per bucket, in the order of [`BOUNDS_NANOS`]; the last is for what passed them all.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }
}

/// What the shell of one shard adds to what its core counts.
///
/// The shell keeps one of these beside its core, fills it as it goes, and copies it out with the
/// core's view when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellView {
    /// From the first byte of a stream to a negotiated link.
    pub negotiation: Histogram,
    /// From accept to a finished TLS handshake; failed ones are refusals and not in here.
    pub tls_handshake: Histogram,
    /// One turn of the shard: from waking up to nothing left to do.
    pub turn: Histogram,
    /// One run of deltas applied to the FIB replica.
    pub fib_apply: Histogram,
    /// Transports (TCP or Unix socket with HTTP/2) that are open.
    pub transports: u32,
    /// Accepted sockets that have not become a transport with a link yet.
    pub unfinished: u32,
    /// Handoffs that wait in the rings towards this shard.
    pub mesh_waiting: u64,
    /// Turns after which input was held because the ring to another shard was full.
    pub mesh_holds: u64,
}

/// Everything one shard says about itself.
#[derive(Clone, Debug)]
pub struct ShardReport {
    /// What the core counted.
    pub core: ShardView,
    /// What the shell measured.
    pub shell: ShellView,
}

/// A shard without a shell, as a test has it.
impl From<ShardView> for ShardReport {
    fn from(core: ShardView) -> Self {
        Self {
            core,
            shell: ShellView::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_falls_into_the_first_bucket_whose_bound_holds_it() {
        let mut histogram = Histogram::default();
        for (span, bucket) in [
            (Duration::ZERO, 0),
            (Duration::from_micros(1), 0),
            (Duration::from_nanos(1_001), 1),
            (Duration::from_millis(10), 8),
            (Duration::from_micros(10_001), 9),
            (Duration::from_secs(10), 14),
            (Duration::from_secs(11), 15),
        ] {
            let before = histogram.buckets()[bucket];
            histogram.record(span);
            assert_eq!(histogram.buckets()[bucket], before + 1, "{span:?}");
        }
        assert_eq!(histogram.count(), 7);
    }

    #[test]
    fn merging_adds_counts_and_sums() {
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        left.record(Duration::from_micros(3));
        right.record(Duration::from_secs(20));
        right.record(Duration::from_micros(4));
        left.merge(&right);
        assert_eq!(left.count(), 3);
        assert_eq!(left.sum_nanos(), 20_000_007_000);
    }

    #[test]
    fn a_span_without_end_saturates() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::MAX);
        assert_eq!((histogram.count(), histogram.sum_nanos()), (2, u64::MAX));
    }
}
