//! The shell beside the cores, as a shell should be: it feeds what arrived, pulls when there is room,
//! drains every output after every input, and obeys.

use bytes::{Buf, Bytes};
use slipring_core::{CloseReason, ControlEvent, Intake, Output, Time};
use slipring_fib::LinkId;
use slipring_proto::outgoing::Batch;

use crate::client::{Conn, FarEnd};
use crate::faults::Fault;
use crate::mesh::{Core, RingItem};
use crate::sabotage::Sabotage;
use crate::world::{Event, World};

/// Bytes that a reader takes in one turn at most.
const TURN_BYTES: usize = 64 << 10;

/// Bytes that a writer pulls at once at most.
const BATCH_BYTES: usize = 64 << 10;

impl World {
    /// One input of a core: what it leads to waits in `outputs` until [`Self::obey`].
    pub(crate) fn input<R>(
        &mut self,
        node: usize,
        shard: usize,
        call: impl FnOnce(&mut Core, Time) -> R,
    ) -> R {
        let core = &mut self.nodes[node].shards[shard].core;
        self.before = *core.counters();
        self.expected_gone = 0;
        let result = call(core, self.now);
        debug_assert!(self.outputs.is_empty());
        while let Some(output) = core.poll_output() {
            self.outputs.push(output);
        }
        result
    }

