//! The connection table of one shard: a slab whose generations make stale ids harmless.
//!
//! A link is created when its stream opens, negotiates, opens, and leaves. Everything that belongs to
//! one link lives in its slot and goes with it: keys, caches, queue, counters.

use std::collections::VecDeque;

use slipring_fib::{LinkClass, LinkId};
use slipring_proto::{
    crypto::LinkCrypto,
    envelope::Envelope,
    link::{LinkTerms, Negotiation},
};

use crate::{
    egress::{Bounds, Egress},
    flow::{ContextCache, FlowCache, NamesCache, SignedCache},
    ingress::held_bytes,
    ledger::Account,
    reason::CloseReason,
    time::Time,
};

/// No acknowledgement is longer, in bytes: a refusal with two twenty-digit numbers in it.
pub(crate) const ACK_BYTES_MAX: u64 = 128;

/// Where a link stands.
pub(crate) enum Phase<C: LinkCrypto> {
    /// The first message has not arrived.
    Negotiating(Box<Negotiation<C>>),
    /// Messages flow both ways.
    Open,
    /// Its routes are being withdrawn; it ends when they are and its queue is empty. What its peer
    /// publishes until then is forwarded.
    Leaving,
    /// It ends with this reason as soon as its queue is empty.
    Ending(CloseReason),
}

/// Where the messages of the current turn went, for the decision who is stalled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// The last target that could take more at the time.
    pub(crate) flowing: Option<LinkId>,
    /// Whether there were several such targets.
    pub(crate) is_mixed: bool,
}

/// What one link did, for `/links`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Messages received.
    pub messages_in: u64,
    /// Messages handed to the transport.
    pub messages_out: u64,
    /// Protobuf bytes received.
    pub bytes_in: u64,
    /// Bytes handed to the transport.
    pub bytes_out: u64,
    /// Messages for this link that were dropped.
    pub dropped: u64,
}

/// One link.
pub(crate) struct Link<C: LinkCrypto> {
    pub(crate) id: LinkId,
    pub(crate) class: LinkClass,
    pub(crate) phase: Phase<C>,
    pub(crate) terms: Option<LinkTerms<C::Key>>,
    pub(crate) egress: Egress,
    pub(crate) flows: FlowCache,
    pub(crate) signed: SignedCache,
    pub(crate) names: NamesCache<C>,
    pub(crate) contexts: ContextCache<C>,
    pub(crate) counters: LinkCounters,
    pub(crate) turn: Turn,
    pub(crate) opened_at: Time,
    /// Subscribe and unsubscribe requests that are not committed yet.
    pub(crate) pending: u32,
    /// Whether the control shard may hold something for this link.
    pub(crate) has_requested: bool,
    /// A publish that waits until the subscriptions sent before it are in force on every shard.
    pub(crate) held: Option<Envelope>,
    /// Whether the shell was told to stop feeding this link.
    pub(crate) is_paused: bool,
    /// Whether the link stands on the watch list of waiting queues.
    pub(crate) is_watched: bool,
    /// Ambiguous messages so far.
    pub(crate) malformed: u8,
    /// Bytes of an unfinished message that are charged to the assembly account.
    pub(crate) assembling: u64,
}

impl<C: LinkCrypto> Link<C> {
    /// Whether messages may be queued for it.
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Leaving)
    }

    /// Whether the acknowledgements that wait, and those that its requests will bring, are more than
    /// `bytes_max` bytes.
    pub(crate) fn is_reserve_full(&self, bytes_max: u32) -> bool {
        let due = u64::from(self.pending).saturating_mul(ACK_BYTES_MAX);
        u64::from(self.egress.reserved_bytes()).saturating_add(due) > u64::from(bytes_max)
    }

    /// Bytes of `account` that would be free without it.
    pub(crate) fn debt(&self, account: Account) -> u64 {
        match account {
            Account::Egress => self.egress.held_bytes(),
            Account::Assembly => self
                .assembling
                .saturating_add(self.held.as_ref().map_or(0, held_bytes)),
            Account::Flows => self.remembered_bytes(),
            Account::Links | Account::Windows => 0,
        }
    }

    /// Bytes of all that the link's messages led to remember.
    fn remembered_bytes(&self) -> u64 {
        let ingress = self.flows.bytes().saturating_add(self.names.bytes());
        let egress = self.signed.bytes().saturating_add(self.contexts.bytes());
        ingress.saturating_add(egress)
    }

    /// Whether its input is still read.
    pub(crate) fn is_reading(&self) -> bool {
        !matches!(self.phase, Phase::Ending(_))
    }
}

struct Slot<C: LinkCrypto> {
    generation: u32,
    link: Option<Box<Link<C>>>,
}

/// The table.
pub(crate) struct Links<C: LinkCrypto> {
    shard: u8,
    slots: Vec<Slot<C>>,
    free: VecDeque<u32>,
    count: u32,
}

