//! Keyed hashing of what the tables are searched by.
//!
//! Component hashes and ids come off the wire, so a peer chooses them: without a key it could fill
//! one segment of a table with names of its own. The key is derived from the seed the shell passes.
//! No answer of this crate depends on a hash; only places in memory do.

use core::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use slipring_proto::name::{Name, Prefix};

use crate::LinkId;

/// The hash functions of one table owner.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(RandomState);

impl Seeded {
    pub(crate) fn new(hash_seed: u64) -> Self {
        // SplitMix64 spreads the one seed over the four keys.
        let mut state = hash_seed;
        let mut key = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        };
        Self(RandomState::with_seeds(key(), key(), key(), key()))
    }

    #[inline]
    pub(crate) fn name(&self, name: &Name) -> u32 {
        let [c0, c1, c2] = name.prefix.0;
        let mut hasher = self.0.build_hasher();
        hasher.write_u128(wide(c0, c1));
        hasher.write_u128(name.id);
        hasher.write_u64(c2);
        top(hasher.finish())
    }

    #[inline]
    pub(crate) fn prefix(&self, prefix: &Prefix) -> u32 {
        let [c0, c1, c2] = prefix.0;
        let mut hasher = self.0.build_hasher();
        hasher.write_u128(wide(c0, c1));
        hasher.write_u64(c2);
        top(hasher.finish())
    }

    #[inline]
    pub(crate) fn link(&self, link: LinkId) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(link.to_u64());
        top(hasher.finish())
    }

    /// The hash of a pair of a row and something numbered within it.
    #[inline]
    pub(crate) fn pair(&self, row: u32, number: u64) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u128(wide(u64::from(row), number));
        top(hasher.finish())
    }
}

#[inline]
fn wide(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

#[inline]
const fn top(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The five words of a name.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the second half of the id is meant"
)]
pub(crate) const fn words(name: &Name) -> [u64; 5] {
    let [c0, c1, c2] = name.prefix.0;
    [c0, c1, c2, (name.id >> 64) as u64, name.id as u64]
}

/// The name with the words.
pub(crate) const fn name_of([c0, c1, c2, id_0, id_1]: [u64; 5]) -> Name {
    Name::new(Prefix([c0, c1, c2]), ((id_0 as u128) << 64) | id_1 as u128)
}
