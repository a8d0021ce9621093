//! The model's side of each input: what must have come of it, worked out from what the world knows,
//! and compared with what the core counted, queued and put out.

use slipring_core::{CloseReason, ControlRequest, Counters, DropReason, Intake, Output};
use slipring_fib::LinkId;
use slipring_proto::grpc::Body;

use crate::client::DialMode;
use crate::faults::Fault;
use crate::mesh::{ExpectedHandoff, RingItem};
use crate::model::{Expected, LOSSES};
use crate::oracle::{Judge, Judgement, Verdict};
use crate::world::World;

impl World {
    /// What the last input added to a counter.
    pub(crate) fn added(
        &self,
        node: usize,
        shard: usize,
        counter: impl Fn(&Counters) -> u64,
    ) -> u64 {
        counter(self.nodes[node].shards[shard].core.counters()) - counter(&self.before)
    }

    fn dropped_in(&self, node: usize, shard: usize, reason: DropReason) -> u64 {
        self.added(node, shard, |counters| {
            counters.dropped_in.at(reason.index())
        })
    }

    pub(crate) fn dropped_out(&self, node: usize, shard: usize, reason: DropReason) -> u64 {
        self.added(node, shard, |counters| {
            counters.dropped_out.at(reason.index())
        })
    }

    /// Feeds one message to the core.
    pub(crate) fn take_message(&mut self, client: usize, body: Body) -> Intake {
        let conn = self.clients[client]
            .conn
            .as_ref()
            .expect("a live connection");
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        let judge = Judge {
            terms: conn.terms.as_ref(),
            is_keyed: conn.mode != DialMode::Keyless,
            is_strict: self.shape.strict,
        };
        let judgement = conn.model.is_negotiated.then(|| judge.judge(body.clone()));
        let intake = self.input(node, shard, |core, now| {
            core.handle_message(link, body, now)
        });
        match judgement {
            Some(judgement) if self.conn(client).model.is_leaving => {
                self.expect_last_words(client, judgement);
            }
            None => self.expect_negotiation(client),
            Some(judgement) => {
                let conn = self.conn(client);
                if judgement.is_publish && conn.model.pending > 0 {
                    conn.model.held = Some(judgement);
                    assert_eq!(
                        intake,
                        Intake::Pause,
                        "[held] a publish before its subscription"
                    );
                    self.faults.note(Fault::Held);
                } else {
                    self.expect_verdict(client, judgement);
                }
            }
        }
        if intake == Intake::Pause {
            self.note_pause(client);
        }
        self.obey(node, shard);
        intake
    }

    /// A message of a link that was told to leave: what it publishes is forwarded, what it asks for is not.
    fn expect_last_words(&mut self, client: usize, judgement: Judgement) {
        let (node, shard) = (self.conn(client).node, self.conn(client).shard);
        match judgement.verdict {
            Verdict::Subscribe { .. } | Verdict::Unsubscribe { .. } => {
                self.expect_loss(node, shard, DropReason::LinkGone);
            }
            Verdict::Publish(_)
            | Verdict::Ignored
            | Verdict::Lost(_)
            | Verdict::Ambiguous
            | Verdict::Undecodable => self.expect_verdict(client, judgement),
        }
    }

    fn note_pause(&mut self, client: usize) {
        let conn = self.conn(client);
        conn.is_paused = true;
        let (node, shard, is_held) = (conn.node, conn.shard, conn.model.held.is_some());
        if self.added(node, shard, |counters| counters.stalls) > 0 {
            self.faults.note(Fault::StalledPublisher);
            self.conn(client).stalled_at = Some(self.now);
        } else if !is_held {
            self.faults.note(Fault::UnreadAcks);
        }
    }

