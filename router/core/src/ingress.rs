//! One message from a link: decoded as far as routing needs, verified, and given to forwarding or to
//! the control shard. Whatever is wrong with it costs the message, at worst its own link.
//!
//! The order is that of WIRE §2.3: decode, MAC, validation, TTL, dispatch.

use bytes::Bytes;
use slipring_fib::LinkId;
use slipring_proto::{
    crypto::LinkCrypto,
    envelope::{self, Envelope, Inbound, Kind},
    error::Malformed,
    grpc::Body,
    header::RoutedHeader,
    mac,
};

use crate::{
    counters::MessageKind,
    flow::{Flow, FlowId, HEADER_BYTES_MAX, Plan},
    forward::{Forwarded, Verified},
    ledger::Account,
    links::{Link, Phase},
    reason::{CloseReason, DropReason},
    shard::ShardCore,
    time::Time,
};

/// What the shell does with the rest of a link's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Intake {
    /// Feed the next message.
    Next,
    /// Feed nothing more until [`crate::Output::Resume`].
    Pause,
    /// The link is gone, and its [`crate::Output::Close`] waits; or it is ending, takes no more input,
    /// and is closed when its last message has left.
    Gone,
}

impl<C: LinkCrypto> ShardCore<C> {
    /// Takes one message that arrived on `id`.
    pub fn handle_message(&mut self, id: LinkId, body: Body, now: Time) -> Intake {
        let bytes = body.len() as u64;
        self.counters.bytes_in = self.counters.bytes_in.saturating_add(bytes);
        let Some(link) = self.links.find_mut(id).filter(|link| link.is_reading()) else {
            self.count_in(MessageKind::Unknown);
            self.counters.drop_in(DropReason::LinkGone);
            return Intake::Gone;
        };
        link.counters.messages_in = link.counters.messages_in.saturating_add(1);
        link.counters.bytes_in = link.counters.bytes_in.saturating_add(bytes);
        let is_negotiating = matches!(link.phase, Phase::Negotiating(_));
        match envelope::split(body) {
            Err(malformed) => {
                self.count_in(MessageKind::Unknown);
                self.refuse_malformed(id, malformed, now)
            }
            Ok(inbound) if is_negotiating => self.negotiate(id, inbound, now),
            Ok(Inbound::Routed(envelope)) => self.handle_routed(id, envelope, now),
            // WIRE §4.4: link messages after the negotiation are ignored.
            Ok(Inbound::Link(_)) => self.ignore(MessageKind::Link),
            // A router asks for no acknowledgement, so none of them means anything to it.
            Ok(Inbound::Ack(_)) => self.ignore(MessageKind::Ack),
            Ok(Inbound::Empty) => {
                self.count_in(MessageKind::Unknown);
                self.lose(DropReason::Invalid)
            }
        }
    }

    /// Ends the turn of `id`: what the shell read at once has been fed.
    pub fn end_turn(&mut self, id: LinkId) {
        if let Some(link) = self.links.find_mut(id) {
            link.turn = crate::links::Turn::default();
        }
    }

    fn handle_routed(&mut self, id: LinkId, envelope: Envelope, now: Time) -> Intake {
        match envelope.kind {
            Kind::Publish => {
                self.count_in(MessageKind::Publish);
                self.handle_publish(id, envelope, now)
            }
            Kind::Subscribe => {
                self.count_in(MessageKind::Subscribe);
                self.handle_subscription(id, &envelope, now)
            }
            Kind::Unsubscribe => {
                self.count_in(MessageKind::Unsubscribe);
                self.handle_subscription(id, &envelope, now)
            }
        }
    }

