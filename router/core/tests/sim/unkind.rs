//! What befalls links, shards and nodes; and how all of it ends when a world comes to rest.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use slipring_core::Time;
use slipring_proto::{
    crypto::fake::FakeKey,
    envelope::{self, Inbound, Kind},
    grpc::Body,
    header::RoutedHeader,
    mac,
    rewrite::{self, Lengths},
};

use crate::client::{FarEnd, Reading};
use crate::faults::Fault;
use crate::mesh::Node;
use crate::sabotage::Sabotage;
use crate::world::{Event, World};

impl World {
    pub(crate) fn half_close(&mut self, client: usize) {
        let conn = self.conn(client);
        conn.has_ended = true;
        conn.up.end();
        self.arm_up(client, 0);
    }

    /// The client is gone at once; the router hears of it a little later.
    pub(crate) fn abandon(&mut self, client: usize, is_reset: bool) {
        let conn = self.conn(client);
        conn.has_ended = true;
        conn.far_end = FarEnd::Closed;
        let (generation, delay) = (conn.generation, conn.dice.around(100));
        if conn.closed.is_some() {
            self.done.push(client);
            return;
        }
        self.arm(
            delay,
            Event::Cut {
                client,
                generation,
                is_reset,
            },
        );
    }

    /// What is under way is cut somewhere, and the stream ends there.
    pub(crate) fn truncate(&mut self, client: usize) {
        self.act_publish(client, None);
        let keep = self.workload.below(100);
        let conn = self.conn(client);
        conn.is_truncated = conn.up.truncate(usize::try_from(keep).unwrap_or(0));
        self.half_close(client);
    }

    pub(crate) fn read_again(&mut self, client: usize) {
        if let Some(conn) = &mut self.clients[client].conn {
            conn.reading = Reading::Always;
            self.arm_down(client, 0);
        }
    }

    pub(crate) fn stall_shard(&mut self) {
        let node = self.workload.index(self.nodes.len());
        let shard = self.workload.index(self.nodes[node].shards.len());
        let span = Duration::from_micros(self.workload.around(5_000));
        self.nodes[node].shards[shard].stalled_until = self.now.after(span);
        self.disturbed_at = self.disturbed_at.max(self.now.after(span));
    }

    pub(crate) fn jump_clock(&mut self) {
        let span = self.workload.pick(&[100, 1_000, 6_000, 11_000]);
        self.is_jumping = true;
        self.jump(Duration::from_millis(span));
        self.disturbed_at = self.disturbed_at.max(self.now);
    }

    pub(crate) fn drain_node(&mut self) {
        let node = self.workload.index(self.nodes.len());
        if self.nodes[node].is_down {
            return;
        }
        let spread = Duration::from_micros(self.workload.around(20_000));
        let deadline = Duration::from_micros(self.workload.around(200_000));
        self.nodes[node].is_down = true;
        self.nodes[node].drain_ends = Some(self.now.after(deadline));
        for shard in 0..self.nodes[node].shards.len() {
            self.input(node, shard, |core, now| {
                core.begin_drain(spread, deadline, now)
            });
            self.obey(node, shard);
        }
        let epoch = self.nodes[node].epoch;
        let back = u64::try_from(deadline.as_micros()).unwrap_or(0) + 50_000;
        self.arm(back, Event::Revive { node, epoch });
    }

    pub(crate) fn stop_node(&mut self) {
        let node = self.workload.index(self.nodes.len());
        if self.nodes[node].is_down {
            return;
        }
        self.nodes[node].is_down = true;
        for shard in 0..self.nodes[node].shards.len() {
            self.input(node, shard, |core, now| core.stop(now));
            self.obey(node, shard);
        }
        let epoch = self.nodes[node].epoch;
        self.arm(50_000, Event::Revive { node, epoch });
    }

    pub(crate) fn restart_node(&mut self) {
        let node = self.workload.index(self.nodes.len());
        if !self.nodes[node].is_down {
            self.faults.note(Fault::Restart);
            self.revive(node);
        }
    }

    /// A node starts anew. Whatever it had is gone; its clients notice.
    pub(crate) fn revive(&mut self, node: usize) {
        let clients: Vec<usize> = self.nodes[node].owners.values().copied().collect();
        for client in clients {
            let conn = self.conn(client);
            conn.closed = Some(slipring_core::CloseReason::TransportLost);
            conn.far_end = FarEnd::Closed;
            self.done.push(client);
        }
        for shard in &self.nodes[node].shards {
            self.past.merge(shard.core.counters());
        }
        let epoch = self.nodes[node].epoch + 1;
        self.nodes[node] = Node::new(node, epoch, self.seed, &self.shape, self.variant);
    }

