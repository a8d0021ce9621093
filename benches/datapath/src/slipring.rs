//! Our side: a RIB and one replica.

use slipring_benches::fib_world::{HASH_SEED, LIMITS, Names, link};
use slipring_fib::{ClassSet, FibLimits, LinkClass, LinkId, Rib};
use slipring_proto::name::Name;

use crate::Table;

/// What the control shard and one other hold of the subscriptions.
pub(crate) struct Fib {
    rib: Rib,
    fib: slipring_fib::Fib,
}

impl Table for Fib {
    type Waiting = Name;

    fn new() -> Self {
        Self {
            rib: Rib::new(LIMITS, HASH_SEED),
            fib: slipring_fib::Fib::new(FibLimits::from(LIMITS), HASH_SEED),
        }
    }

    fn waiting(names: &Names, number: u64) -> Name {
        names.name(number)
    }

    fn insert(&mut self, name: Name, number: u64, to: u64) {
        self.rib
            .subscribe(link(to), LinkClass::Edge, number + 1, name)
            .expect("there is room");
        while let Some(delta) = self.rib.poll_delta() {
            self.fib.apply(&delta).expect("deltas come in order");
        }
    }

    fn exact(&mut self, names: &Names, number: u64) -> u64 {
        self.ask(names.name(number), link(16_000_000))
    }

    fn any(&mut self, names: &Names, ingress: u64) -> u64 {
        self.ask(names.any(0), link(ingress))
    }
}

impl Fib {
    fn ask(&mut self, name: Name, ingress: LinkId) -> u64 {
        let choice = self.fib.one(name, ingress, ClassSet::ALL);
        choice.expect("somebody subscribes").link.to_u64()
    }
}
