//! What must become of a message, judged from its bytes and the link's terms alone.

use bytes::Bytes;
use slipring_core::DropReason;
use slipring_proto::{
    crypto::fake::FakeKey,
    envelope::{self, Inbound, Kind, Tail},
    grpc::Body,
    header::RoutedHeader,
    link::LinkTerms,
    mac,
    name::Name,
};

/// A judged message.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    /// Whether it is a publish at all, so that earlier requests hold it.
    pub(crate) is_publish: bool,
    pub(crate) verdict: Verdict,
}

/// What must become of it.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It is forwarded to whoever subscribes.
    Publish(Box<Routed>),
    Subscribe {
        id: u64,
        name: Name,
    },
    Unsubscribe {
        id: u64,
        name: Name,
    },
    /// It is counted and means nothing.
    Ignored,
    /// It is dropped in silence.
    Lost(DropReason),
    /// It is dropped, and its link ends when there are several of the kind.
    Ambiguous,
    /// It is dropped and its link ends.
    Undecodable,
}

/// A publish that is to be forwarded.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) raw: Bytes,
    pub(crate) header: RoutedHeader,
    pub(crate) tail: Tail,
    pub(crate) destination: Name,
}

impl Routed {
    pub(crate) fn has_forged_steering(&self) -> bool {
        self.header.recv_from.is_some() || self.header.forward_to.is_some()
    }
}

/// How a link treats headers.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) terms: Option<&'a LinkTerms<FakeKey>>,
    /// Whether the link has a key at all.
    pub(crate) is_keyed: bool,
    /// Whether the router insists on MACs.
    pub(crate) is_strict: bool,
}

impl Judge<'_> {
    /// Judges a message of an open link.
    pub(crate) fn judge(self, body: Body) -> Judgement {
        let inbound = match envelope::split(body) {
            Ok(inbound) => inbound,
            Err(malformed) => {
                return Judgement {
                    is_publish: false,
                    verdict: broken(malformed.is_undecodable()),
                };
            }
        };
        let envelope = match inbound {
            Inbound::Routed(envelope) => envelope,
            Inbound::Link(_) | Inbound::Ack(_) => {
                return Judgement {
                    is_publish: false,
                    verdict: Verdict::Ignored,
                };
            }
            Inbound::Empty => {
                return Judgement {
                    is_publish: false,
                    verdict: Verdict::Lost(DropReason::Invalid),
                };
            }
        };
        let is_publish = envelope.kind == Kind::Publish;
        let verdict = self.routed(envelope);
        Judgement {
            is_publish,
            verdict,
        }
    }

    fn routed(self, envelope: envelope::Envelope) -> Verdict {
        let raw = &envelope.header;
        let header = match RoutedHeader::parse(raw) {
            Ok(header) => header,
            Err(malformed) => return broken(malformed.is_undecodable()),
        };
        if let Some(reason) = self.mac_fault(envelope.kind, raw, &header) {
            return Verdict::Lost(reason);
        }
        let Ok(route) = header.routing(envelope.kind, envelope.has_session) else {
            return Verdict::Lost(DropReason::Invalid);
        };
        // WIRE §7.6
        if header.ttl <= 1 {
            return Verdict::Lost(DropReason::TtlExpired);
        }
        let (id, name) = (envelope.subscription_id, route.destination);
        match envelope.kind {
            Kind::Subscribe => Verdict::Subscribe { id, name },
            Kind::Unsubscribe => Verdict::Unsubscribe { id, name },
            Kind::Publish => Verdict::Publish(Box::new(Routed {
                raw: envelope.header,
                header,
                tail: envelope.tail,
                destination: name,
            })),
        }
    }

    /// The table of WIRE §5.4, row by row.
    fn mac_fault(self, kind: Kind, raw: &[u8], header: &RoutedHeader) -> Option<DropReason> {
        let is_publish = kind == Kind::Publish;
        let is_tagged = header.mac(raw).is_some();
        let is_right = || {
            self.terms.is_some_and(|terms| {
                terms.key.as_ref().is_some_and(|key| {
                    mac::verify(key, header, raw, terms.link_id.as_bytes(), &mut Vec::new())
                })
            })
        };
        match (self.is_strict, self.is_keyed, is_tagged) {
            (true, _, false) => Some(DropReason::MacMissing),
            (_, true, true) => (!is_right()).then_some(DropReason::MacInvalid),
            (false, true, false) => is_publish.then_some(DropReason::MacMissing),
            (false, false, false) => None,
            (_, false, true) => is_publish.then_some(DropReason::MacUnexpected),
        }
    }
}

fn broken(is_undecodable: bool) -> Verdict {
    if is_undecodable {
        Verdict::Undecodable
    } else {
        Verdict::Ambiguous
    }
}
