//! Which one of many: links of one class that take turns.
//!
//! The cursor splits the ring in two: before it the links that had their turn in this round, from it
//! on those that have not. Joining, leaving and passing over the ingress keep that split, so in every
//! round each link gets one turn, however the ring changes meanwhile. Only an ingress that is the
//! last of its round yields to the first of the next. Every operation is O(1) but [`Ring::position`].

use crate::LinkId;

/// One link of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) link: LinkId,
    /// How many names stand behind the membership: 1 in an entry's ring, the link's names under the
    /// prefix in a prefix's ring.
    pub(crate) count: u32,
}

/// Distinct links and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    members: Vec<Member>,
    /// The next in turn; less than the length, or 0 when there is none.
    cursor: usize,
}

/// A member that changed its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// What one operation moved, in an order in which no move ends where a later one starts.
pub(crate) type Moves = [Option<Move>; 2];

/// A turn taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) link: LinkId,
    /// The ring has no other link the same ingress could be sent to.
    pub(crate) sole: bool,
    /// The ingress and the link traded positions.
    pub(crate) traded: Option<Move>,
}

impl Ring {
    pub(crate) const fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    #[inline]
    pub(crate) fn member(&self, position: usize) -> Option<&Member> {
        self.members.get(position)
    }

    pub(crate) fn member_mut(&mut self, position: usize) -> Option<&mut Member> {
        self.members.get_mut(position)
    }

    /// Where a link is, by looking at all of them.
    pub(crate) fn position(&self, link: LinkId) -> Option<usize> {
        self.members.iter().position(|member| member.link == link)
    }

    /// Adds a link, which must be new to the ring, and returns its position. Its turn comes within
    /// the present round.
    pub(crate) fn push(&mut self, member: Member) -> usize {
        if self.members.capacity() == 0 {
            // Most rings are two or three links; the usual first step would be four.
            self.members.reserve_exact(2);
        }
        self.members.push(member);
        self.members.len().saturating_sub(1)
    }

    /// Takes a member out. At most two others fill the hole and the hole that leaves.
    pub(crate) fn remove(&mut self, position: usize) -> Moves {
        let Some(last) = self.members.len().checked_sub(1) else {
            return [None; 2];
        };
        if position > last {
            return [None; 2];
        }
        let mut hole = position;
        let mut to_hole = None;
        if position < self.cursor {
            // The hole goes to the border first: filled by the last link, it would take that link's
            // turn away.
            let border = self.cursor.saturating_sub(1);
            self.members.swap(hole, border);
            to_hole = (hole != border).then_some(Move {
                from: border,
                to: hole,
            });
            hole = border;
            self.cursor = border;
        }
        self.members.swap_remove(hole);
        let to_border = (hole != last).then_some(Move {
            from: last,
            to: hole,
        });
        if self.cursor >= self.members.len() {
            self.cursor = 0;
        }
        if self.members.len().saturating_mul(4) <= self.members.capacity() {
            self.members.shrink_to(self.members.len().saturating_mul(2));
        }
        [to_hole, to_border]
    }

    /// The next link in turn that is not the ingress. An ingress met at the cursor trades places
    /// with the one after it: its turn comes later, it is not lost to other ingresses.
    #[inline]
    pub(crate) fn next(&mut self, ingress: LinkId) -> Option<Turn> {
        let len = self.members.len();
        let mut link = self.members.get(self.cursor)?.link;
        let mut traded = None;
        if link == ingress {
            let after = self.after(self.cursor);
            if after == self.cursor {
                return None;
            }
            self.members.swap(self.cursor, after);
            traded = Some(Move {
                from: after,
                to: self.cursor,
            });
            link = self.members.get(self.cursor)?.link;
        }
        self.cursor = self.after(self.cursor);
        let other_is_ingress = || self.members.iter().any(|member| member.link == ingress);
        let sole = len == 1 || (len == 2 && other_is_ingress());
        Some(Turn { link, sole, traded })
    }

    /// Bytes on the heap.
    pub(crate) const fn memory_bytes(&self) -> usize {
        self.members.capacity().saturating_mul(size_of::<Member>())
    }

