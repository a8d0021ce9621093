//! Rows with stable numbers.
//!
//! A row is put in, gets the number of a place, and stays there until it is taken out. Places are
//! kept in chunks that never move, so growth copies nothing but the short list of chunks, and the
//! slack is at most one chunk. Freed places are used again, last freed first. An empty slab gives all
//! its memory back.

use core::mem;

use crate::pointer::Pointer;

/// Log2 of the places of a chunk.
const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;
/// Ends the list of free places: a number no row has.
const NONE: u32 = u32::MAX;

/// A growing set of rows, numbered from 0.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Place<T>>>,
    /// Places handed out at least once.
    used: u32,
    /// The first free place among them.
    free: u32,
    len: usize,
}

#[derive(Debug)]
enum Place<T> {
    Full(T),
    /// The next free place.
    Free(u32),
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            used: 0,
            free: NONE,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn row(&self, row: u32) -> Option<&T> {
        match self
            .chunks
            .get((row >> CHUNK_BITS) as usize)?
            .get(row as usize % CHUNK)?
        {
            Place::Full(contents) => Some(contents),
            Place::Free(_) => None,
        }
    }

    #[inline]
    pub(crate) fn row_mut(&mut self, row: u32) -> Option<&mut T> {
        match self.place_mut(row)? {
            Place::Full(contents) => Some(contents),
            Place::Free(_) => None,
        }
    }

    /// The number the next row will have.
    pub(crate) const fn next_row(&self) -> u32 {
        if self.free == NONE {
            self.used
        } else {
            self.free
        }
    }

    /// Puts a row into a free place and returns its number. The caller stops before
    /// [`Pointer::NUMBER_MAX`] rows.
    pub(crate) fn insert(&mut self, contents: T) -> u32 {
        let row = self.next_row();
        debug_assert!(row <= Pointer::NUMBER_MAX);
        self.len = self.len.saturating_add(1);
        if let Some(place) = self.place_mut(row) {
            if let Place::Free(next) = mem::replace(place, Place::Full(contents)) {
                self.free = next;
            }
            return row;
        }
        if (row as usize).is_multiple_of(CHUNK) {
            // The first chunk grows with its rows, for the tables that stay small.
            let capacity = if row == 0 { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Place::Full(contents));
        }
        self.used = self.used.saturating_add(1);
        row
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, row: u32) -> Option<T> {
        let free = self.free;
        let place = self
            .place_mut(row)
            .filter(|place| matches!(place, Place::Full(_)))?;
        let Place::Full(contents) = mem::replace(place, Place::Free(free)) else {
            return None;
        };
        self.free = row;
        self.len = self.len.saturating_sub(1);
        if self.len == 0 {
            *self = Self::new();
        }
        Some(contents)
    }

    /// The rows in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks
            .iter()
            .flatten()
            .filter_map(|place| match place {
                Place::Full(contents) => Some(contents),
                Place::Free(_) => None,
            })
    }

    /// Bytes on the heap, without what the rows themselves own.
    pub(crate) fn memory_bytes(&self) -> usize {
        let places: usize = self.chunks.iter().map(Vec::capacity).sum();
        let chunks = self
            .chunks
            .capacity()
            .saturating_mul(size_of::<Vec<Place<T>>>());
        places
            .saturating_mul(size_of::<Place<T>>())
            .saturating_add(chunks)
    }

    #[inline]
    fn place_mut(&mut self, row: u32) -> Option<&mut Place<T>> {
        self.chunks
            .get_mut((row >> CHUNK_BITS) as usize)?
            .get_mut(row as usize % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_numbers_and_freed_places_are_used_again() {
        let mut slab = Slab::new();
        for row in 0..3000_u32 {
            assert_eq!(slab.next_row(), row);
            assert_eq!(slab.insert(row), row);
        }
        assert_eq!(slab.remove(7), Some(7));
        assert_eq!(slab.remove(2999), Some(2999));
        assert_eq!(slab.remove(7), None, "a row is taken out once");
        assert_eq!((slab.row(7), slab.row(8)), (None, Some(&8)));
        assert_eq!((slab.next_row(), slab.insert(1)), (2999, 2999));
        assert_eq!((slab.insert(2), slab.insert(3)), (7, 3000));
        assert_eq!(slab.len(), 3001);
        assert_eq!(slab.iter().count(), 3001);
    }

    #[test]
    fn an_empty_slab_gives_its_memory_back() {
        let mut slab = Slab::new();
        let rows: Vec<u32> = (0..5000).map(|contents| slab.insert(contents)).collect();
        assert!(slab.memory_bytes() > 5000 * 4);
        for row in rows {
            slab.remove(row);
        }
        assert_eq!(
            (slab.memory_bytes(), slab.len(), slab.next_row()),
            (0, 0, 0)
        );
        assert_eq!(slab.row(0), None);
    }
}
