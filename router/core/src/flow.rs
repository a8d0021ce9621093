//! The flow cache: what is already known about a publish because of those before it on the same link.
//!
//! It has two levels. Consecutive messages of one session often carry the same routed header, tag
//! included (`headers`): one comparison then finds the verified fields, the plan, and the header as it
//! was signed for each next hop. Clients that put a fresh identity into every message never send a
//! header twice, but their names come again (`names`): then the plan holds, and both tags go on from
//! where the names have been absorbed.
//!
//! Invariants:
//! 1. What is stored was verified on this very link, and the comparison covers every byte of what it is
//!    stored for, so a hit can mean nothing else.
//! 2. A plan counts only at the FIB sequence that it was made at.
//! 3. Flow numbers are never reused, so what was signed for one flow can never be taken for another's.

mod headers;
mod names;

use std::sync::Arc;

use slipring_fib::LinkId;

pub(crate) use headers::{Flow, FlowCache, HEADER_BYTES_MAX, SignedCache};
pub(crate) use names::{ContextCache, Names, NamesCache};

/// Flows remembered for one link, at each level and in each direction.
const SLOTS: usize = 8;

/// Picks a slot out of a number; slots are a power of two.
const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// The number of a flow: unique in the process while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowId(u64);

impl FlowId {
    /// A number that belongs to no flow: the header is not worth remembering.
    pub(crate) const NONE: Self = Self(0);
}

/// Hands out flow numbers; the shard's own number keeps them apart from those of other shards.
#[derive(Debug)]
pub(crate) struct FlowNumbers(u64);

impl FlowNumbers {
    pub(crate) fn new(shard: u8) -> Self {
        Self(u64::from(shard) << 56)
    }

    pub(crate) fn next(&mut self) -> FlowId {
        self.0 = self.0.wrapping_add(1);
        FlowId(self.0)
    }
}

/// Where a flow's messages go.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Nobody subscribes.
    Nobody,
    /// Always this one link.
    Sole(LinkId),
    /// All of these links.
    Many(Arc<[LinkId]>),
    /// One of several in turn: asked for each message.
    Rotating,
}

impl Plan {
    /// Bytes held outside of the plan itself.
    fn bytes(&self) -> u64 {
        match self {
            Self::Many(links) => size_of_val::<[LinkId]>(links) as u64,
            Self::Nobody | Self::Sole(_) | Self::Rotating => 0,
        }
    }
}

/// Replaces the content without room to spare, which would be held and never used.
fn refill(buffer: &mut Vec<u8>, content: &[u8]) {
    buffer.clear();
    buffer.reserve_exact(content.len());
    buffer.extend_from_slice(content);
}

/// What [`refill`] with so many bytes adds to the memory of `buffer`.
fn growth(buffer: &Vec<u8>, length: usize) -> u64 {
    (length as u64).saturating_sub(buffer.capacity() as u64)
}

fn numbered(id: FlowId) -> usize {
    usize::try_from(id.0 & SLOT_MASK).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_of_different_shards_never_share_a_number() {
        let (mut first, mut second) = (FlowNumbers::new(0), FlowNumbers::new(1));
        let numbers: Vec<FlowId> = (0..100).map(|_| first.next()).collect();
        assert!(numbers.iter().all(|number| *number != FlowId::NONE));
        assert!((0..100).all(|_| !numbers.contains(&second.next())));
    }
}
