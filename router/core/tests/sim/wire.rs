//! One direction of a wire: an ordered stream of bytes that takes its time, comes in pieces, and can
//! stall or be cut. What was sent and not yet read stays within a capacity, as HTTP/2 windows have it.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use slipring_core::Time;

use core::time::Duration;

use crate::dice::Dice;
use crate::faults::{Fault, Faults};

/// How a wire behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireOptions {
    /// Least time between sending and arrival, in microseconds.
    pub(crate) latency_min: u64,
    /// Mean of what comes on top, in microseconds.
    pub(crate) latency_mean: u64,
    /// Bytes that pass in a millisecond; 0 for any number.
    pub(crate) bytes_per_ms: u64,
    /// Longest chunk that arrives at once, in bytes.
    pub(crate) chunk_max: u64,
    /// Bytes that may be under way or unread.
    pub(crate) capacity: usize,
    /// Chance of a stall before a chunk, in a thousand.
    pub(crate) stall_permille: u64,
}

impl WireOptions {
    /// A wire as unkind as `level`, 0 to 3, asks for.
    pub(crate) fn draw(dice: &mut Dice, level: u64) -> Self {
        let is_unkind = dice.below(4) < level;
        Self {
            latency_min: dice.pick(&[0, 10, 50]),
            latency_mean: dice.pick(&[5, 50, 50, 500]),
            bytes_per_ms: if is_unkind {
                dice.pick(&[0, 200, 5_000])
            } else {
                0
            },
            chunk_max: if is_unkind {
                dice.pick(&[7, 100, 1_000, 16_384])
            } else {
                16_384
            },
            capacity: if is_unkind {
                dice.pick(&[600, 4_096, 65_536])
            } else {
                1 << 20
            },
            stall_permille: if is_unkind { dice.pick(&[0, 20]) } else { 0 },
        }
    }
}

/// Bytes under way.
#[derive(Debug)]
struct Chunk {
    due: Time,
    bytes: Bytes,
    was_stalled: bool,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    options: WireOptions,
    dice: Dice,
    chunks: VecDeque<Chunk>,
    /// Sent and not read by the far end yet.
    unread: usize,
    last_due: Time,
    /// The sender sends no more; the far end learns it after the last chunk.
    is_ended: bool,
}

impl Pipe {
    pub(crate) fn new(options: WireOptions, dice: Dice) -> Self {
        Self {
            options,
            dice,
            chunks: VecDeque::new(),
            unread: 0,
            last_due: Time::ZERO,
            is_ended: false,
        }
    }

    /// Bytes that may be sent now.
    pub(crate) fn room(&self) -> usize {
        self.options.capacity.saturating_sub(self.unread)
    }

    /// Sends `bytes`, whatever the room.
    pub(crate) fn send(&mut self, mut bytes: Bytes, now: Time, faults: &mut Faults) {
        self.unread += bytes.len();
        // A message of megabytes in chunks of a few bytes would only take time to simulate.
        let least = bytes.len() as u64 / 64;
        while !bytes.is_empty() {
            let size = self.dice.within(1, self.options.chunk_max).max(least);
            let size = usize::try_from(size).unwrap_or(1).min(bytes.len());
            let chunk = bytes.split_to(size);
            let (due, was_stalled) = self.arrival(size as u64, now, faults);
            self.chunks.push_back(Chunk {
                due,
                bytes: chunk,
                was_stalled,
            });
        }
    }

    /// When the next chunk of `size` bytes arrives.
    fn arrival(&mut self, size: u64, now: Time, faults: &mut Faults) -> (Time, bool) {
        let options = self.options;
        let on_top = self.dice.around(options.latency_mean);
        if on_top > options.latency_mean * 4 {
            faults.note(Fault::Jitter);
        }
        let mut due = now
            .after(Duration::from_micros(options.latency_min + on_top))
            .max(self.last_due);
        if let Some(taken) = (size * 1_000).checked_div(options.bytes_per_ms) {
            if taken > options.latency_mean {
                faults.note(Fault::Bandwidth);
            }
            due = due.after(Duration::from_micros(taken));
        }
        let was_stalled = self.dice.chance(options.stall_permille);
        if was_stalled {
            due = due.after(Duration::from_micros(self.dice.around(20_000)));
        }
        self.last_due = due;
        (due, was_stalled)
    }

    /// Ends the stream behind what was sent.
    pub(crate) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Loses what is under way but for the first `keep` bytes; says whether that cut something off.
    pub(crate) fn truncate(&mut self, keep: usize) -> bool {
        let mut left = keep;
        for chunk in &mut self.chunks {
            let kept = chunk.bytes.len().min(left);
            left -= kept;
            self.unread -= chunk.bytes.len() - kept;
            chunk.bytes.truncate(kept);
        }
        let before = self.chunks.len();
        self.chunks.retain(|chunk| !chunk.bytes.is_empty());
        before != self.chunks.len()
    }

    /// When there is something to take: a chunk, or the end.
    pub(crate) fn next_due(&self) -> Option<Time> {
        match self.chunks.front() {
            Some(chunk) => Some(chunk.due),
            None => self.is_ended.then_some(self.last_due),
        }
    }

    /// Whether the stream ended and everything before the end was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.is_ended && self.chunks.is_empty()
    }

    /// A chunk that has arrived, at most `bytes_max` bytes of it. It stays unread until it is
    /// [`Self::release`]d.
    pub(crate) fn take(
        &mut self,
        bytes_max: usize,
        now: Time,
        faults: &mut Faults,
    ) -> Option<Bytes> {
        let chunk = self.chunks.front_mut().filter(|chunk| chunk.due <= now)?;
        if std::mem::take(&mut chunk.was_stalled) {
            faults.note(Fault::WireStall);
        }
        if chunk.bytes.len() > bytes_max {
            return Some(chunk.bytes.copy_to_bytes(bytes_max));
        }
        self.chunks.pop_front().map(|chunk| chunk.bytes)
    }

    /// Gives room back for `bytes` that the far end has read.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.unread = self.unread.saturating_sub(bytes);
    }

    /// Lets everything arrive soon and takes anything from now on.
    pub(crate) fn calm(&mut self, now: Time) {
        self.options.stall_permille = 0;
        self.options.bytes_per_ms = 0;
        self.options.capacity = self.options.capacity.max(1 << 16);
        self.last_due = self.last_due.min(now);
        for chunk in &mut self.chunks {
            chunk.due = chunk.due.min(now);
        }
    }
}
