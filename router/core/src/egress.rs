//! One link's outgoing queue: bounded in bytes, messages and age, pulled from by the link's writer.
//!
//! What enters is a signed head and a tail. Small tails are copied behind their head, which frees the
//! receive chunk they arrived in; large tails stay references. What leaves is a [`Batch`]: runs of
//! small messages as one slice each, large tails as they came. When the queue fills past its low mark,
//! the large tails that wait are copied too, so that a slow link cannot pin receive chunks many times
//! the size of what it is charged for.
//!
//! Invariants:
//! 1. `bytes` is the sum of the entries, and the chunks hold exactly those bytes, in entry order.
//! 2. A data entry is admitted only to an empty queue or within the byte and message bounds.
//! 3. Reserved entries (acknowledgements, negotiation) keep their place in the order and are never
//!    dropped.

mod chunks;
mod entry;

use std::collections::VecDeque;

use bytes::BytesMut;
use slipring_proto::{grpc::Body, outgoing::Batch};

pub use entry::Bounds;
pub(crate) use entry::{Dropped, Pulled};

use crate::time::Time;
use chunks::Chunks;
use entry::Entry;

/// Tails up to this many bytes are copied behind their head; longer ones are referenced.
pub const COPY_BYTES_MAX: usize = 2 << 10;

/// More than prefix, tags and lengths in front of a header take, and than a header grows by its tag.
pub(crate) const HEAD_MARGIN_BYTES: usize = 64;

/// The queue.
#[derive(Debug)]
pub(crate) struct Egress {
    bounds: Bounds,
    /// Reserved bytes that moved ahead of everything else when the entries behind them were dropped.
    lead: BytesMut,
    lead_messages: u64,
    entries: VecDeque<Entry>,
    chunks: Chunks,
    bytes: u64,
    /// Bytes that were pulled and that the transport has not taken yet.
    granted: u64,
    messages: u32,
    reserved_bytes: u32,
    congested: bool,
    crowded: bool,
    /// Whether its publishers no longer wait for it, because the peer takes nothing at all.
    given_up: bool,
    /// Since when bytes have waited without any being taken. It outlives the bytes if they are dropped
    /// for their age: only the peer can end the wait, by taking something or by having room for it.
    waiting_since: Option<Time>,
}

