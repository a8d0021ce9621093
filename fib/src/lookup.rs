//! Lookups: who gets a message for a name.
//!
//! A destination and the link it came from enter; one link, or all, leave. Matching is WIRE §7.2: a
//! specific id matches the subscriptions with exactly that id, the any-id matches every subscription
//! under the prefix; a subscription to the any-id is found by the any-id alone (WIRE §6.2). One
//! target costs one hash and one search whatever the number of names, instances and links; all
//! targets cost their own number. Nothing is allocated but what the caller's buffer needs.

use slipring_proto::name::Name;

use crate::entry::Target;
use crate::{ClassSet, Fib, LinkId};

/// The answer of a lookup for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The target.
    pub link: LinkId,
    /// No other link of the target's class is eligible: the answer for this destination, ingress
    /// and class set is the same every time until the next delta.
    pub sole: bool,
}

impl Fib {
    /// One target for `destination`: of the first class of `allowed` that has a link other than
    /// `ingress` (WIRE §7.4). Links of one class take turns, with one rotation for each specific
    /// name and class and one for each prefix and class.
    #[inline]
    pub fn one(&mut self, destination: Name, ingress: LinkId, allowed: ClassSet) -> Option<Choice> {
        let target = self.target(&destination)?;
        self.sets.choose(target, ingress, allowed)
    }

    /// Every target for `destination` but `ingress`, each once, class by class (WIRE §7.5). `out` is
    /// cleared first.
    pub fn all(
        &self,
        destination: Name,
        ingress: LinkId,
        allowed: ClassSet,
        out: &mut Vec<LinkId>,
    ) {
        out.clear();
        if let Some(target) = self.target(&destination) {
            self.sets.collect(target, ingress, allowed, out);
        }
    }

    #[inline]
    fn target(&self, destination: &Name) -> Option<Target> {
        let seeded = &self.sets.seeded;
        if destination.is_any() {
            let prefix = &destination.prefix;
            let slot = self
                .prefixes
                .find(seeded.prefix(prefix), |slot| slot.is(prefix))?;
            return Some(slot.target);
        }
        let slot = self
            .names
            .find(seeded.name(destination), |slot| slot.is(destination))?;
        Some(slot.target)
    }
}

#[cfg(test)]
mod tests {
    use slipring_proto::name::{ANY_ID, Prefix};

    use super::*;
    use crate::{Change, Delta, FibLimits, LinkClass};

    #[test]
    fn a_specific_id_is_matched_by_that_id_alone() {
        let mut fib = fib(&[(1, 10, LinkClass::Edge), (2, 11, LinkClass::Edge)]);
        assert_eq!(all(&fib, 1), [10]);
        assert_eq!(all(&fib, 3), []);
        assert_eq!(fib.one(name(3), link(0), ClassSet::ALL), None);
    }

    #[test]
    fn a_subscription_to_the_any_id_does_not_match_a_specific_id() {
        let fib = fib(&[(ANY_ID, 10, LinkClass::Edge), (1, 11, LinkClass::Edge)]);
        assert_eq!(all(&fib, 1), [11]);
        assert_eq!(all(&fib, 2), []);
    }

    #[test]
    fn the_any_id_matches_every_id_under_its_prefix_and_no_other() {
        let mut fib = fib(&[(ANY_ID, 10, LinkClass::Edge), (1, 11, LinkClass::Edge)]);
        assert_eq!(all(&fib, ANY_ID), [10, 11]);
        let elsewhere = Name::new(Prefix([1, 2, 4]), ANY_ID);
        assert_eq!(fib.one(elsewhere, link(0), ClassSet::ALL), None);
    }

    #[test]
    fn a_link_with_many_instances_takes_one_turn_and_one_copy() {
        let mut fib = fib(&[
            (1, 10, LinkClass::Edge),
            (2, 10, LinkClass::Edge),
            (3, 10, LinkClass::Edge),
            (4, 11, LinkClass::Edge),
        ]);
        assert_eq!(all(&fib, ANY_ID), [10, 11]);
        assert_eq!(turns(&mut fib, ANY_ID, 4), [10, 11, 10, 11]);
    }

    #[test]
    fn classes_are_tried_in_the_order_local_remote_peer_edge() {
        let routes = [
            (1, 13, LinkClass::Edge),
            (1, 12, LinkClass::Peer),
            (1, 11, LinkClass::Remote),
            (1, 10, LinkClass::App),
        ];
        let mut fib = fib(&routes);
        for id in [1, ANY_ID] {
            let mut allowed = ClassSet::ALL;
            for (slot, class) in (10..14).zip(LinkClass::ALL) {
                let choice = fib.one(name(id), link(0), allowed);
                assert_eq!(
                    choice,
                    Some(Choice {
                        link: link(slot),
                        sole: true
                    })
                );
                allowed = allowed.without(class);
            }
            assert_eq!(fib.one(name(id), link(0), allowed), None);
            assert_eq!(all(&fib, id), [10, 11, 12, 13]);
        }
    }

    #[test]
    fn a_class_with_the_ingress_alone_yields_to_the_next() {
        let mut fib = fib(&[(1, 10, LinkClass::Peer), (1, 11, LinkClass::Edge)]);
        let choice = fib.one(name(1), link(10), ClassSet::ALL);
        assert_eq!(
            choice,
            Some(Choice {
                link: link(11),
                sole: true
            })
        );
    }

    #[test]
    fn the_any_id_and_each_id_rotate_on_their_own() {
        let mut fib = fib(&[
            (1, 10, LinkClass::Edge),
            (1, 11, LinkClass::Edge),
            (2, 10, LinkClass::Edge),
            (2, 11, LinkClass::Edge),
        ]);
        assert_eq!(turns(&mut fib, 1, 1), [10]);
        assert_eq!(turns(&mut fib, 2, 1), [10]);
        assert_eq!(turns(&mut fib, ANY_ID, 1), [10]);
        assert_eq!(turns(&mut fib, 1, 2), [11, 10]);
    }

    fn link(slot: u32) -> LinkId {
        LinkId::new(0, slot, 1)
    }

    fn name(id: u128) -> Name {
        Name::new(Prefix([1, 2, 3]), id)
    }

    fn fib(routes: &[(u128, u32, LinkClass)]) -> Fib {
        let mut fib = Fib::new(
            FibLimits {
                entries_max: 9,
                routes_max: 9,
            },
            1,
        );
        for (seq, (id, slot, class)) in (1..).zip(routes) {
            let change = Change::Add {
                name: name(*id),
                link: link(*slot),
                class: *class,
            };
            fib.apply(&Delta { seq, change }).unwrap();
        }
        fib
    }

    fn all(fib: &Fib, id: u128) -> Vec<u32> {
        let mut out = Vec::new();
        fib.all(name(id), link(0), ClassSet::ALL, &mut out);
        out.into_iter().map(LinkId::slot).collect()
    }

    fn turns(fib: &mut Fib, id: u128, count: usize) -> Vec<u32> {
        let mut turn = || {
            fib.one(name(id), link(0), ClassSet::ALL)
                .unwrap()
                .link
                .slot()
        };
        (0..count).map(|_| turn()).collect()
    }
}
