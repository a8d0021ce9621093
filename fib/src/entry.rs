//! The slots of the two tables a lookup reads, and the target in each.
//!
//! Most names have one link, so a target holds one link in place; only several links move to a
//! [`LinkSet`] outside. A lookup of a name with one link reads one cache line.

use slipring_proto::name::{Name, Prefix};

use crate::members::LinkSet;
use crate::seeded::{Seeded, words};
use crate::segments::Slot;
use crate::slab::Slab;
use crate::spread::Member;
use crate::{Choice, ClassSet, LinkClass, LinkId};

/// The links of an entry or of a prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// No link: the slot is empty.
    None,
    /// One link, and how many names stand behind it.
    One {
        link: LinkId,
        class: LinkClass,
        count: u32,
    },
    /// The number of a set.
    Many { set: u32 },
}

/// An entry: a name and its links. One cache line, aligned to it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct NameSlot {
    key: [u64; 5],
    hash: u32,
    pub(crate) target: Target,
}

/// A prefix and the distinct links of all names under it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrefixSlot {
    prefix: Prefix,
    pub(crate) target: Target,
}

const _: () = assert!(size_of::<Target>() == 16);
const _: () = assert!(size_of::<NameSlot>() == 64);
const _: () = assert!(size_of::<PrefixSlot>() == 40);

/// The sets of all targets that have several links.
#[derive(Debug)]
pub(crate) struct Sets {
    slab: Slab<LinkSet>,
    pub(crate) seeded: Seeded,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The link was not there.
    Nothing,
    /// The link went; others remain, or other names of it.
    One(LinkClass),
    /// The link went and was the last: the slot must be removed.
    Last(LinkClass),
}

impl Target {
    pub(crate) const fn one(link: LinkId, class: LinkClass) -> Self {
        Self::One {
            link,
            class,
            count: 1,
        }
    }
}

impl NameSlot {
    pub(crate) const fn new(name: &Name, hash: u32, target: Target) -> Self {
        Self {
            key: words(name),
            hash,
            target,
        }
    }

    #[inline]
    pub(crate) fn is(&self, name: &Name) -> bool {
        // The id first: names that meet in a table mostly share their prefix.
        let [c0, c1, c2, id_0, id_1] = self.key;
        let [other_c0, other_c1, other_c2, other_0, other_1] = words(name);
        id_1 == other_1 && id_0 == other_0 && c2 == other_c2 && c1 == other_c1 && c0 == other_c0
    }
}

impl PrefixSlot {
    pub(crate) const fn new(prefix: Prefix, target: Target) -> Self {
        Self { prefix, target }
    }

    #[inline]
    pub(crate) fn is(&self, prefix: &Prefix) -> bool {
        self.prefix == *prefix
    }
}

impl Slot for NameSlot {
    const EMPTY: Self = Self {
        key: [0; 5],
        hash: 0,
        target: Target::None,
    };

    #[inline]
    fn is_empty(&self) -> bool {
        matches!(self.target, Target::None)
    }

    #[inline]
    fn hash(&self, _: &Seeded) -> u32 {
        self.hash
    }
}

impl Slot for PrefixSlot {
    const EMPTY: Self = Self {
        prefix: Prefix([0; 3]),
        target: Target::None,
    };

    #[inline]
    fn is_empty(&self) -> bool {
        matches!(self.target, Target::None)
    }

    fn hash(&self, seeded: &Seeded) -> u32 {
        seeded.prefix(&self.prefix)
    }
}

impl Sets {
    pub(crate) const fn new(seeded: Seeded) -> Self {
        Self {
            slab: Slab::new(),
            seeded,
        }
    }

    /// The link's class in the target, if it is there.
    pub(crate) fn class_of(&self, target: &Target, link: LinkId) -> Option<LinkClass> {
        match *target {
            Target::None => None,
            Target::One {
                link: only, class, ..
            } => (only == link).then_some(class),
            Target::Many { set } => {
                let set = self.slab.row(set)?;
                set.find(link, &self.seeded).map(|place| place.class)
            }
        }
    }

    /// Adds a link, or one more name behind a link that is there.
    pub(crate) fn add(&mut self, target: &mut Target, link: LinkId, class: LinkClass) {
        match target {
            Target::None => *target = Target::one(link, class),
            Target::One {
                link: only, count, ..
            } if *only == link => {
                *count = count.saturating_add(1);
            }
            Target::One {
                link: first,
                class: first_class,
                count,
            } => {
                let mut set = LinkSet::default();
                set.push(
                    Member {
                        link: *first,
                        count: *count,
                    },
                    *first_class,
                    &self.seeded,
                );
                set.push(Member { link, count: 1 }, class, &self.seeded);
                let set = self.slab.insert(set);
                *target = Target::Many { set };
            }
            Target::Many { set } => {
                let Some(set) = self.slab.row_mut(*set) else {
                    return;
                };
                let Some(place) = set.find(link, &self.seeded) else {
                    return set.push(Member { link, count: 1 }, class, &self.seeded);
                };
                if let Some(member) = set.member_mut(place) {
                    member.count = member.count.saturating_add(1);
                }
            }
        }
    }

    /// Takes one name behind a link away, and the link with its last name.
    pub(crate) fn take(&mut self, target: &mut Target, link: LinkId) -> Taken {
        match target {
            Target::One {
                link: only,
                class,
                count,
            } if *only == link => {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    Taken::Last(*class)
                } else {
                    Taken::One(*class)
                }
            }
            Target::None | Target::One { .. } => Taken::Nothing,
            Target::Many { set } => {
                let row = *set;
                let Some(set) = self.slab.row_mut(row) else {
                    return Taken::Nothing;
                };
                let Some(place) = set.find(link, &self.seeded) else {
                    return Taken::Nothing;
                };
                let Some(member) = set.member_mut(place) else {
                    return Taken::Nothing;
                };
                member.count = member.count.saturating_sub(1);
                if member.count == 0 {
                    set.remove(place, &self.seeded);
                    if let Some((Member { link, count }, class)) = set.only() {
                        *target = Target::One { link, class, count };
                        self.slab.remove(row);
                    }
                }
                Taken::One(place.class)
            }
        }
    }

    /// One link of the target in turn; see [`Fib::one`](crate::Fib::one).
    #[inline]
    pub(crate) fn choose(
        &mut self,
        target: Target,
        ingress: LinkId,
        allowed: ClassSet,
    ) -> Option<Choice> {
        match target {
            Target::None => None,
            Target::One { link, class, .. } => {
                (link != ingress && allowed.contains(class)).then_some(Choice { link, sole: true })
            }
            Target::Many { set } => self.slab.row_mut(set)?.one(ingress, allowed, &self.seeded),
        }
    }

    /// Appends every eligible link of the target; see [`Fib::all`](crate::Fib::all).
    pub(crate) fn collect(
        &self,
        target: Target,
        ingress: LinkId,
        allowed: ClassSet,
        out: &mut Vec<LinkId>,
    ) {
        match target {
            Target::None => {}
            Target::One { link, class, .. } => {
                if link != ingress && allowed.contains(class) {
                    out.push(link);
                }
            }
            Target::Many { set } => {
                if let Some(set) = self.slab.row(set) {
                    set.all(ingress, allowed, out);
                }
            }
        }
    }

    /// Bytes on the heap.
    pub(crate) fn memory_bytes(&self) -> usize {
        let owned = self.slab.iter().map(LinkSet::memory_bytes);
        owned
            .sum::<usize>()
            .saturating_add(self.slab.memory_bytes())
    }
}
