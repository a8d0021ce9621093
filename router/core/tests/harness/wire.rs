//! What a client finds in the bytes it receives.

use bytes::Bytes;
use slipring_proto::{
    crypto::fake::FakeKey,
    envelope::{Envelope, Inbound, split},
    grpc::{Body, Deframer},
    header::RoutedHeader,
    limits::MESSAGE_BYTES_MAX,
    link::LinkTerms,
    mac, message,
    varint::Reader,
};

/// A publish as it reached a client.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) raw: Bytes,
    pub(crate) header: RoutedHeader,
    pub(crate) tail: Bytes,
    pub(crate) tail_inner: usize,
}

impl Delivered {
    /// The application payload, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.payload().to_vec()).expect("text")
    }

    /// The application payload.
    pub(crate) fn payload(&self) -> Bytes {
        let inner = self.tail.slice(..self.tail_inner);
        let content = block(&inner, 3).expect("content");
        let app = block(&content, 1).expect("application payload");
        block(&app, 2).unwrap_or_default()
    }

    /// The identity token in the header, as text.
    pub(crate) fn identity(&self) -> &str {
        let content = self.header.identity.content.of(&self.raw);
        std::str::from_utf8(content).expect("text")
    }
}

/// Number and outcome of an acknowledgement.
pub(crate) type Ack = (u64, Result<(), String>);

/// What one message is to a client.
#[derive(Debug)]
pub(crate) enum Heard {
    Publish(Box<Delivered>),
    Ack(Ack),
    Link(Inbound),
}

/// The receiving half of a client: bytes in, messages out, every tag verified.
#[derive(Debug)]
pub(crate) struct Ear {
    deframer: Deframer,
    scratch: Vec<u8>,
}

impl Ear {
    pub(crate) fn new() -> Self {
        Self {
            deframer: Deframer::new(MESSAGE_BYTES_MAX),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.deframer.push(bytes);
    }

    pub(crate) fn pop(&mut self, terms: Option<&LinkTerms<FakeKey>>) -> Option<Heard> {
        let body: Body = self.deframer.pop().expect("the node frames well")?;
        match split(body).expect("the node writes well") {
            Inbound::Routed(envelope) => {
                Some(Heard::Publish(Box::new(self.delivered(envelope, terms))))
            }
            Inbound::Ack(body) => {
                let ack = message::decode_ack(body).expect("an acknowledgement");
                let outcome = if ack.success { Ok(()) } else { Err(ack.error) };
                Some(Heard::Ack((ack.subscription_id, outcome)))
            }
            link @ Inbound::Link(_) => Some(Heard::Link(link)),
            Inbound::Empty => panic!("the node sent an empty message"),
        }
    }

    fn delivered(&mut self, envelope: Envelope, terms: Option<&LinkTerms<FakeKey>>) -> Delivered {
        let terms = terms.expect("nothing is routed before the negotiation");
        let raw = envelope.header;
        let header = RoutedHeader::parse(&raw).expect("the node writes good headers");
        // WIRE §5.4: signed for this very link if it has a key, else without any tag.
        match terms.mac_key() {
            Some(key) => {
                let link_id = terms.link_id.as_bytes();
                assert!(mac::verify(key, &header, &raw, link_id, &mut self.scratch));
            }
            None => assert!(header.mac(&raw).is_none()),
        }
        // WIRE §2.3: indexes of another process never pass.
        assert_eq!((header.recv_from, header.forward_to), (None, None));
        assert!(!header.incoming_conn.is_present());
        Delivered {
            raw,
            header,
            tail_inner: envelope.tail.inner_len,
            tail: envelope.tail.body.into_bytes(),
        }
    }
}

/// The content of the length-delimited field `number` of `bytes`.
fn block(bytes: &Bytes, number: u32) -> Option<Bytes> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let tag = reader.tag().expect("a tag");
        if tag.number == number {
            let span = reader.block().expect("a block");
            return Some(bytes.slice(span.start as usize..span.end as usize));
        }
        reader.skip(tag).expect("a field");
    }
    None
}
