//! A routed message as the application sees it: who, to whom, what.
//!
//! Nothing is decoded until it is asked for; the payload is a reference into the received bytes
//! wherever it lies in one piece.

use bytes::Bytes;
use prost::Message as _;
use slipring_proto::envelope::{Envelope, Kind};
use slipring_proto::error::Malformed;
use slipring_proto::generated::Message;
use slipring_proto::grpc::Body;
use slipring_proto::header::RoutedHeader;
use slipring_proto::name::Name;
use slipring_proto::varint::{Reader, Span, WireType};

use crate::error::{Error, Result};

/// Field numbers on the way to an application payload (WIRE §2.1).
const PUBLISH_CONTENT: u32 = 3;
const CONTENT_APP_PAYLOAD: u32 = 1;
const APP_PAYLOAD_BLOB: u32 = 2;

/// A message delivered on a link.
#[derive(Clone, Debug)]
pub struct Received {
    /// Kind, routed header and tail.
    pub envelope: Envelope,
    /// The whole protobuf message.
    pub body: Body,
}

impl Received {
    /// Publish, for a client.
    pub fn kind(&self) -> Kind {
        self.envelope.kind
    }

    /// The routed header, parsed; its spans point into `envelope.header`.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the router forwarded what is no header.
    pub fn header(&self) -> Result<RoutedHeader> {
        Ok(RoutedHeader::parse(&self.envelope.header)?)
    }

    /// Who sent it, by its ids; `None` if the header does not say.
    pub fn source(&self) -> Option<Name> {
        self.header().ok()?.source?.name()
    }

    /// To whom it was sent.
    pub fn destination(&self) -> Option<Name> {
        self.header().ok()?.destination?.name()
    }

    /// The application payload; `None` if there is none, as in a command of the session layer.
    pub fn payload(&self) -> Option<Bytes> {
        let tail = &self.envelope.tail;
        let whole = tail.body.clone().into_bytes();
        let inner = whole.slice(..tail.inner_len.min(whole.len()));
        let blob = payload_in(&inner)?;
        Some(inner.slice_ref(blob))
    }

    /// Everything, decoded: session header, content, metadata.
    ///
    /// # Errors
    /// [`Error::NotAMessage`] if some part that routers do not look into is not protobuf.
    pub fn message(&self) -> Result<Message> {
        Message::decode(self.body.clone()).map_err(Error::NotAMessage)
    }
}

/// The application payload among the fields of a Publish that follow its header. Copies nothing
/// and decodes nothing else, so that a load generator can afford it for every message.
#[inline]
pub fn payload_in(inner: &[u8]) -> Option<&[u8]> {
    let reader = Reader::new(inner);
    let content = block(reader, PUBLISH_CONTENT).ok()??;
    let app_payload = block(reader.within(content), CONTENT_APP_PAYLOAD).ok()??;
    let blob = block(reader.within(app_payload), APP_PAYLOAD_BLOB).ok()?;
    // An empty payload is written by leaving the field out.
    Some(blob.map_or(&[], |blob| blob.of(inner)))
}

/// The application payload of a whole Publish, if it is written as every node writes one: each
/// field once, in the order of their numbers, no metadata. For anything else `None`, and
/// [`slipring_proto::envelope::split`] is to judge. A fifth of its work, for whoever counts
/// messages by the million.
#[inline]
pub(crate) fn payload_of_plain(message: &[u8]) -> Option<&[u8]> {
    let publish = only(message, PUBLISH)?;
    let (_, rest) = leading(publish, HEADER)?;
    let (_, rest) = leading(rest, SESSION)?;
    let app_payload = only(only(rest, CONTENT)?, APP_PAYLOAD)?;
    let rest = leading(app_payload, PAYLOAD_TYPE).map_or(app_payload, |(_, rest)| rest);
    only(rest, BLOB)
}

/// Tags of the fields on the way, each of one byte: number and wire type 2 (WIRE §2.1).
const PUBLISH: u8 = tag(3);
const HEADER: u8 = tag(1);
const SESSION: u8 = tag(2);
const CONTENT: u8 = tag(3);
const APP_PAYLOAD: u8 = tag(1);
const PAYLOAD_TYPE: u8 = tag(1);
const BLOB: u8 = tag(2);

