//! The part of a shell: obeys outputs, carries the mesh, moves time.

use core::time::Duration;

use slipring_core::{
    ControlEvent, ControlRequest, DropReason, Intake, MessageKind, Output, Recipient, Time,
};
use slipring_proto::outgoing::Batch;

use super::{client::Reading, node::Node};

/// What one pull takes at most, in bytes.
const PULL_BYTES: usize = 64 << 10;

/// What one link may feed in one turn, in bytes, before others get theirs.
const TURN_BYTES_MAX: usize = 256 << 10;

/// Rounds after which a node that never comes to rest is a bug.
const ROUNDS_MAX: usize = 1_000_000;

/// The step of readers that take so much a millisecond.
const TICK: Duration = Duration::from_millis(1);

impl Node {
    /// Lets everything happen that can happen now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut is_moving = false;
            for shard in 0..self.shards.len() {
                is_moving |= self.obey(shard);
                is_moving |= self.deliver_mesh(shard);
            }
            for port in 0..self.ports.len() {
                is_moving |= self.feed(port);
                is_moving |= self.pull_freely(port);
            }
            if !is_moving {
                self.assert_balance();
                return;
            }
        }
        panic!("the node never comes to rest");
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn advance(&mut self, span: Duration) {
        let end = self.now.after(span);
        loop {
            let deadline = self
                .shards
                .iter()
                .filter_map(|shard| shard.next_deadline())
                .min();
            let tick = self.has_paced_reader().then_some(self.next_tick);
            let Some(next) = [deadline, tick].into_iter().flatten().min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.pass_deadlines();
            if self.next_tick <= self.now {
                self.next_tick = self.now.after(TICK);
                self.pull_paced();
            }
            self.settle();
        }
        self.now = end;
        self.next_tick = self.next_tick.max(end);
    }

    /// The shard neither reads its ring nor its lane until it thaws.
    pub(crate) fn freeze(&mut self, shard: usize) {
        self.is_frozen[shard] = true;
    }

    pub(crate) fn thaw(&mut self, shard: usize) {
        self.is_frozen[shard] = false;
        self.settle();
    }

    fn pass_deadlines(&mut self) {
        for shard in 0..self.shards.len() {
            let core = &mut self.shards[shard];
            if core.next_deadline().is_some_and(|due| due <= self.now) {
                core.handle_timeout(self.now);
                // A deadline that stays in the past would keep a shell's timer spinning.
                assert!(core.next_deadline().is_none_or(|due| due > self.now));
                self.obey(shard);
            }
        }
    }

    /// Obeys every output of a shard; says whether there was any.
    pub(super) fn obey(&mut self, shard: usize) -> bool {
        let mut is_moving = false;
        while let Some(output) = self.shards[shard].poll_output() {
            is_moving = true;
            match output {
                Output::Wake(link) => self.on_port(link, |port, _| port.is_woken = true),
                Output::Resume(link) => self.on_port(link, |port, now| {
                    if port.is_paused {
                        port.is_paused = false;
                        return now.since(port.paused_at);
                    }
                    Duration::ZERO
                }),
                Output::Announce(link) => self.on_port(link, |port, _| port.is_announced = true),
                Output::Close(ending) => self.on_port(ending.link, |port, now| {
                    assert!(port.ended.is_none(), "{} ended twice", port.name);
                    port.ended = Some((ending, now));
                    port.input.clear();
                }),
                Output::Handoff { shard: to, handoff } => {
                    if self.rings[usize::from(to)].len() < self.ring_max {
                        self.rings[usize::from(to)].push_back(handoff);
                    } else {
                        self.shards[shard].refuse_handoff(&handoff);
                    }
                }
                Output::Request(request) => self.request(shard, request),
                Output::Applied(seq) => self.control.handle_applied(number(shard), seq),
                Output::Diverged(error) => panic!("shard {shard}: {error}"),
                Output::Congestion { link, congested } => {
                    let event = ControlEvent::Congestion { link, congested };
                    for (to, lane) in self.lanes.iter_mut().enumerate() {
                        if to != shard {
                            lane.push_back(event);
                        }
                    }
                }
            }
        }
        self.shards[shard].check_invariants().expect("invariants");
        self.carry_control();
        is_moving
    }

    fn request(&mut self, shard: usize, request: ControlRequest) {
        self.control.handle_request(number(shard), request);
    }

    fn carry_control(&mut self) {
        while let Some((recipient, event)) = self.control.poll_event() {
            match recipient {
                Recipient::Shard(shard) => self.lanes[usize::from(shard)].push_back(event),
                Recipient::All => {
                    for lane in &mut self.lanes {
                        lane.push_back(event);
                    }
                }
            }
        }
    }

    /// Handoffs that were there when the events were taken come before the events.
    fn deliver_mesh(&mut self, shard: usize) -> bool {
        if self.is_frozen[shard] {
            return false;
        }
        let events = std::mem::take(&mut self.lanes[shard]);
        let handoffs = std::mem::take(&mut self.rings[shard]);
        let is_moving = !events.is_empty() || !handoffs.is_empty();
        for handoff in handoffs {
            self.shards[shard].handle_handoff(&handoff, self.now);
        }
        for event in events {
            self.shards[shard].handle_control(event, self.now);
        }
        self.obey(shard);
        is_moving
    }

    /// One turn: what the client wrote, unless the node stops it.
    fn feed(&mut self, port: usize) -> bool {
        let mut fed_bytes = 0;
        let (link, shard) = (self.ports[port].link, self.ports[port].shard);
        while fed_bytes < TURN_BYTES_MAX
            && !self.ports[port].is_paused
            && let Some(body) = self.ports[port].input.pop_front()
        {
            fed_bytes += body.len().max(1);
            match self.shards[shard].handle_message(link, body, self.now) {
                Intake::Next => {}
                Intake::Pause => {
                    self.ports[port].is_paused = true;
                    self.ports[port].paused_at = self.now;
                }
                Intake::Gone => self.ports[port].input.clear(),
            }
        }
        if fed_bytes > 0 {
            self.shards[shard].end_turn(link);
            self.obey(shard);
        }
        fed_bytes > 0
    }

    fn pull_freely(&mut self, port: usize) -> bool {
        if !self.ports[port].is_woken || self.ports[port].reading != Reading::Freely {
            return false;
        }
        self.ports[port].is_woken = false;
        while self.pull(port, PULL_BYTES).1 {}
        true
    }

    fn pull_paced(&mut self) {
        for port in 0..self.ports.len() {
            let Reading::Rate { per_ms, left } = self.ports[port].reading else {
                continue;
            };
            // What a reader does not use in one tick is gone: it cannot read what is not there.
            let mut left = (left + per_ms).min(per_ms);
            while left > 0 {
                let (pulled, more) = self.pull(port, usize::try_from(left).expect("positive"));
                left -= i64::try_from(pulled).expect("short");
                if !more {
                    break;
                }
            }
            self.ports[port].reading = Reading::Rate { per_ms, left };
        }
    }

    /// A reader that does not read by itself takes one batch.
    pub(crate) fn take_once(&mut self, client: super::Client, bytes_max: usize) {
        self.pull(client.0, bytes_max);
        self.settle();
    }

    /// One batch; how long it was, and whether more waits.
    fn pull(&mut self, port: usize, bytes_max: usize) -> (usize, bool) {
        let mut batch = Batch::new();
        let (link, shard) = (self.ports[port].link, self.ports[port].shard);
        let more = self.shards[shard].poll_batch(link, bytes_max, &mut batch, self.now);
        let bytes = batch.len();
        self.shards[shard].note_sent(link, bytes as u64, self.now);
        if bytes > 0 {
            let bytes = bytes::Buf::copy_to_bytes(&mut batch, bytes);
            self.ports[port].hear(bytes, &mut self.crypto);
        }
        self.obey(shard);
        (bytes, more)
    }

    fn has_paced_reader(&self) -> bool {
        let is_paced = |reading| matches!(reading, Reading::Rate { .. });
        self.ports
            .iter()
            .any(|port| is_paced(port.reading) && port.ended.is_none())
    }

    fn on_port<R: Into<Elapsed>>(
        &mut self,
        link: slipring_fib::LinkId,
        act: impl FnOnce(&mut super::client::Port, Time) -> R,
    ) {
        let now = self.now;
        let port = self
            .by_link
            .get(&link)
            .and_then(|port| self.ports.get_mut(*port));
        if let Some(port) = port {
            let Elapsed(pause) = act(port, now).into();
            self.longest_pause = self.longest_pause.max(pause);
        }
    }

    /// Every message that came in has become something that is counted, and so has every delivery.
    fn assert_balance(&self) {
        let counters = self.counters();
        let kinds = [
            MessageKind::Publish,
            MessageKind::Subscribe,
            MessageKind::Unsubscribe,
            MessageKind::Unknown,
        ];
        let came: u64 = kinds
            .iter()
            .map(|kind| counters.messages_in.at(kind.index()))
            .sum();
        let links = self.shards.iter().flat_map(|s| s.view_links(0, self.now).0);
        let waiting: u64 = links.map(|link| u64::from(link.egress_messages)).sum();
        let crossing: usize = self
            .rings
            .iter()
            .flatten()
            .map(|handoff| handoff.deliveries())
            .sum();
        let settled = counters.routed + counters.requests + counters.dropped_in.sum();
        let held = came - settled;
        assert!(
            held <= self.ports.len() as u64,
            "{held} messages without a fate"
        );
        if self.is_frozen.iter().all(|frozen| !frozen) {
            assert_eq!(held, 0, "messages without a fate: {counters:?}");
        }
        let out = counters.messages_out.at(MessageKind::Publish.index());
        let fates = out + counters.dropped_out.sum() + waiting + crossing as u64;
        assert_eq!(counters.deliveries, fates, "deliveries without a fate");
        assert_eq!(counters.dropped_in.at(DropReason::MeshFull.index()), 0);
    }
}

fn number(shard: usize) -> u8 {
    u8::try_from(shard).expect("a shard")
}

/// How long something took, if it took any time.
pub(super) struct Elapsed(Duration);

impl From<()> for Elapsed {
    fn from((): ()) -> Self {
        Self(Duration::ZERO)
    }
}

impl From<Duration> for Elapsed {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}
