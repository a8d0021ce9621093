//! What everything shares that fills a FIB: names by number, links by number, filled replicas.
//!
//! Names are computed from their number rather than kept in a list, so that what is measured is the
//! table's memory traffic and not the list's.
#![allow(
    clippy::cast_possible_truncation,
    reason = "a service's number is below their count, which is a usize"
)]

use slipring_fib::{Change, Delta, Fib, FibLimits, LinkClass, LinkId, RibLimits};
use slipring_proto::name::{ANY_ID, Name, Prefix};

/// Room for every case.
pub const LIMITS: RibLimits = RibLimits {
    names_max: 4_000_000,
    subscriptions_max: 4_000_000,
    subscriptions_per_link_max: 4_000_000,
};

/// The same tables in every run.
pub const HASH_SEED: u64 = 0x5eed_5eed_5eed_5eed;

/// SplitMix64's output function: a different word for every word.
#[must_use]
pub const fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A number below `bound` from a random word, without a division.
#[must_use]
pub const fn below(word: u64, bound: u64) -> u64 {
    ((word >> 32) * bound) >> 32
}

/// The names of a node: so many services, each with its share of the numbers.
#[derive(Clone, Debug)]
pub struct Names {
    prefixes: Vec<Prefix>,
}

impl Names {
    /// Organization and namespace are few, as in life.
    #[must_use]
    pub fn of(services: u64) -> Self {
        let prefix = |service| Prefix([mix(service % 7), mix(service % 61), mix(service)]);
        Self {
            prefixes: (0..services).map(prefix).collect(),
        }
    }

    /// How many services there are.
    #[must_use]
    pub fn services(&self) -> u64 {
        self.prefixes.len() as u64
    }

    /// Name `number`. Multiplication by an odd number keeps different numbers different.
    #[must_use]
    pub fn name(&self, number: u64) -> Name {
        let service = below(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.services());
        let id_0 = u128::from(number.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let id_1 = u128::from(number.wrapping_mul(0x94d0_49bb_1331_11eb));
        Name::new(self.prefixes[service as usize], (id_0 << 64) | id_1)
    }

    /// The destination that means every instance of service `service`.
    #[must_use]
    pub fn any(&self, service: usize) -> Name {
        Name::new(self.prefixes[service], ANY_ID)
    }
}

/// Link `number` of a node with four shards.
#[must_use]
pub fn link(number: u64) -> LinkId {
    let slot = u32::try_from(number / 4).expect("a slot has 24 bits");
    LinkId::new(u8::try_from(number % 4).expect("below 4"), slot, 1)
}

/// The delta that subscribes `link` to `name`.
#[must_use]
pub const fn add(seq: u64, name: Name, link: LinkId) -> Delta {
    Delta {
        seq,
        change: Change::Add {
            name,
            link,
            class: LinkClass::Edge,
        },
    }
}

/// A replica with the first `count` names, spread over `links` links.
#[must_use]
pub fn filled(names: &Names, count: u64, links: u64) -> Fib {
    let mut fib = Fib::new(FibLimits::from(LIMITS), HASH_SEED);
    for number in 0..count {
        let delta = add(number + 1, names.name(number), link(mix(number) % links));
        fib.apply(&delta).expect("names are distinct");
    }
    fib
}
