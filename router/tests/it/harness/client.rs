//! A client that may misbehave: a negotiated link, every field of whose messages can be set.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use prost::Message as _;
use slipring_proto::crypto::aws::AwsKey;
use slipring_proto::envelope::{Inbound, Kind};
use slipring_proto::generated::message::Kind as WireKind;
use slipring_proto::generated::{
    Message, Publish, SessionHeader, SlimHeader, SubscriptionAck, content,
};
use slipring_proto::link::{ConnectionType, LinkTerms};
use slipring_proto::message::{HeaderFields, PublishTail, decode_ack, framed};
use slipring_proto::name::TextName;
use slipring_sdk::error::{RpcStatus, StreamEnd};
use slipring_sdk::io::driver::Link;
use slipring_sdk::{Endpoint, LinkOptions};

use super::{Router, within};

/// A name from its text.
pub(crate) fn name(text: &str) -> TextName {
    text.parse().unwrap()
}

/// The tail of a Publish that carries `bytes`.
pub(crate) fn payload(bytes: &[u8]) -> PublishTail {
    PublishTail::new(&SessionHeader::default()).app_payload("", bytes)
}

/// The tail of a Publish that carries a text.
pub(crate) fn text(text: &str) -> PublishTail {
    payload(text.as_bytes())
}

/// The header that a client sends from `org/ns/source` to `destination`, unsigned.
pub(crate) fn fields(destination: &str) -> HeaderFields {
    HeaderFields::between(&name("org/ns/source"), &name(destination))
}

/// Options of a client that grants little window and so stalls as soon as it stops reading.
fn narrow() -> LinkOptions {
    let mut options = LinkOptions::default();
    options.transport.stream_window_bytes = NARROW_BYTES;
    options.transport.connection_window_bytes = NARROW_BYTES;
    options
}

/// The window of a stalled reader: the least that HTTP/2 knows.
const NARROW_BYTES: u32 = 65_535;

/// A negotiated link.
#[derive(Debug)]
pub(crate) struct Client {
    link: Link,
}

impl Deref for Client {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

/// A Publish as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Its protobuf bytes.
    pub(crate) raw: Bytes,
    /// All of it, decoded by prost.
    pub(crate) message: Message,
}

/// Anything a router sends on a negotiated link.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one assertion")]
pub(crate) enum Heard {
    Ack(SubscriptionAck),
    Publish(Delivery),
}

impl Client {
    /// An Edge client of `router`.
    pub(crate) async fn of(router: &Router) -> Self {
        Self::at(&router.endpoint()).await
    }

    /// An Edge client at `endpoint`.
    pub(crate) async fn at(endpoint: &Endpoint) -> Self {
        Self::with(endpoint, &LinkOptions::default()).await
    }

    /// A link of another type.
    pub(crate) async fn typed(router: &Router, connection_type: ConnectionType) -> Self {
        let mut options = LinkOptions::default();
        options.settings.connection_type = connection_type;
        Self::with(&router.endpoint(), &options).await
    }

    /// A link with options.
    pub(crate) async fn with(endpoint: &Endpoint, options: &LinkOptions) -> Self {
        let link = within("link", Link::connect(endpoint, options)).await;
        Self {
            link: link.unwrap(),
        }
    }

    /// A client on the given shard: dials until the kernel hands the connection there.
    pub(crate) async fn on_shard(router: &Router, shard: usize) -> Self {
        let mut tried = Vec::new();
        for _ in 0..100 {
            let client = Self::of(router).await;
            if router.shard_of(&client.terms().link_id).await == shard {
                return client;
            }
            // Kept open meanwhile, so that the next try has another port.
            tried.push(client);
        }
        panic!("none of {} connections went to shard {shard}", tried.len());
    }

    /// A client that grants little window, is subscribed to `to`, and is never read from: a stalled
    /// reader.
    pub(crate) async fn stalled(router: &Router, to: &str) -> Self {
        Self::stalled_as(router, to, ConnectionType::Edge).await
    }

