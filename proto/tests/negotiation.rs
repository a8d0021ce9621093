//! Link negotiation as WIRE §4 has it: both roles against each other, the key vectors, every
//! refusal in its order, every downgrade refused (W-02).

use bytes::Bytes;
use slipring_proto::crypto::LinkCrypto;
use slipring_proto::envelope::{Inbound, split};
use slipring_proto::generated::LinkNegotiationPayload;
use slipring_proto::generated::link::LinkType;
use slipring_proto::generated::message::Kind;
use slipring_proto::generated::{Link, Message};
use slipring_proto::grpc::Body;
use slipring_proto::link::{
    ConnectionType, LinkPolicy, LocalNode, Negotiated, Negotiation, NegotiationError,
};
use slipring_proto::message;

#[path = "negotiation/agreement.rs"]
mod agreement;
#[path = "negotiation/downgrade.rs"]
mod downgrade;
#[path = "negotiation/refusal.rs"]
mod refusal;
#[path = "negotiation/vector.rs"]
mod vector;

const LINK_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

const STRICT: LinkPolicy = LinkPolicy {
    require_header_mac: true,
    enforce_pqc: false,
};
const LENIENT: LinkPolicy = LinkPolicy {
    require_header_mac: false,
    enforce_pqc: false,
};
const STRICT_PQC: LinkPolicy = LinkPolicy {
    require_header_mac: true,
    enforce_pqc: true,
};
const LENIENT_PQC: LinkPolicy = LinkPolicy {
    require_header_mac: false,
    enforce_pqc: true,
};

fn node(node_id: &str) -> LocalNode {
    LocalNode {
        node_id: node_id.to_owned(),
        deployment_name: "lab".to_owned(),
        version: message::WIRE_VERSION.to_owned(),
    }
}

/// What the peer's envelope walk makes of a message.
fn arrived(message: &Bytes) -> Inbound {
    split(Body::from(message.clone())).expect("our own messages are well-formed")
}

fn payload_in(message: &Bytes) -> LinkNegotiationPayload {
    let Inbound::Link(body) = arrived(message) else {
        panic!("not a link message")
    };
    message::decode_link(body)
        .expect("it decodes")
        .expect("it has a payload")
}

/// The message with its payload changed on the way.
fn altered(message: &Bytes, change: impl FnOnce(&mut LinkNegotiationPayload)) -> Inbound {
    let mut payload = payload_in(message);
    change(&mut payload);
    arrived(&message::link(payload))
}

fn dial<C: LinkCrypto>(policy: LinkPolicy, crypto: &mut C) -> (Negotiation<C>, Bytes) {
    let edge = ConnectionType::Edge;
    Negotiation::dial(node("n1"), policy, LINK_ID.to_owned(), edge, crypto).expect("it dials")
}

fn accept<C: LinkCrypto>(
    policy: LinkPolicy,
    crypto: &mut C,
    first: Inbound,
) -> Result<Negotiated<C::Key>, NegotiationError> {
    Negotiation::accept(node("n2"), policy).handle(first, crypto)
}

/// The whole exchange: what the dialler and the acceptor hold in the end.
fn exchange<C: LinkCrypto>(
    dialler: LinkPolicy,
    acceptor: LinkPolicy,
    crypto: &mut C,
) -> (Negotiated<C::Key>, Negotiated<C::Key>) {
    let (mut dialling, request) = dial(dialler, crypto);
    let accepted = accept(acceptor, crypto, arrived(&request)).expect("the request is good");
    let reply = accepted.reply.clone().expect("an acceptor replies");
    let dialled = dialling
        .handle(arrived(&reply), crypto)
        .expect("the reply is good");
    (dialled, accepted)
}

/// A request that nothing is wrong with, to be broken by a case.
fn good_request() -> LinkNegotiationPayload {
    LinkNegotiationPayload {
        link_id: LINK_ID.to_owned(),
        slim_version: message::WIRE_VERSION.to_owned(),
        link_ecdh_public_key: Bytes::from_static(&[9; 32]),
        connection_type: ConnectionType::Edge as i32,
        node_id: "n1".to_owned(),
        ..LinkNegotiationPayload::default()
    }
}

fn link_around(payload: Option<LinkNegotiationPayload>) -> Inbound {
    let link = Link {
        link_type: payload.map(LinkType::LinkNegotiation),
    };
    let message = Message {
        kind: Some(Kind::Link(link)),
        ..Message::default()
    };
    arrived(&Bytes::from(prost::Message::encode_to_vec(&message)))
}