    /// No more work and no more faults: what is under way may arrive, and everybody reads.
    pub(crate) fn calm_down(&mut self) {
        let now = self.now;
        for node in &mut self.nodes {
            for shard in &mut node.shards {
                shard.stalled_until = Time::ZERO;
            }
        }
        for client in 0..self.clients.len() {
            let Some(conn) = &mut self.clients[client].conn else {
                continue;
            };
            conn.reading = Reading::Always;
            if conn.is_misframed && conn.is_open() {
                self.abandon(client, true);
            }
            let conn = self.clients[client]
                .conn
                .as_mut()
                .expect("a live connection");
            conn.up.calm(now);
            conn.down.calm(now);
            let is_blocked = std::mem::take(&mut conn.is_blocked);
            conn.up_armed = false;
            conn.down_armed = false;
            self.arm_up(client, 0);
            self.arm_down(client, 0);
            if is_blocked {
                self.arm_write(client);
            }
        }
    }

    /// Does to a batch what the defect of this world does.
    pub(crate) fn sabotage_batch(&mut self, client: usize, bytes: Bytes) -> Bytes {
        let mut frames = split_frames(&bytes);
        let is_publish = |frame: &Bytes| frame.get(5) == Some(&0x1a);
        let publishes: Vec<usize> = (0..frames.len())
            .filter(|place| is_publish(&frames[*place]))
            .collect();
        let (Some(&first), Some(&last)) = (publishes.first(), publishes.last()) else {
            return bytes;
        };
        let strikes = match self.variant.sabotage {
            Some(Sabotage::LoseMessage) => {
                frames.remove(last);
                true
            }
            Some(Sabotage::SwapMessages) if first != last => {
                frames.swap(first, last);
                true
            }
            Some(Sabotage::CorruptTail) => {
                let mut copy = BytesMut::from(&frames[last][..]);
                let place = copy.len() - 1;
                copy[place] ^= 1;
                frames[last] = copy.freeze();
                true
            }
            Some(Sabotage::LeakSteering | Sabotage::KeepTtl | Sabotage::ForeignTag) => {
                frames[last] = self.resigned(client, &frames[last]);
                true
            }
            _ => false,
        };
        self.has_struck |= strikes;
        frames.concat().into()
    }

    /// A message as a router would send it that does not clear steering fields, or spend a hop.
    fn resigned(&self, client: usize, frame: &Bytes) -> Bytes {
        let conn = self.clients[client]
            .conn
            .as_ref()
            .expect("a live connection");
        let key = conn
            .terms
            .as_ref()
            .and_then(|terms| Some((terms.key.as_ref()?, terms.link_id.as_bytes())));
        let Ok(Inbound::Routed(envelope)) = envelope::split(Body::from(frame.slice(5..))) else {
            return frame.clone();
        };
        let header = RoutedHeader::parse(&envelope.header).expect("the router's own header");
        let defect = self.variant.sabotage;
        let leaks = defect == Some(Sabotage::LeakSteering);
        let ttl = header.ttl + u32::from(defect == Some(Sabotage::KeepTtl));
        let mut raw = BytesMut::new();
        rewrite::rewrite_header(&header, &envelope.header, ttl, None, &mut raw);
        if leaks {
            raw.extend_from_slice(&[0x38, 5]);
        }
        if let Some((key, link_id)) = key {
            let bare = RoutedHeader::parse(&raw).expect("well-formed");
            let foreign = FakeKey::new(1);
            let key = if defect == Some(Sabotage::ForeignTag) {
                &foreign
            } else {
                key
            };
            let tag = mac::sign_as_received(key, &bare, &raw, link_id, &mut Vec::new());
            raw.extend_from_slice(&[0x5a, 32]);
            raw.extend_from_slice(&tag);
        }
        let mut out = BytesMut::new();
        let lengths = Lengths {
            header: raw.len(),
            tail_inner: envelope.tail.inner_len,
            tail_outer: envelope.tail.outer_len(),
        };
        rewrite::put_head(Kind::Publish, lengths, &mut out).expect("short");
        out.extend_from_slice(&raw);
        envelope.tail.body.copy_to(&mut out);
        out.freeze()
    }
}

fn split_frames(bytes: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(prefix) = bytes.get(at..at + 5) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
        let end = at + 5 + length as usize;
        frames.push(bytes.slice(at..end));
        at = end;
    }
    frames
}