impl<C: LinkCrypto> Links<C> {
    pub(crate) fn new(shard: u8) -> Self {
        Self {
            shard,
            slots: Vec::new(),
            free: VecDeque::new(),
            count: 0,
        }
    }

    /// Links held, whatever their phase.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Creates a link that is about to negotiate.
    pub(crate) fn insert(
        &mut self,
        negotiation: Negotiation<C>,
        bounds: Bounds,
        now: Time,
    ) -> LinkId {
        let slot = self.free.pop_front().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                link: None,
            });
            u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        let generation = self
            .slots
            .get(slot as usize)
            .map_or(0, |slot| slot.generation.wrapping_add(1));
        let id = LinkId::new(self.shard, slot, generation);
        let link = Link {
            id,
            class: LinkClass::Edge,
            phase: Phase::Negotiating(Box::new(negotiation)),
            terms: None,
            egress: Egress::new(bounds),
            flows: FlowCache::default(),
            signed: SignedCache::default(),
            names: NamesCache::default(),
            contexts: ContextCache::default(),
            counters: LinkCounters::default(),
            turn: Turn::default(),
            opened_at: now,
            pending: 0,
            has_requested: false,
            held: None,
            is_paused: false,
            is_watched: false,
            malformed: 0,
            assembling: 0,
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Slot {
                generation,
                link: Some(Box::new(link)),
            };
            self.count = self.count.saturating_add(1);
        }
        id
    }

    /// Takes a link out of the table; its id will not be given to another.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Box<Link<C>>> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        if id.shard() != self.shard || slot.generation != id.generation() {
            return None;
        }
        let link = slot.link.take()?;
        self.free.push_back(id.slot());
        self.count = self.count.saturating_sub(1);
        Some(link)
    }

    pub(crate) fn find(&self, id: LinkId) -> Option<&Link<C>> {
        let slot = self.slots.get(id.slot() as usize)?;
        if id.shard() != self.shard || slot.generation != id.generation() {
            return None;
        }
        slot.link.as_deref()
    }

    pub(crate) fn find_mut(&mut self, id: LinkId) -> Option<&mut Link<C>> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        if id.shard() != self.shard || slot.generation != id.generation() {
            return None;
        }
        slot.link.as_deref_mut()
    }

    /// Every link, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link<C>> {
        self.slots.iter().filter_map(|slot| slot.link.as_deref())
    }

    /// The links in `slots_max` slots from `first` on, and the slot after them if there are more.
    pub(crate) fn page(
        &self,
        first: u32,
        slots_max: u32,
    ) -> (impl Iterator<Item = &Link<C>>, Option<u32>) {
        let first_index = usize::try_from(first).unwrap_or(usize::MAX);
        let rest = self.slots.get(first_index..).unwrap_or_default();
        let taken = rest
            .len()
            .min(usize::try_from(slots_max).unwrap_or(usize::MAX));
        let page = rest.get(..taken).unwrap_or_default();
        let next = (rest.len() > taken).then(|| first.saturating_add(slots_max));
        (page.iter().filter_map(|slot| slot.link.as_deref()), next)
    }
}

#[cfg(test)]
mod tests {
    use slipring_proto::{
        crypto::fake::FakeCrypto,
        link::{LinkPolicy, LocalNode},
        message,
    };

    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes_max: 1,
        messages_max: 1,
    };

    fn insert(links: &mut Links<FakeCrypto>) -> LinkId {
        let node = LocalNode {
            node_id: String::new(),
            deployment_name: String::new(),
            version: "1.0.0".to_owned(),
        };
        let policy = LinkPolicy {
            require_header_mac: true,
            enforce_pqc: false,
        };
        links.insert(Negotiation::accept(node, policy), BOUNDS, Time::ZERO)
    }

    #[test]
    fn a_stale_id_finds_nothing_and_removes_nothing() {
        let mut links = Links::new(3);
        let first = insert(&mut links);
        assert!(links.remove(first).is_some());
        let second = insert(&mut links);
        assert_eq!(first.slot(), second.slot());
        assert!(links.find(first).is_none() && links.find_mut(first).is_none());
        assert!(links.remove(first).is_none());
        assert!(links.find(second).is_some());
        assert_eq!(links.count(), 1);
    }

    #[test]
    fn an_id_of_another_shard_is_stale_too() {
        let mut links = Links::new(3);
        let own = insert(&mut links);
        let other = LinkId::new(4, own.slot(), own.generation());
        assert!(links.find(other).is_none() && links.find_mut(other).is_none());
        assert!(links.remove(other).is_none());
        assert!(links.find(own).is_some());
    }

    #[test]
    fn no_acknowledgement_is_longer_than_what_is_set_aside_for_it() {
        let longest = format!("subscriptions_per_link_max reached: {}", u64::MAX);
        let ack = message::subscription_ack(u64::MAX, Err(&longest)).expect("short");
        assert!(ack.len() as u64 <= ACK_BYTES_MAX);
    }
}
