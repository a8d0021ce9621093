//! What the RIB keeps of a prefix, a name, a link and a subscription.
//!
//! Rows refer to each other by number. The lists among them are doubly linked, so that any row can be
//! taken out of the middle.

use slipring_proto::name::Prefix;

use crate::seeded::Seeded;
use crate::segments::Slot;
use crate::{LinkClass, LinkId};

/// The end of a list: a row no slab has.
pub(super) const END: u32 = u32::MAX;

/// A prefix and how many names are under it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PrefixSlot {
    pub(super) prefix: Prefix,
    pub(super) names: u32,
}

#[derive(Debug)]
pub(super) struct NameRow {
    pub(super) words: [u64; 5],
    pub(super) members: u32,
}

#[derive(Debug)]
pub(super) struct LinkRow {
    pub(super) link: LinkId,
    pub(super) class: LinkClass,
    pub(super) subscriptions: u32,
    /// The first of the link's members.
    pub(super) head: u32,
}

/// A name's link, or a link's name.
#[derive(Debug)]
pub(super) struct MemberRow {
    pub(super) subscription_id: u64,
    pub(super) name: u32,
    pub(super) link: u32,
    /// Neighbours in the list of the link's members.
    pub(super) before: u32,
    pub(super) after: u32,
    /// The first of the member's further subscriptions.
    pub(super) again: u32,
}

/// A further subscription of a member.
#[derive(Debug)]
pub(super) struct AgainRow {
    pub(super) subscription_id: u64,
    pub(super) member: u32,
    /// Neighbours in the list of the member's further subscriptions.
    pub(super) before: u32,
    pub(super) after: u32,
}

impl Slot for PrefixSlot {
    const EMPTY: Self = Self {
        prefix: Prefix([0; 3]),
        names: 0,
    };

    fn is_empty(&self) -> bool {
        self.names == 0
    }

    fn hash(&self, seeded: &Seeded) -> u32 {
        seeded.prefix(&self.prefix)
    }
}
