//! A world: nodes of several shards, clients around them, and one agenda in virtual time.
//!
//! Everything happens by taking the next entry from the agenda: an action of the workload, the arrival
//! of bytes, a turn of a shard. One entry is one step. Entries of the same time come in an order that
//! follows from what they are, not from when they were made, so that nothing depends on the order of a
//! core's outputs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};

use core::time::Duration;

use slipring_core::{CloseReason, Counters, Output, Time};
use slipring_fib::LinkId;
use slipring_proto::name::TextName;

use crate::client::{Client, universe};
use crate::dice::{Dice, Salt, mix};
use crate::faults::Faults;
use crate::knobs::{Shape, Variant};
use crate::mesh::{ExpectedHandoff, Node};
use crate::oracle::Routed;
use crate::sabotage::Sabotage;

/// Steps that may pass until a world without new work is at rest.
const POLL_BUDGET: u64 = 200_000;

/// How often a run comes to rest.
const RESTS: u64 = 6;

/// Steps between two looks at the whole world.
const SWEEP_EVERY: u64 = 32;

/// What a defect of this name lets a world depend on.
static HIDDEN: AtomicU64 = AtomicU64::new(0);

/// What happens at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The workload acts.
    Act,
    /// Bytes may have arrived at the router, or its input may go on.
    Up { client: usize, generation: u32 },
    /// The writer of a link has a turn.
    Write { client: usize, generation: u32 },
    /// Bytes may have arrived at a client.
    Down { client: usize, generation: u32 },
    /// The router learns that a link is lost.
    Cut {
        client: usize,
        generation: u32,
        is_reset: bool,
    },
    /// A shard looks at its mesh.
    Turn {
        node: usize,
        epoch: u32,
        shard: usize,
    },
    /// The control shard looks at its requests.
    Control { node: usize, epoch: u32 },
    /// A deadline of a shard passes.
    Timer {
        node: usize,
        epoch: u32,
        shard: usize,
    },
    /// A node that went down comes back.
    Revive { node: usize, epoch: u32 },
}

/// One message that a router took for forwarding.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) ingress: LinkId,
    pub(crate) routed: Routed,
    /// Whether exactly one link may get it.
    pub(crate) is_one: bool,
    /// Links that got it.
    pub(crate) taken: u32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) trace: u64,
    pub(crate) steps: u64,
    /// What each client got: how much, and in which order, folded.
    pub(crate) delivered: Vec<(u64, u64)>,
    pub(crate) faults: Faults,
    /// Choices for which a run with and one without a flow cache may differ.
    pub(crate) soft_choices: u64,
    pub(crate) counters: Counters,
}

/// The world.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    pub(crate) variant: Variant,
    pub(crate) step: u64,
    pub(crate) now: Time,
    agenda: BinaryHeap<Reverse<(Time, u64, Event)>>,
    pub(crate) names: Vec<TextName>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    pub(crate) workload: Dice,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) faults: Faults,
    pub(crate) trace: u64,
    /// No more work and no more faults.
    pub(crate) is_calm: bool,
    pub(crate) soft_choices: u64,
    /// What the cores counted in lives that are over.
    pub(crate) past: Counters,
    /// Whether the defect has struck.
    pub(crate) has_struck: bool,
    /// Messages of the greatest length that may still be sent; each costs as much as many steps.
    pub(crate) huge_left: u32,
    /// Until when the clock or a shard last ran late.
    pub(crate) disturbed_at: Time,
    /// The clock is jumping: the next entries are due because of it.
    pub(crate) is_jumping: bool,

    // What the present input of a core leads to.
    pub(crate) outputs: Vec<Output>,
    pub(crate) before: Counters,
    pub(crate) expected_handoffs: Vec<ExpectedHandoff>,
    pub(crate) expected_gone: u64,
    /// Clients whose connection may be over.
    pub(crate) done: Vec<usize>,
}

impl World {
    pub(crate) fn new(seed: u64, variant: Variant) -> Self {
        Self::with(seed, variant, Dice::new(seed, Salt::Workload, 0))
    }

    /// A world whose workload follows `workload`.
    pub(crate) fn with(seed: u64, variant: Variant, workload: Dice) -> Self {
        Self::shaped(seed, variant, workload, Shape::of(seed))
    }

    /// A world of a given shape.
    pub(crate) fn shaped(seed: u64, variant: Variant, workload: Dice, shape: Shape) -> Self {
        let nodes = (0..shape.shards.len())
            .map(|index| Node::new(index, 0, seed, &shape, variant))
            .collect();
        let clients = shape
            .clients
            .iter()
            .enumerate()
            .map(|(index, shape)| Client::new(index, *shape, seed))
            .collect();
        let mut world = Self {
            seed,
            variant,
            step: 0,
            now: Time::ZERO,
            agenda: BinaryHeap::new(),
            names: universe(),
            nodes,
            clients,
            workload,
            feeds: Vec::new(),
            faults: Faults::new(),
            trace: mix(seed),
            is_calm: false,
            soft_choices: 0,
            past: Counters::default(),
            has_struck: false,
            huge_left: 2,
            disturbed_at: Time::ZERO,
            is_jumping: false,
            outputs: Vec::new(),
            before: Counters::default(),
            expected_handoffs: Vec::new(),
            expected_gone: 0,
            done: Vec::new(),
            shape,
        };
        world.arm(0, Event::Act);
        world
    }

