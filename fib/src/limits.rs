//! How much the tables may hold. Memory is a result of these numbers.

/// The bounds of a [`Rib`](crate::Rib).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibLimits {
    /// Distinct names.
    pub names_max: usize,
    /// Subscriptions: distinct (link, subscription id, name) triples.
    pub subscriptions_max: usize,
    /// Subscriptions of one link.
    pub subscriptions_per_link_max: usize,
}

/// The bounds of a [`Fib`](crate::Fib).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FibLimits {
    /// Entries, which is distinct names.
    pub entries_max: usize,
    /// Routes: distinct (name, link) pairs.
    pub routes_max: usize,
}

impl From<RibLimits> for FibLimits {
    /// The bounds a replica needs so that it never refuses what its RIB accepted.
    fn from(limits: RibLimits) -> Self {
        Self {
            entries_max: limits.names_max,
            routes_max: limits.subscriptions_max,
        }
    }
}
