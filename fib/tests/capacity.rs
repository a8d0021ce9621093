//! At a bound the next one is refused, nothing changes, and what leaves makes room again; and a
//! million names fit the memory they were promised.

use slipring_fib::{
    ApplyError, Change, Delta, Fib, FibLimits, LinkClass, LinkId, Refused, Rib, RibLimits,
};
use slipring_proto::name::{Name, Prefix};

#[test]
fn a_full_replica_refuses_and_recovers() {
    let mut fib = Fib::new(
        FibLimits {
            entries_max: 100,
            routes_max: 150,
        },
        1,
    );
    let mut seq = 0;
    let mut apply = |fib: &mut Fib, change| {
        let result = fib.apply(&Delta {
            seq: seq + 1,
            change,
        });
        seq += u64::from(result.is_ok());
        result
    };
    for number in 0..100 {
        apply(&mut fib, add(number, 0)).expect("below the bound");
    }
    let digest = fib.digest();
    let full = Err(ApplyError::CapacityExceeded {
        limit: "entries_max",
        max: 100,
    });
    assert_eq!(apply(&mut fib, add(100, 0)), full);
    for number in 0..50 {
        apply(&mut fib, add(number, 1)).expect("a second link is no new entry");
    }
    let full = Err(ApplyError::CapacityExceeded {
        limit: "routes_max",
        max: 150,
    });
    assert_eq!(apply(&mut fib, add(50, 1)), full);
    assert_eq!((fib.entries(), fib.routes(), fib.seq()), (100, 150, 150));
    for number in 0..50 {
        apply(&mut fib, remove(number, 1)).expect("it is there");
    }
    assert_eq!(fib.digest(), digest);
    apply(&mut fib, remove(0, 0)).expect("it is there");
    apply(&mut fib, add(100, 0)).expect("there is room again");
}

#[test]
fn a_snapshot_larger_than_the_limits_changes_nothing() {
    let mut rib = Rib::new(limits(10), 1);
    for number in 0..10 {
        rib.subscribe(link(0), LinkClass::Edge, 1, name(number))
            .expect("below the bound");
    }
    let mut fib = Fib::new(
        FibLimits {
            entries_max: 9,
            routes_max: 100,
        },
        1,
    );
    fib.apply(&Delta {
        seq: 1,
        change: add(77, 0),
    })
    .expect("the first");
    let digest = fib.digest();
    let full = Err(ApplyError::CapacityExceeded {
        limit: "entries_max",
        max: 9,
    });
    assert_eq!(fib.load(&rib.snapshot()), full);
    assert_eq!((fib.seq(), fib.entries(), fib.digest()), (1, 1, digest));
}

#[test]
fn a_replica_with_the_limits_of_its_rib_never_refuses() {
    let limits = limits(64);
    let mut rib = Rib::new(limits, 1);
    let mut fib = Fib::new(FibLimits::from(limits), 2);
    let mut refused = 0;
    for number in 0..1000 {
        let slot = u32::try_from(number % 7).expect("below 7");
        let result = rib.subscribe(link(slot), LinkClass::Edge, number, name(number % 90));
        refused += u32::from(matches!(
            result,
            Err(Refused::NamesMax { .. } | Refused::SubscriptionsMax { .. })
        ));
        if number % 50 == 0 {
            rib.remove_link(link(slot));
        }
        while let Some(delta) = rib.poll_delta() {
            fib.apply(&delta)
                .expect("the RIB's bounds are the tighter ones");
        }
    }
    assert!(refused > 0, "the bounds were met");
    assert_eq!(fib.digest(), rib.digest());
}

/// No growth past the bound: an hour of refused requests takes no more memory than the first.
#[test]
fn refused_subscriptions_leave_nothing_behind() {
    let mut rib = Rib::new(limits(100), 1);
    for number in 0..100 {
        rib.subscribe(link(0), LinkClass::Edge, 1, name(number))
            .expect("below the bound");
    }
    while rib.poll_delta().is_some() {}
    let (memory, seq) = (rib.memory_bytes(), rib.seq());
    for number in 100..10_000 {
        let slot = u32::try_from(number).expect("below 10,000");
        rib.subscribe(link(slot), LinkClass::Edge, number, name(number))
            .expect_err("it is full");
    }
    assert_eq!(
        (rib.memory_bytes(), rib.seq(), rib.poll_delta()),
        (memory, seq, None)
    );
}

/// One link a name: all in one service, in a thousand, and each in a service of its own.
#[test]
fn names_take_at_most_200_bytes_in_a_replica() {
    for services in [1, 1000, u64::MAX] {
        let mut fib = Fib::new(FibLimits::from(limits(1_000_000)), 1);
        let mut worst = 0;
        for number in 0..300_000 {
            let prefix = Prefix([1, 2, scatter(number % services)]);
            let name = Name::new(prefix, u128::from(scatter(number)));
            let link = link(u32::try_from(scatter(!number) % 1000).expect("below 1,000"));
            let change = Change::Add {
                name,
                link,
                class: LinkClass::Edge,
            };
            fib.apply(&Delta {
                seq: number + 1,
                change,
            })
            .expect("below the bound");
            if number >= 20_000 && number % 10_000 == 0 {
                worst = worst.max(fib.memory_bytes() / fib.entries());
            }
        }
        assert!(
            worst <= 200,
            "{worst} bytes a name with {services} services"
        );
    }
}

/// What a storm brought is given back when it is over.
#[test]
fn memory_follows_the_names_that_are_left() {
    let mut rib = Rib::new(limits(100_000), 1);
    let mut fib = Fib::new(FibLimits::from(limits(100_000)), 1);
    let follow = |rib: &mut Rib, fib: &mut Fib| {
        while let Some(delta) = rib.poll_delta() {
            fib.apply(&delta).expect("the replica follows");
        }
    };
    for number in 0..100_000 {
        let slot = u32::try_from(number % 500).expect("below 500");
        rib.subscribe(link(slot), LinkClass::Edge, 1, name(number))
            .expect("below the bound");
        follow(&mut rib, &mut fib);
    }
    let full = fib.memory_bytes();
    for slot in 1..500 {
        rib.remove_link(link(slot));
        follow(&mut rib, &mut fib);
    }
    assert_eq!(fib.entries(), 200);
    assert!(
        fib.memory_bytes() < full / 10,
        "{} of {full}",
        fib.memory_bytes()
    );
    rib.remove_link(link(0));
    follow(&mut rib, &mut fib);
    assert_eq!((fib.entries(), fib.digest(), rib.digest()), (0, 0, 0));
}

fn limits(names_max: usize) -> RibLimits {
    RibLimits {
        names_max,
        subscriptions_max: names_max,
        subscriptions_per_link_max: names_max,
    }
}

fn scatter(number: u64) -> u64 {
    let word = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word ^ (word >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn link(slot: u32) -> LinkId {
    LinkId::new(0, slot, 1)
}

fn name(number: u64) -> Name {
    Name::new(Prefix([1, 2, 3]), u128::from(number))
}

fn add(number: u64, slot: u32) -> Change {
    Change::Add {
        name: name(number),
        link: link(slot),
        class: LinkClass::Edge,
    }
}

fn remove(number: u64, slot: u32) -> Change {
    Change::Remove {
        name: name(number),
        link: link(slot),
    }
}