    /// Runs `steps` steps, comes to rest now and then and at the end, and reports.
    pub(crate) fn run(&mut self, steps: u64) -> Report {
        for part in 1..=RESTS {
            let until = steps * part / RESTS;
            while self.step < until && !self.workload.is_spent() {
                self.step_once();
            }
            self.come_to_rest();
        }
        self.report()
    }

    fn report(&self) -> Report {
        let mut counters = self.past;
        for node in &self.nodes {
            for shard in &node.shards {
                counters.merge(shard.core.counters());
            }
        }
        Report {
            trace: self.trace,
            steps: self.step,
            delivered: self
                .clients
                .iter()
                .map(|client| (client.delivered, client.delivered_fold))
                .collect(),
            faults: self.faults,
            soft_choices: self.soft_choices,
            counters,
        }
    }

    /// Puts `event` on the agenda, `micros` microseconds from now.
    pub(crate) fn arm(&mut self, micros: u64, event: Event) {
        self.arm_at(self.now.after(Duration::from_micros(micros)), event);
    }

    pub(crate) fn arm_at(&mut self, time: Time, event: Event) {
        let time = time.max(self.now);
        let tie = mix(self.seed ^ time.as_micros() << 16 ^ fingerprint(event));
        self.agenda.push(Reverse((time, tie, event)));
    }

    /// Takes the next entry; says whether there was one.
    pub(crate) fn step_once(&mut self) -> bool {
        let Some(Reverse((time, _, event))) = self.agenda.pop() else {
            return false;
        };
        if self.is_stale(event) {
            return true;
        }
        self.step += 1;
        self.now = self.now.max(time);
        self.fold(fingerprint(event) ^ self.now.as_micros() << 8);
        self.happen(event);
        while let Some(client) = self.done.pop() {
            self.forget_if_over(client);
        }
        if self.step.is_multiple_of(SWEEP_EVERY) {
            self.check_world();
        }
        true
    }

    /// Lets virtual time jump: everything that was due meanwhile happens at once.
    pub(crate) fn jump(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// Adds `word` to the trace.
    pub(crate) fn fold(&mut self, word: u64) {
        self.trace = mix(self.trace ^ word).wrapping_add(self.trace.rotate_left(9));
    }

    /// Ends work and faults, waits until nothing moves, checks what must then hold, and goes on.
    pub(crate) fn come_to_rest(&mut self) {
        self.is_calm = true;
        self.calm_down();
        let budget = self.step + POLL_BUDGET;
        while self.step_once() {
            assert!(
                self.step < budget,
                "[liveness] no rest after {POLL_BUDGET} steps without work"
            );
        }
        self.check_rest();
        self.feeds.clear();
        for conn in self
            .clients
            .iter_mut()
            .filter_map(|person| person.conn.as_mut())
        {
            conn.model.last_from.clear();
        }
        self.is_calm = false;
        self.arm(0, Event::Act);
    }

    /// Whether the event belongs to a link or a node that is gone.
    fn is_stale(&self, event: Event) -> bool {
        match event {
            Event::Act => self.is_calm,
            Event::Up { client, generation }
            | Event::Write { client, generation }
            | Event::Down { client, generation }
            | Event::Cut {
                client, generation, ..
            } => self.clients[client]
                .conn
                .as_ref()
                .is_none_or(|conn| conn.generation != generation),
            Event::Turn { node, epoch, .. }
            | Event::Control { node, epoch }
            | Event::Timer { node, epoch, .. }
            | Event::Revive { node, epoch } => self.nodes[node].epoch != epoch,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act => {
                self.act();
                let mut pause = self.workload.around(self.shape.act_mean);
                if self.variant.sabotage == Some(Sabotage::HiddenChoice) {
                    pause += HIDDEN.fetch_add(1, Ordering::Relaxed);
                }
                self.arm(pause, Event::Act);
            }
            Event::Up { client, .. } => self.read_turn(client),
            Event::Write { client, .. } => self.write_turn(client),
            Event::Down { client, .. } => self.client_turn(client),
            Event::Cut {
                client, is_reset, ..
            } => {
                let reason = if is_reset {
                    CloseReason::PeerReset
                } else {
                    CloseReason::TransportLost
                };
                self.end_link(client, reason);
            }
            Event::Turn { node, shard, .. } => self.mesh_turn(node, shard),
            Event::Control { node, .. } => self.control_turn(node),
            Event::Timer { node, shard, .. } => self.timer(node, shard),
            Event::Revive { node, .. } => self.revive(node),
        }
    }
}

fn fingerprint(event: Event) -> u64 {
    let (kind, who, more) = match event {
        Event::Act => (1, 0, 0),
        Event::Up { client, generation } => (2, client, u64::from(generation)),
        Event::Write { client, generation } => (3, client, u64::from(generation)),
        Event::Down { client, generation } => (4, client, u64::from(generation)),
        Event::Cut {
            client,
            generation,
            is_reset,
        } => (5 + u64::from(is_reset), client, u64::from(generation)),
        Event::Turn { node, epoch, shard } => (7, node, u64::from(epoch) << 8 | shard as u64),
        Event::Control { node, epoch } => (8, node, u64::from(epoch)),
        Event::Timer { node, epoch, shard } => (9, node, u64::from(epoch) << 8 | shard as u64),
        Event::Revive { node, epoch } => (10, node, u64::from(epoch)),
    };
    mix(kind << 56 ^ (who as u64) << 40 ^ more)
}
