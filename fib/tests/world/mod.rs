//! A RIB, a FIB fed by its deltas, and a model of ordered sets beside them.
//!
//! A world is stepped by [`Op`]s. After each step everything that can be observed of the two is
//! compared with the model: results, error texts, counts, delta numbers, digests and lookups.

use std::collections::{BTreeMap, BTreeSet};

use slipring_fib::{
    Change, ClassSet, Delta, Fib, FibLimits, LinkClass, LinkId, Refused, Rib, RibLimits,
};
use slipring_proto::name::{ANY_ID, IdText, Name, Prefix};

/// How many links, names and subscription ids a world has; small numbers make operations meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Universe {
    pub(crate) links: u32,
    pub(crate) prefixes: u64,
    pub(crate) ids: u8,
    pub(crate) subscription_ids: u64,
    pub(crate) limits: RibLimits,
}

/// One operation. Numbers are taken modulo what the universe has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Subscribe {
        link: u32,
        subscription_id: u64,
        name: (u64, u8),
    },
    Unsubscribe {
        link: u32,
        subscription_id: u64,
        name: (u64, u8),
    },
    RemoveLink {
        link: u32,
    },
    One {
        name: (u64, u8),
        ingress: u32,
        without: u8,
    },
    All {
        name: (u64, u8),
        ingress: u32,
        without: u8,
    },
    Resync,
}

/// The model's key of a subscription, ordered so that a prefix and a name are ranges.
type Record = (Name, LinkId, u64);

pub(crate) struct World {
    universe: Universe,
    rib: Rib,
    fib: Fib,
    records: BTreeSet<Record>,
    seq: u64,
    /// Lookups made: so that a test can tell it has looked at something.
    pub(crate) found: u64,
}

impl World {
    pub(crate) fn new(universe: Universe, hash_seed: u64) -> Self {
        Self {
            universe,
            rib: Rib::new(universe.limits, hash_seed),
            fib: Fib::new(FibLimits::from(universe.limits), !hash_seed),
            records: BTreeSet::new(),
            seq: 0,
            found: 0,
        }
    }

    pub(crate) fn step(&mut self, op: Op) {
        match op {
            Op::Subscribe {
                link,
                subscription_id,
                name,
            } => {
                self.subscribe(
                    self.link(link),
                    self.subscription_id(subscription_id),
                    self.name(name),
                );
            }
            Op::Unsubscribe {
                link,
                subscription_id,
                name,
            } => {
                self.unsubscribe(
                    self.link(link),
                    self.subscription_id(subscription_id),
                    self.name(name),
                );
            }
            Op::RemoveLink { link } => self.remove_link(self.link(link)),
            Op::One {
                name,
                ingress,
                without,
            } => {
                self.one(self.name(name), self.link(ingress), allowed(without));
            }
            Op::All {
                name,
                ingress,
                without,
            } => {
                self.all(self.name(name), self.link(ingress), allowed(without));
            }
            Op::Resync => self.resync(),
        }
        self.compare();
    }

    fn subscribe(&mut self, link: LinkId, subscription_id: u64, name: Name) {
        let result = self
            .rib
            .subscribe(link, class_of(link), subscription_id, name);
        let record = (name, link, subscription_id);
        if let Some(refused) = self.refusal(record) {
            assert_eq!(result, Err(refused));
            assert_eq!(self.drain(), []);
            return;
        }
        let expected = if self.is_route(name, link) {
            Vec::new()
        } else {
            vec![Change::Add {
                name,
                link,
                class: class_of(link),
            }]
        };
        self.records.insert(record);
        assert_eq!(self.drain(), expected);
        assert_eq!(result, Ok(self.seq));
    }

    fn refusal(&self, record: Record) -> Option<Refused> {
        let RibLimits {
            names_max,
            subscriptions_max,
            subscriptions_per_link_max,
        } = self.universe.limits;
        if self.records.contains(&record) {
            None
        } else if self.records.len() >= subscriptions_max {
            Some(Refused::SubscriptionsMax {
                max: subscriptions_max,
            })
        } else if self.of_link(record.1).len() >= subscriptions_per_link_max {
            Some(Refused::SubscriptionsPerLinkMax {
                max: subscriptions_per_link_max,
            })
        } else if self.names().len() >= names_max && !self.names().contains(&record.0) {
            Some(Refused::NamesMax { max: names_max })
        } else {
            None
        }
    }

    fn unsubscribe(&mut self, link: LinkId, subscription_id: u64, name: Name) {
        let result = self.rib.unsubscribe(link, subscription_id, name);
        let prefix_known = self.names().iter().any(|known| known.prefix == name.prefix);
        let refused = |text: String, result: Result<u64, slipring_fib::Unknown>| {
            assert_eq!(result.map_err(|unknown| unknown.to_string()), Err(text));
        };
        if !prefix_known {
            refused("subscription not found".into(), result);
        } else if !self.names().contains(&name) {
            refused(format!("id not found: {}", IdText(name.id)), result);
        } else if self.records.remove(&(name, link, subscription_id))
            || self.records.remove(&(name, link, 0))
        {
            let gone = !self.is_route(name, link);
            let expected = if gone {
                vec![Change::Remove { name, link }]
            } else {
                Vec::new()
            };
            assert_eq!(self.drain(), expected);
            assert_eq!(result, Ok(self.seq));
        } else {
            refused(
                format!("subscription id not found: {subscription_id}"),
                result,
            );
        }
        assert_eq!(self.drain(), []);
    }

