//! What a shard counts: plain integers, owned by the shard, copied out on demand.

use crate::reason::{CloseReason, DropReason, RefuseReason};

/// Message kinds as they are counted on the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A publish.
    Publish,
    /// A subscribe.
    Subscribe,
    /// An unsubscribe.
    Unsubscribe,
    /// A link message, negotiation or later.
    Link,
    /// An acknowledgement of a subscription.
    Ack,
    /// Anything that could not be given a kind.
    Unknown,
}

impl MessageKind {
    /// Every kind, in the order of [`Self::index`].
    pub const ALL: &'static [Self] = &[
        Self::Publish,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Link,
        Self::Ack,
        Self::Unknown,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Link => "link",
            Self::Ack => "ack",
            Self::Unknown => "unknown",
        }
    }

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A fixed set of counters indexed by a reason or a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally<const N: usize>([u64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Tally<N> {
    /// Adds `amount` to the counter at `index`.
    pub fn add(&mut self, index: usize, amount: u64) {
        if let Some(counter) = self.0.get_mut(index) {
            *counter = counter.saturating_add(amount);
        }
    }

    /// The counter at `index`, zero past the end.
    #[must_use]
    pub fn at(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// The sum of all counters.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, counter| sum.saturating_add(*counter))
    }

    /// Adds every counter of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own = own.saturating_add(more);
        }
    }
}

/// Everything one shard counted since it started.
///
/// Two sums balance at rest, exactly, over all shards: messages in, acknowledgements and link messages
/// apart, are `routed + requests + dropped_in`; and `deliveries` are the publishes of `messages_out`
/// plus those that wait plus `dropped_out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages received, by [`MessageKind`].
    pub messages_in: Tally<{ MessageKind::ALL.len() }>,
    /// Messages sent, by [`MessageKind`]: publishes when they are handed to the transport, and
    /// acknowledgements and link messages when they are queued for it.
    pub messages_out: Tally<{ MessageKind::ALL.len() }>,
    /// Protobuf bytes received.
    pub bytes_in: u64,
    /// Bytes handed to the transport, gRPC prefixes included.
    pub bytes_out: u64,
    /// Publishes for which at least one target was found.
    pub routed: u64,
    /// Subscribes and unsubscribes handed to the control shard.
    pub requests: u64,
    /// Deliveries planned: one for each target of each routed publish.
    pub deliveries: u64,
    /// Whole messages dropped on the way in, by [`DropReason`].
    pub dropped_in: Tally<{ DropReason::ALL.len() }>,
    /// Single deliveries dropped on the way out, by [`DropReason`].
    pub dropped_out: Tally<{ DropReason::ALL.len() }>,
    /// Links closed, by [`CloseReason`].
    pub closed: Tally<{ CloseReason::ALL.len() }>,
    /// Things refused, by [`RefuseReason`].
    pub refused: Tally<{ RefuseReason::ALL.len() }>,
    /// Links that finished negotiation.
    pub links_opened: u64,
    /// Deliveries handed to other shards.
    pub handoffs: u64,
    /// Deltas applied to the FIB replica.
    pub fib_deltas: u64,
    /// Publishes whose header was found in the flow cache.
    pub flow_hits: u64,
    /// Publishes whose header was new and whose names were not.
    pub names_hits: u64,
    /// Turns after which a publisher was held because all its targets were congested.
    pub stalls: u64,
}

impl Counters {
    /// Counts a whole message lost on the way in.
    pub fn drop_in(&mut self, reason: DropReason) {
        self.dropped_in.add(reason.index(), 1);
    }

    /// Counts `amount` deliveries lost on the way out.
    pub fn drop_out(&mut self, reason: DropReason, amount: u64) {
        self.dropped_out.add(reason.index(), amount);
    }

    /// Counts one refusal.
    pub fn refuse(&mut self, reason: RefuseReason) {
        self.refused.add(reason.index(), 1);
    }

    /// Adds everything that another shard counted.
    pub fn merge(&mut self, other: &Self) {
        self.messages_in.merge(&other.messages_in);
        self.messages_out.merge(&other.messages_out);
        self.dropped_in.merge(&other.dropped_in);
        self.dropped_out.merge(&other.dropped_out);
        self.closed.merge(&other.closed);
        self.refused.merge(&other.refused);
        for (own, more) in [
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.routed, other.routed),
            (&mut self.requests, other.requests),
            (&mut self.deliveries, other.deliveries),
            (&mut self.links_opened, other.links_opened),
            (&mut self.handoffs, other.handoffs),
            (&mut self.fib_deltas, other.fib_deltas),
            (&mut self.flow_hits, other.flow_hits),
            (&mut self.names_hits, other.names_hits),
            (&mut self.stalls, other.stalls),
        ] {
            *own = own.saturating_add(more);
        }
    }
}
