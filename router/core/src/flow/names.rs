//! The second level: names, whatever the rest of the header.
//!
//! A link that sends remembers the names of its headers, and once a second header has had them, the
//! context that has absorbed them; a link that receives remembers the context for its own key, found
//! by the flow's number.

use slipring_proto::crypto::{LinkCrypto, MacKey};
use slipring_proto::header::{NameFields, RoutedHeader};
use slipring_proto::{limits::MAC_BYTES, mac};

use super::{FlowId, Plan, SLOT_MASK, SLOTS, growth, numbered, refill};

/// A context of the key of a link's terms.
type Context<C> = <<C as LinkCrypto>::Key as MacKey>::Context;

/// What is known about a source and a destination.
pub(crate) struct Names<C: LinkCrypto> {
    pub(crate) id: FlowId,
    /// The two fields as they stand in the header, source first.
    raw: Vec<u8>,
    context: Option<Context<C>>,
    /// The plan, with the FIB sequence and the fanout that it was made for.
    plan: Option<(u64, u32, Plan)>,
    /// The tag of the last header with these names.
    tag: [u8; MAC_BYTES],
}

impl<C: LinkCrypto> Names<C> {
    /// Bytes held, those of a plan for many links included.
    pub(crate) fn bytes(&self) -> u64 {
        (self.raw.capacity() as u64)
            .saturating_add(size_of::<Self>() as u64)
            .saturating_add(self.plan.as_ref().map_or(0, |(_, _, plan)| plan.bytes()))
    }

    /// Whether `header` carries the right tag for the link with this key and id.
    pub(crate) fn verify(
        &mut self,
        key: &C::Key,
        link_id: &[u8],
        header: &RoutedHeader,
        raw: &[u8],
        scratch: &mut Vec<u8>,
    ) -> bool {
        let context = self
            .context
            .get_or_insert_with(|| mac::names_context(key, header, raw, link_id, scratch));
        mac::verify_rest::<C::Key>(context, header, raw, scratch)
    }

    /// Whether the header is the one before once more: such a one is worth remembering whole.
    /// Without a tag there is nothing to tell it by, and nothing to compute for it either.
    pub(crate) fn is_repeated(&self, header: &RoutedHeader, raw: &[u8]) -> bool {
        header.mac(raw).is_none_or(|tag| tag == self.tag)
    }

    /// The plan for `fanout`, if the FIB has not moved since it was made.
    pub(crate) fn take_plan(&mut self, seq: u64, fanout: u32) -> Option<Plan> {
        let (made_at, made_for, plan) = self.plan.take()?;
        (made_at == seq && made_for == fanout).then_some(plan)
    }

    /// Keeps the plan that was made for `fanout`.
    pub(crate) fn put_plan(&mut self, seq: u64, fanout: u32, plan: Plan) {
        self.plan = Some((seq, fanout, plan));
    }

    /// Notes which header the last one was.
    pub(crate) fn note(&mut self, header: &RoutedHeader, raw: &[u8]) {
        if let Some(tag) = header.mac(raw).and_then(|tag| tag.try_into().ok()) {
            self.tag = tag;
        }
    }

    /// A plan for many links is made again faster than its messages are queued.
    pub(crate) fn forget_plan(&mut self) {
        self.plan = None;
    }
}

/// The names that one ingress link has used.
pub(crate) struct NamesCache<C: LinkCrypto> {
    slots: [Option<Box<Names<C>>>; SLOTS],
}

impl<C: LinkCrypto> Default for NamesCache<C> {
    fn default() -> Self {
        Self {
            slots: [const { None }; SLOTS],
        }
    }
}

impl<C: LinkCrypto> NamesCache<C> {
    /// Takes out what is known of the names in `header`; [`Self::put`] brings it back.
    pub(crate) fn take(&mut self, header: &RoutedHeader, raw: &[u8]) -> Option<Box<Names<C>>> {
        let slot = self.slots.get_mut(position(header))?;
        let (source, destination) = fields(header, raw);
        let is_same = |names: &Names<C>| {
            names.raw.len() == source.len().saturating_add(destination.len())
                && names.raw.starts_with(source)
                && names.raw.ends_with(destination)
        };
        if slot.as_deref().is_some_and(is_same) {
            slot.take()
        } else {
            None
        }
    }