    fn handle_publish(&mut self, id: LinkId, envelope: Envelope, now: Time) -> Intake {
        let Some(link) = self.links.find_mut(id) else {
            return Intake::Gone;
        };
        if link.pending > 0 && !matches!(link.phase, Phase::Leaving) {
            // Whatever this publish provokes must find the subscriptions that were sent before it; of a
            // link that is leaving nobody finds any, and the end of its routes would also be its own.
            self.ledger.charge(Account::Assembly, held_bytes(&envelope));
            link.held = Some(envelope);
            return self.pause(id);
        }
        self.publish(id, &envelope, now)
    }

    /// Forwards a publish whose turn has come.
    pub(crate) fn publish(&mut self, id: LinkId, envelope: &Envelope, now: Time) -> Intake {
        let known = match self.links.find_mut(id) {
            Some(link) => link.flows.take(&envelope.header),
            None => return Intake::Gone,
        };
        let forwarded = if let Some(mut flow) = known {
            self.counters.flow_hits = self.counters.flow_hits.saturating_add(1);
            let before = flow.bytes();
            if !envelope.has_session {
                // The header was valid before; only what lies outside of it can be missing.
                self.put_flow(id, flow, before);
                return self.lose(DropReason::Invalid);
            }
            let seq = self.fib.seq();
            let plan = match flow.plan.take() {
                Some((made_at, plan)) if made_at == seq => plan,
                _ => self.plan(id, &flow.header),
            };
            let forwarded = self.forward(
                id,
                flow.id,
                &envelope.header,
                &flow.header,
                envelope,
                &plan,
                now,
            );
            flow.plan = Some((seq, plan));
            self.put_flow(id, flow, before);
            forwarded
        } else {
            match self.verify(id, envelope) {
                Err(Rejected::Malformed(malformed)) => {
                    return self.refuse_malformed(id, malformed, now);
                }
                Err(Rejected::Dropped(reason)) => return self.lose(reason),
                Ok(header) => self.forward_new(id, envelope, header, now),
            }
        };
        self.after_publish(id, forwarded, now)
    }

