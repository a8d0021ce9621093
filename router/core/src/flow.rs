//! The flow cache: what is already known about a header that was seen before on the same link.
//!
//! Consecutive messages of one session often carry the same routed header, tag included. Such a header
//! needs no second parse, verification or lookup: one comparison finds the verified fields and, while
//! the FIB has not moved, the plan. The other half of the cache lives with the egress link: the header
//! as it was signed for that link, found by the flow's number.
//!
//! Invariants:
//! 1. A flow is stored only after its header was verified on this very link, and the comparison covers
//!    every byte of the header, so a hit can mean nothing else than the stored flow.
//! 2. A plan counts only at the FIB sequence that it was made at.
//! 3. Flow numbers are never reused, so a signed header can never be taken for another flow's.

use std::sync::Arc;

use slipring_fib::LinkId;
use slipring_proto::header::RoutedHeader;

/// Headers remembered for one link, in each direction.
const SLOTS: usize = 8;

/// Picks a slot out of a number; slots are a power of two.
const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// Longer headers, in bytes, are not remembered.
pub(crate) const HEADER_BYTES_MAX: usize = 1 << 10;

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

/// A verified header.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    raw: Vec<u8>,
    pub(crate) header: RoutedHeader,
    /// The plan and the FIB sequence it was made at.
    pub(crate) plan: Option<(u64, Plan)>,
}

impl Flow {
    /// Bytes held, those of a plan for many links included.
    pub(crate) fn bytes(&self) -> u64 {
        let links = match &self.plan {
            Some((_, Plan::Many(links))) => size_of_val::<[LinkId]>(links),
            Some((_, Plan::Nobody | Plan::Sole(_) | Plan::Rotating)) | None => 0,
        };
        (self.raw.capacity() as u64)
            .saturating_add(size_of::<Self>() as u64)
            .saturating_add(links as u64)
    }
}

/// The verified headers of one ingress link.
#[derive(Debug, Default)]
pub(crate) struct FlowCache {
    slots: [Option<Box<Flow>>; SLOTS],
}

impl FlowCache {
    /// Takes out the flow with exactly this header, if it is known; [`Self::put`] brings it back.
    pub(crate) fn take(&mut self, raw: &[u8]) -> Option<Box<Flow>> {
        let slot = self.slots.get_mut(position(raw))?;
        if slot.as_ref().is_some_and(|flow| flow.raw == raw) {
            slot.take()
        } else {
            None
        }
    }

    /// Remembers a flow that was just verified or taken out.
    pub(crate) fn put(&mut self, flow: Box<Flow>) {
        if let Some(slot) = self.slots.get_mut(position(&flow.raw)) {
            *slot = Some(flow);
        }
    }

    /// Bytes that the cache grows by, at most, if [`Self::refill`] makes a flow of `raw`.
    pub(crate) fn growth(&self, raw: &[u8]) -> u64 {
        let old = self.slots.get(position(raw)).and_then(Option::as_ref);
        match old {
            None => (size_of::<Flow>() as u64).saturating_add(raw.len() as u64),
            Some(flow) => growth(&flow.raw, raw),
        }
    }

    /// A flow for a header that was just verified, in the memory of the one it replaces.
    ///
    /// The second part of the result is what the replaced one held, in bytes.
    pub(crate) fn refill(
        &mut self,
        raw: &[u8],
        id: FlowId,
        header: RoutedHeader,
    ) -> (Box<Flow>, u64) {
        let old = self.slots.get_mut(position(raw)).and_then(Option::take);
        let before = old.as_ref().map_or(0, |flow| flow.bytes());
        let mut flow = old.unwrap_or_else(|| {
            Box::new(Flow {
                id,
                raw: Vec::new(),
                header,
                plan: None,
            })
        });
        refill(&mut flow.raw, raw);
        flow.id = id;
        flow.header = header;
        flow.plan = None;
        (flow, before)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots
            .iter()
            .flatten()
            .fold(0, |sum, flow| sum.saturating_add(flow.bytes()))
    }
}

/// A header as it was signed for one egress link.
#[derive(Debug)]
struct Signed {
    id: FlowId,
    header: Vec<u8>,
}

/// The signed headers of one egress link.
#[derive(Debug, Default)]
pub(crate) struct SignedCache {
    slots: [Option<Box<Signed>>; SLOTS],
}

impl SignedCache {
    /// The header signed for flow `id`, if it is still known.
    pub(crate) fn find(&self, id: FlowId) -> Option<&[u8]> {
        let signed = self.slots.get(numbered(id))?.as_ref()?;
        (signed.id == id && id != FlowId::NONE).then_some(signed.header.as_slice())
    }

    /// Bytes that the cache grows by, at most, if [`Self::put`] remembers `header`.
    pub(crate) fn growth(&self, id: FlowId, header: &[u8]) -> u64 {
        let old = self.slots.get(numbered(id)).and_then(Option::as_ref);
        match old {
            None => (size_of::<Signed>() as u64).saturating_add(header.len() as u64),
            Some(signed) => growth(&signed.header, header),
        }
    }

