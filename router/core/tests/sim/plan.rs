//! Where a message must go and when an answer must leave, worked out from the model.

use slipring_core::{ControlEvent, ControlRequest, DropReason, Output, Recipient};
use slipring_fib::{Change, LinkClass, LinkId};
use slipring_proto::{message, name::Name};

use crate::faults::Fault;
use crate::mesh::ExpectedHandoff;
use crate::model::{Asked, Expected, Outcome, Record, WaitingAnswer, matches};
use crate::sabotage::Sabotage;
use crate::world::World;

impl World {
    /// A message was planned on `shard`: the right links must have got it, or handoffs leave for them.
    pub(crate) fn expect_forward(&mut self, node: usize, shard: usize, feed: usize) {
        let ingress = self.feeds[feed].ingress;
        let destination = self.feeds[feed].routed.destination;
        let is_one = self.feeds[feed].is_one;
        self.check_promises(node, shard, ingress, destination);
        let mut eligible = self.nodes[node].truth.shards[shard].eligible(destination, ingress);
        let routed = self.added(node, shard, |counters| counters.routed);
        if eligible.is_empty() {
            let reason = DropReason::NoMatch.index();
            let lost = self.added(node, shard, |counters| counters.dropped_in.at(reason));
            assert_eq!((routed, lost), (0, 1), "[delivery] a message for nobody");
            return;
        }
        if is_one {
            // WIRE §7.4
            let count = eligible.len();
            self.pass_over_gone(node, shard, &mut eligible);
            let has_passed = eligible.len() < count;
            let best = eligible.iter().map(|(_, class)| *class).min();
            let best = best.expect("not all were passed over");
            eligible.retain(|(_, class)| *class == best);
            let links: Vec<LinkId> = eligible.iter().map(|(link, _)| *link).collect();
            let ring = (destination, best);
            self.expect_turn(node, shard, ring, (ingress, has_passed), &links);
        }
        let wanted = if is_one { 1 } else { eligible.len() as u64 };
        let planned = self.added(node, shard, |counters| counters.deliveries);
        assert_eq!(
            (routed, planned),
            (1, wanted),
            "[delivery] receivers planned"
        );
        let links: Vec<LinkId> = eligible.iter().map(|(link, _)| *link).collect();
        let of = |shard: usize| -> Vec<LinkId> {
            let is_there = |link: &&LinkId| usize::from(link.shard()) == shard;
            links.iter().filter(is_there).copied().collect()
        };
        let handed = self
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Handoff { .. }));
        if !is_one || !handed {
            self.expect_queued(node, shard, feed, &of(shard), is_one);
        }
        for to in 0..self.nodes[node].shards.len() {
            let candidates = of(to);
            if to != shard && !candidates.is_empty() && (handed || !is_one) {
                self.expected_handoffs.push(ExpectedHandoff {
                    shard: to,
                    feed,
                    candidates,
                    is_one,
                });
            }
        }
    }

    /// After an acknowledgement no shard misses the link; after that of its end none finds it.
    fn check_promises(&self, node: usize, shard: usize, ingress: LinkId, destination: Name) {
        let truth = &self.nodes[node].truth;
        let replica = &truth.shards[shard].replica;
        for record in &truth.acked {
            if record.link != ingress && matches(destination, record.name) {
                let is_found = replica
                    .iter()
                    .any(|route| route.link == record.link && route.name == record.name);
                assert!(
                    is_found,
                    "[replicas] an acknowledged subscription was missed"
                );
            }
        }
        for route in replica {
            if matches(destination, route.name) {
                let is_ended = truth.ended.contains(&(route.link, route.name));
                assert!(!is_ended, "[ghost] a subscription was found after its end");
            }
        }
    }

    /// A shard knows which of its own links are gone before it knows that their routes are, and chooses
    /// one of them only if there is nobody else.
    fn pass_over_gone(
        &mut self,
        node: usize,
        shard: usize,
        eligible: &mut Vec<(LinkId, LinkClass)>,
    ) {
        let mut others = eligible.clone();
        others.retain(|(link, _)| {
            usize::from(link.shard()) != shard || self.conn_of(node, *link).is_some()
        });
        if !others.is_empty() {
            *eligible = others;
        }
    }

    /// The links of one class take turns. A rotation that has to pass over the sender itself, or over a
    /// link that is gone, is not even, and a cache that skips the lookup leaves it where it was.
    fn expect_turn(
        &mut self,
        node: usize,
        shard: usize,
        ring: (Name, LinkClass),
        (ingress, has_passed): (LinkId, bool),
        links: &[LinkId],
    ) {
        let chosen = self.outputs.iter().find_map(|output| match output {
            Output::Handoff { shard, .. } => Some(usize::from(*shard)),
            Output::Wake(_)
            | Output::Resume(_)
            | Output::Announce(_)
            | Output::Close(_)
            | Output::Request(_)
            | Output::Applied(_)
            | Output::Diverged(_)
            | Output::Congestion { .. } => None,
        });
        let chosen = chosen.unwrap_or(shard);
        let owned = links
            .iter()
            .filter(|link| usize::from(link.shard()) == chosen)
            .count() as u64;
        let model = &mut self.nodes[node].truth.shards[shard];
        let (destination, best) = ring;
        let is_own = model.replica.iter().any(|route| {
            route.link == ingress && route.class == best && matches(destination, route.name)
        });
        if is_own || has_passed {
            model.rotations.forget(ring);
            self.soft_choices += 1;
            return;
        }
        let is_even = model
            .rotations
            .take_turn(ring, chosen, owned, links.len() as u64);
        assert!(is_even, "[rotation] a link has its turn too often");
    }

    /// A shard put out a request.
    pub(crate) fn note_request(&mut self, node: usize, request: ControlRequest) {
        let (ControlRequest::Subscribe { link, .. }
        | ControlRequest::Unsubscribe { link, .. }
        | ControlRequest::LinkGone { link }) = request;
        if let Some(conn) = self.conn_of(node, link) {
            conn.model.pending += 1;
        }
    }

    /// The control shard takes a request.
    pub(crate) fn control_request(&mut self, node: usize, shard: usize, request: ControlRequest) {
        let limits = self.shape.rib;
        let truth = &mut self.nodes[node].truth;
        let (asked, outcome, link, id) = match request {
            ControlRequest::Subscribe {
                link,
                subscription_id: id,
                name,
                ..
            } => {
                let record = Record { link, id, name };
                let outcome = truth.subscribe(record, &limits);
                if outcome.refusal.is_none() {
                    truth.ended.retain(|ended| *ended != (link, name));
                } else {
                    self.faults.note(Fault::SubscriptionRefused);
                }
                (Asked::Begin(record), outcome, link, id)
            }
            ControlRequest::Unsubscribe {
                link,
                subscription_id: id,
                name,
            } => {
                let record = Record { link, id, name };
                (Asked::End(record), truth.unsubscribe(record), link, id)
            }
            ControlRequest::LinkGone { link } => (Asked::Forget, truth.forget(link), link, 0),
        };
        self.nodes[node].truth.shards[shard].asked.push_back(asked);
        let number = u8::try_from(shard).expect("few shards");
        self.nodes[node].control.handle_request(number, request);
        let events = self.deliver_control(node);
        self.check_control(node, number, &outcome, &events);
        let answers = events.iter().filter(|(recipient, event)| {
            *recipient == Recipient::Shard(number)
                && matches!(event, ControlEvent::Reply { link: to, subscription_id, .. }
                    if *to == link && *subscription_id == id)
        });
        assert_eq!(answers.count(), 1, "[acks] one answer to one request");
    }

    /// The deltas and the answer that left the control shard must be those of the truth.
    fn check_control(
        &self,
        node: usize,
        shard: u8,
        outcome: &Outcome,
        events: &[(Recipient, ControlEvent)],
    ) {
        let last = self.nodes[node].control.rib().seq();
        let (mut begun, mut finished) = (outcome.begun.clone(), outcome.finished.clone());
        let mut seq = last - (begun.len() + finished.len()) as u64;
        for (recipient, event) in events {
            match event {
                ControlEvent::Delta(delta) => {
                    seq += 1;
                    assert_eq!(delta.seq, seq, "[replicas] the number of a delta");
                    assert_eq!(*recipient, Recipient::All, "[replicas] a delta for some");
                    match delta.change {
                        Change::Add { name, .. } => begun.retain(|wanted| *wanted != name),
                        Change::Remove { name, .. } => finished.retain(|wanted| *wanted != name),
                    }
                }
                ControlEvent::Reply { outcome: found, .. } => {
                    assert_eq!(*recipient, Recipient::Shard(shard), "[acks] the shard");
                    match (&outcome.refusal, found) {
                        (None, Ok(found)) => assert_eq!(*found, last, "[acks] the sequence"),
                        (Some(None), Err(_)) => {}
                        (Some(Some(text)), Err(found)) => {
                            assert_eq!(*text, found.to_string(), "[acks] the text");
                        }
                        (wanted, found) => panic!("[acks] {found:?} instead of {wanted:?}"),
                    }
                }
                ControlEvent::Committed(_) | ControlEvent::Congestion { .. } => {}
            }
        }
        assert!(
            begun.is_empty() && finished.is_empty() && seq == last,
            "[replicas] deltas that did not leave"
        );
    }

    /// A shard takes an event of the control shard or of another shard.
    pub(crate) fn take_event(&mut self, node: usize, shard: usize, event: ControlEvent) {
        if let ControlEvent::Delta(delta) = event
            && self.loses_delta(shard, &delta.change)
        {
            self.has_struck = true;
            self.nodes[node].truth.shards[shard].applied = delta.seq;
            self.tell_applied(node, shard, delta.seq);
            return;
        }
        if let ControlEvent::Reply {
            outcome: Ok(seq), ..
        } = event
            && self.variant.sabotage == Some(Sabotage::AckEarly)
        {
            self.has_struck = true;
            self.take_plain_event(node, shard, ControlEvent::Committed(seq));
        }
        self.take_plain_event(node, shard, event);
    }

    /// Whether the defect of this world keeps a delta from the shard; then it has no later one either.
    fn loses_delta(&self, shard: usize, change: &Change) -> bool {
        let is_withdrawal = matches!(change, Change::Remove { .. });
        match self.variant.sabotage {
            Some(Sabotage::DropDelta) => shard > 0,
            Some(Sabotage::KeepRoute) => shard == 1 && (is_withdrawal || self.has_struck),
            _ => false,
        }
    }

    fn take_plain_event(&mut self, node: usize, shard: usize, event: ControlEvent) {
        self.input(node, shard, |core, now| core.handle_control(event, now));
        let model = &mut self.nodes[node].truth.shards[shard];
        match event {
            ControlEvent::Delta(delta) => {
                model.apply(delta.seq, delta.change);
                let is_told = self
                    .outputs
                    .iter()
                    .any(|output| matches!(output, Output::Applied(seq) if *seq == delta.seq));
                assert!(is_told, "[replicas] a delta was not reported as applied");
            }
            ControlEvent::Reply {
                link,
                subscription_id: id,
                outcome,
            } => {
                let asked = model.asked.pop_front().expect("a reply follows a request");
                model.waiting.push_back(WaitingAnswer {
                    seq: outcome.unwrap_or(0),
                    link,
                    id,
                    text: outcome.err().map(|error| error.to_string()),
                    asked,
                });
                self.expect_answers(node, shard);
            }
            ControlEvent::Committed(seq) => {
                model.committed = model.committed.max(seq);
                self.expect_answers(node, shard);
            }
            ControlEvent::Congestion { .. } => {}
        }
        self.obey(node, shard);
    }

    /// Everything whose sequence is committed is answered, in order.
    fn expect_answers(&mut self, node: usize, shard: usize) {
        let truth = &mut self.nodes[node].truth;
        let model = &mut truth.shards[shard];
        let mut answers = Vec::new();
        while model
            .waiting
            .front()
            .is_some_and(|answer| answer.seq <= model.committed)
        {
            answers.extend(model.waiting.pop_front());
        }
        let applied = truth.shards.iter().map(|shard| shard.applied).min();
        // What the acknowledgements take comes first: what is more than that is a message.
        for answer in &answers {
            assert!(
                applied.is_some_and(|applied| applied >= answer.seq),
                "[replicas] an answer before every shard applied its delta"
            );
            let outcome = answer.text.as_deref().map_or(Ok(()), Err);
            let ack = message::subscription_ack(answer.id, outcome).expect("an ack is short");
            if let Some(conn) = self.conn_of(node, answer.link)
                && answer.id != 0
            {
                conn.model.bytes += ack.len() as u64;
            }
        }
        for answer in answers.iter().cloned() {
            self.expect_answer(node, shard, answer);
        }
        for answer in answers {
            // A held message may be one that ends its link.
            let is_closed = self.outputs.iter().any(
                |output| matches!(output, Output::Close(ending) if ending.link == answer.link),
            );
            if is_closed {
                continue;
            }
            let found = self.waiting_bytes(node, shard, answer.link);
            if let Some(conn) = self.conn_of(node, answer.link) {
                assert_eq!(found, conn.model.bytes, "[acks] bytes after an answer");
            }
        }
    }

    fn expect_answer(&mut self, node: usize, shard: usize, answer: WaitingAnswer) {
        let now = self.now;
        let Some(client) = self.owner(node, answer.link) else {
            return;
        };
        if answer.text.is_none() {
            self.nodes[node].truth.promise(shard, answer.asked);
        }
        let conn = self.conn(client);
        conn.model.pending -= 1;
        if answer.id != 0 {
            conn.model.push(
                Expected::Ack {
                    id: answer.id,
                    text: answer.text,
                },
                now,
            );
        }
        if conn.model.pending == 0
            && let Some(judgement) = conn.model.held.take()
        {
            self.expect_verdict(client, judgement);
        }
    }
}