const fn tag(number: u8) -> u8 {
    (number << 3) | 2
}

/// The content of the field that `bytes` begin with, if its tag is that one, and what follows it.
#[inline]
fn leading(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let mut length = 0_usize;
    // No message is longer than four such groups of seven bits express.
    for shift in [0, 7, 14, 21] {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(length);
        }
    }
    None
}

/// The same of a field that nothing follows.
#[inline]
fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (content, rest) = leading(bytes, tag)?;
    rest.is_empty().then_some(content)
}

/// The content of field `number`; the last one, should there be several.
fn block(mut reader: Reader<'_>, number: u32) -> std::result::Result<Option<Span>, Malformed> {
    let mut found = None;
    while !reader.is_empty() {
        let tag = reader.tag()?;
        if tag.number == number && tag.wire_type == WireType::Length {
            found = Some(reader.block()?);
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use slipring_proto::envelope::{Inbound, split};
    use slipring_proto::generated::SessionHeader;
    use slipring_proto::limits::GRPC_PREFIX_BYTES;
    use slipring_proto::message::{HeaderFields, PublishTail, subscription_ack};

    use super::*;

    #[test]
    fn the_payload_is_found_behind_the_session_header() {
        let session = SessionHeader {
            session_id: 7,
            message_id: 9,
            ..SessionHeader::default()
        };
        let tail = PublishTail::new(&session).app_payload("text/plain", b"hello");
        assert_eq!(payload_in(tail.inner()), Some(&b"hello"[..]));
    }

    /// What the general way finds in a whole message.
    fn judged(message: &[u8]) -> Option<Bytes> {
        let body = Body::from(message.to_vec());
        let Ok(Inbound::Routed(envelope)) = split(body.clone()) else {
            return None;
        };
        Received { envelope, body }.payload()
    }

    #[test]
    fn the_short_way_finds_what_the_long_one_does_or_nothing() {
        let name = "a/b/c".parse().unwrap();
        let header = HeaderFields::between(&name, &name).seal();
        let session = SessionHeader {
            session_id: 7,
            ..SessionHeader::default()
        };
        let tail = PublishTail::new(&session);
        let long = vec![7; 20_000];
        let plain = [
            header
                .publish(&tail.clone().app_payload("", b"hello"))
                .unwrap(),
            header
                .publish(&tail.clone().app_payload("text", b"hello"))
                .unwrap(),
            header
                .publish(&tail.clone().app_payload("", &long))
                .unwrap(),
        ];
        for framed in &plain {
            let message = &framed[GRPC_PREFIX_BYTES..];
            let found = payload_of_plain(message).unwrap();
            assert_eq!(judged(message).unwrap(), found);
            for cut in 0..message.len().min(200) {
                assert_eq!(payload_of_plain(&message[..cut]), None, "{cut}");
            }
        }
        let others = [
            header
                .publish(&tail.clone().app_payload("", b"x").metadata("k", "v"))
                .unwrap(),
            header.publish(&tail.command_payload(b"\x08\x01")).unwrap(),
            header
                .publish(&PublishTail::empty().app_payload("", b"x"))
                .unwrap(),
            header.subscribe(9).unwrap(),
            subscription_ack(9, Ok(())).unwrap(),
        ];
        for framed in &others {
            assert_eq!(payload_of_plain(&framed[GRPC_PREFIX_BYTES..]), None);
        }
    }

    #[test]
    fn an_empty_payload_is_empty_and_a_command_is_none() {
        let session = SessionHeader::default();
        let empty = PublishTail::new(&session).app_payload("", b"");
        assert_eq!(payload_in(empty.inner()), Some(&b""[..]));
        let command = PublishTail::new(&session).command_payload(b"\x08\x01");
        assert_eq!(payload_in(command.inner()), None);
        assert_eq!(payload_in(b"\xff\xff"), None);
    }
}
