//! A node: its shards, its control shard, and what is on its way between them.
//!
//! Rings and lanes are memory that both sides see: what was pushed can be taken at once. When a shard
//! looks is another matter; that is what the schedule decides. The contract of `ControlEvent` is kept
//! here as it must be in a shell: who takes control events first handles every handoff that was in its
//! rings when it took them.

use std::collections::{BTreeMap, VecDeque};

use slipring_core::{
    ControlCore, ControlEvent, ControlRequest, Handoff, Recipient, ShardCore, ShardOptions, Time,
};
use slipring_fib::LinkId;
use slipring_proto::{crypto::fake::FakeCrypto, link::LocalNode};

use crate::dice::{Dice, Salt};
use crate::faults::Fault;
use crate::knobs::{Shape, Variant};
use crate::model::Truth;
use crate::sabotage::Sabotage;
use crate::world::{Event, World};

pub(crate) type Core = ShardCore<FakeCrypto>;

/// A handoff that the model says must follow.
#[derive(Debug)]
pub(crate) struct ExpectedHandoff {
    pub(crate) shard: usize,
    pub(crate) feed: usize,
    /// Links of that shard that it may be for: all of them, or one.
    pub(crate) candidates: Vec<LinkId>,
    pub(crate) is_one: bool,
}

/// A handoff in a ring.
#[derive(Debug)]
pub(crate) struct RingItem {
    pub(crate) handoff: Box<Handoff>,
    pub(crate) expected: ExpectedHandoff,
}

/// What a shard tells the control shard.
#[derive(Clone, Copy, Debug)]
enum ToControl {
    Request(ControlRequest),
    Applied(u64),
}

/// One shard and what waits for it.
pub(crate) struct Shard {
    pub(crate) core: Core,
    /// By sending shard.
    pub(crate) rings: Vec<VecDeque<RingItem>>,
    /// By sending shard.
    pub(crate) lanes: Vec<VecDeque<ControlEvent>>,
    requests: VecDeque<ToControl>,
    pub(crate) dice: Dice,
    turn_armed: bool,
    pub(crate) timer_at: Option<Time>,
    pub(crate) stalled_until: Time,
}

/// One node.
pub(crate) struct Node {
    pub(crate) epoch: u32,
    pub(crate) shards: Vec<Shard>,
    pub(crate) control: ControlCore,
    control_dice: Dice,
    control_armed: bool,
    /// The client at the other end of each link.
    pub(crate) owners: BTreeMap<LinkId, usize>,
    pub(crate) truth: Truth,
    pub(crate) is_down: bool,
    pub(crate) drain_ends: Option<Time>,
}

impl Node {
    pub(crate) fn new(
        index: usize,
        epoch: u32,
        seed: u64,
        shape: &Shape,
        variant: Variant,
    ) -> Self {
        let shards = shape.shards[index];
        let owner = |shard: u64| (u64::from(epoch) << 16) | ((index as u64) << 8) | shard;
        let new_shard = |shard: u8| {
            let mut keys = Dice::new(seed, Salt::Keys, 1 << 32 | owner(u64::from(shard)));
            let mut limits = shape.limits.clone();
            if variant.sabotage == Some(Sabotage::ExceedBounds) {
                limits.egress_edge.bytes_max *= 2;
                limits.egress_edge.messages_max *= 2;
            }
            let options = ShardOptions {
                shard,
                shards,
                node: LocalNode {
                    node_id: format!("node-{index}"),
                    deployment_name: "sim".to_owned(),
                    version: "0.1.0".to_owned(),
                },
                limits,
                has_flow_cache: variant.has_flow_cache,
                hash_seed: keys.next(),
            };
            Shard {
                core: ShardCore::new(options, FakeCrypto::new(keys.next())),
                rings: (0..shards).map(|_| VecDeque::new()).collect(),
                lanes: (0..shards).map(|_| VecDeque::new()).collect(),
                requests: VecDeque::new(),
                dice: Dice::new(seed, Salt::Schedule, owner(u64::from(shard))),
                turn_armed: false,
                timer_at: None,
                stalled_until: Time::ZERO,
            }
        };
        Self {
            epoch,
            shards: (0..shards).map(new_shard).collect(),
            control: ControlCore::new(shards, shape.rib, seed),
            control_dice: Dice::new(seed, Salt::Schedule, owner(255)),
            control_armed: false,
            owners: BTreeMap::new(),
            truth: Truth::new(shards),
            is_down: false,
            drain_ends: None,
        }
    }

    /// Whether nothing is on its way between shards.
    pub(crate) fn is_quiet(&self) -> bool {
        self.shards.iter().all(|shard| {
            shard.requests.is_empty()
                && shard.rings.iter().all(VecDeque::is_empty)
                && shard.lanes.iter().all(VecDeque::is_empty)
        })
    }
}

impl World {
    /// Puts a request on the lane to the control shard.
    pub(crate) fn ask_control(&mut self, node: usize, shard: usize, request: ControlRequest) {
        self.push_to_control(node, shard, ToControl::Request(request));
    }

    /// Tells the control shard what was applied.
    pub(crate) fn tell_applied(&mut self, node: usize, shard: usize, seq: u64) {
        self.push_to_control(node, shard, ToControl::Applied(seq));
    }

    fn push_to_control(&mut self, node: usize, shard: usize, item: ToControl) {
        let place = &mut self.nodes[node];
        place.shards[shard].requests.push_back(item);
        if !std::mem::replace(&mut place.control_armed, true) {
            let epoch = place.epoch;
            let delay = place.control_dice.around(self.shape.turn_mean);
            self.arm(delay, Event::Control { node, epoch });
        }
    }