    /// The first message of a link.
    fn expect_negotiation(&mut self, client: usize) {
        let conn = self.conn(client);
        let (node, shard, link, mode) = (conn.node, conn.shard, conn.link, conn.mode);
        let is_closed = self
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Close(ending) if ending.link == link));
        let must_fail =
            mode == DialMode::BadRequest || (mode == DialMode::Keyless && self.shape.strict);
        assert_eq!(is_closed, must_fail, "[negotiation] of {mode:?}");
        if is_closed {
            return;
        }
        let now = self.now;
        let bytes = self.waiting_bytes(node, shard, link);
        let conn = self.conn(client);
        conn.model.is_negotiated = true;
        conn.model.push(Expected::Reply, now);
        conn.model.bytes = bytes;
    }

    /// What must have come of a message that was judged. The outputs of the input still wait.
    pub(crate) fn expect_verdict(&mut self, client: usize, judgement: Judgement) {
        let conn = self.conn(client);
        let (node, shard) = (conn.node, conn.shard);
        let is_lost = matches!(
            judgement.verdict,
            Verdict::Lost(_) | Verdict::Ambiguous | Verdict::Undecodable
        );
        if is_lost && std::mem::take(&mut conn.flipped_in) {
            self.faults.note(Fault::BitFlipIn);
        }
        match judgement.verdict {
            Verdict::Ignored => {}
            Verdict::Lost(reason) => {
                self.expect_loss(node, shard, reason);
                match reason {
                    DropReason::TtlExpired => self.faults.note(Fault::TtlExpired),
                    DropReason::MacInvalid | DropReason::MacMissing | DropReason::MacUnexpected => {
                        self.faults.note(Fault::ForgedMac);
                    }
                    DropReason::EgressAge
                    | DropReason::EgressFull
                    | DropReason::Invalid
                    | DropReason::LinkGone
                    | DropReason::Malformed
                    | DropReason::MeshFull
                    | DropReason::NoMatch
                    | DropReason::Oversize => {}
                }
            }
            Verdict::Ambiguous => {
                self.conn(client).model.malformed += 1;
                self.expect_loss(node, shard, DropReason::Malformed);
                if self.conn(client).model.malformed >= self.shape.limits.malformed_max {
                    self.expect_close(client, CloseReason::Malformed);
                }
            }
            Verdict::Undecodable => {
                self.expect_loss(node, shard, DropReason::Malformed);
                self.expect_close(client, CloseReason::Undecodable);
            }
            Verdict::Subscribe { id, name } => {
                let (link, class) = (self.conn(client).link, self.conn(client).model.class);
                self.expect_request(ControlRequest::Subscribe {
                    link,
                    class,
                    subscription_id: id,
                    name,
                });
            }
            Verdict::Unsubscribe { id, name } => {
                let link = self.conn(client).link;
                self.expect_request(ControlRequest::Unsubscribe {
                    link,
                    subscription_id: id,
                    name,
                });
            }
            Verdict::Publish(routed) => {
                let ingress = self.conn(client).link;
                let is_one = routed.header.fanout == 1;
                self.feeds.push(crate::world::Feed {
                    ingress,
                    routed: *routed,
                    is_one,
                    taken: 0,
                });
                self.expect_forward(node, shard, self.feeds.len() - 1);
            }
        }
    }

    fn expect_request(&self, wanted: ControlRequest) {
        let is_made = self
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Request(made) if *made == wanted));
        assert!(is_made, "[conservation] a request that was not made");
    }

    fn expect_close(&mut self, client: usize, reason: CloseReason) {
        let link = self.conn(client).link;
        let is_closed = self.outputs.iter().any(|output| {
            matches!(output, Output::Close(ending) if ending.link == link && ending.reason == reason)
        });
        assert!(
            is_closed,
            "[close] a link that should end for {}",
            reason.label()
        );
    }

    fn expect_loss(&self, node: usize, shard: usize, reason: DropReason) {
        let found = self.dropped_in(node, shard, reason);
        assert_eq!(
            found,
            1,
            "[conservation] a message lost for {}",
            reason.label()
        );
    }

    /// A shard takes a handoff out of a ring.
    pub(crate) fn take_handoff(&mut self, node: usize, shard: usize, item: &RingItem) {
        self.input(node, shard, |core, now| {
            core.handle_handoff(&item.handoff, now)
        });
        let expected = &item.expected;
        self.expect_queued(
            node,
            shard,
            expected.feed,
            &expected.candidates,
            expected.is_one,
        );
        self.obey(node, shard);
    }

    /// Which of `candidates`, links of this shard, got the message: all that had room, or one.
    pub(crate) fn expect_queued(
        &mut self,
        node: usize,
        shard: usize,
        feed: usize,
        candidates: &[LinkId],
        is_one: bool,
    ) {
        let (mut queued, mut gone) = (0_u64, 0_u64);
        let now = self.now;
        for link in candidates {
            let bytes = self.waiting_bytes(node, shard, *link);
            let Some(conn) = self.conn_of(node, *link) else {
                gone += 1;
                continue;
            };
            if bytes > conn.model.bytes {
                conn.model.bytes = bytes;
                conn.model.push(Expected::Publish { feed }, now);
                queued += 1;
                self.check_bounds(node, *link);
            }
        }
        let lost = LOSSES
            .iter()
            .map(|reason| self.dropped_out(node, shard, *reason))
            .sum::<u64>();
        let wanted = if is_one { 1 } else { candidates.len() as u64 };
        assert_eq!(
            queued + lost,
            wanted,
            "[delivery] {queued} queued and {lost} counted as lost of {wanted}"
        );
        self.expected_gone += self.dropped_out(node, shard, DropReason::LinkGone);
        let ended = self.dropped_out(node, shard, DropReason::LinkGone);
        assert!(ended <= gone, "[delivery] a live link counted as gone");
        if self.dropped_out(node, shard, DropReason::EgressFull) > 0 {
            self.faults.note(Fault::EgressFull);
            self.check_full(node, shard, feed, candidates);
        }
        if self.dropped_out(node, shard, DropReason::Oversize) > 0 {
            self.faults.note(Fault::Oversize);
        }
    }

    /// Finds the handoff that the model waits for, for one that the core put out.
    pub(crate) fn match_handoff(
        &mut self,
        to: usize,
        handoff: &slipring_core::Handoff,
    ) -> ExpectedHandoff {
        let place = self
            .expected_handoffs
            .iter()
            .position(|expected| expected.shard == to);
        let Some(place) = place else {
            panic!("[ghost] a handoff to a shard without a receiver");
        };
        let expected = self.expected_handoffs.remove(place);
        let deliveries = if expected.is_one {
            // The other shards that might have been chosen were not.
            self.expected_handoffs.clear();
            1
        } else {
            expected.candidates.len()
        };
        assert_eq!(
            handoff.deliveries(),
            deliveries,
            "[delivery] receivers of a handoff"
        );
        expected
    }

    pub(crate) fn waiting_bytes(&self, node: usize, shard: usize, link: LinkId) -> u64 {
        self.nodes[node].shards[shard]
            .core
            .waiting_bytes(link)
            .unwrap_or(0)
    }

    /// Live links of a shard.
    pub(crate) fn links_of(&self, node: usize, shard: usize) -> Vec<LinkId> {
        self.nodes[node]
            .owners
            .keys()
            .filter(|link| usize::from(link.shard()) == shard)
            .copied()
            .collect()
    }

    pub(crate) fn note_jump(&mut self) {
        if std::mem::take(&mut self.is_jumping) {
            self.faults.note(Fault::ClockJump);
        }
    }
}
