//! What an egress queue is told to hold, what it holds, and what leaves it: numbers only.

use crate::time::Time;

/// One waiting message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its bytes, gRPC prefix included.
    pub(super) bytes: u32,
    /// Whether it may not be dropped.
    pub(super) is_reserved: bool,
    /// When it was queued.
    pub(super) queued_at: Time,
}

/// What a batch took out of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// Data messages in the batch.
    pub messages: u64,
    /// Reserved messages in the batch.
    pub reserved: u64,
    /// Bytes in the batch, gRPC prefixes included.
    pub bytes: u64,
}

/// What was dropped from a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Data messages lost.
    pub messages: u64,
    /// Reserved messages lost; only a closing queue loses any.
    pub reserved: u64,
    /// Bytes given back, reserved ones included.
    pub bytes: u64,
}

/// How much one link's queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes; one message is always admitted to an empty queue.
    pub bytes_max: u64,
    /// Messages.
    pub messages_max: u32,
}

impl Bounds {
    /// A quarter of both bounds: below it, large tails are referenced and congestion ends.
    pub(super) fn low_mark(self) -> Self {
        Self {
            bytes_max: self.bytes_max >> 2,
            messages_max: self.messages_max >> 2,
        }
    }

    /// Half as much again: above it, other shards must know, for what they have sent meanwhile is on its
    /// way when the news reaches them.
    pub(super) fn crowd_mark(self) -> Self {
        let low = self.low_mark();
        Self {
            bytes_max: low.bytes_max.saturating_add(low.bytes_max >> 1),
            messages_max: low.messages_max.saturating_add(low.messages_max >> 1),
        }
    }

    /// Three quarters of both bounds: above either, the link counts as congested.
    pub(super) fn high_mark(self) -> Self {
        let low = self.low_mark();
        Self {
            bytes_max: low.bytes_max.saturating_mul(3),
            messages_max: low.messages_max.saturating_mul(3),
        }
    }

    pub(super) fn are_passed_by(self, bytes: u64, messages: u32) -> bool {
        bytes > self.bytes_max || messages > self.messages_max
    }
}
