//! Checklist 32 to 34, 36 to 38 and 47: which messages go on, which are dropped, and their sizes.

use bytes::Bytes;
use prost::Message as _;
use slipring_proto::envelope::Kind;
use slipring_proto::generated::message::Kind as WireKind;
use slipring_proto::generated::{
    ApplicationPayload, Content, EncodedName, Message, Name, Publish, SessionHeader, content,
};
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::message::{HeaderFields, PublishTail, framed, wire_name};
use slipring_sdk::io::stream;

use crate::harness::{Client, Opening, Router, Setup, clear, fields, name, text};

const BOB: &str = "org/ns/bob";

async fn pair() -> (Router, Client, Client) {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let alice = Client::of(&router).await;
    (router, bob, alice)
}

#[tokio::test]
async fn wire_32_spent_hops_end_a_publish() {
    let (router, mut bob, alice) = pair().await;
    for (ttl, left) in [
        (0, None),
        (1, None),
        (2, Some(1)),
        (8, Some(7)),
        (u32::MAX, Some(u32::MAX - 1)),
    ] {
        let header = alice.sign(HeaderFields { ttl, ..fields(BOB) });
        // Twice, so that a remembered header is looked at too.
        for _ in 0..2 {
            alice.publishes_as(&header, &text("counted")).await;
            if let Some(left) = left {
                assert_eq!(bob.receives().await.header().ttl, left, "ttl {ttl}");
            }
        }
        alice.publishes(BOB, "marker").await;
        assert_eq!(bob.reads().await, "marker", "ttl {ttl}");
    }
    assert_eq!(router.at_rest().await.dropped("ttl_expired"), 4);
}

#[tokio::test]
async fn wire_32_spent_hops_end_a_subscribe_without_an_ack() {
    let (router, _bob, mut alice) = pair().await;
    for kind in [Kind::Subscribe, Kind::Unsubscribe] {
        for ttl in [0, 1] {
            let header = alice.sign(HeaderFields {
                ttl,
                ..fields("org/ns/alice")
            });
            alice.registers_as(kind, &header, 5).await;
        }
        let header = alice.sign(HeaderFields {
            ttl: 2,
            ..fields("org/ns/alice")
        });
        alice.registers_as(kind, &header, 6).await;
        assert_eq!(alice.acked(6).await, Ok(()), "{kind:?}");
    }
    assert_eq!(router.at_rest().await.dropped("ttl_expired"), 4);
}

#[tokio::test]
async fn wire_33_a_publisher_hears_nothing_of_a_missing_subscriber() {
    let (router, _bob, mut alice) = pair().await;
    alice.publishes("org/ns/nobody", "x").await;
    alice.broadcasts("org/ns/nobody", "x").await;
    // Not even to itself.
    alice.subscribes_as("org/ns/alice", 5).await;
    alice.publishes("org/ns/alice", "x").await;
    alice.subscribes_as("org/ns/next", 6).await;
    assert_eq!(router.at_rest().await.dropped("no_match"), 3);
}

/// Headers that lack what WIRE §2.2 demands, each signed as it is.
fn incomplete(signer: &Client) -> Vec<(&'static str, HeaderFields)> {
    let text_only = || Name {
        name: None,
        ..wire_name(&name(BOB))
    };
    let cases = [
        (
            "no source",
            HeaderFields {
                source: None,
                ..fields(BOB)
            },
        ),
        (
            "no destination",
            HeaderFields {
                destination: None,
                ..fields(BOB)
            },
        ),
        (
            "source in text only",
            HeaderFields {
                source: Some(text_only()),
                ..fields(BOB)
            },
        ),
        (
            "destination in text only",
            HeaderFields {
                destination: Some(text_only()),
                ..fields(BOB)
            },
        ),
        (
            "empty destination",
            HeaderFields {
                destination: Some(Name::default()),
                ..fields(BOB)
            },
        ),
    ];
    let signed = cases.map(|(what, header)| (what, signer.sign(header)));
    signed.to_vec()
}