    /// Puts an event on a lane.
    pub(crate) fn push_event(&mut self, node: usize, from: usize, to: usize, event: ControlEvent) {
        self.nodes[node].shards[to].lanes[from].push_back(event);
        self.arm_turn(node, to);
    }

    /// Puts a handoff into a ring; gives it back if there is no room.
    pub(crate) fn push_handoff(
        &mut self,
        node: usize,
        from: usize,
        item: RingItem,
    ) -> Result<(), Box<Handoff>> {
        let to = item.expected.shard;
        let ring = &mut self.nodes[node].shards[to].rings[from];
        if ring.len() >= self.shape.ring_max {
            return Err(item.handoff);
        }
        ring.push_back(item);
        if self.variant.sabotage == Some(Sabotage::SwapHandoffs) && ring.len() > 1 {
            let last = ring.len() - 1;
            self.has_struck = true;
            ring.swap(last, last - 1);
        }
        self.arm_turn(node, to);
        Ok(())
    }

    pub(crate) fn arm_turn(&mut self, node: usize, shard: usize) {
        let place = &mut self.nodes[node];
        let epoch = place.epoch;
        if !std::mem::replace(&mut place.shards[shard].turn_armed, true) {
            let delay = place.shards[shard].dice.around(self.shape.turn_mean);
            self.arm(delay, Event::Turn { node, epoch, shard });
        }
    }

    /// A shard looks at its mesh: at some handoffs, or at some events after all handoffs.
    pub(crate) fn mesh_turn(&mut self, node: usize, shard: usize) {
        if self.is_stalled(node, shard) {
            let (until, epoch) = (
                self.nodes[node].shards[shard].stalled_until,
                self.nodes[node].epoch,
            );
            self.arm_at(until, Event::Turn { node, epoch, shard });
            return;
        }
        let place = &mut self.nodes[node].shards[shard];
        place.turn_armed = false;
        let takes_events = place.dice.chance(600);
        let mut handoffs = Vec::new();
        let mut events = Vec::new();
        if takes_events {
            for lane in &mut place.lanes {
                let count = place.dice.index(lane.len() + 1);
                let count = if place.dice.chance(500) {
                    lane.len()
                } else {
                    count
                };
                events.extend(lane.drain(..count));
            }
        }
        for ring in &mut place.rings {
            let all = takes_events || place.dice.chance(500);
            let count = if all {
                ring.len()
            } else {
                place.dice.index(ring.len() + 1)
            };
            handoffs.extend(ring.drain(..count));
        }
        for item in handoffs {
            self.take_handoff(node, shard, &item);
            if self.variant.sabotage == Some(Sabotage::DuplicateHandoff) {
                self.has_struck = true;
                self.take_handoff(node, shard, &item);
            }
        }
        for event in events {
            self.take_event(node, shard, event);
        }
        let place = &self.nodes[node].shards[shard];
        let is_empty = place.rings.iter().all(VecDeque::is_empty)
            && place.lanes.iter().all(VecDeque::is_empty);
        if !is_empty {
            self.arm_turn(node, shard);
        }
    }

    /// The control shard takes some of what waits for it, in the order of each lane.
    pub(crate) fn control_turn(&mut self, node: usize) {
        self.nodes[node].control_armed = false;
        let shard_count = self.nodes[node].shards.len();
        let first = self.nodes[node].control_dice.index(shard_count);
        for offset in 0..shard_count {
            let shard = (first + offset) % shard_count;
            let place = &mut self.nodes[node];
            let waiting = place.shards[shard].requests.len();
            let count = if place.control_dice.chance(700) {
                waiting
            } else {
                place.control_dice.index(waiting + 1)
            };
            for _ in 0..count {
                let Some(item) = self.nodes[node].shards[shard].requests.pop_front() else {
                    break;
                };
                match item {
                    ToControl::Request(request) => self.control_request(node, shard, request),
                    ToControl::Applied(seq) => {
                        self.nodes[node]
                            .control
                            .handle_applied(u8::try_from(shard).expect("few shards"), seq);
                        self.deliver_control(node);
                    }
                }
            }
        }
        let place = &mut self.nodes[node];
        let is_empty = place.shards.iter().all(|shard| shard.requests.is_empty());
        if !is_empty {
            place.control_armed = true;
            let (epoch, delay) = (place.epoch, place.control_dice.around(self.shape.turn_mean));
            self.arm(delay, Event::Control { node, epoch });
        }
    }

    /// Lets the events of the control core leave for their shards; they are returned too.
    pub(crate) fn deliver_control(&mut self, node: usize) -> Vec<(Recipient, ControlEvent)> {
        let mut left = Vec::new();
        while let Some((recipient, event)) = self.nodes[node].control.poll_event() {
            left.push((recipient, event));
            match recipient {
                Recipient::Shard(shard) => self.push_event(node, 0, usize::from(shard), event),
                Recipient::All => {
                    for shard in 0..self.nodes[node].shards.len() {
                        self.push_event(node, 0, shard, event);
                    }
                }
            }
        }
        left
    }

    /// Whether the shard is held up; work that waits for it meanwhile makes that a fault.
    pub(crate) fn is_stalled(&mut self, node: usize, shard: usize) -> bool {
        let is_stalled = self.nodes[node].shards[shard].stalled_until > self.now;
        if is_stalled {
            self.faults.note(Fault::ShardStall);
        }
        is_stalled
    }
}
