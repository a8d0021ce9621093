//! Any message that prost writes goes through framing, envelope, header and rewrite unharmed; any
//! bent one means to us what it means to prost, or is refused.

#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "samples are small; a wrong one shall fail the test"
)]

mod fuzz_logic;
mod samples;

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use samples::Dice;
use slipring_proto::envelope::{Inbound, split};
use slipring_proto::generated as pb;
use slipring_proto::grpc::{Deframer, put_prefix};
use slipring_proto::header::RoutedHeader;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::rewrite::{Lengths, put_head, rewrite_header};

/// Numbers whose encodings have every length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift)
}

fn number_u32() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0u32..32).prop_map(|(number, shift)| number >> shift)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zé/ ]{1,12}", "[ -~]{120,140}",]
}

fn blob(size: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..size).prop_map(Bytes::from)
}

prop_compose! {
    fn encoded_name()(
        component_0 in number(),
        component_1 in number(),
        component_2 in number(),
        id in option::of((number(), number())),
    ) -> pb::EncodedName {
        let name_id = id.map(|(id_0, id_1)| pb::NameId { id_0, id_1 });
        pb::EncodedName { component_0, component_1, component_2, name_id }
    }
}

prop_compose! {
    fn name()(
        name in option::weighted(0.9, encoded_name()),
        text in option::weighted(0.9, [text(), text(), text()]),
    ) -> pb::Name {
        let str_name = text.map(|[str_component_0, str_component_1, str_component_2]| {
            pb::StringName { str_component_0, str_component_1, str_component_2 }
        });
        pb::Name { name, str_name }
    }
}

prop_compose! {
    fn header()(
        names in (option::weighted(0.9, name()), option::weighted(0.9, name())),
        texts in (text(), text()),
        fanout in number_u32(),
        ttl in number_u32(),
        indexes in [option::of(number()), option::of(number()), option::of(number())],
        error in option::of(any::<bool>()),
        header_mac in option::of(blob(40)),
        e2e_header_sig in option::of(blob(200)),
    ) -> pb::SlimHeader {
        let (source, destination) = names;
        let (identity, version) = texts;
        let [recv_from, forward_to, incoming_conn] = indexes;
        pb::SlimHeader {
            source, destination, identity, fanout, version, ttl, recv_from, forward_to,
            incoming_conn, error, header_mac, e2e_header_sig,
        }
    }
}

fn publish() -> impl Strategy<Value = pb::message::Kind> {
    let session = (any::<i32>(), any::<i32>(), number_u32(), number_u32());
    let content = prop_oneof![
        (text(), blob(3_000)).prop_map(|(payload_type, blob)| {
            pb::content::ContentType::AppPayload(pb::ApplicationPayload { payload_type, blob })
        }),
        blob(100).prop_map(pb::content::ContentType::CommandPayload),
    ];
    let content = option::of(content);
    let fields = (
        option::weighted(0.9, header()),
        option::of(session),
        option::of(content),
    );
    fields.prop_map(|(header, session, content)| {
        let session =
            session.map(
                |(session_type, kind, session_id, message_id)| pb::SessionHeader {
                    session_type,
                    session_message_type: kind,
                    session_id,
                    message_id,
                },
            );
        let msg = content.map(|content_type| pb::Content { content_type });
        pb::message::Kind::Publish(pb::Publish {
            header,
            session,
            msg,
        })
    })
}

/// A routed message of any kind.
fn message() -> impl Strategy<Value = pb::Message> {
    let subscribe = (option::of(header()), number()).prop_map(|(header, subscription_id)| {
        pb::message::Kind::Subscribe(pb::Subscribe {
            header,
            subscription_id,
        })
    });
    let unsubscribe = (option::of(header()), number()).prop_map(|(header, subscription_id)| {
        pb::message::Kind::Unsubscribe(pb::Unsubscribe {
            header,
            subscription_id,
        })
    });
    let kind = prop_oneof![3 => publish(), 1 => subscribe, 1 => unsubscribe];
    let metadata = btree_map(text(), text(), 0..3);
    (kind, metadata).prop_map(|(kind, metadata)| pb::Message {
        metadata,
        kind: Some(kind),
    })
}

fn header_of(message: &mut pb::Message) -> &mut Option<pb::SlimHeader> {
    match message.kind.as_mut().expect("samples are routed") {
        pb::message::Kind::Publish(publish) => &mut publish.header,
        pb::message::Kind::Subscribe(subscribe) => &mut subscribe.header,
        pb::message::Kind::Unsubscribe(unsubscribe) => &mut unsubscribe.header,
        pb::message::Kind::Link(_) | pb::message::Kind::SubscriptionAck(_) => {
            panic!("samples are routed")
        }
    }
}

