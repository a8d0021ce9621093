//! The first level: whole headers.
//!
//! A link that sends remembers headers as they arrived; the other half lives with the link that
//! receives: the header as it was signed for it, found by the flow's number.

use slipring_proto::header::RoutedHeader;

use super::{FlowId, Plan, SLOTS, growth, numbered, refill};

/// Longer headers, in bytes, are not remembered.
pub(crate) const HEADER_BYTES_MAX: usize = 1 << 10;

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
        (self.raw.capacity() as u64)
            .saturating_add(size_of::<Self>() as u64)
            .saturating_add(self.plan.as_ref().map_or(0, |(_, plan)| plan.bytes()))
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
            Some(flow) => growth(&flow.raw, raw.len()),
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
            Some(signed) => growth(&signed.header, header.len()),
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

fn signed_bytes(signed: &Signed) -> u64 {
    (signed.header.capacity() as u64).saturating_add(size_of::<Signed>() as u64)
}

/// The last byte of a signed header belongs to its tag, which spreads flows evenly.
fn position(raw: &[u8]) -> usize {
    raw.last().map_or(0, |byte| usize::from(*byte) % SLOTS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use slipring_fib::LinkId;

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
