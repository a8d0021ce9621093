//! The links behind one entry or prefix when there are several: a ring for each class, and an index
//! of who is where once looking at all of them would take long.
//!
//! Invariants:
//!
//! 1. A link is in one ring at most, once.
//! 2. The index, where there is one, has exactly one pointer for each member, to its class and
//!    position.

use crate::pointer::Pointer;
use crate::seeded::Seeded;
use crate::segments::Segments;
use crate::spread::{Member, Move, Moves, Ring};
use crate::{Choice, ClassSet, LinkClass, LinkId};

/// From so many members on there is an index: half a kilobyte is quicker read than hashed.
const INDEX_FROM: usize = 33;
/// Below so many it goes again; the gap keeps a set at the border from building it over and over.
const INDEX_UNTIL: usize = 16;
/// Bits of a pointer's number that are the position; the two above are the class.
const POSITION_BITS: u32 = 30;
/// The highest position: 16 GiB of members, which no node has links for.
const POSITION_MAX: u32 = (1 << POSITION_BITS) - 1;

/// Distinct links of any class.
#[derive(Debug, Default)]
pub(crate) struct LinkSet {
    rings: [Ring; 4],
    index: Option<Box<Segments<Pointer>>>,
}

/// Where a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) class: LinkClass,
    position: usize,
}

impl LinkSet {
    pub(crate) fn len(&self) -> usize {
        self.rings
            .iter()
            .fold(0, |sum, ring| sum.saturating_add(ring.len()))
    }

    pub(crate) fn find(&self, link: LinkId, seeded: &Seeded) -> Option<Place> {
        let Some(index) = &self.index else {
            let mut places = LinkClass::ALL.into_iter().zip(&self.rings);
            return places.find_map(|(class, ring)| {
                ring.position(link)
                    .map(|position| Place { class, position })
            });
        };
        let hash = seeded.link(link);
        let is_it = |pointer: &Pointer| {
            pointer.has_hash(hash)
                && self
                    .member(place_of(*pointer))
                    .is_some_and(|m| m.link == link)
        };
        index.find(hash, is_it).map(|pointer| place_of(*pointer))
    }

    pub(crate) fn member(&self, place: Place) -> Option<&Member> {
        self.ring(place.class).member(place.position)
    }

    pub(crate) fn member_mut(&mut self, place: Place) -> Option<&mut Member> {
        self.ring_mut(place.class).member_mut(place.position)
    }

    /// Adds a link that is not in the set.
    pub(crate) fn push(&mut self, member: Member, class: LinkClass, seeded: &Seeded) {
        let position = self.ring_mut(class).push(member);
        if let Some(index) = &mut self.index {
            let hash = seeded.link(member.link);
            index.insert(
                hash,
                Pointer::new(hash, number(Place { class, position })),
                seeded,
            );
        } else if self.len() >= INDEX_FROM {
            self.build_index(seeded);
        }
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, place: Place, seeded: &Seeded) {
        let Some(link) = self.member(place).map(|member| member.link) else {
            return;
        };
        let moves = self.ring_mut(place.class).remove(place.position);
        if self.index.is_some() && self.len() <= INDEX_UNTIL {
            self.index = None;
        }
        if let Some(index) = &mut self.index {
            let hash = seeded.link(link);
            let gone = Pointer::new(hash, number(place));
            index.remove(hash, |found| *found == gone, seeded);
            self.follow(place.class, moves, seeded);
        }
    }

    /// The next target in turn: of the first allowed class that has one.
    #[inline]
    pub(crate) fn one(
        &mut self,
        ingress: LinkId,
        allowed: ClassSet,
        seeded: &Seeded,
    ) -> Option<Choice> {
        for class in LinkClass::ALL {
            if !allowed.contains(class) {
                continue;
            }
            if let Some(turn) = self.ring_mut(class).next(ingress) {
                if let Some(there) = turn.traded.filter(|_| self.index.is_some()) {
                    let back = Move {
                        from: there.to,
                        to: there.from,
                    };
                    self.follow(class, [Some(there), Some(back)], seeded);
                }
                return Some(Choice {
                    link: turn.link,
                    sole: turn.sole,
                });
            }
        }
        None
    }

