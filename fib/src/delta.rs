//! One numbered change of the truth, and the fingerprint both sides sum over their routes.

use slipring_proto::name::Name;

use crate::seeded::words;
use crate::{LinkClass, LinkId};

/// One change, numbered. The first delta of a RIB has number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The number: one more than that of the delta before.
    pub seq: u64,
    /// What changed.
    pub change: Change,
}

/// What a delta changes. Each names one (name, link) pair, whatever the number of subscriptions
/// behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The link became a target for the name.
    Add {
        /// The subscribed name; the any-id is one more id.
        name: Name,
        /// The link it is reachable through.
        link: LinkId,
        /// The link's class, the same in every delta that names the link.
        class: LinkClass,
    },
    /// The link stopped being a target for the name.
    Remove {
        /// The name.
        name: Name,
        /// The link.
        link: LinkId,
    },
}

/// The fingerprint of one route. A digest is the wrapping sum of its routes' fingerprints: it does
/// not depend on their order, and one change costs one addition. It is fixed, unlike the hash of
/// the tables, so that replicas with different hash seeds can be compared. It tells honest replicas
/// apart; it does not withstand someone who chooses names to make sums collide.
pub(crate) fn route_fingerprint(name: &Name, link: LinkId, class: LinkClass) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let [c0, c1, c2, id_0, id_1] = words(name);
    let tag = u64::from(class.bit());
    let mut sum = MULTIPLIER;
    for word in [c0, c1, c2, id_0, id_1, link.to_u64(), tag] {
        sum = (sum ^ word).wrapping_mul(MULTIPLIER);
        sum ^= sum >> 29;
    }
    sum = sum.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    sum ^ (sum >> 32)
}
