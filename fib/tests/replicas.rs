//! Replicas agree with their RIB, however its deltas reach them, or say that they do not.

use proptest::prelude::*;
use slipring_fib::{
    ApplyError, Change, ClassSet, Delta, Fib, FibLimits, LinkClass, LinkId, Rib, RibLimits,
};
use slipring_proto::name::{ANY_ID, Name, Prefix};

const LIMITS: RibLimits = RibLimits {
    names_max: 1000,
    subscriptions_max: 1000,
    subscriptions_per_link_max: 1000,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Four replicas take the same deltas in batches of different sizes, each with its own seed.
    #[test]
    fn any_batching_gives_the_same_digest(
        changes in prop::collection::vec((0..40_u32, 0..30_u128, any::<u8>()), 1..300),
        batches in prop::collection::vec(1..50_usize, 4),
    ) {
        let (rib, deltas) = history(&changes);
        let mut digests = Vec::new();
        for (seed, batch) in (0..).zip(batches) {
            let mut fib = replica(seed);
            for deltas in deltas.chunks(batch) {
                for delta in deltas {
                    fib.apply(delta).expect("the deltas are in order");
                }
            }
            prop_assert_eq!((fib.seq(), fib.entries()), (rib.seq(), rib.names()));
            digests.push(fib.digest());
        }
        prop_assert!(digests.iter().all(|digest| *digest == rib.digest()));
    }

    /// A replica that misses a delta refuses every later one, and a snapshot puts it right.
    #[test]
    fn a_missed_delta_is_noticed_and_a_snapshot_heals_it(
        changes in prop::collection::vec((0..40_u32, 0..30_u128, any::<u8>()), 20..200),
        missed in any::<prop::sample::Index>(),
    ) {
        let (rib, deltas) = history(&changes);
        prop_assume!(deltas.len() > 1);
        let missed = missed.index(deltas.len() - 1);
        let mut fib = replica(1);
        let mut witness = replica(2);
        for delta in &deltas {
            witness.apply(delta).expect("the deltas are in order");
        }
        for delta in &deltas[..missed] {
            fib.apply(delta).expect("nothing is missing yet");
        }
        let expected = fib.seq() + 1;
        let digest = fib.digest();
        for delta in &deltas[missed + 1..] {
            let gap = ApplyError::Gap { expected, found: delta.seq };
            prop_assert_eq!(fib.apply(delta), Err(gap));
        }
        prop_assert_eq!(fib.digest(), digest);
        fib.load(&rib.snapshot()).expect("there is room");
        prop_assert_eq!((fib.seq(), fib.digest()), (rib.seq(), rib.digest()));
        prop_assert_eq!((fib.entries(), fib.routes()), (rib.names(), rib.routes()));
        for id in (0..30).chain([ANY_ID]) {
            prop_assert_eq!(targets(&fib, id), targets(&witness, id));
        }
        // The deltas the snapshot contains may still be on their way.
        let last = deltas.last().expect("there is one");
        let stale = ApplyError::Stale { applied: rib.seq(), found: rib.seq() };
        prop_assert_eq!(fib.apply(last), Err(stale));
    }

    /// The same calls give the same deltas, choices and snapshot, whatever the hash seed.
    #[test]
    fn no_answer_depends_on_the_hash_seed(
        changes in prop::collection::vec((0..60_u32, 0..6_u128, any::<u8>()), 1..300),
        seeds in any::<[u64; 2]>(),
    ) {
        let [left, right] = seeds.map(|seed| {
            let mut rib = Rib::new(LIMITS, seed);
            let deltas = play(&mut rib, &changes);
            let mut fib = replica(seed);
            let mut chosen = Vec::new();
            for delta in &deltas {
                fib.apply(delta).expect("the deltas are in order");
                for id in [delta.seq.into(), ANY_ID] {
                    chosen.push(fib.one(name(id % 6), link(3), ClassSet::ALL));
                    chosen.push(fib.one(name(id), link(3), ClassSet::ALL));
                }
            }
            (deltas, rib.snapshot(), chosen, (0..6).map(|id| targets(&fib, id)).collect::<Vec<_>>())
        });
        prop_assert_eq!(left, right);
    }
}

