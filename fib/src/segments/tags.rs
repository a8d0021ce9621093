//! One byte for each slot of a segment: what a search reads instead of the slots.
//!
//! A table of a million names is far larger than any cache that one core has to itself, and its tags
//! are not. A search finds the slot by the tags and then reads one slot, nearly always the right one:
//! the processor guesses so and goes on to the next search while this slot is still on its way. Were
//! the slots themselves searched, how far to go would be known only once they have come.
//!
//! Invariant: the bytes from `slots` on repeat the ones from 0 on, so that a window that starts at
//! any slot can be read without a case for the end.

/// Tags compared at once.
const WINDOW: usize = 8;
/// The tag of an empty slot.
const EMPTY: u8 = 0;
/// The lowest bit of each byte, and the highest.
const LOWS: u64 = u64::from_ne_bytes([0x01; WINDOW]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; WINDOW]);

/// The tags of one segment.
#[derive(Debug)]
pub(super) struct Tags {
    slots: usize,
    bytes: Box<[u8]>,
}

/// The tag of a taken slot. It is made of the bits that the slot's home is made of last.
#[inline]
pub(super) const fn tag(hash: u32) -> u8 {
    let [.., low] = hash.to_be_bytes();
    if low == EMPTY { 1 } else { low }
}

impl Tags {
    pub(super) fn new(slots: usize) -> Self {
        let repeated = if slots == 0 {
            0
        } else {
            WINDOW.saturating_sub(1)
        };
        Self {
            slots,
            bytes: vec![EMPTY; slots.saturating_add(repeated)].into_boxed_slice(),
        }
    }

    pub(super) fn take(&mut self, at: usize, hash: u32) {
        self.set(at, tag(hash));
    }

    pub(super) fn clear(&mut self, at: usize) {
        self.set(at, EMPTY);
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The first slot from `home` on, in a circle, that has the tag and that `is_it` recognises. It
    /// ends at an empty slot, of which there must be one.
    #[inline]
    pub(super) fn find(
        &self,
        home: usize,
        tag: u8,
        mut is_it: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let sought = LOWS.wrapping_mul(u64::from(tag));
        let mut from = home;
        loop {
            let window = self.window(from)?;
            let mut marks = zeros(window ^ sought);
            while marks != 0 {
                let at = self.slot(from, marks);
                if is_it(at) {
                    return Some(at);
                }
                marks &= marks.wrapping_sub(1);
            }
            if zeros(window) != 0 {
                return None;
            }
            from = self.slot(from, 0);
        }
    }

    /// The first empty slot from `home` on, in a circle.
    pub(super) fn first_empty(&self, home: usize) -> Option<usize> {
        let mut from = home;
        loop {
            let marks = zeros(self.window(from)?);
            let at = self.slot(from, marks);
            if marks != 0 {
                return Some(at);
            }
            from = at;
        }
    }

    #[inline]
    fn window(&self, from: usize) -> Option<u64> {
        let bytes = self.bytes.get(from..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// The slot of the lowest mark in the window at `from`; without a mark the one behind the window.
    /// A window may be longer than the circle.
    #[inline]
    fn slot(&self, from: usize, marks: u64) -> usize {
        let mut at = from.wrapping_add(marks.trailing_zeros() as usize / 8);
        while at >= self.slots {
            at = at.wrapping_sub(self.slots);
        }
        at
    }

    fn set(&mut self, at: usize, tag: u8) {
        for byte in self.bytes.iter_mut().skip(at).step_by(self.slots.max(1)) {
            *byte = tag;
        }
    }
}

/// The high bit of each byte that is zero. A byte of 1 above a zero byte may be marked as well, so a
/// mark says where to look; that there is none is certain.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOWS) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_reads_around_the_end_of_a_circle_of_any_length() {
        for slots in 1..20 {
            let mut tags = Tags::new(slots);
            for at in 0..slots {
                assert_eq!(tags.first_empty(at), Some(at));
                tags.take(at, 7);
                assert_eq!(tags.find(at, tag(7), |found| found == at), Some(at));
                tags.clear(at);
                assert_eq!(tags.find(at, tag(7), |_| true), None);
            }
        }
    }

    #[test]
    fn a_search_goes_on_from_window_to_window_until_an_empty_slot() {
        let mut tags = Tags::new(30);
        for at in (0..30).filter(|at| *at != 4) {
            tags.take(at, u32::try_from(at % 3).unwrap());
        }
        // Tags of 0 and 1 are the same.
        let mut seen = Vec::new();
        let found = tags.find(20, tag(0), |at| {
            seen.push(at);
            at == 3
        });
        assert_eq!(found, Some(3));
        assert_eq!(seen, [21, 22, 24, 25, 27, 28, 0, 1, 3]);
        assert_eq!(tags.find(5, tag(9), |_| true), None);
        assert_eq!(tags.first_empty(5), Some(4));
    }

    #[test]
    fn no_tag_is_that_of_an_empty_slot() {
        assert!((0..=u32::from(u16::MAX)).all(|hash| tag(hash) != EMPTY));
    }
}
