//! The bytes of an egress queue, in order: blocks that small pieces are copied into, and tails that are
//! only referenced.
//!
//! What is copied goes into the open block. A block that is full is done, and the next one begins, so
//! that nothing is ever moved to make room, and what leaves at the front is free at once. Blocks begin
//! small and grow with what waits: a queue holds little more than it is charged for.
//!
//! Invariant: `done_bytes` is the sum of the chunks that are done, none of which is empty, and
//! `borrowed` is how many of them reference memory of somebody else.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use slipring_proto::{grpc::Body, outgoing::Batch};

/// A block is at least this large, in bytes.
const BLOCK_BYTES_MIN: usize = 1 << 10;

/// A block is not larger than this, in bytes, unless one head is.
const BLOCK_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    is_borrowed: bool,
}

/// The bytes.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    done: VecDeque<Chunk>,
    done_bytes: usize,
    borrowed: usize,
    /// The youngest bytes, and room for more.
    open: BytesMut,
    /// What the last batch took out of blocks, in bytes, to begin the next one with.
    block_hint: usize,
}

impl Chunks {
    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.done_bytes.saturating_add(self.open.len())
    }

    /// Whether tails are referenced.
    #[cfg(test)]
    pub(super) fn has_borrowed(&self) -> bool {
        self.borrowed > 0
    }

    /// Bytes that the open block has room for, those in it included.
    #[cfg(test)]
    pub(super) fn spare_bytes(&self) -> usize {
        self.open.capacity()
    }

    /// A place for `more` bytes in one piece; what is appended there stands behind everything else.
    pub(super) fn room(&mut self, more: usize) -> &mut BytesMut {
        if self.spare() < more {
            self.open_block(more);
        }
        &mut self.open
    }

    /// Takes back the last `count` bytes that were appended to the place that [`Self::room`] gave.
    pub(super) fn rollback(&mut self, count: usize) {
        self.open.truncate(self.open.len().saturating_sub(count));
    }

    /// Appends a copy.
    pub(super) fn copy(&mut self, body: &Body) {
        for chunk in body.chunks() {
            let mut rest: &[u8] = chunk;
            while !rest.is_empty() {
                if self.spare() == 0 {
                    self.open_block(rest.len().min(BLOCK_BYTES_MAX));
                }
                let (now, later) = rest.split_at_checked(self.spare()).unwrap_or((rest, &[]));
                self.open.extend_from_slice(now);
                rest = later;
            }
        }
    }

    /// Appends a reference.
    pub(super) fn borrow(&mut self, body: Body) {
        let bytes = self.open.split().freeze();
        self.push(bytes, false);
        for chunk in body.into_chunks() {
            self.push(chunk, true);
        }
    }

    /// Copies everything that is only referenced.
    pub(super) fn own(&mut self) {
        if self.borrowed > 0 {
            for chunk in self.done.iter_mut().filter(|chunk| chunk.is_borrowed) {
                chunk.bytes = Bytes::copy_from_slice(&chunk.bytes);
                chunk.is_borrowed = false;
            }
            self.borrowed = 0;
        }
    }

    /// Moves the first `count` bytes into `batch`.
    pub(super) fn move_to(&mut self, count: usize, batch: &mut Batch) {
        let mut copied_bytes = 0_usize;
        self.take(count, |bytes, is_borrowed| {
            if !is_borrowed {
                copied_bytes = copied_bytes.saturating_add(bytes.len());
            }
            batch.push(bytes);
        });
        self.block_hint = copied_bytes;
    }

    /// Moves the first `count` bytes behind those of `target`.
    pub(super) fn copy_to(&mut self, count: usize, target: &mut BytesMut) {
        self.take(count, |bytes, _| target.extend_from_slice(&bytes));
    }

    /// Forgets the first `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.take(count, |_, _| {});
    }

    /// Takes `count` bytes off the front, or all there are, piece by piece.
    fn take(&mut self, count: usize, mut each: impl FnMut(Bytes, bool)) {
        let mut left = count;
        while let Some(chunk) = self.done.front_mut() {
            if left < chunk.bytes.len() {
                break;
            }
            let Some(chunk) = self.done.pop_front() else {
                break;
            };
            left = left.saturating_sub(chunk.bytes.len());
            self.done_bytes = self.done_bytes.saturating_sub(chunk.bytes.len());
            self.borrowed = self.borrowed.saturating_sub(usize::from(chunk.is_borrowed));
            each(chunk.bytes, chunk.is_borrowed);
        }
        if left == 0 {
            return;
        }
        if let Some(chunk) = self.done.front_mut() {
            self.done_bytes = self.done_bytes.saturating_sub(left);
            each(chunk.bytes.split_to(left), chunk.is_borrowed);
        } else if left < self.open.len() {
            each(self.open.split_to(left).freeze(), false);
        } else {
            // Giving the whole block away lets an idle link hold none.
            each(std::mem::take(&mut self.open).freeze(), false);
        }
    }

    fn spare(&self) -> usize {
        self.open.capacity().saturating_sub(self.open.len())
    }

    fn open_block(&mut self, more: usize) {
        // Half of what waits, so that what a queue holds follows what it is charged.
        let wanted = self.block_hint.max(self.len() >> 1);
        let wanted = wanted.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        let block = BytesMut::with_capacity(wanted.max(more));
        let full = std::mem::replace(&mut self.open, block).freeze();
        self.push(full, false);
    }

    fn push(&mut self, bytes: Bytes, is_borrowed: bool) {
        if !bytes.is_empty() {
            self.done_bytes = self.done_bytes.saturating_add(bytes.len());
            self.borrowed = self.borrowed.saturating_add(usize::from(is_borrowed));
            self.done.push_back(Chunk { bytes, is_borrowed });
        }
    }
}
