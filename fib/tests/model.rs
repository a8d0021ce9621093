//! RIB and FIB together do what ordered sets say they should, whatever the order of operations.

mod world;

use proptest::prelude::*;
use slipring_fib::RibLimits;

use world::{Op, Universe, World};

/// Few links and names, every class, limits that are met.
const NARROW: Universe = Universe {
    links: 9,
    prefixes: 3,
    ids: 4,
    subscription_ids: 3,
    limits: RibLimits {
        names_max: 9,
        subscriptions_max: 40,
        subscriptions_per_link_max: 8,
    },
};
/// Many links under few names: sets that are indexed, left and entered again.
const WIDE: Universe = Universe {
    links: 150,
    prefixes: 1,
    ids: 3,
    subscription_ids: 2,
    limits: RibLimits {
        names_max: 9,
        subscriptions_max: 900,
        subscriptions_per_link_max: 100,
    },
};
/// Many subscriptions to the same names: lists that lose their first, middle and last.
const AGAIN: Universe = Universe {
    links: 3,
    prefixes: 1,
    ids: 3,
    subscription_ids: 9,
    limits: RibLimits {
        names_max: 9,
        subscriptions_max: 90,
        subscriptions_per_link_max: 40,
    },
};
/// Many names: tables that grow, split and shrink.
const LONG: Universe = Universe {
    links: 20,
    prefixes: 4000,
    ids: 40,
    subscription_ids: 1,
    limits: RibLimits {
        names_max: 100_000,
        subscriptions_max: 100_000,
        subscriptions_per_link_max: 100_000,
    },
};

fn name() -> impl Strategy<Value = (u64, u8)> {
    (any::<u64>(), any::<u8>())
}

/// Subscriptions are as likely as `grow` says, so that some runs fill up and others stay empty.
fn op(grow: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        grow => (any::<u32>(), any::<u64>(), name()).prop_map(|(link, subscription_id, name)| {
            Op::Subscribe { link, subscription_id, name }
        }),
        8 => (any::<u32>(), any::<u64>(), name()).prop_map(|(link, subscription_id, name)| {
            Op::Unsubscribe { link, subscription_id, name }
        }),
        1 => any::<u32>().prop_map(|link| Op::RemoveLink { link }),
        3 => (name(), any::<u32>(), any::<u8>()).prop_map(|(name, ingress, without)| {
            Op::One { name, ingress, without: without & (without >> 4) }
        }),
        3 => (name(), any::<u32>(), any::<u8>()).prop_map(|(name, ingress, without)| {
            Op::All { name, ingress, without: without & (without >> 4) }
        }),
        1 => Just(Op::Resync),
    ]
}

fn ops(len: usize) -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![Just(4_u32), Just(10), Just(40)]
        .prop_flat_map(move |grow| prop::collection::vec(op(grow), 1..len))
}

fn run(universe: Universe, hash_seed: u64, ops: &[Op]) {
    let mut world = World::new(universe, hash_seed);
    for op in ops {
        world.step(*op);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_links_few_names(hash_seed: u64, ops in ops(300)) {
        run(NARROW, hash_seed, &ops);
    }

    #[test]
    fn few_names_many_subscription_ids(hash_seed: u64, ops in ops(300)) {
        run(AGAIN, hash_seed, &ops);
    }

    #[test]
    fn many_links_one_prefix(hash_seed: u64, ops in ops(500)) {
        run(WIDE, hash_seed, &ops);
    }
}

/// The model looks at all its records after each step, so a long run compares only now and then: here
/// by subscribing in bulk and stepping with lookups and removals.
#[test]
fn many_names_come_and_go() {
    let mut world = World::new(LONG, 7);
    let mut random = 1_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as u32
    };
    for round in 0..2 {
        for _ in 0..2_500 {
            let name = (
                u64::from(next()),
                u8::try_from(next() % 40).expect("below 40"),
            );
            world.step(Op::Subscribe {
                link: next(),
                subscription_id: 0,
                name,
            });
        }
        for _ in 0..100 {
            let name = (u64::from(next()), 1);
            world.step(Op::One {
                name,
                ingress: next(),
                without: 0,
            });
            world.step(Op::All {
                name,
                ingress: next(),
                without: 0,
            });
        }
        for link in 0..(15 + 5 * round) {
            world.step(Op::RemoveLink { link });
        }
    }
    assert!(world.found > 0, "no lookup found anything");
}
