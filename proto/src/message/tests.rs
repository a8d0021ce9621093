//! What is written by hand here is what prost would write, and nothing too long leaves.

use proptest::prelude::*;

use super::*;
use crate::envelope::{Inbound, split};
use crate::generated::content::ContentType;
use crate::generated::{ApplicationPayload, Content, Publish, SessionHeader, Subscribe};
use crate::name::{ANY_ID, TextName};

fn header() -> HeaderFields {
    let name = TextName::new(["org", "ns", "alice"], ANY_ID).expect("a good name");
    HeaderFields::between(&name, &name)
}

fn decoded(framed: &Bytes) -> Message {
    assert_eq!(framed[0], 0);
    let length = u32::from_be_bytes(framed[1..5].try_into().expect("four bytes"));
    assert_eq!(length as usize, framed.len() - 5);
    Message::decode(unframed(framed)).expect("our own message decodes")
}

fn content_of(plain: &Bytes) -> Body {
    match split(Body::from(plain.clone())).expect("our own message is well-formed") {
        Inbound::Link(body) | Inbound::Ack(body) => body,
        other @ (Inbound::Routed(_) | Inbound::Empty) => panic!("neither link nor ack: {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_publish_is_encoded_as_prost_would(
        session_type: i32,
        session_message_type: i32,
        session_id: u32,
        message_id: u32,
        payload_type in ".{0,20}",
        payload in prop::collection::vec(any::<u8>(), 0..300),
        command: bool,
        metadata in prop::collection::btree_map(".{0,9}", ".{0,9}", 0..4),
    ) {
        let session =
            SessionHeader { session_type, session_message_type, session_id, message_id };
        let mut tail = PublishTail::new(&session);
        let content = if command {
            tail = tail.command_payload(&payload);
            ContentType::CommandPayload(payload.into())
        } else {
            tail = tail.app_payload(&payload_type, &payload);
            ContentType::AppPayload(ApplicationPayload { payload_type, blob: payload.into() })
        };
        for (key, value) in &metadata {
            tail = tail.metadata(key, value);
        }
        let expected = Message {
            kind: Some(Kind::Publish(Publish {
                header: Some(header()),
                session: Some(session),
                msg: Some(Content { content_type: Some(content) }),
            })),
            metadata,
        };
        let framed = header().seal().publish(&tail).expect("it fits");
        prop_assert_eq!(unframed(&framed), expected.encode_to_vec());
        prop_assert_eq!(decoded(&framed), expected);
    }

    #[test]
    fn registrations_and_acks_are_encoded_as_prost_would(id: u64, text in ".{0,200}") {
        let subscribe = Subscribe { header: Some(header()), subscription_id: id };
        let message = Message { kind: Some(Kind::Subscribe(subscribe)), ..Message::default() };
        let framed = header().seal().subscribe(id).expect("it fits");
        prop_assert_eq!(unframed(&framed), message.encode_to_vec());

        for (outcome, success, error) in [(Ok(()), true, ""), (Err(&*text), false, &*text)] {
            let ack =
                SubscriptionAck { subscription_id: id, success, error: error.to_owned() };
            let message =
                Message { kind: Some(Kind::SubscriptionAck(ack.clone())), ..Message::default() };
            let framed = subscription_ack(id, outcome).expect("it fits");
            let plain = unframed(&framed);
            prop_assert_eq!(&plain, &message.encode_to_vec());
            prop_assert_eq!(decode_ack(content_of(&plain)), Ok(ack));
        }
    }
}

#[test]
fn an_unsubscribe_is_one() {
    let framed = header().seal().unsubscribe(7).expect("it fits");
    let Some(Kind::Unsubscribe(unsubscribe)) = decoded(&framed).kind else {
        panic!("another")
    };
    assert_eq!(unsubscribe.subscription_id, 7);
    assert_eq!(unsubscribe.header, Some(header()));
}

#[test]
fn a_link_message_comes_back_as_it_went() {
    let payload = LinkNegotiationPayload {
        link_id: "l".to_owned(),
        is_reply: true,
        link_kem_payload: Some(Bytes::new()),
        ..LinkNegotiationPayload::default()
    };
    let body = content_of(&link(payload.clone()));
    assert_eq!(decode_link(body), Ok(Some(payload)));
    assert_eq!(decode_link(Body::from(Vec::new())), Ok(None));
    assert_eq!(decode_link(Body::from(vec![0x0a])), Err(Undecodable));
    assert_eq!(
        decode_ack(Body::from(vec![0x1a, 0x01, 0xff])),
        Err(Undecodable)
    );
}

#[test]
fn a_publish_may_lack_its_session_header() {
    let framed = header()
        .seal()
        .publish(&PublishTail::empty())
        .expect("it fits");
    let Some(Kind::Publish(publish)) = decoded(&framed).kind else {
        panic!("another")
    };
    assert_eq!((publish.session, publish.msg), (None, None));
    let empty = PublishTail::new(&SessionHeader::default());
    assert_eq!(empty.inner(), [0x12, 0]);
}

#[test]
fn every_header_field_can_be_left_out_or_forged() {
    let forged = HeaderFields {
        source: None,
        recv_from: Some(0),
        forward_to: Some(u64::MAX),
        incoming_conn: Some(9),
        header_mac: Some(Bytes::from_static(b"short")),
        ..header()
    };
    let framed = forged.seal().subscribe(0).expect("it fits");
    let Some(Kind::Subscribe(subscribe)) = decoded(&framed).kind else {
        panic!("another")
    };
    assert_eq!(subscribe.header, Some(forged));
}

/// WIRE §1.2: 4,194,304 bytes are carried, one more is not.
#[test]
fn nothing_longer_than_a_message_is_built() {
    let most = MESSAGE_BYTES_MAX as usize;
    let raw = SealedHeader::from_raw(Bytes::new());
    let mut out = BytesMut::new();
    // Around the tail: tag and length of the Publish (5 bytes), tag and length of the header (2).
    let tail = vec![0; most - 7];
    raw.put_publish(&tail, &[], &mut out).expect("just fits");
    assert_eq!(out.len(), most + GRPC_PREFIX_BYTES);
    out.clear();
    let error = raw.put_publish(&tail, &[0], &mut out);
    assert_eq!(
        error,
        Err(TooLong {
            message_bytes: most + 1
        })
    );
    assert!(out.is_empty());

    assert!(framed(&vec![0; most]).is_ok());
    assert_eq!(
        framed(&vec![0; most + 1]),
        Err(TooLong {
            message_bytes: most + 1
        })
    );
    let text = "x".repeat(most);
    assert!(put_subscription_ack(1, Err(&text), &mut out).is_err());
    assert!(out.is_empty());
}