impl Egress {
    /// An empty queue.
    #[must_use]
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lead: BytesMut::new(),
            lead_messages: 0,
            entries: VecDeque::new(),
            chunks: Chunks::default(),
            bytes: 0,
            granted: 0,
            messages: 0,
            reserved_bytes: 0,
            congested: false,
            crowded: false,
            given_up: false,
            waiting_since: None,
        }
    }

    /// Replaces the bounds; what waits already stays.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Bytes that wait, reserved ones included.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are in memory because of this link: those that wait, and those that its transport
    /// was given and has not taken.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.granted)
    }

    /// Whether the writer has something to ask the transport for: what waits, or, if that was dropped
    /// for its age, whether there is room.
    #[must_use]
    pub(crate) fn wants_writer(&self) -> bool {
        !self.is_empty() || (self.granted == 0 && self.waiting_since.is_some())
    }

    /// Notes that the transport has taken `bytes` of what was pulled.
    pub(crate) fn note_sent(&mut self, bytes: u64, now: Time) {
        self.granted = self.granted.saturating_sub(bytes);
        let is_done = self.is_empty() && self.granted == 0;
        self.waiting_since = if is_done { None } else { Some(now) };
        self.given_up = false;
    }

    /// Data messages that wait.
    #[must_use]
    pub(crate) fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes of reserved messages that wait.
    #[must_use]
    pub(crate) fn reserved_bytes(&self) -> u32 {
        self.reserved_bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.lead.is_empty()
    }

    /// Whether the queue passed its high mark and has not fallen to its low mark since, and a publisher
    /// that waits may find room.
    #[must_use]
    pub(crate) fn is_congested(&self) -> bool {
        self.congested && !self.given_up
    }

    /// Whether publishers on other shards should be held: earlier than those on this one, because they
    /// learn of it later, and until the same low mark.
    #[must_use]
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded && !self.given_up
    }

    /// Lets publishers go on although there is no room, until the peer takes something.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether publishers no longer wait for the peer.
    #[must_use]
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// When the oldest waiting message was queued.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.entries.front().map(|entry| entry.queued_at)
    }

    /// Since when the peer has accepted no byte although some waited.
    #[must_use]
    pub(crate) fn waiting_since(&self) -> Option<Time> {
        self.waiting_since
    }

    /// Notes that the peer would take more than there is.
    pub(crate) fn note_room(&mut self) {
        if self.granted == 0 {
            self.waiting_since = None;
            self.given_up = false;
        }
    }

    /// Whether a data message of `bytes` bytes may be queued (invariant 2).
    #[must_use]
    pub(crate) fn admits(&self, bytes: u64) -> bool {
        self.messages == 0
            || (self.bytes.saturating_add(bytes) <= self.bounds.bytes_max
                && self.messages < self.bounds.messages_max)
    }

    /// The place that a head is written into; what is appended belongs to the next `commit`.
    pub(crate) fn head_room(&mut self, more: usize) -> &mut BytesMut {
        self.chunks.room(more)
    }

    /// Takes back `bytes` that were appended through [`Self::head_room`] and not committed.
    pub(crate) fn rollback(&mut self, bytes: usize) {
        self.chunks.rollback(bytes);
    }

    /// Queues a data message whose head, `head_bytes` long, was just appended.
    ///
    /// Returns the bytes charged.
    pub(crate) fn commit(&mut self, head_bytes: u32, tail: &Body, now: Time) -> u64 {
        let tail_bytes = u32::try_from(tail.len()).unwrap_or(u32::MAX);
        let low_mark = self.bounds.low_mark().bytes_max;
        if tail.len() <= COPY_BYTES_MAX || self.bytes > low_mark {
            self.chunks.copy(tail);
        } else {
            self.chunks.borrow(tail.clone());
        }
        let bytes = head_bytes.saturating_add(tail_bytes);
        self.messages = self.messages.saturating_add(1);
        self.push(bytes, false, now);
        // A single large message is no queue: it pins little more than it is charged for.
        if self.bytes > low_mark && self.messages > 1 {
            self.compact();
        }
        let high_mark = self.bounds.high_mark();
        self.congested |= high_mark.are_passed_by(self.bytes, self.messages);
        // Another message as large would be refused, so its publisher must wait before it comes.
        self.congested |= self.bytes.saturating_add(bytes.into()) > self.bounds.bytes_max;
        let crowd_mark = self.bounds.crowd_mark();
        self.crowded |= self.congested || crowd_mark.are_passed_by(self.bytes, self.messages);
        bytes.into()
    }

    /// Queues a message that is never dropped. Returns the bytes charged.
    pub(crate) fn reserve(&mut self, message: &[u8], now: Time) -> u64 {
        self.head_room(message.len()).extend_from_slice(message);
        let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
        self.reserved_bytes = self.reserved_bytes.saturating_add(bytes);
        self.push(bytes, true, now);
        bytes.into()
    }

    /// Moves messages into `batch` while they fit into `bytes_max`; always at least one.
    pub(crate) fn pull(&mut self, bytes_max: usize, batch: &mut Batch) -> Pulled {
        let mut pulled = Pulled::default();
        if !self.lead.is_empty() {
            let lead = std::mem::take(&mut self.lead).freeze();
            pulled.reserved = std::mem::take(&mut self.lead_messages);
            let bytes = u32::try_from(lead.len()).unwrap_or(u32::MAX);
            self.reserved_bytes = self.reserved_bytes.saturating_sub(bytes);
            self.take_bytes(u64::from(bytes), &mut pulled);
            batch.push(lead);
        }
        let mut run = 0_usize;
        while let Some(entry) = self.entries.front().copied() {
            let bytes = pulled.bytes.saturating_add(entry.bytes.into());
            if pulled.bytes > 0 && bytes > bytes_max as u64 {
                break;
            }
            self.entries.pop_front();
            self.count_out(entry, &mut pulled);
            run = run.saturating_add(entry.bytes as usize);
        }
        self.chunks.move_to(run, batch);
        self.granted = self.granted.saturating_add(pulled.bytes);
        self.settle();
        pulled
    }

    /// Drops the data messages queued before `deadline`, oldest first.
    pub(crate) fn drop_older(&mut self, deadline: Time) -> Dropped {
        let mut dropped = Dropped::default();
        while let Some(entry) = self.entries.front().copied() {
            if entry.queued_at >= deadline {
                break;
            }
            self.entries.pop_front();
            if entry.is_reserved {
                // What waits in front of everything keeps its place when it moves ahead.
                self.chunks.copy_to(entry.bytes as usize, &mut self.lead);
                self.lead_messages = self.lead_messages.saturating_add(1);
                continue;
            }
            self.chunks.skip(entry.bytes as usize);
            self.messages = self.messages.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(entry.bytes.into());
            dropped.messages = dropped.messages.saturating_add(1);
            dropped.bytes = dropped.bytes.saturating_add(entry.bytes.into());
        }
        self.settle();
        dropped
    }

    /// Empties the queue for good.
    pub(crate) fn clear(&mut self) -> Dropped {
        let reserved = self
            .entries
            .iter()
            .filter(|entry| entry.is_reserved)
            .count() as u64;
        let dropped = Dropped {
            messages: u64::from(self.messages),
            reserved: reserved.saturating_add(self.lead_messages),
            bytes: self.held_bytes(),
        };
        *self = Self::new(self.bounds);
        dropped
    }

    /// Gives back the room that a burst left behind; for links that have been empty for a while.
    pub(crate) fn trim(&mut self) {
        if self.is_empty() && self.waiting_since.is_none() {
            *self = Self::new(self.bounds);
        }
    }

    /// Copies every referenced tail into memory of its own.
    pub(crate) fn compact(&mut self) {
        self.chunks.own();
    }

    /// Whether the books agree with what is held (invariant 1).
    #[must_use]
    pub(crate) fn is_consistent(&self) -> bool {
        let lead = self.lead.len() as u64;
        let sum = self.entries.iter().fold(lead, |sum, entry| {
            sum.saturating_add(u64::from(entry.bytes))
        });
        let held = lead.saturating_add(self.chunks.len() as u64);
        let data = self.entries.iter().filter(|entry| !entry.is_reserved);
        sum == self.bytes && held == self.bytes && data.count() == self.messages as usize
    }

    fn push(&mut self, bytes: u32, is_reserved: bool, now: Time) {
        self.bytes = self.bytes.saturating_add(bytes.into());
        self.entries.push_back(Entry {
            bytes,
            is_reserved,
            queued_at: now,
        });
        self.waiting_since.get_or_insert(now);
    }

    fn count_out(&mut self, entry: Entry, pulled: &mut Pulled) {
        if entry.is_reserved {
            pulled.reserved = pulled.reserved.saturating_add(1);
            self.reserved_bytes = self.reserved_bytes.saturating_sub(entry.bytes);
        } else {
            pulled.messages = pulled.messages.saturating_add(1);
            self.messages = self.messages.saturating_sub(1);
        }
        self.take_bytes(entry.bytes.into(), pulled);
    }

    fn take_bytes(&mut self, bytes: u64, pulled: &mut Pulled) {
        self.bytes = self.bytes.saturating_sub(bytes);
        pulled.bytes = pulled.bytes.saturating_add(bytes);
    }

    fn settle(&mut self) {
        let low_mark = self.bounds.low_mark();
        self.crowded &= low_mark.are_passed_by(self.bytes, self.messages);
        self.congested &= self.crowded;
    }
}

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;