    fn remove_link(&mut self, link: LinkId) {
        let seq = self.rib.remove_link(link);
        let mut expected: BTreeSet<Name> = self.of_link(link).iter().map(|r| r.0).collect();
        self.records.retain(|record| record.1 != link);
        for change in self.drain() {
            let Change::Remove { name, link: gone } = change else {
                panic!("{change:?}")
            };
            assert_eq!(gone, link);
            assert!(
                expected.remove(&name),
                "{name:?} was removed twice or was not there"
            );
        }
        assert_eq!(expected, BTreeSet::new());
        assert_eq!(seq, self.seq);
    }

    /// Takes as many turns as there are candidates: each must come exactly once.
    fn one(&mut self, name: Name, ingress: LinkId, allowed: ClassSet) {
        let mut candidates = self.matching(name, ingress, allowed);
        if let Some(class) = candidates.first().map(|link| class_of(*link)) {
            candidates.retain(|link| class_of(*link) == class);
        } else {
            assert_eq!(self.fib.one(name, ingress, allowed), None);
        }
        let mut chosen = Vec::new();
        for _ in &candidates {
            let choice = self
                .fib
                .one(name, ingress, allowed)
                .expect("there are candidates");
            assert_eq!(choice.sole, candidates.len() == 1);
            chosen.push(choice.link);
            self.found += 1;
        }
        chosen.sort_unstable();
        candidates.sort_unstable();
        assert_eq!(chosen, candidates);
    }

    fn all(&mut self, name: Name, ingress: LinkId, allowed: ClassSet) {
        let expected = self.matching(name, ingress, allowed);
        let mut found = vec![ingress; 3];
        self.fib.all(name, ingress, allowed, &mut found);
        self.found += found.len() as u64;
        assert!(
            found.is_sorted_by_key(|link| class_of(*link)),
            "not in class order: {found:?}"
        );
        found.sort_unstable_by_key(|link| (class_of(*link), *link));
        assert_eq!(found, expected);
    }

    /// A replica that lost its place starts over from a snapshot.
    fn resync(&mut self) {
        let snapshot = self.rib.snapshot();
        let limits = FibLimits::from(self.universe.limits);
        let mut fresh = Fib::new(limits, self.seq);
        fresh.load(&snapshot).expect("the limits are the RIB's");
        self.fib.load(&snapshot).expect("the limits are the RIB's");
        assert_eq!(fresh.digest(), self.fib.digest());
        let stale = self.fib.apply(&Delta {
            seq: self.seq,
            change: Change::Remove {
                name: self.name((0, 0)),
                link: self.link(0),
            },
        });
        assert!(stale.is_err());
    }

    fn compare(&self) {
        assert_eq!(self.rib.names(), self.names().len());
        assert_eq!(self.rib.subscriptions(), self.records.len());
        let routes: BTreeSet<_> = self.records.iter().map(|r| (r.0, r.1)).collect();
        assert_eq!(self.rib.routes(), routes.len());
        assert_eq!(self.fib.routes(), routes.len());
        assert_eq!(self.fib.entries(), self.rib.names());
        assert_eq!((self.rib.seq(), self.fib.seq()), (self.seq, self.seq));
        assert_eq!(self.fib.digest(), self.rib.digest());
        if self.records.is_empty() {
            assert_eq!(self.rib.digest(), 0);
        }
    }

    /// Applies what the RIB emitted and returns it.
    fn drain(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(delta) = self.rib.poll_delta() {
            self.seq += 1;
            assert_eq!(delta.seq, self.seq, "deltas are numbered without a gap");
            self.fib.apply(&delta).expect("the next delta is applied");
            changes.push(delta.change);
        }
        changes
    }

    /// Every link a message for the name may go to, in class order.
    fn matching(&self, name: Name, ingress: LinkId, allowed: ClassSet) -> Vec<LinkId> {
        let mut links: BTreeMap<(LinkClass, LinkId), ()> = BTreeMap::new();
        for (subscribed, link, _) in &self.records {
            let matches = if name.id == ANY_ID {
                subscribed.prefix == name.prefix
            } else {
                *subscribed == name
            };
            if matches && *link != ingress && allowed.contains(class_of(*link)) {
                links.insert((class_of(*link), *link), ());
            }
        }
        links.into_keys().map(|(_, link)| link).collect()
    }

    fn is_route(&self, name: Name, link: LinkId) -> bool {
        self.records
            .range((name, link, 0)..=(name, link, u64::MAX))
            .next()
            .is_some()
    }

    fn of_link(&self, link: LinkId) -> Vec<Record> {
        self.records
            .iter()
            .filter(|record| record.1 == link)
            .copied()
            .collect()
    }

    fn names(&self) -> BTreeSet<Name> {
        self.records.iter().map(|record| record.0).collect()
    }

    fn link(&self, link: u32) -> LinkId {
        let link = link % self.universe.links;
        LinkId::new(u8::try_from(link % 3).unwrap_or(0), link, link / 3)
    }

    fn subscription_id(&self, subscription_id: u64) -> u64 {
        subscription_id % self.universe.subscription_ids
    }

    /// Prefix 0 with id 0 is all zeros, which must not be mistaken for an empty place.
    fn name(&self, (prefix, id): (u64, u8)) -> Name {
        let prefix = prefix % self.universe.prefixes;
        let id = id % self.universe.ids;
        let id = if id == 1 {
            ANY_ID
        } else {
            u128::from(id) << 60
        };
        Name::new(Prefix([prefix, 0, prefix]), id)
    }
}

fn class_of(link: LinkId) -> LinkClass {
    // Most links of a real node are of one class.
    LinkClass::ALL[usize::try_from(link.slot() % 7).unwrap_or(0).min(3)]
}

fn allowed(without: u8) -> ClassSet {
    let absent = |class: &LinkClass| without & (1 << class.index()) != 0;
    LinkClass::ALL
        .iter()
        .filter(|class| absent(class))
        .fold(ClassSet::ALL, |set, c| set.without(*c))
}
