//! Links that end: for a reason that the world can see, and never with something left uncounted.

use slipring_core::{CloseReason, Ending, Time};

use crate::client::{DialMode, FarEnd, Reading};
use crate::dice::mix;
use crate::faults::Fault;
use crate::world::World;

impl World {
    /// A link ended: the reason must be a good one, and what waited is lost.
    pub(crate) fn note_close(&mut self, node: usize, ending: &Ending) {
        let Some(client) = self.owner(node, ending.link) else {
            panic!("[ghost] a link ended twice");
        };
        self.check_close_reason(node, client, ending);
        self.nodes[node].owners.remove(&ending.link);
        let now = self.now;
        let conn = self.conn(client);
        conn.closed = Some(ending.reason);
        conn.is_deaf = true;
        let lost = conn.model.clear();
        conn.down.end();
        if conn.reading == Reading::Never || matches!(conn.far_end, FarEnd::Closed) {
            conn.far_end = FarEnd::Closed;
        } else {
            self.arm_down(client, 0);
        }
        self.done.push(client);
        self.expected_gone += lost;
        self.fold(mix(ending.reason as u64) ^ now.as_micros());
    }

    /// Whether the reason for which a link ended holds.
    fn check_close_reason(&mut self, node: usize, client: usize, ending: &Ending) {
        let now = self.now;
        let limits = self.shape.limits.clone();
        let timeout = self.shape.negotiation_timeout;
        let drain_ends: Option<Time> = self.nodes[node].drain_ends;
        let is_withdrawn = self.nodes[node].truth.shards.iter().all(|shard| {
            let mut routes = shard.replica.iter();
            routes.all(|route| route.link != ending.link)
        });
        let conn = self.conn(client);
        let model = &conn.model;
        let is_queue_empty = model.queue.is_empty();
        let is_good = match ending.reason {
            CloseReason::SlowConsumer => model
                .waits_since
                .is_some_and(|since| now.since(since) >= limits.write_deadline),
            CloseReason::NegotiationTimeout => {
                !model.is_negotiated && now.since(model.opened_at) >= timeout
            }
            CloseReason::NegotiationFailed => !model.is_negotiated,
            CloseReason::Malformed => model.malformed >= limits.malformed_max,
            CloseReason::Drained => {
                let is_clean = is_queue_empty && model.pending == 0 && model.held.is_none();
                drain_ends.is_some() && (is_clean || !model.is_negotiated) && is_withdrawn
            }
            CloseReason::DrainDeadline => drain_ends.is_some_and(|ends| ends <= now),
            CloseReason::PeeringUnconfigured => conn.mode == DialMode::Peer && is_queue_empty,
            CloseReason::Pressure => {
                limits.egress_pool_bytes < 1 << 20 || limits.assembly_pool_bytes < 1 << 20
            }
            CloseReason::Oversize
            | CloseReason::PeerEnded
            | CloseReason::PeerReset
            | CloseReason::Stopped
            | CloseReason::TransportLost
            | CloseReason::Undecodable => true,
        };
        assert!(is_good, "[close] {} without cause", ending.reason.label());
        let is_cut = conn.is_truncated;
        match ending.reason {
            CloseReason::SlowConsumer => {
                self.faults.note(Fault::NeverReads);
                self.note_jump();
            }
            CloseReason::NegotiationTimeout => {
                self.faults.note(Fault::NegotiationTimeout);
                self.note_jump();
            }
            CloseReason::NegotiationFailed => self.faults.note(Fault::NegotiationFailed),
            CloseReason::Malformed => self.faults.note(Fault::Malformed),
            CloseReason::Drained => self.faults.note(Fault::Drain),
            CloseReason::DrainDeadline => self.faults.note(Fault::DrainDeadline),
            CloseReason::PeeringUnconfigured => self.faults.note(Fault::Peering),
            CloseReason::PeerEnded if !is_cut => self.faults.note(Fault::HalfClose),
            CloseReason::PeerReset => self.faults.note(Fault::Reset),
            CloseReason::TransportLost => self.faults.note(Fault::TransportLost),
            CloseReason::Pressure => self.faults.note(Fault::Pressure),
            CloseReason::Stopped => self.faults.note(Fault::Stop),
            CloseReason::Undecodable => self.faults.note(Fault::Garbage),
            CloseReason::PeerEnded | CloseReason::Oversize => {}
        }
    }
}
