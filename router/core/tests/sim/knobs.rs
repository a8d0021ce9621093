//! What a run is told from outside, and the shape of the world that follows from its seed.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `SIM_SEED` | – | runs this one seed |
//! | `SIM_SEEDS` | 256 | how many seeds |
//! | `SIM_STEPS` | 3,000 | steps of each |

use core::time::Duration;

use slipring_core::{Bounds, Limits};
use slipring_fib::{FibLimits, RibLimits};

use crate::actions::{Action, Weights};
use crate::dice::{Dice, Salt};
use crate::sabotage::Sabotage;

/// How a run differs from the plain one of its seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    /// Whether shards remember headers.
    pub(crate) has_flow_cache: bool,
    /// Which defect the world has, if any.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Variant {
    pub(crate) const PLAIN: Self = Self {
        has_flow_cache: true,
        sabotage: None,
    };
}

/// Seeds and steps as the environment asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) seed: Option<u64>,
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
}

impl Knobs {
    pub(crate) fn from_environment() -> Self {
        Self {
            seed: number("SIM_SEED"),
            seeds: number("SIM_SEEDS").unwrap_or(256),
            steps: number("SIM_STEPS").unwrap_or(3_000),
        }
    }
}

impl Knobs {
    /// Whether the run is at least as wide as the one that every patch must pass.
    pub(crate) fn is_full(&self) -> bool {
        self.seed.is_none() && self.seeds >= 256 && self.steps >= 3_000
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Everything about a world that its seed decides once.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Shards of each node.
    pub(crate) shards: Vec<u8>,
    /// Who dials where.
    pub(crate) clients: Vec<ClientShape>,
    pub(crate) limits: Limits,
    pub(crate) rib: RibLimits,
    /// Whether routers insist on header MACs.
    pub(crate) strict: bool,
    /// Items that a ring between two shards holds.
    pub(crate) ring_max: usize,
    /// Mean time between two actions, in microseconds.
    pub(crate) act_mean: u64,
    /// Mean time until a shard looks at its mesh, in microseconds.
    pub(crate) turn_mean: u64,
    pub(crate) weights: Weights,
    /// Longest payload of an ordinary publish, in bytes.
    pub(crate) payload_max: u64,
    /// Whether clients send to one receiver of names that they subscribe to themselves.
    pub(crate) sends_to_self: bool,
    /// How long a peer may take for its negotiation request.
    pub(crate) negotiation_timeout: Duration,
    /// How unkind wires are, 0 to 3.
    pub(crate) wire_level: u64,
}

/// One client of the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientShape {
    /// The node it dials.
    pub(crate) node: usize,
    /// Whether it dials as another node would.
    pub(crate) is_remote: bool,
    /// The client that sends on what this one receives.
    pub(crate) relay: Option<usize>,
}

impl Shape {
    /// The shape that `seed` asks for.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Salt::Shape, 0);
        let dice = &mut dice;
        let node_count = dice.pick(&[1, 1, 1, 2, 2, 3, 4, 5]);
        let shards = (0..node_count)
            .map(|_| dice.pick(&[1, 2, 2, 3, 4]))
            .collect();
        let payload_max = dice.pick(&[64, 600, 600, 4_000, 20_000]);
        Self {
            shards,
            clients: clients(dice, node_count),
            limits: limits(dice),
            rib: rib_limits(dice),
            strict: dice.chance(700),
            ring_max: dice.pick(&[2, 8, 64, 64]),
            act_mean: dice.pick(&[30, 100, 100, 400, 3_000, 20_000]),
            turn_mean: dice.pick(&[5, 50, 50, 500]),
            weights: weights(dice),
            payload_max,
            sends_to_self: dice.chance(250),
            negotiation_timeout: Duration::from_millis(dice.pick(&[20, 200, 5_000])),
            wire_level: dice.below(4),
        }
    }
}

impl Shape {
    /// One node of two shards, three clients that do nothing by themselves, wires without faults.
    pub(crate) fn plain(strict: bool) -> Self {
        let client = ClientShape {
            node: 0,
            is_remote: false,
            relay: None,
        };
        Self {
            shards: vec![2],
            clients: vec![client; 3],
            limits: Limits::default(),
            strict,
            ring_max: 64,
            payload_max: 64,
            sends_to_self: true,
            negotiation_timeout: Duration::from_secs(5),
            wire_level: 0,
            ..Self::of(0)
        }
    }
}

fn clients(dice: &mut Dice, node_count: usize) -> Vec<ClientShape> {
    let mut clients = Vec::new();
    let app_count = 3 + dice.index(4 + 2 * node_count);
    for index in 0..app_count {
        let node = if index < node_count {
            index
        } else {
            dice.index(node_count)
        };
        clients.push(ClientShape {
            node,
            is_remote: dice.chance(100),
            relay: None,
        });
    }
    // Relays join each node with the next, and the last with the first if the topology is a ring.
    let is_ring = node_count > 2 && dice.chance(600);
    let joints = node_count - 1 + usize::from(is_ring);
    for from in 0..joints {
        let first = clients.len();
        let is_remote = dice.chance(700);
        for (node, relay) in [(from, first + 1), ((from + 1) % node_count, first)] {
            clients.push(ClientShape {
                node,
                is_remote,
                relay: Some(relay),
            });
        }
    }
    clients
}

fn limits(dice: &mut Dice) -> Limits {
    let edge_bytes = dice.pick(&[4 << 10, 16 << 10, 64 << 10, 1 << 20]);
    let edge_messages = dice.pick(&[4, 32, 256, 4_096]);
    Limits {
        links_max: dice.pick(&[3, 8, 64, 64]).try_into().unwrap_or(64),
        unfinished_max: dice.pick(&[1, 3, 16, 256]),
        egress_edge: Bounds {
            bytes_max: edge_bytes,
            messages_max: edge_messages,
        },
        egress_node: Bounds {
            bytes_max: edge_bytes * 4,
            messages_max: edge_messages.max(64),
        },
        egress_age_max: Duration::from_millis(dice.pick(&[150, 1_000, 5_000])),
        egress_pool_bytes: dice.pick(&[48 << 10, 256 << 10, 64 << 20, 64 << 20]),
        assembly_pool_bytes: dice.pick(&[8 << 10, 64 << 10, 16 << 20, 16 << 20]),
        window_pool_bytes: 1 << 20,
        write_deadline: Duration::from_millis(dice.pick(&[400, 2_000, 10_000])),
        stall_max: Duration::from_millis(10),
        reserve_bytes_max: dice.pick(&[64, 1_024, 64 << 10]),
        malformed_max: dice.pick(&[1, 3]),
        flow_pool_bytes: dice.pick(&[4 << 10, 64 << 10, 32 << 20, 32 << 20]),
        fib: FibLimits {
            entries_max: 1_000,
            routes_max: 10_000,
        },
    }
}

fn rib_limits(dice: &mut Dice) -> RibLimits {
    RibLimits {
        names_max: dice.pick(&[6, 1_000, 1_000]),
        subscriptions_max: dice.pick(&[20, 10_000, 10_000]),
        subscriptions_per_link_max: dice.pick(&[3, 1_000, 1_000]),
    }
}

/// Some kinds of action never happen in a given world, so that others happen more.
fn weights(dice: &mut Dice) -> Weights {
    let mut weights = Weights::default();
    for action in Action::ALL {
        if !action.is_vital() && dice.chance(350) {
            weights.switch_off(*action);
        }
    }
    weights
}
