//! What can be refused: a subscription past a limit, an unsubscription of what is not there, a
//! delta that is not the next one.

use thiserror::Error;

use slipring_proto::name::IdText;

/// A replica did not take a delta or a snapshot. It is unchanged in every case.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplyError {
    /// The replica is full. Its limits are lower than its RIB's.
    #[error("the forwarding table is full: {limit} {max}")]
    CapacityExceeded {
        /// The limit's name.
        limit: &'static str,
        /// The limit's value.
        max: usize,
    },
    /// The delta has the right number but does not fit what the replica holds: it adds a route that
    /// is there, removes one that is not, or gives a link a second class. Load a snapshot.
    #[error("delta {seq} contradicts the forwarding table")]
    Diverged {
        /// The delta's number.
        seq: u64,
    },
    /// At least one delta is missing before this one. Load a snapshot.
    #[error("delta {found} arrived where {expected} was due")]
    Gap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The delta has been applied before, or is part of the loaded snapshot. It can be ignored.
    #[error("delta {found} arrived after {applied} was applied")]
    Stale {
        /// The last number applied.
        applied: u64,
        /// The number that came.
        found: u64,
    },
}

/// A limit was reached; the subscription was not recorded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// As many distinct names are subscribed as the node may hold.
    #[error("names_max reached: {max}")]
    NamesMax {
        /// The limit.
        max: usize,
    },
    /// As many subscriptions are recorded as the node may hold.
    #[error("subscriptions_max reached: {max}")]
    SubscriptionsMax {
        /// The limit.
        max: usize,
    },
    /// The link holds as many subscriptions as one link may.
    #[error("subscriptions_per_link_max reached: {max}")]
    SubscriptionsPerLinkMax {
        /// The limit.
        max: usize,
    },
}

/// There is nothing to unsubscribe. The texts are those the reference puts into the
/// acknowledgement, and the checks run in the order of the variants here.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    // WIRE §6.2: nobody subscribed to any name under the prefix.
    /// No name under the prefix is subscribed by any link.
    #[error("subscription not found")]
    Prefix,
    // WIRE §6.2: somebody did, but not with this id.
    /// Names under the prefix are subscribed, but not with this id.
    #[error("id not found: {}", IdText(*.id))]
    Id {
        /// The id, which may be the any-id.
        id: u128,
    },
    // WIRE §6.2: the name is there, but not this link's record of it.
    /// The name is subscribed, but not by this link with this subscription id, nor with 0.
    #[error("subscription id not found: {subscription_id}")]
    Subscription {
        /// The subscription id asked for.
        subscription_id: u64,
    },
}