    /// Obeys every output of the last input, then checks the shard.
    pub(crate) fn obey(&mut self, node: usize, shard: usize) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Wake(link) => {
                    if let Some(client) = self.owner(node, link) {
                        self.arm_write(client);
                    }
                }
                Output::Resume(link) => self.resume(node, link),
                // Clients stay until they are told to go.
                Output::Announce(link) => {
                    if let Some(conn) = self.conn_of(node, link) {
                        conn.model.is_leaving = true;
                    }
                }
                Output::Close(ending) => {
                    self.note_close(node, &ending);
                }
                Output::Handoff { shard: to, handoff } => {
                    let expected = self.match_handoff(usize::from(to), &handoff);
                    let item = RingItem { handoff, expected };
                    if self.variant.sabotage == Some(Sabotage::LoseHandoff) {
                        self.has_struck = true;
                        continue;
                    }
                    if let Err(handoff) = self.push_handoff(node, shard, item) {
                        self.faults.note(Fault::MeshFull);
                        self.nodes[node].shards[shard].core.refuse_handoff(&handoff);
                        if self.variant.sabotage == Some(Sabotage::MiscountDrop) {
                            self.has_struck = true;
                            self.nodes[node].shards[shard].core.refuse_handoff(&handoff);
                        }
                    }
                }
                Output::Request(request) => {
                    self.note_request(node, request);
                    self.ask_control(node, shard, request);
                }
                Output::Applied(seq) => self.tell_applied(node, shard, seq),
                Output::Diverged(error) => panic!("node {node} shard {shard}: {error}"),
                Output::Congestion { link, congested } => {
                    for to in 0..self.nodes[node].shards.len() {
                        if to != shard {
                            let event = ControlEvent::Congestion { link, congested };
                            self.push_event(node, shard, to, event);
                        }
                    }
                }
            }
        }
        self.outputs = outputs;
        self.check_input(node, shard);
        self.arm_timer(node, shard);
    }

    /// Puts bytes of a client on its wire.
    pub(crate) fn client_writes(&mut self, client: usize, bytes: Bytes) {
        if let Some(conn) = &mut self.clients[client].conn {
            conn.up.send(bytes, self.now, &mut self.faults);
            self.arm_up(client, 0);
        }
    }

    pub(crate) fn owner(&self, node: usize, link: LinkId) -> Option<usize> {
        self.nodes[node].owners.get(&link).copied()
    }

    /// The connection of a client that is known to have one.
    pub(crate) fn conn(&mut self, client: usize) -> &mut Conn {
        self.clients[client]
            .conn
            .as_mut()
            .expect("a live connection")
    }

    /// The connection at the other end of a link.
    pub(crate) fn conn_of(&mut self, node: usize, link: LinkId) -> Option<&mut Conn> {
        let client = self.owner(node, link)?;
        self.clients[client].conn.as_deref_mut()
    }

    /// The reader of a link takes what has arrived.
    pub(crate) fn read_turn(&mut self, client: usize) {
        let now = self.now;
        let conn = self.conn(client);
        conn.up_armed = false;
        if conn.closed.is_some() {
            return;
        }
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        if self.is_stalled(node, shard) {
            let until = self.nodes[node].shards[shard].stalled_until;
            self.arm_up(client, until.since(now).as_micros().try_into().unwrap_or(0));
            return;
        }
        if self.conn(client).is_withheld && !self.has_room_for_assembly(client) {
            self.arm_up(client, 1_000);
            return;
        }
        let mut left = TURN_BYTES;
        let mut goes_on = self.feed(client);
        while goes_on && left > 0 {
            let conn = self.clients[client]
                .conn
                .as_mut()
                .expect("a live connection");
            let Some(chunk) = conn.up.take(left, now, &mut self.faults) else {
                break;
            };
            left -= chunk.len();
            conn.up.release(chunk.len());
            conn.deframer.push(chunk);
            goes_on = self.feed(client);
        }
        if self.conn(client).closed.is_some() {
            return;
        }
        self.input(node, shard, |core, _| core.end_turn(link));
        self.obey(node, shard);
        if self.conn(client).deframer.assembling_bytes() > 0 {
            self.faults.note(Fault::SplitMessage);
        }
        if !self.has_room_for_assembly(client) {
            self.arm_up(client, 1_000);
            return;
        }
        let conn = self.conn(client);
        let can_end = conn.is_deaf || (!conn.is_paused && goes_on);
        if conn.up.is_over() && can_end && conn.up.next_due().is_some_and(|due| due <= now) {
            let is_cut = conn.deframer.assembling_bytes() > 0;
            if is_cut {
                self.faults.note(Fault::Truncated);
            }
            self.end_link(client, CloseReason::PeerEnded);
        } else if can_end && !conn.is_deaf {
            self.arm_up(client, 0);
        }
    }

    /// Charges what is held of an unfinished message, and says whether there is room for more.
    fn has_room_for_assembly(&mut self, client: usize) -> bool {
        let conn = self.conn(client);
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        let bytes = conn.deframer.assembling_bytes() as u64;
        let has_room = self.input(node, shard, |core, _| core.charge_assembly(link, bytes));
        self.obey(node, shard);
        if !has_room {
            self.faults.note(Fault::AssemblySpent);
        }
        self.conn(client).is_withheld = !has_room;
        has_room
    }

    /// Feeds whole messages until there are none or the core wants no more. Says whether it would.
    fn feed(&mut self, client: usize) -> bool {
        loop {
            let conn = self.conn(client);
            if conn.closed.is_some() || conn.is_paused || conn.is_deaf {
                return false;
            }
            let (node, shard) = (conn.node, conn.shard);
            // Two held publishes that are let go at once could not be told apart afterwards.
            if conn.model.pending > 0 && self.holds_on(node, shard) {
                self.arm_up(client, 200);
                return false;
            }
            match self.conn(client).deframer.pop() {
                Ok(None) => return true,
                Ok(Some(body)) => match self.take_message(client, body) {
                    Intake::Next => {}
                    Intake::Pause => {
                        // What let it go may have come in the same breath.
                        let conn = self.conn(client);
                        if conn.closed.is_some() || conn.is_paused {
                            return false;
                        }
                    }
                    Intake::Gone => self.conn(client).is_deaf = true,
                },
                Err(_) => {
                    self.faults.note(Fault::BadFrame);
                    self.end_link(client, CloseReason::Oversize);
                    return false;
                }
            }
        }
    }

    /// Whether any link of the shard holds a publish.
    fn holds_on(&self, node: usize, shard: usize) -> bool {
        self.clients.iter().any(|client| {
            client.conn.as_ref().is_some_and(|conn| {
                conn.node == node && conn.shard == shard && conn.model.held.is_some()
            })
        })
    }

    /// The writer of a link pulls what the wire has room for.
    pub(crate) fn write_turn(&mut self, client: usize) {
        let now = self.now;
        let conn = self.conn(client);
        conn.write_armed = false;
        if conn.closed.is_some() {
            return;
        }
        let room = conn.down.room();
        if room == 0 {
            conn.is_blocked = true;
            self.faults.note(Fault::SlowReader);
            return;
        }
        conn.is_blocked = false;
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        if self.is_stalled(node, shard) {
            let until = self.nodes[node].shards[shard].stalled_until;
            self.conn(client).write_armed = true;
            let generation = self.conn(client).generation;
            self.arm_at(until, Event::Write { client, generation });
            return;
        }
        let mut batch = Batch::new();
        let bytes_max = room.min(BATCH_BYTES);
        let waits = self.input(node, shard, |core, now| {
            let waits = core.poll_batch(link, bytes_max, &mut batch, now);
            core.note_sent(link, batch.len() as u64, now);
            waits
        });
        let length = batch.len();
        let mut bytes = batch.copy_to_bytes(length);
        self.expect_batch(client, &bytes, bytes_max);
        if self.variant.sabotage.is_some() {
            bytes = self.sabotage_batch(client, bytes);
        }
        let conn = self.clients[client]
            .conn
            .as_mut()
            .expect("a live connection");
        let is_waiting = !conn.model.queue.is_empty();
        conn.model.waits_since = is_waiting.then_some(now);
        if !bytes.is_empty() {
            conn.down.send(bytes, now, &mut self.faults);
            self.arm_down(client, 0);
        }
        if waits {
            self.arm_write(client);
        }
        self.obey(node, shard);
    }

    /// The shell ends a link for something that it saw.
    pub(crate) fn end_link(&mut self, client: usize, reason: CloseReason) {
        let conn = self.conn(client);
        if conn.closed.is_some() {
            return;
        }
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        self.input(node, shard, |core, now| core.end_link(link, reason, now));
        self.obey(node, shard);
    }

    /// A deadline of a shard passes.
    pub(crate) fn timer(&mut self, node: usize, shard: usize) {
        let epoch = self.nodes[node].epoch;
        let place = &mut self.nodes[node].shards[shard];
        place.timer_at = None;
        let is_due = place
            .core
            .next_deadline()
            .is_some_and(|due| due <= self.now);
        if !is_due {
            self.arm_timer(node, shard);
            return;
        }
        if self.is_stalled(node, shard) {
            let until = self.nodes[node].shards[shard].stalled_until;
            self.nodes[node].shards[shard].timer_at = Some(until);
            self.arm_at(until, Event::Timer { node, epoch, shard });
            return;
        }
        self.input(node, shard, |core, now| core.handle_timeout(now));
        let next = self.nodes[node].shards[shard].core.next_deadline();
        assert!(
            next.is_none_or(|due| due > self.now),
            "[liveness] a deadline that has passed is due again at once"
        );
        self.expect_age_drops(node, shard);
        self.obey(node, shard);
    }

    fn resume(&mut self, node: usize, link: LinkId) {
        if self.variant.sabotage == Some(Sabotage::ForgetResume) {
            self.has_struck = true;
            return;
        }
        if let Some(client) = self.owner(node, link) {
            let (now, stall_max) = (self.now, self.shape.limits.stall_max);
            let disturbed_at = self.disturbed_at;
            let conn = self.conn(client);
            if let Some(stalled_at) = conn.stalled_at.take() {
                let is_short = now.since(stalled_at) <= stall_max;
                assert!(
                    is_short || disturbed_at >= stalled_at,
                    "[stall] a publisher was held for {:?}",
                    now.since(stalled_at)
                );
            }
            conn.is_paused = false;
            conn.up_armed = true;
            let generation = conn.generation;
            self.arm(0, Event::Up { client, generation });
        }
    }

    /// Frees the client once both ends of its connection are done.
    pub(crate) fn forget_if_over(&mut self, client: usize) {
        let person = &mut self.clients[client];
        if person.conn.as_ref().is_some_and(|conn| conn.is_over()) {
            person.conn = None;
        }
    }

    /// The client is done with its connection, whatever the router thinks.
    pub(crate) fn leave(&mut self, client: usize) {
        self.conn(client).far_end = FarEnd::Closed;
        self.done.push(client);
    }
}