/// Frames the message, cuts it into chunks, and sends it one hop further.
fn next_hop(message: &[u8], chunks: &[usize], ttl: u32, tag: Option<&[u8; 32]>) -> Bytes {
    let mut stream = BytesMut::new();
    put_prefix(message.len() as u32, &mut stream);
    stream.extend_from_slice(message);
    let mut stream = stream.freeze();
    let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
    for size in chunks.iter().copied().chain([usize::MAX]) {
        assert_eq!(deframer.pop(), Ok(None));
        deframer.push(stream.split_to(size.min(stream.len() - 1)));
    }
    deframer.push(stream);
    let body = deframer.pop().unwrap().unwrap();
    let Ok(Inbound::Routed(envelope)) = split(body) else {
        panic!("what prost writes is routed");
    };
    let header = RoutedHeader::parse(&envelope.header).expect("what prost writes parses");
    if let Some(names) = header.leading_names() {
        let behind = RoutedHeader::parse_behind(&names, &envelope.header);
        assert_eq!(behind, Ok(header));
    }
    let (mut out, mut head) = (BytesMut::new(), BytesMut::new());
    rewrite_header(&header, &envelope.header, ttl, tag, &mut head);
    let lengths = Lengths {
        header: head.len(),
        tail_inner: envelope.tail.inner_len,
        tail_outer: envelope.tail.outer_len(),
    };
    put_head(envelope.kind, lengths, &mut out).unwrap();
    out.extend_from_slice(&head);
    envelope.tail.body.copy_to(&mut out);
    let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
    deframer.push(out.freeze());
    deframer.pop().unwrap().unwrap().into_bytes()
}

/// Bends a message: some bytes flipped, removed, repeated or inserted.
fn bend(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(bytes.len());
        match dice.roll(6) {
            _ if bytes.is_empty() => bytes.push(0x1a),
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = dice.roll(256) as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, dice.roll(256) as u8),
            4 => bytes.truncate(at),
            _ => {
                let end = (at + 1 + dice.roll(40)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::WithSource("regressions"),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_hop_changes_what_a_hop_changes(
        message in message(),
        chunks in vec(1usize..400, 0..12),
        ttl in number_u32(),
        tag in option::of(any::<[u8; 32]>()),
    ) {
        let bytes = message.encode_to_vec();
        let next = next_hop(&bytes, &chunks, ttl, tag.as_ref());
        let mut expected = message;
        let header = header_of(&mut expected).get_or_insert_default();
        header.ttl = ttl;
        header.recv_from = None;
        header.forward_to = None;
        header.incoming_conn = None;
        header.header_mac = tag.map(|tag| Bytes::copy_from_slice(&tag));
        // Prost writes in the order of the field numbers, as we do: the bytes are the same too,
        // but for the map, whose entries it writes first.
        prop_assert_eq!(pb::Message::decode(next.clone()).unwrap(), expected.clone());
        if expected.metadata.is_empty() {
            prop_assert_eq!(next, expected.encode_to_vec());
        }
    }

    #[test]
    fn every_order_of_fields_means_the_same(
        message in message(),
        seed in any::<u64>(),
    ) {
        let mut tree = samples::tree(&message.encode_to_vec());
        samples::shuffle(&mut tree, &mut Dice::new(seed));
        let shuffled = samples::encode(&tree);
        prop_assert_eq!(&pb::Message::decode(&shuffled[..]).unwrap(), &message);
        fuzz_logic::differential(&shuffled);
        fuzz_logic::envelope(&[&[seed as u8], &shuffled[..]].concat());
        let next = next_hop(&shuffled, &[], 3, None);
        let mut expected = message;
        let header = header_of(&mut expected).get_or_insert_default();
        header.ttl = 3;
        (header.recv_from, header.forward_to, header.incoming_conn) = (None, None, None);
        header.header_mac = None;
        prop_assert_eq!(pb::Message::decode(next).unwrap(), expected);
    }

    #[test]
    fn bent_messages_mean_the_same_or_are_refused(
        message in message(),
        seeds in vec(any::<u64>(), 16),
    ) {
        let bytes = message.encode_to_vec();
        for seed in seeds {
            let mut dice = Dice::new(seed);
            let mut bent = bytes.clone();
            bend(&mut bent, &mut dice);
            fuzz_logic::differential(&bent);
            fuzz_logic::envelope(&[&[seed as u8], &bent[..]].concat());
        }
    }

    #[test]
    fn bent_headers_mean_the_same_or_are_refused(
        header in header(),
        seeds in vec(any::<u64>(), 16),
    ) {
        let bytes = header.encode_to_vec();
        fuzz_logic::rewrite(&bytes);
        for seed in seeds {
            let mut bent = bytes.clone();
            bend(&mut bent, &mut Dice::new(seed));
            fuzz_logic::rewrite(&bent);
            let publish = samples::Node::Nested(3, vec![samples::Node::Leaf(1, bent)]);
            fuzz_logic::differential(&publish.bytes());
        }
    }
}
