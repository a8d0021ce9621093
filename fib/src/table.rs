//! A shard's replica: what can forward now.
//!
//! Numbered deltas enter, one after the other, or a snapshot; lookups (see `lookup.rs`) leave. Two
//! hash tables hold everything: an entry for each name, and for each prefix the distinct links of all
//! names under it, counted, so that the any-id is looked up as fast as any other.
//!
//! Invariants:
//!
//! 1. `seq` is the number of the last delta applied, and the content is that of exactly the deltas
//!    1 to `seq`.
//! 2. A prefix's target holds exactly the links of the entries under it, and each link's count is
//!    the number of those entries.
//! 3. A refused delta or snapshot changes nothing, unless its error says otherwise.

use slipring_proto::name::Name;

use crate::delta::route_fingerprint;
use crate::entry::{NameSlot, PrefixSlot, Sets, Taken, Target};
use crate::seeded::Seeded;
use crate::segments::Segments;
use crate::{ApplyError, Change, Delta, FibLimits, LinkClass, LinkId, Snapshot};

/// A shard's replica of the routes.
///
/// Memory is taken as routes come, in steps that never stall the shard: 65 bytes a slot of an entry
/// and 41 bytes a slot of a prefix, 1.14 to 1.33 slots for each; and where a name or prefix has
/// several links, about 30 bytes for each of them.
#[derive(Debug)]
pub struct Fib {
    limits: FibLimits,
    pub(crate) names: Segments<NameSlot>,
    pub(crate) prefixes: Segments<PrefixSlot>,
    pub(crate) sets: Sets,
    routes: usize,
    seq: u64,
    digest: u64,
}

impl Fib {
    /// An empty replica. `hash_seed` keys its tables and must be secret where peers choose names.
    #[must_use]
    pub fn new(limits: FibLimits, hash_seed: u64) -> Self {
        Self {
            limits,
            names: Segments::new(),
            prefixes: Segments::new(),
            sets: Sets::new(Seeded::new(hash_seed)),
            routes: 0,
            seq: 0,
            digest: 0,
        }
    }

    /// Applies the next delta.
    ///
    /// # Errors
    /// [`ApplyError::Stale`] or [`ApplyError::Gap`] if the delta is not the next one,
    /// [`ApplyError::Diverged`] if it does not fit the content, [`ApplyError::CapacityExceeded`] if
    /// there is no room. The replica is unchanged.
    pub fn apply(&mut self, delta: &Delta) -> Result<(), ApplyError> {
        let expected = self.seq.saturating_add(1);
        if delta.seq > expected {
            return Err(ApplyError::Gap {
                expected,
                found: delta.seq,
            });
        }
        if delta.seq < expected {
            return Err(ApplyError::Stale {
                applied: self.seq,
                found: delta.seq,
            });
        }
        match delta.change {
            Change::Add { name, link, class } => self.add(&name, link, class, expected)?,
            Change::Remove { name, link } => self.remove(&name, link, expected)?,
        }
        self.seq = expected;
        Ok(())
    }

    /// Replaces the whole content by the snapshot's. Every rotation starts anew.
    ///
    /// # Errors
    /// [`ApplyError::CapacityExceeded`] if the snapshot is larger than the limits; the replica is
    /// unchanged.
    pub fn load(&mut self, snapshot: &Snapshot) -> Result<(), ApplyError> {
        self.check_room(snapshot.names(), snapshot.routes().len())?;
        let seeded = self.sets.seeded.clone();
        self.names = Segments::new();
        self.prefixes = Segments::new();
        self.sets = Sets::new(seeded);
        self.routes = 0;
        self.digest = 0;
        self.seq = 0;
        for route in snapshot.routes() {
            self.add(&route.name, route.link, route.class, snapshot.seq())?;
        }
        debug_assert_eq!(self.digest, snapshot.digest());
        self.seq = snapshot.seq();
        Ok(())
    }