#[tokio::test]
async fn wire_34_incomplete_publishes_are_dropped_and_empty_ones_are_not() {
    let (router, mut bob, mut alice) = pair().await;
    let incomplete = incomplete(&alice);
    for (what, header) in &incomplete {
        alice.publishes_as(header, &text(what)).await;
        alice.registers_as(Kind::Subscribe, header, 5).await;
        alice.registers_as(Kind::Unsubscribe, header, 5).await;
    }
    let whole = alice.sign(fields(BOB));
    // Once before and once after the header is remembered.
    for _ in 0..2 {
        alice.publishes_as(&whole, &PublishTail::empty()).await;
        let no_session = PublishTail::empty().app_payload("", b"no session");
        alice.publishes_as(&whole, &no_session).await;
        let no_content = PublishTail::new(&SessionHeader::default());
        alice.publishes_as(&whole, &no_content).await;
        let delivery = bob.receives().await;
        assert_eq!(delivery.publish().msg, None);
        assert_eq!(delivery.publish().session, Some(SessionHeader::default()));
    }
    alice.subscribes_as("org/ns/alice", 6).await;
    let dropped = u64::try_from(3 * incomplete.len() + 4).unwrap();
    assert_eq!(router.at_rest().await.dropped("invalid"), dropped);
}

#[tokio::test]
async fn wire_34_a_name_of_zeros_is_a_name() {
    let (router, _bob, alice) = pair().await;
    let mut client = Client::of(&router).await;
    let zeros = Name {
        name: Some(EncodedName::default()),
        str_name: None,
    };
    let header = HeaderFields {
        destination: Some(zeros.clone()),
        source: Some(zeros),
        ..fields(BOB)
    };
    client
        .registers_as(Kind::Subscribe, &client.sign(header.clone()), 5)
        .await;
    assert_eq!(client.acked(5).await, Ok(()));
    alice
        .publishes_as(&alice.sign(header), &text("zeros"))
        .await;
    assert_eq!(client.reads().await, "zeros");
}

#[tokio::test]
async fn wire_36_unknown_session_values_go_through() {
    let (_router, mut bob, alice) = pair().await;
    for (session_type, session_message_type) in [(99, 12_345), (-1, i32::MIN), (i32::MAX, 0)] {
        let session = SessionHeader {
            session_type,
            session_message_type,
            session_id: u32::MAX,
            message_id: 1,
        };
        let tail = PublishTail::new(&session).command_payload(b"\xff\x00not protobuf");
        alice.publishes_as(&alice.sign(fields(BOB)), &tail).await;
        let delivery = bob.receives().await.raw;
        let sent = alice.sign(fields(BOB)).seal().publish(&tail).unwrap();
        let tail_of = |message: &[u8]| message[message.len() - tail.inner().len()..].to_vec();
        assert_eq!(tail_of(&delivery), tail_of(&sent));
    }
}

#[tokio::test]
async fn wire_37_messages_without_content_are_ignored() {
    let (router, mut bob, mut alice) = pair().await;
    alice.subscribes("org/ns/alice").await;
    let metadata_only = Message {
        metadata: [("key".to_owned(), "value".to_owned())].into(),
        kind: None,
    };
    for client in [&mut alice, &mut bob] {
        client.sends(&framed(b"").unwrap()).await;
        client.sends_message(&metadata_only).await;
        client.sends(&framed(b"").unwrap()).await;
    }
    alice.publishes(BOB, "to bob").await;
    bob.publishes("org/ns/alice", "to alice").await;
    assert_eq!(bob.reads().await, "to bob");
    assert_eq!(alice.reads().await, "to alice");
    alice.is_served().await;
    assert_eq!(router.at_rest().await.dropped("invalid"), 6);
}