    /// The same on a link of another type.
    pub(crate) async fn stalled_as(router: &Router, to: &str, class: ConnectionType) -> Self {
        let mut options = narrow();
        options.settings.connection_type = class;
        let mut client = Self::with(&router.endpoint(), &options).await;
        client.subscribes(to).await;
        client
    }

    /// Wraps a link that was made by other means.
    pub(crate) const fn over(link: Link) -> Self {
        Self { link }
    }

    /// The terms, key included.
    pub(crate) fn terms_of(&self) -> &LinkTerms<AwsKey> {
        self.link.terms()
    }

    /// `fields` with the tag of this link; without a key, as they are.
    pub(crate) fn sign(&self, fields: HeaderFields) -> HeaderFields {
        let terms = self.terms_of();
        match &terms.key {
            Some(key) => fields.sign(key, &terms.link_id).unwrap(),
            None => fields,
        }
    }

    /// Subscribes and waits for the ack.
    pub(crate) async fn subscribes(&mut self, to: &str) {
        let subscribed = within("ack", self.link.subscribe(&name(to))).await;
        subscribed.unwrap();
    }

    /// Sends a Subscribe or Unsubscribe to `destination`, signed, and does not wait.
    pub(crate) async fn registers(&self, kind: Kind, destination: &str, id: u64) {
        let header = self.sign(fields(destination));
        self.registers_as(kind, &header, id).await;
    }

    /// The same with any header.
    pub(crate) async fn registers_as(&self, kind: Kind, header: &HeaderFields, id: u64) {
        let sealed = header.seal();
        let message = match kind {
            Kind::Subscribe => sealed.subscribe(id),
            Kind::Unsubscribe => sealed.unsubscribe(id),
            Kind::Publish => panic!("a Publish registers nothing"),
        };
        self.sends(&message.unwrap()).await;
    }

    /// Subscribes under an id and expects success.
    pub(crate) async fn subscribes_as(&mut self, to: &str, id: u64) {
        self.registers(Kind::Subscribe, to, id).await;
        assert_eq!(self.acked(id).await, Ok(()));
    }

    /// Publishes to one.
    pub(crate) async fn publishes(&self, to: &str, words: &str) {
        self.publishes_as(&self.sign(fields(to)), &text(words))
            .await;
    }

    /// Publishes to all.
    pub(crate) async fn broadcasts(&self, to: &str, words: &str) {
        let header = self.sign(fields(to).with_fanout(256));
        self.publishes_as(&header, &text(words)).await;
    }

    /// Publishes under any header.
    pub(crate) async fn publishes_as(&self, header: &HeaderFields, tail: &PublishTail) {
        let message = header.seal().publish(tail).unwrap();
        self.sends(&message).await;
    }

    /// Publishes `count` messages with payloads of `length` bytes to `to`.
    pub(crate) async fn fills(&self, to: &str, length: usize, count: usize) {
        let header = self.sign(fields(to)).seal();
        let filler = payload(&vec![7; length]);
        for _ in 0..count {
            let sent = self.link.sender().publish_sealed(&header, &filler);
            within("room to send", sent).await.unwrap();
        }
        within("flush", self.link.sender().flush()).await.unwrap();
    }

    /// Sends bytes that are framed already, or not at all.
    pub(crate) async fn sends(&self, bytes: &[u8]) {
        let sent = async {
            self.link.sender().send_bytes(bytes).await.unwrap();
            self.link.sender().flush().await.unwrap();
        };
        within("room to send", sent).await;
    }

    /// Sends a protobuf message behind its prefix.
    pub(crate) async fn sends_message(&self, message: &Message) {
        self.sends(&framed(&message.encode_to_vec()).unwrap()).await;
    }

