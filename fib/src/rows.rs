//! Rows that are found by a hash: a slab and the index over it.

use crate::pointer::Pointer;
use crate::seeded::Seeded;
use crate::segments::Segments;
use crate::slab::Slab;

/// Rows one table can hold. The caller stops before.
pub(crate) const ROWS_MAX: usize = Pointer::NUMBER_MAX as usize;

/// Rows with stable numbers, each with one pointer in the index.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    index: Segments<Pointer>,
    slab: Slab<T>,
}

impl<T> Rows<T> {
    pub(crate) fn new() -> Self {
        Self {
            index: Segments::new(),
            slab: Slab::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.slab.len()
    }

    /// The number of the row with this hash that `is_it` recognises.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(&T) -> bool) -> Option<u32> {
        let is_it = |pointer: &Pointer| {
            pointer.has_hash(hash) && self.slab.row(pointer.number()).is_some_and(&is_it)
        };
        self.index.find(hash, is_it).map(|pointer| pointer.number())
    }

    pub(crate) fn row(&self, row: u32) -> Option<&T> {
        self.slab.row(row)
    }

    /// What the hash is made from must not be changed.
    pub(crate) fn row_mut(&mut self, row: u32) -> Option<&mut T> {
        self.slab.row_mut(row)
    }

    /// The number the next row will have.
    pub(crate) fn next_row(&self) -> u32 {
        self.slab.next_row()
    }

    /// Adds a row, which must not be there yet, and returns its number.
    pub(crate) fn insert(&mut self, hash: u32, contents: T, seeded: &Seeded) -> u32 {
        let row = self.slab.insert(contents);
        self.index.insert(hash, Pointer::new(hash, row), seeded);
        row
    }

    /// Takes a row out.
    pub(crate) fn remove(&mut self, hash: u32, row: u32, seeded: &Seeded) -> Option<T> {
        let gone = Pointer::new(hash, row);
        self.index
            .remove(hash, |pointer| *pointer == gone, seeded)?;
        self.slab.remove(row)
    }

    /// The rows in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slab.iter()
    }

    /// Bytes on the heap, without what the rows themselves own.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.index
            .memory_bytes()
            .saturating_add(self.slab.memory_bytes())
    }
}
