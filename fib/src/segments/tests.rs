//! A table against an ordered map, where it grows, splits, shrinks and is flooded.

use std::collections::BTreeMap;

use super::{DEPTH_MAX, Segments, Slot};
use crate::pointer::Pointer;
use crate::seeded::Seeded;

/// A table and what it should hold: number → hash.
struct Pair {
    table: Segments<Pointer>,
    model: BTreeMap<u32, u32>,
    seeded: Seeded,
}

#[test]
fn finds_what_was_inserted_through_splits_and_shrinking() {
    let mut pair = Pair::new();
    for number in 0..20_000 {
        pair.insert(scatter(number), number);
    }
    pair.check();
    assert!(pair.table.segments.len() > 16, "the table split");
    let full = pair.table.memory_bytes();
    for number in (0..20_000).filter(|number| number % 20 != 0) {
        pair.remove(number);
    }
    pair.check();
    assert!(
        pair.table.memory_bytes() < full / 4,
        "the table gave memory back"
    );
}

#[test]
fn keeps_equal_hashes_apart() {
    let mut pair = Pair::new();
    for number in 0..100 {
        pair.insert(0xffff_ffff, number);
        pair.insert(0, 1000 + number);
    }
    pair.check();
    for number in 20..60 {
        pair.remove(number);
        pair.remove(1000 + number);
    }
    pair.check();
}

#[test]
fn holds_a_flood_of_one_hash_without_endless_splits() {
    let mut pair = Pair::new();
    for number in 0..1100 {
        pair.insert(7, number);
    }
    pair.check();
    assert_eq!(pair.table.depth, DEPTH_MAX);
}

#[test]
fn an_empty_table_finds_nothing_and_removes_nothing() {
    let mut table = Segments::<Pointer>::new();
    assert!(table.find(0, |_| true).is_none());
    assert!(table.remove(0, |_| true, &Seeded::new(1)).is_none());
    assert_eq!(table.len(), 0);
}

#[test]
fn random_churn_keeps_runs_whole() {
    let mut pair = Pair::new();
    let mut random = 1;
    for step in 0..40_000 {
        random = scatter(random + step);
        let number = random % 600;
        if pair.model.contains_key(&number) {
            pair.remove(number);
        } else {
            // Few distinct hashes make long runs, some of them around a segment's end.
            pair.insert(scatter(number % 90), number);
        }
        if step % 500 == 0 {
            pair.check();
        }
    }
}

impl Pair {
    fn new() -> Self {
        Self {
            table: Segments::new(),
            model: BTreeMap::new(),
            seeded: Seeded::new(1),
        }
    }

    fn insert(&mut self, hash: u32, number: u32) {
        self.table
            .insert(hash, Pointer::new(hash, number), &self.seeded);
        self.model.insert(number, hash);
    }

    fn remove(&mut self, number: u32) {
        let hash = self.model.remove(&number).unwrap();
        let removed = self
            .table
            .remove(hash, |slot| slot.number() == number, &self.seeded);
        assert_eq!(removed, Some(Pointer::new(hash, number)));
    }

    fn check(&self) {
        assert_eq!(self.table.len(), self.model.len());
        let taken: usize = self.table.segments.iter().map(|s| s.taken().count()).sum();
        assert_eq!(taken, self.model.len());
        for (number, hash) in &self.model {
            assert!(
                self.table
                    .find(*hash, |slot| slot.number() == *number)
                    .is_some()
            );
        }
        for segment in &self.table.segments {
            assert!(segment.slots.is_empty() || segment.slots.iter().any(Slot::is_empty));
            assert!(segment.depth <= self.table.depth);
        }
    }
}

fn scatter(number: u32) -> u32 {
    let mixed = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from((mixed ^ (mixed >> 29)) >> 32).unwrap()
}
