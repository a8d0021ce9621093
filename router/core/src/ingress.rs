//! One message from a link: decoded as far as routing needs, verified, and given to forwarding or to
//! the control shard. Whatever is wrong with it costs the message, at worst its own link.
//!
//! The order is that of WIRE §2.3: decode, MAC, validation, TTL, dispatch.

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
    flow::Names,
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

    /// Parses and verifies the routed header of `envelope` (WIRE §2.2, §5.4, §7.6).
    pub(crate) fn verify(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
    ) -> Result<RoutedHeader, Rejected> {
        let header = RoutedHeader::parse(&envelope.header).map_err(Rejected::Malformed)?;
        self.check(id, envelope, &header, None)?;
        Ok(header)
    }

    /// Judges a parsed header (WIRE §2.2, §5.4, §7.6); `names` is what is known about its names.
    pub(crate) fn check(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        header: &RoutedHeader,
        names: Option<&mut Names<C>>,
    ) -> Result<(), Rejected> {
        let Some(link) = self.links.find(id) else {
            return Err(Rejected::Dropped(DropReason::LinkGone));
        };
        check_mac(link, envelope, header, names, &mut self.scratch.preimage)
            .map_err(Rejected::Dropped)?;
        header
            .routing(envelope.kind, envelope.has_session)
            .map_err(|_| Rejected::Dropped(DropReason::Invalid))?;
        // Before the lookup, so that a spent message takes no turn of a rotation.
        if header.ttl <= 1 {
            return Err(Rejected::Dropped(DropReason::TtlExpired));
        }
        Ok(())
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
    envelope: &Envelope,
    header: &RoutedHeader,
    names: Option<&mut Names<C>>,
    scratch: &mut Vec<u8>,
) -> Result<(), DropReason> {
    let raw = &envelope.header;
    let Some(terms) = &link.terms else {
        return Err(DropReason::MacMissing);
    };
    // WIRE §5.4: nothing is verified on peer links.
    if link.class == slipring_fib::LinkClass::Peer {
        return Ok(());
    }
    let is_subscription = envelope.kind != Kind::Publish;
    match (&terms.key, header.mac(raw)) {
        (Some(key), Some(_)) => {
            let link_id = terms.link_id.as_bytes();
            let is_right = match names {
                Some(names) => names.verify(key, link_id, header, raw, scratch),
                None => mac::verify(key, header, raw, link_id, scratch),
            };
            is_right.then_some(()).ok_or(DropReason::MacInvalid)
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
