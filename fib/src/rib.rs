//! The truth: who is subscribed to what.
//!
//! Subscriptions and the loss of links enter; numbered deltas leave, one for each (name, link) pair
//! that came into being or ceased to be. The rules are those of WIRE §6.2; where the records are kept
//! is in [`records`]. Subscribing and unsubscribing take constant time, losing a link takes time in
//! proportion to its own subscriptions.
//!
//! Invariants:
//!
//! 1. A pair has a route in the replicas exactly as long as it has at least one subscription.
//! 2. Each delta's number is one more than that of the one before.
//! 3. All deltas of a link carry one class: the one it first subscribed with.

mod records;
mod row;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use slipring_proto::name::Name;

use self::records::{Outcome, Records};
use crate::delta::route_fingerprint;
use crate::seeded::Seeded;
use crate::{Change, Delta, LinkClass, LinkId, Refused, RibLimits, Snapshot, Unknown};

/// Deltas the outbox keeps room for when it is empty; the loss of a large link takes more, for once.
const OUTBOX_KEPT: usize = 1024;

/// The truth about who is subscribed to what.
#[derive(Debug)]
pub struct Rib {
    limits: RibLimits,
    records: Records,
    seq: u64,
    digest: u64,
    outbox: VecDeque<Delta>,
}

impl Rib {
    /// An empty RIB. `hash_seed` keys its tables and must be secret where peers choose names.
    #[must_use]
    pub fn new(limits: RibLimits, hash_seed: u64) -> Self {
        Self {
            limits,
            records: Records::new(Seeded::new(hash_seed)),
            seq: 0,
            digest: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Records a subscription. Returns the number of the delta that every replica must have applied
    /// before the subscription is acknowledged.
    ///
    /// The same link, id and name again change nothing and succeed, whatever the limits: clients
    /// repeat a request whose acknowledgement they missed. A link's class is that of its first
    /// subscription as long as it has any.
    ///
    /// # Errors
    /// A limit would be passed; nothing was recorded.
    pub fn subscribe(
        &mut self,
        link: LinkId,
        class: LinkClass,
        subscription_id: u64,
        name: Name,
    ) -> Result<u64, Refused> {
        // WIRE §6.2: a record is one (link, subscription id, name), and 0 is an id like any other.
        let member = self.records.member(link, &name);
        if member.is_some_and(|member| self.records.has(member, subscription_id)) {
            return Ok(self.seq);
        }
        self.check_room(link, &name)?;
        if let Some(member) = member {
            self.records.add_again(member, subscription_id);
            return Ok(self.seq);
        }
        let class = self.records.add_first(link, class, subscription_id, &name);
        self.digest = self
            .digest
            .wrapping_add(route_fingerprint(&name, link, class));
        self.emit(Change::Add { name, link, class });
        Ok(self.seq)
    }

    /// Removes a subscription. Returns the number of the delta that every replica must have applied
    /// before the removal is acknowledged.
    ///
    /// If the link has no such subscription to the name but one with id 0, that one goes: a link
    /// that was restored replays its subscriptions with id 0, and the client behind it still
    /// unsubscribes with the id it chose.
    ///
    /// # Errors
    /// There is no such subscription; the error's text is the acknowledgement's.
    pub fn unsubscribe(
        &mut self,
        link: LinkId,
        subscription_id: u64,
        name: Name,
    ) -> Result<u64, Unknown> {
        // WIRE §6.2: the three checks, in this order.
        if !self.records.knows_prefix(&name.prefix) {
            return Err(Unknown::Prefix);
        }
        if !self.records.knows_name(&name) {
            return Err(Unknown::Id { id: name.id });
        }
        let unknown = Unknown::Subscription { subscription_id };
        let member = self.records.member(link, &name).ok_or(unknown)?;
        // WIRE §6.2: the recommended deviation for subscriptions replayed with id 0.
        let recorded = [subscription_id, 0]
            .into_iter()
            .find(|id| self.records.has(member, *id));
        match self.records.remove(member, recorded.ok_or(unknown)?) {
            Outcome::Remains => {}
            Outcome::Gone { class, .. } => self.withdraw(name, link, class),
        }
        Ok(self.seq)
    }

    /// Removes every subscription of a link that has closed. Returns the number of the delta that
    /// every replica must have applied before none of them can choose the link.
    pub fn remove_link(&mut self, link: LinkId) -> u64 {
        while let Some(member) = self.records.any_member(link) {
            let Some((name, class)) = self.records.remove_all(member) else {
                break;
            };
            self.withdraw(name, link, class);
        }
        self.seq
    }

    /// The next delta not taken yet. The caller drains it to `None` after every mutation.
    pub fn poll_delta(&mut self) -> Option<Delta> {
        let delta = self.outbox.pop_front();
        if delta.is_none() {
            self.outbox.shrink_to(OUTBOX_KEPT);
        }
        delta
    }

    /// The number of the last delta; 0 before the first.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The fingerprint of all routes: equal to a replica's when the sequence numbers are.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Distinct names.
    #[must_use]
    pub const fn names(&self) -> usize {
        self.records.names()
    }

    /// Distinct (name, link) pairs.
    #[must_use]
    pub const fn routes(&self) -> usize {
        self.records.members()
    }

    /// Distinct (link, subscription id, name) triples.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        self.records.subscriptions()
    }

    /// Subscriptions of one link.
    #[must_use]
    pub fn subscriptions_of(&self, link: LinkId) -> usize {
        self.records.subscriptions_of(link)
    }

    /// Every route as of [`Self::seq`], whether or not the deltas have been taken.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut routes = Vec::with_capacity(self.routes());
        routes.extend(self.records.routes());
        Snapshot {
            seq: self.seq,
            digest: self.digest,
            names: self.names(),
            routes,
        }
    }

    /// Bytes held, as the sum of the allocations' sizes; an allocator adds its own.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let outbox = self.outbox.capacity().saturating_mul(size_of::<Delta>());
        size_of::<Self>()
            .saturating_add(outbox)
            .saturating_add(self.records.memory_bytes())
    }

    fn check_room(&self, link: LinkId, name: &Name) -> Result<(), Refused> {
        let RibLimits {
            names_max,
            subscriptions_max,
            subscriptions_per_link_max,
        } = self.limits;
        if self.records.is_full() || self.subscriptions() >= subscriptions_max {
            return Err(Refused::SubscriptionsMax {
                max: subscriptions_max,
            });
        }
        if self.subscriptions_of(link) >= subscriptions_per_link_max {
            return Err(Refused::SubscriptionsPerLinkMax {
                max: subscriptions_per_link_max,
            });
        }
        if self.names() >= names_max && !self.records.knows_name(name) {
            return Err(Refused::NamesMax { max: names_max });
        }
        Ok(())
    }

    fn withdraw(&mut self, name: Name, link: LinkId, class: LinkClass) {
        self.digest = self
            .digest
            .wrapping_sub(route_fingerprint(&name, link, class));
        self.emit(Change::Remove { name, link });
    }

    fn emit(&mut self, change: Change) {
        self.seq = self.seq.saturating_add(1);
        self.outbox.push_back(Delta {
            seq: self.seq,
            change,
        });
    }
}