    /// What the router sends next.
    ///
    /// # Panics
    /// When that is the end of the stream.
    pub(crate) async fn hears(&mut self) -> Heard {
        let body = within("message", self.link.receiver().recv_body()).await;
        let Some(body) = body.unwrap() else {
            panic!("the stream ended: {:?}", self.link.receiver().end());
        };
        let raw = body.clone().into_bytes();
        match slipring_proto::envelope::split(body).unwrap() {
            Inbound::Ack(body) => Heard::Ack(decode_ack(body).unwrap()),
            Inbound::Routed(envelope) => {
                assert_eq!(envelope.kind, Kind::Publish, "a router sends no other");
                let message = Message::decode(raw.clone()).unwrap();
                Heard::Publish(Delivery { raw, message })
            }
            other @ (Inbound::Link(_) | Inbound::Empty) => {
                panic!("no router sends {other:?} on a negotiated link")
            }
        }
    }

    /// The next message, which must be a Publish.
    pub(crate) async fn receives(&mut self) -> Delivery {
        if let Some(received) = within("message", self.link.recv()).await.unwrap() {
            let raw = received.body.into_bytes();
            let message = Message::decode(raw.clone()).unwrap();
            return Delivery { raw, message };
        }
        panic!("the stream ended: {:?}", self.link.receiver().end());
    }

    /// The payload of the next Publish, as text. That it is a certain one also says that nothing
    /// came before it: order is kept between two links.
    pub(crate) async fn reads(&mut self) -> String {
        self.receives().await.text()
    }

    /// The next message, which must be the ack with this id: success, or its text.
    pub(crate) async fn acked(&mut self, id: u64) -> Result<(), String> {
        match self.hears().await {
            Heard::Ack(ack) => {
                assert_eq!(ack.subscription_id, id, "{ack:?}");
                if ack.success { Ok(()) } else { Err(ack.error) }
            }
            Heard::Publish(delivery) => panic!("expected ack {id}, got {delivery:?}"),
        }
    }

    /// Ends the link in order, if it is there still.
    pub(crate) async fn closes(self) {
        within("end of the stream", self.link.close()).await;
    }

    /// How the stream ends; what still arrives is discarded.
    pub(crate) async fn end(&mut self) -> StreamEnd {
        within("end of the stream", self.link.receiver().ended()).await
    }

    /// Expects the stream to end with this status and no text.
    pub(crate) async fn ends_with_status(&mut self, code: u32) {
        let message = String::new();
        assert_eq!(
            self.end().await,
            StreamEnd::Status(RpcStatus { code, message })
        );
    }

    /// Proves that the link is open and that all it sent before was handled: it subscribes to a
    /// name of its own and sends itself nothing.
    pub(crate) async fn is_served(&mut self) {
        let own = format!("alive/{}/check", self.terms_of().link_id);
        within("ack", self.link.subscribe(&name(&own)))
            .await
            .unwrap();
        within("ack", self.link.unsubscribe(&name(&own)))
            .await
            .unwrap();
    }
}

impl Delivery {
    /// The Publish in it.
    pub(crate) fn publish(&self) -> &Publish {
        match &self.message.kind {
            Some(WireKind::Publish(publish)) => publish,
            other => panic!("{other:?} is no Publish"),
        }
    }

    /// The routed header.
    pub(crate) fn header(&self) -> &SlimHeader {
        self.publish().header.as_ref().unwrap()
    }

    /// The application payload; empty when there is none.
    pub(crate) fn payload(&self) -> Bytes {
        let content = self.publish().msg.as_ref();
        match content.and_then(|content| content.content_type.as_ref()) {
            Some(content::ContentType::AppPayload(payload)) => payload.blob.clone(),
            _ => Bytes::new(),
        }
    }

    /// The application payload as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.payload().to_vec()).unwrap()
    }

    /// Whether its tag is right for a link with these terms.
    pub(crate) fn is_signed_for(&self, terms: &LinkTerms<AwsKey>) -> bool {
        let tag = self.header().header_mac.clone();
        let again = SlimHeader {
            header_mac: None,
            ..self.header().clone()
        };
        let again = again.sign(terms.key.as_ref().unwrap(), &terms.link_id);
        tag.is_some() && again.unwrap().header_mac == tag
    }
}
