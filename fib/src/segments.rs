//! The hash table under every map of the crate: open addressing in segments.
//!
//! What enters is a 32-bit hash and a slot; what leaves is the slot the caller recognises. Slots are
//! probed in order, by a byte of the hash kept for each of them (`tags`), and only a slot whose byte
//! fits is read.
//!
//! It is an extendible hash table. The top bits of a hash choose a segment through a directory, the
//! bits below choose the slot in it. A segment grows in small steps up to [`LEN_MAX`] slots taken and
//! splits in two after that. So no insertion ever moves more than one segment, whatever the size of
//! the table: there is no rehash to wait for, nothing need be sized in advance, and the slack is the
//! same at every size, where a table that doubles leaves an eighth of its slots empty or over half.
//!
//! Invariants:
//!
//! 1. A segment with slots has at least one empty slot, so every probe ends.
//! 2. No empty slot lies between a slot's home and the slot.
//! 3. All hashes of a segment share their top `depth` bits, and no segment's depth exceeds the
//!    directory's.
//!
//! A segment gives memory back when three quarters of its slots are empty. Segments never merge; an
//! empty one keeps four slots.

mod tags;
#[cfg(test)]
mod tests;

use tags::{Tags, tag};

use crate::seeded::Seeded;

/// Slots taken in a segment when it splits. Moving so many takes some tens of microseconds.
const LEN_MAX: usize = 1024;
/// The directory's bits at most: 4 million segments. Past that segments grow instead of splitting.
const DEPTH_MAX: u32 = 22;

/// What a table is made of: a small value, one bit pattern of which says "nothing here".
pub(crate) trait Slot: Copy {
    /// The empty slot.
    const EMPTY: Self;

    fn is_empty(&self) -> bool;

    /// The hash the slot was inserted with.
    fn hash(&self, seeded: &Seeded) -> u32;
}

/// A hash table of slots.
#[derive(Debug)]
pub(crate) struct Segments<S> {
    /// Log2 of the directory's length.
    depth: u32,
    /// Top `depth` bits of the hash → segment.
    directory: Vec<u32>,
    segments: Vec<Segment<S>>,
    len: usize,
}

#[derive(Debug)]
struct Segment<S> {
    slots: Box<[S]>,
    tags: Tags,
    len: u32,
    depth: u32,
}

impl<S: Slot> Segments<S> {
    pub(crate) fn new() -> Self {
        Self {
            depth: 0,
            directory: vec![0],
            segments: vec![Segment::new(0, 0)],
            len: 0,
        }
    }

    /// Slots taken.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The slot with this hash that `is_it` recognises.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(&S) -> bool) -> Option<&S> {
        let segment = self.segments.get(self.segment_of(hash))?;
        segment.slots.get(segment.position(hash, is_it)?)
    }

    /// As [`Self::find`]. What the hash is made from must not be changed.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u32, is_it: impl Fn(&S) -> bool) -> Option<&mut S> {
        let place = self.segment_of(hash);
        let segment = self.segments.get_mut(place)?;
        let at = segment.position(hash, is_it)?;
        segment.slots.get_mut(at)
    }

    /// Adds a slot, which must not be there yet.
    pub(crate) fn insert(&mut self, hash: u32, slot: S, seeded: &Seeded) {
        let mut place = self.segment_of(hash);
        // Nearly always once or not at all: again only if all slots went to one side.
        while self
            .segments
            .get(place)
            .is_some_and(Segment::is_due_to_split)
        {
            self.split(place, hash, seeded);
            place = self.segment_of(hash);
        }
        if let Some(segment) = self.segments.get_mut(place) {
            if segment.is_full() {
                segment.resize(slots_for((segment.len as usize).saturating_add(1)), seeded);
            }
            segment.insert(hash, slot);
            self.len = self.len.saturating_add(1);
        }
    }

    /// Takes a slot out.
    pub(crate) fn remove(
        &mut self,
        hash: u32,
        is_it: impl Fn(&S) -> bool,
        seeded: &Seeded,
    ) -> Option<S> {
        let place = self.segment_of(hash);
        let segment = self.segments.get_mut(place)?;
        let slot = segment.remove(hash, is_it, seeded)?;
        self.len = self.len.saturating_sub(1);
        Some(slot)
    }

    /// Bytes on the heap.
    pub(crate) fn memory_bytes(&self) -> usize {
        let slots = self.segments.iter().map(|segment| {
            size_of_val(&*segment.slots).saturating_add(segment.tags.memory_bytes())
        });
        let directory = self.directory.capacity().saturating_mul(size_of::<u32>());
        let segments = self
            .segments
            .capacity()
            .saturating_mul(size_of::<Segment<S>>());
        slots
            .sum::<usize>()
            .saturating_add(directory)
            .saturating_add(segments)
    }

    #[inline]
    fn segment_of(&self, hash: u32) -> usize {
        let entry = top_bits(hash, self.depth) as usize;
        self.directory
            .get(entry)
            .map_or(0, |segment| *segment as usize)
    }

    /// Moves the slots of a segment whose next hash bit is set to a segment of their own. The
    /// segment's depth grows, so that it is not split forever.
    fn split(&mut self, place: usize, hash: u32, seeded: &Seeded) {
        let fresh_place = self.segments.len();
        // Segments number 2^DEPTH_MAX at most.
        let fresh_entry = u32::try_from(fresh_place).unwrap_or(0);
        let Some(segment) = self.segments.get_mut(place) else {
            return;
        };
        let depth = segment.depth.saturating_add(1);
        let fresh = segment.split_off(depth, seeded);
        self.segments.push(fresh);
        if depth > self.depth {
            self.directory = self
                .directory
                .iter()
                .flat_map(|entry| [*entry; 2])
                .collect();
            self.depth = depth;
        }
        // The entries of the upper half: they share the segment's bits and have the next one set.
        let spare_bits = self.depth.saturating_sub(depth);
        let prefix = top_bits(hash, depth) | 1;
        let first = prefix.wrapping_shl(spare_bits) as usize;
        let count = 1_usize.wrapping_shl(spare_bits);
        for entry in self.directory.iter_mut().skip(first).take(count) {
            *entry = fresh_entry;
        }
    }
}

