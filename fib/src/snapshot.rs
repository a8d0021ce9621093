//! The whole truth at one number, for a replica that joins or has lost its place.

use slipring_proto::name::Name;

use crate::{LinkClass, LinkId};

/// One (name, link) pair and the link's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The subscribed name.
    pub name: Name,
    /// The link it is reachable through.
    pub link: LinkId,
    /// The link's class.
    pub class: LinkClass,
}

/// Every route of a RIB as of one delta. Made by [`Rib::snapshot`](crate::Rib::snapshot) alone, so
/// its routes are distinct and its counts are right. 80 bytes a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) seq: u64,
    pub(crate) digest: u64,
    pub(crate) names: usize,
    pub(crate) routes: Vec<Route>,
}

impl Snapshot {
    /// The number of the last delta the snapshot contains.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The digest of a replica that has loaded the snapshot.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many distinct names the routes have.
    #[must_use]
    pub const fn names(&self) -> usize {
        self.names
    }

    /// The routes. Their order is fixed by the RIB's past calls and means nothing.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}
