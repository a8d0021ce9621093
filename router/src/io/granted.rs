//! A batch in the hands of HTTP/2: what leaves it is counted, so that the core knows what is still held.
//!
//! HTTP/2 keeps what the peer's window or the socket does not take. Those bytes are memory that the
//! link costs, and a peer that takes none of them is stuck; both are the core's to judge.

use std::{cell::Cell, io::IoSlice, rc::Rc};

use bytes::{Buf, Bytes};
use slipring_proto::outgoing::Batch;

/// Bytes that the transport has taken of what one link gave it, since somebody last asked.
#[derive(Clone, Debug, Default)]
pub struct Taken(Rc<Cell<u64>>);

impl Taken {
    /// The bytes; asked once.
    #[must_use]
    pub fn take(&self) -> u64 {
        self.0.take()
    }

    fn add(&self, count: usize) {
        self.0.set(self.0.get().saturating_add(count as u64));
    }
}

/// See the module.
#[derive(Debug)]
pub struct Granted {
    batch: Batch,
    taken: Taken,
}

impl Granted {
    /// `batch`, whose bytes are added to `taken` as they leave it, one way or another.
    #[must_use]
    pub fn new(batch: Batch, taken: Taken) -> Self {
        Self { batch, taken }
    }
}

impl Buf for Granted {
    fn remaining(&self) -> usize {
        self.batch.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.batch.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.batch.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.batch.advance(count);
        self.taken.add(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.taken.add(count);
        self.batch.copy_to_bytes(count)
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.taken.add(self.batch.remaining());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_counted_once_however_it_leaves() {
        let taken = Taken::default();
        let mut batch = Batch::new();
        batch.push(Bytes::from_static(b"0123456789"));
        let mut granted = Granted::new(batch, taken.clone());
        granted.advance(3);
        assert_eq!(taken.take(), 3);
        assert_eq!(granted.copy_to_bytes(2), &b"34"[..]);
        drop(granted);
        assert_eq!((taken.take(), taken.take()), (7, 0));
    }
}
