//! Who a target is: the link's identity, its class, and small sets of classes.
//!
//! A [`LinkId`] is one `u64`, so that tables hold links without a pointer. Its generation makes the
//! identity of a closed link differ from that of the next link in the same slot.

use core::fmt;

/// A link of this node: the shard that owns it, its slot there, and the slot's generation.
///
/// At most 256 shards and 16,777,216 slots a shard; the generation counts the slot's uses and wraps
/// after 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(u64);

impl LinkId {
    /// The highest slot a shard can have.
    pub const SLOT_MAX: u32 = (1 << 24) - 1;

    /// Packs the three parts. Bits of `slot` above [`Self::SLOT_MAX`] are a mistake of the caller
    /// and are cut off.
    #[must_use]
    pub const fn new(shard: u8, slot: u32, generation: u32) -> Self {
        debug_assert!(slot <= Self::SLOT_MAX);
        let slot = slot & Self::SLOT_MAX;
        Self(((shard as u64) << 56) | ((slot as u64) << 32) | generation as u64)
    }

    /// The shard that owns the link.
    #[must_use]
    pub const fn shard(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The link's slot on its shard.
    #[must_use]
    pub const fn slot(self) -> u32 {
        let [_, a, b, c, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([0, a, b, c])
    }

    /// How many links the slot had before this one, modulo 2^32.
    #[must_use]
    pub const fn generation(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The packed form: shard in the top 8 bits, slot in the next 24, generation in the low 32.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The reverse of [`Self::to_u64`]; every value is some link.
    #[must_use]
    pub const fn from_u64(packed: u64) -> Self {
        Self(packed)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}/{}#{}", self.shard(), self.slot(), self.generation())
    }
}

/// What is at the other end of a link. The order of the variants is the order of preference for a
/// single target (WIRE §7.4), and so the order of targets in a fan-out (WIRE §7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkClass {
    /// An application inside this process ("Local" on the wire's page).
    App,
    /// A node of another deployment.
    Remote,
    /// A node of the same deployment.
    Peer,
    /// A client.
    Edge,
}

impl LinkClass {
    /// Every class, most preferred first.
    pub const ALL: [Self; 4] = [Self::App, Self::Remote, Self::Peer, Self::Edge];

    /// The class's name in metrics and on the admin surface.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Remote => "remote",
            Self::Peer => "peer",
            Self::Edge => "edge",
        }
    }

    /// The class's place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::App => 0,
            Self::Remote => 1,
            Self::Peer => 2,
            Self::Edge => 3,
        }
    }

    /// The class as a set of one.
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Self::App => 1,
            Self::Remote => 2,
            Self::Peer => 4,
            Self::Edge => 8,
        }
    }
}

/// A set of link classes: those a lookup may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassSet(u8);

impl ClassSet {
    /// Every class.
    pub const ALL: Self = Self(0b1111);
    /// No class: nothing matches.
    pub const NONE: Self = Self(0);

    /// The set and `class`.
    #[must_use]
    pub const fn with(self, class: LinkClass) -> Self {
        Self(self.0 | class.bit())
    }

    /// The set but for `class`.
    #[must_use]
    pub const fn without(self, class: LinkClass) -> Self {
        Self(self.0 & !class.bit())
    }

    /// Whether `class` is in the set.
    #[must_use]
    pub const fn contains(self, class: LinkClass) -> bool {
        self.0 & class.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_id_keeps_its_parts_apart() {
        for (shard, slot, generation) in [
            (0, 0, 0),
            (255, LinkId::SLOT_MAX, u32::MAX),
            (1, 2, 3),
            (0, LinkId::SLOT_MAX, 0),
        ] {
            let link = LinkId::new(shard, slot, generation);
            assert_eq!(
                (link.shard(), link.slot(), link.generation()),
                (shard, slot, generation)
            );
            assert_eq!(LinkId::from_u64(link.to_u64()), link);
        }
    }

    #[test]
    fn link_id_is_printed_as_shard_slot_generation() {
        assert_eq!(LinkId::new(0, 12, 3).to_string(), "s0/12#3");
    }

    #[test]
    fn classes_are_ordered_by_preference() {
        assert!(LinkClass::ALL.is_sorted());
        for (place, class) in LinkClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
        }
    }

    #[test]
    fn class_set_adds_and_removes_one_class() {
        for class in LinkClass::ALL {
            assert!(ClassSet::ALL.contains(class));
            assert!(!ClassSet::NONE.contains(class));
            assert!(!ClassSet::ALL.without(class).contains(class));
            assert_eq!(ClassSet::ALL.without(class).with(class), ClassSet::ALL);
            assert!(ClassSet::NONE.with(class).contains(class));
        }
    }
}