    /// Forwards a publish that was just verified and remembers its header.
    fn forward_new(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        header: RoutedHeader,
        now: Time,
    ) -> Forwarded {
        let raw = &envelope.header;
        let seq = self.fib.seq();
        let plan = self.plan(id, &header);
        let Some(link) = self.links.find_mut(id) else {
            return Forwarded::Nobody;
        };
        // Of a full pool every link keeps the places it has, for whatever header comes next.
        let has_room = self.ledger.fits(Account::Flows, link.flows.growth(raw));
        if !self.has_flow_cache || !has_room || raw.len() > HEADER_BYTES_MAX {
            return self.forward(id, FlowId::NONE, raw, &header, envelope, &plan, now);
        }
        let flow_id = self.flow_numbers.next();
        let (mut flow, before) = link.flows.refill(raw, flow_id, header);
        let forwarded = self.forward(id, flow_id, raw, &flow.header, envelope, &plan, now);
        flow.plan = Some((seq, plan));
        self.put_flow(id, flow, before);
        forwarded
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call site shape for the hit and the miss path"
    )]
    fn forward(
        &mut self,
        ingress: LinkId,
        flow: FlowId,
        raw: &Bytes,
        header: &RoutedHeader,
        envelope: &Envelope,
        plan: &Plan,
        now: Time,
    ) -> Forwarded {
        let message = Verified {
            ingress,
            flow,
            raw,
            header,
            // WIRE §7.6: one hop less; `verify` let nothing through that would have none left.
            ttl: header.ttl.saturating_sub(1),
            tail: &envelope.tail,
        };
        self.carry_out(plan, &message, now)
    }

    /// Remembers a flow for which `before` bytes are charged, as far as the pool has room.
    fn put_flow(&mut self, id: LinkId, mut flow: Box<Flow>, before: u64) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        self.ledger.release(Account::Flows, before);
        if !self.ledger.fits(Account::Flows, flow.bytes()) {
            // A plan for many links is made again faster than its messages are queued.
            flow.plan = None;
        }
        if self.ledger.try_charge(Account::Flows, flow.bytes()) {
            link.flows.put(flow);
        }
    }

    /// Parses and verifies the routed header of `envelope` (WIRE §2.2, §5.4, §7.6).
    pub(crate) fn verify(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
    ) -> Result<RoutedHeader, Rejected> {
        let raw = &envelope.header;
        let header = RoutedHeader::parse(raw).map_err(Rejected::Malformed)?;
        let Some(link) = self.links.find(id) else {
            return Err(Rejected::Dropped(DropReason::LinkGone));
        };
        check_mac(
            link,
            envelope.kind,
            raw,
            &header,
            &mut self.scratch.preimage,
        )
        .map_err(Rejected::Dropped)?;
        header
            .routing(envelope.kind, envelope.has_session)
            .map_err(|_| Rejected::Dropped(DropReason::Invalid))?;
        // Before the lookup, so that a spent message takes no turn of a rotation.
        if header.ttl <= 1 {
            return Err(Rejected::Dropped(DropReason::TtlExpired));
        }
        Ok(header)
    }

    pub(crate) fn refuse_malformed(
        &mut self,
        id: LinkId,
        malformed: Malformed,
        now: Time,
    ) -> Intake {
        self.counters.drop_in(DropReason::Malformed);
        if malformed.is_undecodable() {
            self.close(id, CloseReason::Undecodable, now);
            return Intake::Gone;
        }
        let Some(link) = self.links.find_mut(id) else {
            return Intake::Gone;
        };
        // WIRE §4.2: the one message that opens a link gets no second try.
        if matches!(link.phase, Phase::Negotiating(_)) {
            self.close(id, CloseReason::NegotiationFailed, now);
            return Intake::Gone;
        }
        link.malformed = link.malformed.saturating_add(1);
        if link.malformed >= self.limits.malformed_max {
            self.close(id, CloseReason::Malformed, now);
            return Intake::Gone;
        }
        self.within_turn(id)
    }

    pub(crate) fn lose(&mut self, reason: DropReason) -> Intake {
        self.counters.drop_in(reason);
        Intake::Next
    }

    pub(crate) fn count_in(&mut self, kind: MessageKind) {
        self.counters.messages_in.add(kind.index(), 1);
    }

    fn ignore(&mut self, kind: MessageKind) -> Intake {
        self.count_in(kind);
        Intake::Next
    }
}

/// Why a header went no further.
pub(crate) enum Rejected {
    Malformed(Malformed),
    Dropped(DropReason),
}

/// The table of WIRE §5.4.
fn check_mac<C: LinkCrypto>(
    link: &Link<C>,
    kind: Kind,
    raw: &[u8],
    header: &RoutedHeader,
    scratch: &mut Vec<u8>,
) -> Result<(), DropReason> {
    let Some(terms) = &link.terms else {
        return Err(DropReason::MacMissing);
    };
    // WIRE §5.4: nothing is verified on peer links.
    if link.class == slipring_fib::LinkClass::Peer {
        return Ok(());
    }
    let is_subscription = kind != Kind::Publish;
    match (&terms.key, header.mac(raw)) {
        (Some(key), Some(_)) => {
            if mac::verify(key, header, raw, terms.link_id.as_bytes(), scratch) {
                Ok(())
            } else {
                Err(DropReason::MacInvalid)
            }
        }
        (_, None) if terms.strict => Err(DropReason::MacMissing),
        (Some(_), None) if is_subscription => Ok(()),
        (Some(_), None) => Err(DropReason::MacMissing),
        (None, None) => Ok(()),
        (None, Some(_)) if is_subscription => Ok(()),
        (None, Some(_)) => Err(DropReason::MacUnexpected),
    }
}

/// Bytes that a held publish keeps in memory.
pub(crate) fn held_bytes(envelope: &Envelope) -> u64 {
    (envelope.header.len() as u64).saturating_add(envelope.tail.body.len() as u64)
}
