//! What the fuzz target runs, and the corpus test replays: bytes are operations on a small world.

#[path = "../world/mod.rs"]
mod world;

use slipring_fib::RibLimits;

use world::{Op, Universe, World};

/// Small enough for an operation to find what an earlier one left, wide enough for indexed sets.
const UNIVERSE: Universe = Universe {
    links: 48,
    prefixes: 2,
    ids: 4,
    subscription_ids: 4,
    limits: RibLimits {
        names_max: 7,
        subscriptions_max: 256,
        subscriptions_per_link_max: 12,
    },
};
/// Bytes of one operation.
const OP_BYTES: usize = 4;
/// Operations of one input; the model's cost grows with what it holds.
const OPS_MAX: usize = 1024;

/// Reads the first byte as the hash seed and every four after it as an operation.
pub(crate) fn churn(input: &[u8]) {
    let Some((seed, ops)) = input.split_first() else {
        return;
    };
    let mut world = World::new(UNIVERSE, u64::from(*seed));
    for bytes in ops.chunks_exact(OP_BYTES).take(OPS_MAX) {
        world.step(op(bytes));
    }
}

fn op(bytes: &[u8]) -> Op {
    let [kind, link, name, rest] = [0, 1, 2, 3].map(|at| bytes.get(at).copied().unwrap_or(0));
    let name = (u64::from(name & 1), name >> 1);
    let link = u32::from(link);
    let subscription_id = u64::from(rest);
    match kind % 16 {
        0..=6 => Op::Subscribe {
            link,
            subscription_id,
            name,
        },
        7..=10 => Op::Unsubscribe {
            link,
            subscription_id,
            name,
        },
        11 => Op::RemoveLink { link },
        12 | 13 => Op::One {
            name,
            ingress: link,
            without: rest & (rest >> 4),
        },
        14 => Op::All {
            name,
            ingress: link,
            without: rest & (rest >> 4),
        },
        _ => Op::Resync,
    }
}