    #[inline]
    fn after(&self, position: usize) -> usize {
        let next = position.saturating_add(1);
        if next >= self.members.len() { 0 } else { next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_take_turns_in_order() {
        let mut ring = ring(3);
        assert_eq!(turns(&mut ring, OUTSIDE, 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn an_ingress_is_passed_over_and_the_others_stay_even() {
        let mut ring = ring(3);
        assert_eq!(turns(&mut ring, link(1), 6), [0, 2, 0, 2, 0, 2]);
    }

    #[test]
    fn a_ring_of_the_ingress_alone_has_no_turn() {
        assert_eq!(ring(1).next(link(0)), None);
        assert_eq!(ring(0).next(OUTSIDE), None);
    }

    #[test]
    fn sole_means_that_nobody_else_is_eligible() {
        let sole = |links, ingress| ring(links).next(ingress).map(|turn| turn.sole);
        assert_eq!(sole(1, OUTSIDE), Some(true));
        assert_eq!(sole(2, OUTSIDE), Some(false));
        assert_eq!(sole(2, link(0)), Some(true));
        assert_eq!(sole(2, link(1)), Some(true));
        assert_eq!(sole(3, link(0)), Some(false));
    }

    /// If the ingress simply lost its turn, link 0 would never get a message of the other publisher.
    #[test]
    fn an_ingress_passed_over_gets_its_turn_from_others() {
        let mut ring = ring(3);
        let mut from_outside = [0; 3];
        for _ in 0..300 {
            ring.next(link(0)).unwrap();
            let turn = ring.next(OUTSIDE).unwrap();
            from_outside[usize::try_from(turn.link.slot()).unwrap()] += 1;
        }
        assert!(from_outside[0] >= 100, "{from_outside:?}");
    }

    /// Links 0 to 4 stay while others come and go: no one of the five is ever two turns ahead.
    #[test]
    fn turns_stay_even_while_links_come_and_go() {
        let mut random = 3_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(random >> 33).unwrap()
        };
        for _ in 0..300 {
            let mut ring = Ring::default();
            // Visitors between the five: their places are what the five are moved to.
            for slot in 0..5 {
                ring.push(Member {
                    link: link(100 + slot),
                    count: 1,
                });
                ring.push(Member {
                    link: link(slot),
                    count: 1,
                });
            }
            let mut counts = [0_u32; 5];
            for step in 0..60 {
                match next() % 6 {
                    0 => {
                        ring.push(Member {
                            link: link(200 + step),
                            count: 1,
                        });
                    }
                    1 => {
                        let at = next() % ring.len();
                        if ring.member(at).unwrap().link.slot() >= 100 {
                            ring.remove(at);
                        }
                    }
                    _ => {
                        let slot = ring.next(OUTSIDE).unwrap().link.slot();
                        if slot < 5 {
                            counts[usize::try_from(slot).unwrap()] += 1;
                        }
                    }
                }
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(most - least <= 1, "{counts:?} after {step} steps");
            }
            assert!(counts[0] >= 2, "{counts:?}");
        }
    }

    #[test]
    fn removal_reports_every_member_that_moved() {
        for (cursor, position) in (0..6).flat_map(|cursor| (0..6).map(move |at| (cursor, at))) {
            let mut ring = ring(6);
            turns(&mut ring, OUTSIDE, cursor);
            let before: Vec<Member> = ring.members().to_vec();
            let moves = ring.remove(position);
            let mut expected = before.clone();
            for Move { from, to } in moves.into_iter().flatten() {
                expected[to] = before[from];
            }
            assert_eq!(
                ring.members(),
                &expected[..5],
                "cursor {cursor}, position {position}"
            );
        }
    }

    const OUTSIDE: LinkId = LinkId::new(9, 9, 9);

    fn link(slot: u32) -> LinkId {
        LinkId::new(0, slot, 1)
    }

    fn ring(links: u32) -> Ring {
        let mut ring = Ring::default();
        for slot in 0..links {
            ring.push(Member {
                link: link(slot),
                count: 1,
            });
        }
        ring
    }

    fn turns(ring: &mut Ring, ingress: LinkId, count: usize) -> Vec<u32> {
        (0..count)
            .map(|_| ring.next(ingress).unwrap().link.slot())
            .collect()
    }
}
