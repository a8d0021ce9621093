//! One virtual client: its end of the negotiation, its key, what it has to say and what it heard.

use std::collections::VecDeque;

use bytes::Bytes;
use slipring_core::{Ending, Time};
use slipring_fib::LinkId;
use slipring_proto::{
    crypto::fake::{FakeCrypto, FakeKey},
    grpc::Body,
    link::{ConnectionType, LinkPolicy, LinkTerms, LocalNode, Negotiation},
    message::HeaderFields,
};

use super::wire::{Ack, Delivered, Ear, Heard};

/// A client of the node, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub(super) usize);

/// How a client connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial {
    pub(crate) shard: usize,
    pub(crate) connection_type: ConnectionType,
    /// Whether the node demands a MAC on this link.
    pub(crate) strict: bool,
    /// Whether the client offers a usable key.
    pub(crate) has_key: bool,
}

impl Dial {
    /// A published client: edge, strict, with a key.
    pub(crate) fn edge(shard: usize) -> Self {
        Self {
            shard,
            connection_type: ConnectionType::Edge,
            strict: true,
            has_key: true,
        }
    }

    /// Another node.
    pub(crate) fn remote(shard: usize) -> Self {
        Self {
            connection_type: ConnectionType::Remote,
            ..Self::edge(shard)
        }
    }

    /// A replica of the same deployment, as it believes.
    pub(crate) fn peer(shard: usize) -> Self {
        Self {
            connection_type: ConnectionType::Peer,
            ..Self::edge(shard)
        }
    }

    /// The same on a link that does not demand a MAC.
    pub(crate) fn lax(self) -> Self {
        Self {
            strict: false,
            ..self
        }
    }

    /// The same without a usable key.
    pub(crate) fn keyless(self) -> Self {
        Self {
            has_key: false,
            ..self
        }
    }

    pub(super) fn policy(self) -> LinkPolicy {
        LinkPolicy {
            require_header_mac: self.strict,
            enforce_pqc: false,
        }
    }
}

/// At what pace a client takes what the node has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Freely,
    Never,
    /// Bytes a millisecond, and what is left of them; negative after a message larger than that.
    Rate {
        per_ms: i64,
        left: i64,
    },
}

/// Both ends of one link, as the shell and the peer see them.
pub(crate) struct Port {
    pub(super) name: String,
    pub(super) link: LinkId,
    pub(super) shard: usize,
    pub(super) negotiation: Option<Negotiation<FakeCrypto>>,
    pub(super) terms: Option<LinkTerms<FakeKey>>,
    pub(super) ear: Ear,
    /// Messages that the node has not been fed yet.
    pub(super) input: VecDeque<Body>,
    pub(super) is_paused: bool,
    /// When the input was last held, to measure for how long.
    pub(super) paused_at: Time,
    pub(super) reading: Reading,
    /// The node said that something waits.
    pub(super) is_woken: bool,
    pub(super) is_announced: bool,
    pub(super) ended: Option<(Ending, Time)>,
    pub(super) delivered: Vec<Delivered>,
    pub(super) acks: Vec<Ack>,
}

impl Port {
    pub(super) fn new(name: &str, link: LinkId, shard: usize) -> Self {
        Self {
            name: name.to_owned(),
            link,
            shard,
            negotiation: None,
            terms: None,
            ear: Ear::new(),
            input: VecDeque::new(),
            is_paused: false,
            paused_at: Time::ZERO,
            reading: Reading::Freely,
            is_woken: false,
            is_announced: false,
            ended: None,
            delivered: Vec::new(),
            acks: Vec::new(),
        }
    }

    /// Begins the negotiation; the request is what to say first.
    pub(super) fn dial(&mut self, dial: Dial, crypto: &mut FakeCrypto) -> Bytes {
        let local = LocalNode {
            node_id: format!("node-{}", self.name),
            deployment_name: String::new(),
            version: "3.4.6".to_owned(),
        };
        let (negotiation, request) = Negotiation::dial(
            local,
            dial.policy(),
            format!("link-{}", self.name),
            dial.connection_type,
            crypto,
        )
        .expect("a request");
        self.negotiation = Some(negotiation);
        if dial.has_key {
            request
        } else {
            without_key(&request)
        }
    }

    /// Takes bytes from the node.
    pub(super) fn hear(&mut self, bytes: Bytes, crypto: &mut FakeCrypto) {
        self.ear.push(bytes);
        while let Some(heard) = self.ear.pop(self.terms.as_ref()) {
            match heard {
                Heard::Publish(publish) => self.delivered.push(*publish),
                Heard::Ack(ack) => self.acks.push(ack),
                Heard::Link(reply) => {
                    let mut negotiation = self.negotiation.take().expect("one reply");
                    let negotiated = negotiation.handle(reply, crypto).expect("a good reply");
                    self.terms = Some(negotiated.terms);
                }
            }
        }
    }

    /// Signs as this link demands.
    pub(super) fn signed(&self, fields: HeaderFields) -> HeaderFields {
        let terms = self.terms.as_ref().expect("negotiated");
        match terms.mac_key() {
            Some(key) => fields.sign(key, &terms.link_id).expect("a header"),
            None => fields,
        }
    }
}

/// The same request with an all-zero key, which no side can agree on.
fn without_key(request: &Bytes) -> Bytes {
    use slipring_proto::{envelope, message};
    let inbound = envelope::split(Body::from(request.clone())).expect("a request");
    let envelope::Inbound::Link(body) = inbound else {
        panic!("a request is a link message");
    };
    let mut payload = message::decode_link(body).expect("a request").expect("one");
    payload.link_ecdh_public_key = Bytes::from(vec![0; 32]);
    message::link(payload)
}