#[tokio::test]
async fn wire_38_a_subscribe_without_text_is_accepted() {
    let (router, mut bob, mut alice) = pair().await;
    let mut header = fields("nobody/was/here");
    header.destination.as_mut().unwrap().str_name = None;
    header.source.as_mut().unwrap().str_name = None;
    alice
        .registers_as(Kind::Subscribe, &alice.sign(header), 5)
        .await;
    assert_eq!(alice.acked(5).await, Ok(()));
    bob.publishes("nobody/was/here", "found").await;
    assert_eq!(alice.reads().await, "found");
    bob.is_served().await;
    router.at_rest().await;
}

/// A Publish of exactly `length` protobuf bytes, without prefix.
#[allow(
    clippy::needless_pass_by_value,
    reason = "callers build it for this one call"
)]
fn publish_of(length: usize, header: HeaderFields) -> Vec<u8> {
    let with_blob = |blob: usize| {
        let payload = ApplicationPayload {
            payload_type: String::new(),
            blob: Bytes::from(vec![b'x'; blob]),
        };
        let publish = Publish {
            header: Some(header.clone()),
            session: Some(SessionHeader::default()),
            msg: Some(Content {
                content_type: Some(content::ContentType::AppPayload(payload)),
            }),
        };
        Message {
            kind: Some(WireKind::Publish(publish)),
            ..Message::default()
        }
    };
    let overhead = with_blob(length).encoded_len() - length;
    let message = with_blob(length - overhead).encode_to_vec();
    assert_eq!(message.len(), length);
    message
}

const LONGEST: usize = MESSAGE_BYTES_MAX as usize;

#[tokio::test]
async fn wire_47_four_mebibytes_pass_and_one_byte_more_ends_the_senders_stream() {
    let (router, mut bob, mut alice) = pair().await;
    // A neighbour on the very transport that will misbehave.
    let opening = Opening::of(&router).await;
    let neighbour = Opening::on(&opening.transport).await;
    let longest = publish_of(LONGEST, alice.sign(fields(BOB)));
    alice.sends(&framed(&longest).unwrap()).await;
    let delivery = bob.receives().await;
    assert_eq!(delivery.raw.len(), LONGEST);
    assert!(delivery.is_signed_for(bob.terms_of()));

    let too_long = publish_of(LONGEST + 1, alice.sign(fields(BOB)));
    // The router has read enough after the prefix; the rest may find the stream closed.
    drop(
        alice
            .sender()
            .send_bytes(&stream::framed(&too_long).unwrap())
            .await,
    );
    alice.ends_with_status(0).await;
    drop(neighbour);
    let carol = Client::of(&router).await;
    carol.publishes(BOB, "others go on").await;
    assert_eq!(bob.reads().await, "others go on");
    assert_eq!(router.at_rest().await.closed("oversize"), 1);
}

#[tokio::test]
async fn wire_47_a_message_that_would_grow_beyond_the_bound_is_dropped() {
    let listener = clear("require_header_mac: false");
    let router = Setup::new().servers([listener]).start().await;
    let mut keyed = Client::of(&router).await;
    keyed.subscribes(BOB).await;
    let mut keyless = Opening::of(&router).await.keyless().await;
    keyless.subscribes_as(BOB, 1).await;
    let sender = Opening::of(&router).await.keyless().await;
    // The next hop's tag needs 34 bytes.
    for (length, fits) in [
        (LONGEST - 34, true),
        (LONGEST - 33, false),
        (LONGEST, false),
    ] {
        let message = publish_of(length, fields(BOB).with_fanout(256));
        sender.sends(&framed(&message).unwrap()).await;
        assert_eq!(keyless.receives().await.raw.len(), length);
        if fits {
            assert_eq!(keyed.receives().await.raw.len(), LONGEST);
        }
    }
    keyed.is_served().await;
    assert_eq!(router.at_rest().await.dropped("oversize"), 2);
}