impl<S: Slot> Segment<S> {
    fn new(slots: usize, depth: u32) -> Self {
        Self {
            slots: vec![S::EMPTY; slots].into_boxed_slice(),
            tags: Tags::new(slots),
            len: 0,
            depth,
        }
    }

    /// Seven slots in eight are taken. Of the tags that a search reads, a window of eight is nearly
    /// always enough.
    fn is_full(&self) -> bool {
        let taken = (self.len as usize).saturating_add(1);
        taken.saturating_mul(8) > self.slots.len().saturating_mul(7)
    }

    fn is_due_to_split(&self) -> bool {
        self.len as usize >= LEN_MAX && self.depth < DEPTH_MAX
    }

    /// Where the search for a hash starts. The bits all the segment's hashes share are left out; the
    /// rest, taken as a fraction, is scaled to the number of slots. So slots lie in the order of
    /// their hashes, and moving them to another size reads and writes memory in order.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let fraction = u64::from(hash.wrapping_shl(self.depth));
        (fraction.wrapping_mul(self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        let next = at.wrapping_add(1);
        if next >= self.slots.len() { 0 } else { next }
    }

    /// How many steps forward lead from one slot to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        let forward = to.wrapping_sub(from);
        if to >= from {
            forward
        } else {
            forward.wrapping_add(self.slots.len())
        }
    }

    #[inline]
    fn position(&self, hash: u32, is_it: impl Fn(&S) -> bool) -> Option<usize> {
        let is_it = |at: usize| self.slots.get(at).is_some_and(&is_it);
        self.tags.find(self.home(hash), tag(hash), is_it)
    }

    fn insert(&mut self, hash: u32, slot: S) {
        if let Some(at) = self.tags.first_empty(self.home(hash)) {
            self.put(at, hash, slot);
            self.len = self.len.saturating_add(1);
        }
    }

    /// Takes a slot out and moves later ones of its run into the hole, so that invariant 2 holds
    /// without marks for the dead.
    fn remove(&mut self, hash: u32, is_it: impl Fn(&S) -> bool, seeded: &Seeded) -> Option<S> {
        let mut hole = self.position(hash, is_it)?;
        let removed = *self.slots.get(hole)?;
        let mut at = self.after(hole);
        while let Some(slot) = self.slots.get(at).copied().filter(|slot| !slot.is_empty()) {
            let hash = slot.hash(seeded);
            if self.distance(self.home(hash), at) >= self.distance(hole, at) {
                self.put(hole, hash, slot);
                hole = at;
            }
            at = self.after(at);
        }
        self.clear(hole);
        self.len = self.len.saturating_sub(1);
        let wanted = slots_for((self.len as usize).saturating_add(1));
        if (self.len as usize).saturating_mul(4) <= self.slots.len() && wanted < self.slots.len() {
            self.resize(wanted, seeded);
        }
        Some(removed)
    }

    fn put(&mut self, at: usize, hash: u32, slot: S) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
            self.tags.take(at, hash);
        }
    }

    fn clear(&mut self, at: usize) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = S::EMPTY;
            self.tags.clear(at);
        }
    }

    fn resize(&mut self, slots: usize, seeded: &Seeded) {
        let mut resized = Self::new(slots, self.depth);
        resized.take_over(self.taken(), seeded);
        *self = resized;
    }

    /// Keeps the slots whose hash bit `depth`, counted from the top and from 1, is clear.
    fn split_off(&mut self, depth: u32, seeded: &Seeded) -> Self {
        let is_upper = |slot: &S| top_bits(slot.hash(seeded), depth) & 1 == 1;
        let halves: (Vec<S>, Vec<S>) = self.taken().partition(is_upper);
        let [upper, lower] = [halves.0, halves.1].map(|half| {
            let mut segment = Self::new(slots_for(half.len().saturating_add(1)), depth);
            segment.take_over(half.into_iter(), seeded);
            segment
        });
        *self = lower;
        upper
    }

    /// Fills an empty segment. Every home gets one of its slots before the others look for a place:
    /// placed in order, each run would push the slots after it out of their homes, and a search that
    /// ends in its first window is one the processor guesses right.
    fn take_over(&mut self, slots: impl Iterator<Item = S>, seeded: &Seeded) {
        let mut homeless = Vec::new();
        for slot in slots {
            let hash = slot.hash(seeded);
            let home = self.home(hash);
            if self.slots.get(home).is_some_and(Slot::is_empty) {
                self.put(home, hash, slot);
                self.len = self.len.saturating_add(1);
            } else {
                homeless.push(slot);
            }
        }
        for slot in homeless {
            self.insert(slot.hash(seeded), slot);
        }
    }

    fn taken(&self) -> impl Iterator<Item = S> {
        self.slots.iter().filter(|slot| !slot.is_empty()).copied()
    }
}

/// The slots for so many taken ones: three in four are taken then, and as growth comes at seven in
/// eight, each step adds a sixth.
fn slots_for(len: usize) -> usize {
    len.saturating_mul(4).div_ceil(3).max(4)
}

/// The first `count` bits of a hash, 0 to 31 of them. The shift is made in two, because a shift by
/// all 32 bits is none.
#[inline]
const fn top_bits(hash: u32, count: u32) -> u32 {
    (hash >> 1).wrapping_shr(31_u32.wrapping_sub(count))
}
