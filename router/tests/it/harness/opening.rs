//! A stream before its negotiation: any request, and how the router answers it.

use bytes::Bytes;
use slipring_proto::crypto::LinkCrypto;
use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::envelope::{Inbound, split};
use slipring_proto::generated::LinkNegotiationPayload;
use slipring_proto::link::{ConnectionType, LinkTerms, PeerIdentity};
use slipring_proto::message::{WIRE_VERSION, decode_link, link};
use slipring_sdk::Endpoint;
use slipring_sdk::error::StreamEnd;
use slipring_sdk::io::driver::Link;
use slipring_sdk::io::stream::RawStream;
use slipring_sdk::io::transport::{OpenOptions, Transport, TransportOptions};
use slipring_sdk::link::{LinkMachine, LinkSettings};
use std::sync::Arc;

use super::{Client, Router, within};

/// A request that any router accepts: Edge, classical, the link id `link`.
pub(crate) fn request() -> LinkNegotiationPayload {
    let (_, public) = AwsCrypto.ephemeral().unwrap();
    LinkNegotiationPayload {
        link_id: "link".to_owned(),
        slim_version: WIRE_VERSION.to_owned(),
        is_reply: false,
        link_ecdh_public_key: Bytes::copy_from_slice(&public),
        connection_type: 2,
        node_id: "client".to_owned(),
        deployment_name: String::new(),
        link_kem_payload: None,
    }
}

/// An open stream that has not negotiated, and the transport under it.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) stream: RawStream,
    pub(crate) transport: Transport,
}

impl Opening {
    /// A stream to `router` on a transport of its own.
    pub(crate) async fn of(router: &Router) -> Self {
        Self::at(&router.endpoint()).await
    }

    /// A stream to `endpoint` on a transport of its own.
    pub(crate) async fn at(endpoint: &Endpoint) -> Self {
        let options = TransportOptions::default();
        let transport = within("transport", Transport::connect(endpoint, &options)).await;
        Self::on(&transport.unwrap()).await
    }

    /// A further stream on `transport`.
    pub(crate) async fn on(transport: &Transport) -> Self {
        let stream = within("stream", transport.open(&OpenOptions::default())).await;
        Self {
            stream: stream.unwrap(),
            transport: transport.clone(),
        }
    }

    /// Sends a negotiation request.
    pub(crate) async fn asks(&mut self, request: LinkNegotiationPayload) {
        self.sends(&link(request)).await;
    }

    /// Sends a message behind its prefix, whatever it is.
    pub(crate) async fn sends(&mut self, body: &[u8]) {
        let sent = within("room to send", self.stream.sender.send_body(body)).await;
        sent.unwrap();
    }

    /// The router's reply.
    ///
    /// # Panics
    /// When the stream ends instead, or something else comes.
    pub(crate) async fn reply(&mut self) -> LinkNegotiationPayload {
        let body = within("reply", self.stream.receiver.recv()).await.unwrap();
        let body = body.unwrap_or_else(|| panic!("refused: {:?}", self.stream.receiver.end()));
        match split(body).unwrap() {
            Inbound::Link(body) => decode_link(body).unwrap().unwrap(),
            other @ (Inbound::Routed(_) | Inbound::Ack(_) | Inbound::Empty) => {
                panic!("{other:?} in place of a reply")
            }
        }
    }

    /// Expects the stream to end with status 0, no text, and nothing sent before.
    pub(crate) async fn is_refused(&mut self, what: &str) {
        let chunk = within("end", self.stream.receiver.recv_chunk()).await;
        assert_eq!(chunk, None, "{what}: something was sent");
        let end = self.stream.receiver.end().cloned();
        let Some(StreamEnd::Status(status)) = end else {
            panic!("{what}: {end:?}");
        };
        assert_eq!((status.code, status.message.as_str()), (0, ""), "{what}");
    }

    /// How the stream ends; what still arrives is discarded.
    pub(crate) async fn end(&mut self) -> StreamEnd {
        within("end", self.stream.receiver.ended()).await
    }

    /// A client without a key, on a router that accepts one.
    pub(crate) async fn keyless(mut self) -> Client {
        let asked = LinkNegotiationPayload {
            link_ecdh_public_key: Bytes::new(),
            ..request()
        };
        self.asks(asked).await;
        let reply = self.reply().await;
        assert!(reply.link_ecdh_public_key.is_empty());
        let terms = LinkTerms {
            link_id: reply.link_id,
            connection_type: ConnectionType::Edge,
            key: None,
            strict: false,
            hybrid: false,
            peer: PeerIdentity {
                version: reply.slim_version,
                node_id: reply.node_id,
                deployment_name: reply.deployment_name,
            },
        };
        let settings = LinkSettings::edge("link", "client");
        let machine = LinkMachine::opened(settings, 1, Arc::new(terms));
        Client::over(Link::start(self.stream, machine).unwrap())
    }
}