#[test]
fn a_delta_that_contradicts_the_content_is_refused() {
    let mut fib = replica(1);
    let add = |seq, id, slot, class| Delta {
        seq,
        change: Change::Add {
            name: name(id),
            link: link(slot),
            class,
        },
    };
    let remove = |seq, id, slot| Delta {
        seq,
        change: Change::Remove {
            name: name(id),
            link: link(slot),
        },
    };
    fib.apply(&add(1, 1, 1, LinkClass::Edge))
        .expect("the first");
    fib.apply(&add(2, 1, 2, LinkClass::Edge))
        .expect("the second");
    let (digest, diverged) = (fib.digest(), Err(ApplyError::Diverged { seq: 3 }));
    assert_eq!(
        fib.apply(&add(3, 1, 1, LinkClass::Edge)),
        diverged,
        "it is there"
    );
    assert_eq!(
        fib.apply(&add(3, 2, 1, LinkClass::Peer)),
        diverged,
        "a link has one class"
    );
    assert_eq!(
        fib.apply(&remove(3, 1, 3)),
        diverged,
        "this link is not there"
    );
    assert_eq!(
        fib.apply(&remove(3, 2, 1)),
        diverged,
        "this name is not there"
    );
    assert_eq!((fib.seq(), fib.digest(), fib.routes()), (2, digest, 2));
    fib.apply(&add(3, 2, 1, LinkClass::Edge))
        .expect("the right one is still welcome");
}

#[test]
fn a_digest_tells_every_part_of_a_route() {
    let route = |name: Name, link: LinkId, class: LinkClass| {
        let mut fib = replica(1);
        let delta = Delta {
            seq: 1,
            change: Change::Add { name, link, class },
        };
        fib.apply(&delta).expect("the first");
        fib.digest()
    };
    let base = route(name(1), link(1), LinkClass::Edge);
    let generation = LinkId::new(0, 1, 2);
    for other in [
        route(name(2), link(1), LinkClass::Edge),
        route(name(1 << 64), link(1), LinkClass::Edge),
        route(Name::new(Prefix([2, 1, 3]), 1), link(1), LinkClass::Edge),
        route(Name::new(Prefix([1, 3, 2]), 1), link(1), LinkClass::Edge),
        route(name(1), link(2), LinkClass::Edge),
        route(name(1), generation, LinkClass::Edge),
        route(name(1), link(1), LinkClass::Peer),
        0,
    ] {
        assert_ne!(base, other);
    }
}

/// A RIB after the changes, and the deltas it emitted.
fn history(changes: &[(u32, u128, u8)]) -> (Rib, Vec<Delta>) {
    let mut rib = Rib::new(LIMITS, 7);
    let deltas = play(&mut rib, changes);
    (rib, deltas)
}

/// Subscribes two times in three; now and then a whole link goes.
fn play(rib: &mut Rib, changes: &[(u32, u128, u8)]) -> Vec<Delta> {
    let mut deltas = Vec::new();
    for (slot, id, kind) in changes {
        match kind % 12 {
            0 => {
                rib.remove_link(link(*slot));
            }
            1..=4 => drop(rib.unsubscribe(link(*slot), 1, name(*id))),
            _ => drop(rib.subscribe(link(*slot), class(*slot), 1, name(*id))),
        }
        deltas.extend(std::iter::from_fn(|| rib.poll_delta()));
    }
    deltas
}

fn replica(hash_seed: u64) -> Fib {
    Fib::new(FibLimits::from(LIMITS), hash_seed)
}

fn link(slot: u32) -> LinkId {
    LinkId::new(0, slot, 1)
}

fn class(slot: u32) -> LinkClass {
    if slot.is_multiple_of(5) {
        LinkClass::Peer
    } else {
        LinkClass::Edge
    }
}

fn name(id: u128) -> Name {
    Name::new(Prefix([1, 2, 3]), id)
}

fn targets(fib: &Fib, id: u128) -> Vec<LinkId> {
    let mut out = Vec::new();
    fib.all(name(id), link(999), ClassSet::ALL, &mut out);
    out.sort_unstable();
    out
}
