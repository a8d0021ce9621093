//! The slot of a table whose contents lie elsewhere: a hash and a number.

use crate::seeded::Seeded;
use crate::segments::Slot;

/// A hash and the number of what has it. The number above [`Self::NUMBER_MAX`] marks no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    hash: u32,
    number: u32,
}

impl Pointer {
    /// The highest number a pointer can have.
    pub(crate) const NUMBER_MAX: u32 = u32::MAX - 1;

    pub(crate) const fn new(hash: u32, number: u32) -> Self {
        debug_assert!(number <= Self::NUMBER_MAX);
        Self { hash, number }
    }

    #[inline]
    pub(crate) const fn number(self) -> u32 {
        self.number
    }

    /// Whether this can be the slot of something with the hash. Asked before the contents are
    /// fetched, it spares nearly every fetch of the wrong ones.
    #[inline]
    pub(crate) const fn has_hash(self, hash: u32) -> bool {
        self.hash == hash
    }
}

impl Slot for Pointer {
    const EMPTY: Self = Self {
        hash: 0,
        number: u32::MAX,
    };

    #[inline]
    fn is_empty(&self) -> bool {
        self.number == u32::MAX
    }

    fn hash(&self, _: &Seeded) -> u32 {
        self.hash
    }
}