    /// The number of the last delta applied; 0 before the first.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The fingerprint of all routes: equal to the RIB's when the sequence numbers are.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Entries, which is distinct names.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.names.len()
    }

    /// Distinct (name, link) pairs.
    #[must_use]
    pub const fn routes(&self) -> usize {
        self.routes
    }

    /// Bytes the replica holds, as the sum of its allocations' sizes; an allocator adds its own. Walks
    /// the sets, so it is for reports and not for the message path.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.names.memory_bytes())
            .saturating_add(self.prefixes.memory_bytes())
            .saturating_add(self.sets.memory_bytes())
    }

    fn add(
        &mut self,
        name: &Name,
        link: LinkId,
        class: LinkClass,
        seq: u64,
    ) -> Result<(), ApplyError> {
        let Self {
            names,
            prefixes,
            sets,
            ..
        } = self;
        let name_hash = sets.seeded.name(name);
        let prefix_hash = sets.seeded.prefix(&name.prefix);
        let entry = names
            .find(name_hash, |slot| slot.is(name))
            .map(|slot| slot.target);
        let prefix = prefixes.find_mut(prefix_hash, |slot| slot.is(&name.prefix));
        // Everything that can refuse comes first.
        let known = prefix
            .as_ref()
            .and_then(|slot| sets.class_of(&slot.target, link));
        if known.is_some_and(|known| known != class)
            || entry.is_some_and(|target| sets.class_of(&target, link).is_some())
        {
            return Err(ApplyError::Diverged { seq });
        }
        let is_new = usize::from(entry.is_none());
        self.check_room(
            self.names.len().saturating_add(is_new),
            self.routes.saturating_add(1),
        )?;
        self.add_to_entry(name, name_hash, link, class);
        self.add_to_prefix(name, prefix_hash, link, class);
        self.routes = self.routes.saturating_add(1);
        self.digest = self
            .digest
            .wrapping_add(route_fingerprint(name, link, class));
        Ok(())
    }

    fn add_to_entry(&mut self, name: &Name, hash: u32, link: LinkId, class: LinkClass) {
        let Self { names, sets, .. } = self;
        if let Some(slot) = names.find_mut(hash, |slot| slot.is(name)) {
            sets.add(&mut slot.target, link, class);
        } else {
            names.insert(
                hash,
                NameSlot::new(name, hash, Target::one(link, class)),
                &sets.seeded,
            );
        }
    }

    fn add_to_prefix(&mut self, name: &Name, hash: u32, link: LinkId, class: LinkClass) {
        let Self { prefixes, sets, .. } = self;
        if let Some(slot) = prefixes.find_mut(hash, |slot| slot.is(&name.prefix)) {
            sets.add(&mut slot.target, link, class);
        } else {
            let slot = PrefixSlot::new(name.prefix, Target::one(link, class));
            prefixes.insert(hash, slot, &sets.seeded);
        }
    }

    fn remove(&mut self, name: &Name, link: LinkId, seq: u64) -> Result<(), ApplyError> {
        let Self {
            names,
            prefixes,
            sets,
            ..
        } = self;
        let hash = sets.seeded.name(name);
        let slot = names.find_mut(hash, |slot| slot.is(name));
        let class = match slot.map_or(Taken::Nothing, |slot| sets.take(&mut slot.target, link)) {
            Taken::Nothing => return Err(ApplyError::Diverged { seq }),
            Taken::One(class) => class,
            Taken::Last(class) => {
                names.remove(hash, |slot| slot.is(name), &sets.seeded);
                class
            }
        };
        let hash = sets.seeded.prefix(&name.prefix);
        let slot = prefixes.find_mut(hash, |slot| slot.is(&name.prefix));
        let taken = slot.map_or(Taken::Nothing, |slot| sets.take(&mut slot.target, link));
        debug_assert_ne!(
            taken,
            Taken::Nothing,
            "an entry's link stands under its prefix"
        );
        if matches!(taken, Taken::Last(_)) {
            prefixes.remove(hash, |slot| slot.is(&name.prefix), &sets.seeded);
        }
        self.routes = self.routes.saturating_sub(1);
        self.digest = self
            .digest
            .wrapping_sub(route_fingerprint(name, link, class));
        Ok(())
    }

    const fn check_room(&self, entries: usize, routes: usize) -> Result<(), ApplyError> {
        let FibLimits {
            entries_max,
            routes_max,
        } = self.limits;
        if entries > entries_max {
            return Err(ApplyError::CapacityExceeded {
                limit: "entries_max",
                max: entries_max,
            });
        }
        if routes > routes_max {
            return Err(ApplyError::CapacityExceeded {
                limit: "routes_max",
                max: routes_max,
            });
        }
        Ok(())
    }
}