    /// Appends every target, class by class.
    pub(crate) fn all(&self, ingress: LinkId, allowed: ClassSet, out: &mut Vec<LinkId>) {
        for (class, ring) in LinkClass::ALL.into_iter().zip(&self.rings) {
            if allowed.contains(class) {
                let links = ring.members().iter().map(|member| member.link);
                out.extend(links.filter(|link| *link != ingress));
            }
        }
    }

    /// The only member of a set of one.
    pub(crate) fn only(&self) -> Option<(Member, LinkClass)> {
        let mut members = LinkClass::ALL
            .into_iter()
            .zip(&self.rings)
            .flat_map(|(class, ring)| ring.members().iter().map(move |member| (*member, class)));
        members.next().filter(|_| members.next().is_none())
    }

    /// Bytes on the heap.
    pub(crate) fn memory_bytes(&self) -> usize {
        let rings = self.rings.iter().map(Ring::memory_bytes).sum::<usize>();
        let index = self.index.as_ref().map_or(0, |index| {
            index
                .memory_bytes()
                .saturating_add(size_of::<Segments<Pointer>>())
        });
        rings.saturating_add(index)
    }

    fn build_index(&mut self, seeded: &Seeded) {
        let mut index = Segments::new();
        for (class, ring) in LinkClass::ALL.into_iter().zip(&self.rings) {
            for (position, member) in ring.members().iter().enumerate() {
                let hash = seeded.link(member.link);
                let pointer = Pointer::new(hash, number(Place { class, position }));
                index.insert(hash, pointer, seeded);
            }
        }
        self.index = Some(Box::new(index));
    }

    /// Lets the index follow members that moved.
    fn follow(&mut self, class: LinkClass, moves: Moves, seeded: &Seeded) {
        for Move { from, to } in moves.into_iter().flatten() {
            let place = Place {
                class,
                position: to,
            };
            let Some(link) = self.member(place).map(|member| member.link) else {
                continue;
            };
            let hash = seeded.link(link);
            let old = Pointer::new(
                hash,
                number(Place {
                    class,
                    position: from,
                }),
            );
            let index = self.index.as_mut();
            if let Some(found) = index.and_then(|index| index.find_mut(hash, |p| *p == old)) {
                *found = Pointer::new(hash, number(place));
            }
        }
    }

    fn ring(&self, class: LinkClass) -> &Ring {
        let [app, remote, peer, edge] = &self.rings;
        match class {
            LinkClass::App => app,
            LinkClass::Remote => remote,
            LinkClass::Peer => peer,
            LinkClass::Edge => edge,
        }
    }

    #[inline]
    fn ring_mut(&mut self, class: LinkClass) -> &mut Ring {
        let [app, remote, peer, edge] = &mut self.rings;
        match class {
            LinkClass::App => app,
            LinkClass::Remote => remote,
            LinkClass::Peer => peer,
            LinkClass::Edge => edge,
        }
    }
}

/// A place as the number of a pointer.
fn number(place: Place) -> u32 {
    let class = match place.class {
        LinkClass::App => 0,
        LinkClass::Remote => 1,
        LinkClass::Peer => 2,
        LinkClass::Edge => 3,
    };
    debug_assert!(place.position <= POSITION_MAX as usize);
    let position = u32::try_from(place.position).unwrap_or(POSITION_MAX);
    (class << POSITION_BITS) | (position & POSITION_MAX)
}

fn place_of(pointer: Pointer) -> Place {
    let class = match pointer.number() >> POSITION_BITS {
        0 => LinkClass::App,
        1 => LinkClass::Remote,
        2 => LinkClass::Peer,
        _ => LinkClass::Edge,
    };
    Place {
        class,
        position: (pointer.number() & POSITION_MAX) as usize,
    }
}