    /// Brings back what was taken out, or was just made, for the names in `header`.
    pub(crate) fn put(&mut self, names: Box<Names<C>>, header: &RoutedHeader) {
        if let Some(slot) = self.slots.get_mut(position(header)) {
            *slot = Some(names);
        }
    }

    /// Bytes that the cache grows by, at most, if [`Self::refill`] makes room for `header`.
    pub(crate) fn growth(&self, header: &RoutedHeader, raw: &[u8]) -> u64 {
        let (source, destination) = fields(header, raw);
        let length = source.len().saturating_add(destination.len());
        match self.slots.get(position(header)).and_then(Option::as_ref) {
            None => (size_of::<Names<C>>() as u64).saturating_add(length as u64),
            Some(names) => growth(&names.raw, length),
        }
    }

    /// Something for the names of a header that was just verified, in the memory of what it replaces.
    ///
    /// The second part of the result is what the replaced one held, in bytes.
    pub(crate) fn refill(
        &mut self,
        header: &RoutedHeader,
        raw: &[u8],
        id: FlowId,
    ) -> (Box<Names<C>>, u64) {
        let old = self.slots.get_mut(position(header)).and_then(Option::take);
        let before = old.as_ref().map_or(0, |names| names.bytes());
        let mut names = old.unwrap_or_else(|| {
            Box::new(Names {
                id,
                raw: Vec::new(),
                context: None,
                plan: None,
                tag: [0; MAC_BYTES],
            })
        });
        let (source, destination) = fields(header, raw);
        refill(&mut names.raw, &[source, destination]);
        names.id = id;
        names.context = None;
        names.plan = None;
        (names, before)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots
            .iter()
            .flatten()
            .fold(0, |sum, names| sum.saturating_add(names.bytes()))
    }
}

/// A context of one egress link's key that has absorbed the names of a flow.
struct Absorbed<C: LinkCrypto> {
    id: FlowId,
    context: Context<C>,
}

/// The contexts of one egress link.
pub(crate) struct ContextCache<C: LinkCrypto> {
    slots: [Option<Box<Absorbed<C>>>; SLOTS],
}

impl<C: LinkCrypto> Default for ContextCache<C> {
    fn default() -> Self {
        Self {
            slots: [const { None }; SLOTS],
        }
    }
}

impl<C: LinkCrypto> ContextCache<C> {
    /// The context for flow `id`, if it is still known.
    pub(crate) fn find(&self, id: FlowId) -> Option<&Context<C>> {
        let absorbed = self.slots.get(numbered(id))?.as_deref()?;
        (absorbed.id == id).then_some(&absorbed.context)
    }

    /// Bytes that [`Self::put`] adds.
    pub(crate) fn growth(&self, id: FlowId) -> u64 {
        match self.slots.get(numbered(id)) {
            Some(None) => size_of::<Absorbed<C>>() as u64,
            Some(Some(_)) | None => 0,
        }
    }

    /// Remembers a context.
    pub(crate) fn put(&mut self, id: FlowId, context: Context<C>) {
        match self.slots.get_mut(numbered(id)) {
            Some(Some(slot)) => **slot = Absorbed { id, context },
            Some(slot) => *slot = Some(Box::new(Absorbed { id, context })),
            None => {}
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        let taken = self.slots.iter().flatten().count() as u64;
        taken.saturating_mul(size_of::<Absorbed<C>>() as u64)
    }
}

/// The fields that carry the names, tags included; empty if there are none.
fn fields<'a>(header: &RoutedHeader, raw: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let field = |name: Option<NameFields>| name.map_or(&[][..], |name| name.field.of(raw));
    (field(header.source), field(header.destination))
}

/// Peers choose their ids at random, so their last bits spread the slots.
fn position(header: &RoutedHeader) -> usize {
    let low = |name: Option<NameFields>| {
        let encoded = name.and_then(|name| name.encoded);
        encoded.map_or(0, |encoded| {
            let [_, _, component] = encoded.components;
            component ^ encoded.id.map_or(0, |(_, low)| low)
        })
    };
    let mixed = low(header.source).rotate_left(1) ^ low(header.destination);
    usize::try_from(mixed & SLOT_MASK).unwrap_or(0)
}
