//! What one send takes: the chunks of whole messages, in order.
//!
//! Heads and small tails arrive here already merged into one chunk by whoever builds the batch;
//! large tails are chunks of their own, by reference. A vectored writer sees them all.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// A queue of chunks that is read as one buffer.
///
/// Invariant: no chunk is empty, and `bytes` is their sum.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    messages: usize,
}

impl Batch {
    /// A batch of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            bytes: 0,
            messages: 0,
        }
    }

    /// Appends a chunk by reference.
    #[inline]
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes = self.bytes.saturating_add(chunk.len());
            self.chunks.push_back(chunk);
        }
    }

    /// Counts `messages` more messages as contained.
    #[inline]
    pub const fn add_messages(&mut self, messages: usize) {
        self.messages = self.messages.saturating_add(messages);
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether everything is read.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Messages put in, read or not.
    #[inline]
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Chunks not read yet.
    #[inline]
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }
}

impl Buf for Batch {
    #[inline]
    fn remaining(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0usize;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            filled = filled.saturating_add(1);
        }
        filled
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        let mut left = count.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(left);
        while let Some(chunk) = self.chunks.front_mut() {
            if left < chunk.len() {
                chunk.advance(left);
                return;
            }
            left = left.saturating_sub(chunk.len());
            self.chunks.pop_front();
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        match self.chunks.front_mut() {
            // Within one chunk it is a slice, not a copy.
            Some(chunk) if count < chunk.len() => {
                self.bytes = self.bytes.saturating_sub(count);
                chunk.split_to(count)
            }
            Some(chunk) if count == chunk.len() => {
                self.bytes = self.bytes.saturating_sub(count);
                self.chunks.pop_front().unwrap_or_default()
            }
            _ => {
                let mut copied = bytes::BytesMut::with_capacity(count);
                bytes::BufMut::put(&mut copied, self.take(count));
                copied.freeze()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let mut batch = Batch::new();
        for chunk in ["head1", "", "tail", "h"] {
            batch.push(Bytes::from_static(chunk.as_bytes()));
        }
        batch.add_messages(2);
        batch
    }

    #[test]
    fn reads_as_one_buffer_from_any_position() {
        for start in 0..=10 {
            let mut batch = batch();
            assert_eq!((batch.len(), batch.messages(), batch.chunks()), (10, 2, 3));
            batch.advance(start);
            assert_eq!(batch.remaining(), 10 - start);
            assert_eq!(batch.chunk().is_empty(), start == 10);
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = batch.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..filled]
                .iter()
                .flat_map(|s| s.iter().copied())
                .collect();
            assert_eq!(seen, &b"head1tailh"[start..]);
            for count in 0..=10 - start {
                let mut rest = batch.clone();
                assert_eq!(
                    rest.copy_to_bytes(count),
                    &b"head1tailh"[start..start + count]
                );
                assert_eq!(rest.remaining(), 10 - start - count);
            }
        }
    }

    #[test]
    fn few_slices_take_what_fits() {
        let batch = batch();
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(batch.chunks_vectored(&mut slices), 2);
        assert_eq!((&*slices[0], &*slices[1]), (&b"head1"[..], &b"tail"[..]));
    }
}