    /// Remembers a signed header. Returns the bytes that the cache grew by.
    pub(crate) fn put(&mut self, id: FlowId, header: &[u8]) -> u64 {
        if id == FlowId::NONE || header.len() > HEADER_BYTES_MAX {
            return 0;
        }
        let Some(slot) = self.slots.get_mut(numbered(id)) else {
            return 0;
        };
        let before = slot.as_ref().map_or(0, |signed| signed_bytes(signed));
        let signed = slot.get_or_insert_with(|| {
            Box::new(Signed {
                id,
                header: Vec::new(),
            })
        });
        signed.id = id;
        refill(&mut signed.header, header);
        signed_bytes(signed).saturating_sub(before)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots
            .iter()
            .flatten()
            .fold(0, |sum, signed| sum.saturating_add(signed_bytes(signed)))
    }
}

/// Replaces the content without room to spare, which would be held and never used.
fn refill(buffer: &mut Vec<u8>, content: &[u8]) {
    buffer.clear();
    buffer.reserve_exact(content.len());
    buffer.extend_from_slice(content);
}

/// What [`refill`] adds to the memory of `buffer`.
fn growth(buffer: &Vec<u8>, content: &[u8]) -> u64 {
    (content.len() as u64).saturating_sub(buffer.capacity() as u64)
}

fn signed_bytes(signed: &Signed) -> u64 {
    (signed.header.capacity() as u64).saturating_add(size_of::<Signed>() as u64)
}

/// The last byte of a signed header belongs to its tag, which spreads flows evenly.
fn position(raw: &[u8]) -> usize {
    raw.last().map_or(0, |byte| usize::from(*byte) % SLOTS)
}

fn numbered(id: FlowId) -> usize {
    usize::try_from(id.0 & SLOT_MASK).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_for_many_links_is_charged() {
        let mut cache = FlowCache::default();
        let (mut flow, before) = cache.refill(&[7; 100], FlowId(1), RoutedHeader::default());
        assert_eq!(before, 0);
        let plain = flow.bytes();
        let links: Vec<LinkId> = (0..1_000).map(LinkId::from_u64).collect();
        flow.plan = Some((1, Plan::Many(Arc::from(links))));
        assert_eq!(flow.bytes(), plain + 8_000);
        cache.put(flow);
        assert_eq!(cache.bytes(), plain + 8_000);
        let (flow, before) = cache.refill(&[7; 50], FlowId(2), RoutedHeader::default());
        assert_eq!(before, plain + 8_000);
        assert_eq!(flow.bytes(), plain, "in the memory of the one before");
    }

    #[test]
    fn a_flow_is_found_by_all_of_its_bytes_and_only_once() {
        let mut cache = FlowCache::default();
        let (flow, _) = cache.refill(b"header", FlowId(1), RoutedHeader::default());
        cache.put(flow);
        assert!(cache.take(b"Header").is_none());
        assert!(cache.take(b"heade").is_none());
        assert!(cache.take(b"header").is_some());
        assert!(
            cache.take(b"header").is_none(),
            "whoever took it brings it back"
        );
    }

    #[test]
    fn a_place_that_is_taken_grows_by_what_its_next_header_is_longer() {
        let mut flows = FlowCache::default();
        let mut signed = SignedCache::default();
        for header in [[7; 100].as_slice(), &[7; 60], &[7; 100], &[7; 130]] {
            let wanted = flows.growth(header);
            let before = flows.bytes();
            let (flow, _) = flows.refill(header, FlowId(1), RoutedHeader::default());
            flows.put(flow);
            assert_eq!(flows.bytes() - before, wanted);
            let wanted = signed.growth(FlowId(1), header);
            assert_eq!(signed.put(FlowId(1), header), wanted);
        }
        assert_eq!(flows.growth(&[7; 100]), 0);
        assert_eq!(signed.growth(FlowId(9), &[7; 131]), 1);
    }

    #[test]
    fn flows_of_different_shards_never_share_a_number() {
        let (mut first, mut second) = (FlowNumbers::new(0), FlowNumbers::new(1));
        let numbers: Vec<FlowId> = (0..100).map(|_| first.next()).collect();
        assert!(numbers.iter().all(|number| *number != FlowId::NONE));
        assert!((0..100).all(|_| !numbers.contains(&second.next())));
    }

    #[test]
    fn a_signed_header_belongs_to_its_flow() {
        let mut cache = SignedCache::default();
        assert_eq!(cache.put(FlowId::NONE, b"unknown"), 0);
        assert_eq!(cache.find(FlowId::NONE), None);
        let grown = cache.put(FlowId(1), b"first");
        assert_eq!(cache.find(FlowId(1)), Some(&b"first"[..]));
        // The same place, another flow.
        assert_eq!(cache.put(FlowId(9), b"ninth"), 0);
        assert_eq!(cache.find(FlowId(1)), None);
        assert_eq!(cache.bytes(), grown);
        assert_eq!(cache.put(FlowId(2), &[0; HEADER_BYTES_MAX + 1]), 0);
        assert_eq!(cache.find(FlowId(2)), None);
    }
}
