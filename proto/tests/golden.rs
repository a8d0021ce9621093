//! Bytes captured from published peers, each with its meaning. What depends on link keys is in
//! `negotiation.rs`.

#![allow(clippy::cast_possible_truncation, reason = "samples are small")]

mod samples;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use samples::{header, hex, name, subscribe};
use slipring_proto::envelope::{Inbound, Kind, split};
use slipring_proto::generated as pb;
use slipring_proto::grpc::{Body, Deframer};
use slipring_proto::header::{RoutedHeader, Steering};
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::name::{ANY_ID, IdText, TextName, component_hash, instance_id};
use slipring_proto::rewrite::{Lengths, put_head, rewrite_header};

const LINK_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Subscribe of `org/ns/alice` id 1, subscription id 258, signed with the key of WIRE §4.5.
const SIGNED_SUBSCRIBE: &str = "
    0aa7010aa1010a380a2408bbacaab7b780969f870110d1a1a6e3a4d3ddfcee011882e3daadfa91afc87b220210011210
    0a036f726712026e731a05616c69636512380a2408bbacaab7b780969f870110d1a1a6e3a4d3ddfcee011882e3daadfa
    91afc87b2202100112100a036f726712026e731a05616c69636520012a05332e342e3630085a202c576ae684c68693de
    3d094311ec434ee1bd47cac645996555e4553129fc1ee0108202";

/// Its tag.
const TAG: &str = "2c576ae684c68693de3d094311ec434ee1bd47cac645996555e4553129fc1ee0";

#[test]
fn component_hashes() {
    // WIRE §3.1
    for (text, hash) in [
        ("org", 9_745_323_415_579_563_579),
        ("ns", 17_219_925_055_306_830_033),
        ("alice", 8_903_823_788_458_029_442),
        ("bob", 5_309_210_987_355_009_988),
        ("pyapp", 3_176_700_681_836_070_835),
        ("default", 2_419_281_581_437_851_240),
        ("agntcy", 1_629_362_083_701_025_730),
        ("", 10_764_519_495_013_463_364),
        ("héllo", 0xb601_58b3_5c4c_2fd7),
    ] {
        assert_eq!(component_hash(text), hash, "{text}");
    }
    assert_eq!(component_hash("org"), 0x873e_5803_76ea_963b);
    assert_eq!(component_hash(""), 0x9563_4172_a60b_7544);
}

#[test]
fn instance_ids() {
    // WIRE §3.2
    for (subject, id) in [
        (
            "did:key:z6Mkfvtar6ATQYC5jXqVLBjCH8R6AUAuKjta6LsFcG4gUND1",
            0x48b1_da60_0caa_b75f_a73e_4fe3_34bf_1482,
        ),
        (
            "org/ns/pyapp_EF1XmIEB",
            13_222_010_403_327_010_123 << 64 | 4_645_911_499_813_636_689,
        ),
    ] {
        assert_eq!(instance_id(subject), id, "{subject}");
    }
    assert_eq!(ANY_ID, u128::MAX);
    let id = instance_id("org/ns/pyapp_EF1XmIEB");
    assert_eq!(
        IdText(id).to_string(),
        "b77e0468-9ad3-654b-4079-97e4dc4b4a51"
    );
    assert_eq!(IdText(ANY_ID).to_string(), "NULL_COMPONENT");
    // WIRE §7.7
    let bob: TextName = "org/ns/bob".parse().unwrap();
    assert_eq!(
        bob.name().to_string(),
        "[873e580376ea963b, eef9769a4c6990d1, 49ae1b437ae573c4, NULL_COMPONENT]"
    );
}

#[test]
fn name_of_any_bob() {
    // WIRE §3.2
    let bytes = hex("
        0a 38
           08 bbacaab7b780969f8701
           10 d1a1a6e3a4d3ddfcee01
           18 c4e795d7b7e886d749
           22 16 08 ffffffffffffffffff01 10 ffffffffffffffffff01
        12 0e 0a 03 6f7267 12 02 6e73 1a 03 626f62");
    assert_eq!(bytes.len(), 74);
    assert_eq!(name("bob", Some(ANY_ID)).encode_to_vec(), bytes);

    // As the destination of a header it is read as the readable name it came from.
    let mut raw = vec![0x12, 74];
    raw.extend(&bytes);
    let destination = RoutedHeader::parse(&raw).unwrap().destination.unwrap();
    let bob: TextName = "org/ns/bob".parse().unwrap();
    assert_eq!(destination.name(), Some(bob.name()));
    let text = destination.text.unwrap().map(|span| span.of(&raw));
    assert_eq!(text, [&b"org"[..], b"ns", b"bob"]);
    assert_eq!(destination.field.of(&raw), raw);
}

#[test]
fn absent_id_means_any_and_empty_id_means_zero() {
    // WIRE §3.2
    for (id, meaning) in [
        ("", ANY_ID),
        ("2200", 0),
        ("22021001", 1),
        ("22020801", 1 << 64),
    ] {
        let id = hex(id);
        let encoded_len = id.len() as u8;
        let raw = [vec![0x0a, encoded_len + 2, 0x0a, encoded_len], id].concat();
        let source = RoutedHeader::parse(&raw).unwrap().source.unwrap();
        assert_eq!(source.name().unwrap().id, meaning);
    }
}

#[test]
fn negotiation_request_is_a_link_message() {
    // WIRE §4.5
    let key = "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13";
    let request = [
        hex("2a57 0a55 0a24"),
        LINK_ID.as_bytes().to_vec(),
        hex("1205 332e342e36 2220"),
        hex(key),
        hex("2802 3202 6e31"),
    ]
    .concat();
    assert_eq!(request.len(), 89);
    let Ok(Inbound::Link(content)) = split(Body::from(request)) else {
        panic!("field 5 is a link message");
    };
    let link = pb::Link::decode(content).unwrap();
    let Some(pb::link::LinkType::LinkNegotiation(payload)) = link.link_type else {
        panic!("field 1 is a negotiation");
    };
    let expected = pb::LinkNegotiationPayload {
        link_id: LINK_ID.to_owned(),
        slim_version: "3.4.6".to_owned(),
        link_ecdh_public_key: hex(key).into(),
        connection_type: pb::LinkConnectionType::Edge.into(),
        node_id: "n1".to_owned(),
        ..pb::LinkNegotiationPayload::default()
    };
    assert_eq!(payload, expected);
}

#[test]
fn preimage_of_the_worked_example() {
    // WIRE §5.2
    let expected = hex("
        534c494d2d44502d4844522d763100
        24000000 30663866616435622d643963622d343639662d613136352d373038363737323839353065
        01 01 3b96ea7603583e87 d190694c9a76f9ee 82b1b6a58fbc907b 01 0000000000000000 0100000000000000
        01 03000000 6f7267 02000000 6e73 05000000 616c696365
        01 01 3b96ea7603583e87 d190694c9a76f9ee c473e57a431bae49 01 ffffffffffffffff ffffffffffffffff
        01 03000000 6f7267 02000000 6e73 03000000 626f62
        03000000 696431
        01000000
        00 00 00
        08000000");
    assert_eq!(expected.len(), 203);
    let mut fields = header(name("alice", Some(1)), name("bob", Some(ANY_ID)));
    fields.identity = "id1".to_owned();
    let raw = fields.encode_to_vec();
    let parsed = RoutedHeader::parse(&raw).unwrap();
    for steering in [Steering::AsReceived, Steering::Cleared] {
        let mut out = Vec::new();
        parsed.preimage(&raw, LINK_ID.as_bytes(), 8, steering, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn preimage_says_what_is_present() {
    // WIRE §5.2: presence octets; what is not covered leaves no trace.
    let fields = pb::SlimHeader {
        destination: Some(pb::Name {
            name: Some(pb::EncodedName {
                component_1: 2,
                ..pb::EncodedName::default()
            }),
            str_name: None,
        }),
        recv_from: Some(0x0102),
        forward_to: Some(0),
        incoming_conn: Some(9),
        error: Some(true),
        version: "1.0.0".to_owned(),
        header_mac: Some(Bytes::from_static(b"mac")),
        e2e_header_sig: Some(Bytes::from_static(b"sig")),
        ..pb::SlimHeader::default()
    };
    let raw = fields.encode_to_vec();
    let parsed = RoutedHeader::parse(&raw).unwrap();
    assert_eq!(parsed.mac(&raw), Some(&b"mac"[..]));
    let common = "534c494d2d44502d4844522d763100 01000000 6c
        00
        01 01 0000000000000000 0200000000000000 0000000000000000 00 00
        00000000 00000000";
    for (steering, steered) in [
        (
            Steering::AsReceived,
            "01 0201000000000000 01 0000000000000000",
        ),
        (Steering::Cleared, "00 00"),
    ] {
        let mut out = Vec::new();
        parsed.preimage(&raw, b"l", 0x0a0b, steering, &mut out);
        assert_eq!(out, hex(&format!("{common} {steered} 01 01 0b0a0000")));
    }
}

#[test]
fn signed_subscribe() {
    // WIRE §5.2
    let bytes = hex(SIGNED_SUBSCRIBE);
    assert_eq!(bytes.len(), 170);
    let mut unsigned = subscribe(258);
    let Some(pb::message::Kind::Subscribe(fields)) = &mut unsigned.kind else {
        panic!("the sample is a Subscribe");
    };
    fields.header.as_mut().unwrap().header_mac = Some(hex(TAG).into());
    assert_eq!(unsigned.encode_to_vec(), bytes);

    let Ok(Inbound::Routed(envelope)) = split(Body::from(bytes.clone())) else {
        panic!("a Subscribe is routed");
    };
    assert_eq!(
        (envelope.kind, envelope.subscription_id),
        (Kind::Subscribe, 258)
    );
    assert_eq!(envelope.header, bytes[6..167]);
    assert_eq!(envelope.tail.body, Body::from(hex("108202")));
    assert_eq!(envelope.tail.inner_len, 3);
    let raw = &envelope.header;
    let parsed = RoutedHeader::parse(raw).unwrap();
    assert_eq!(parsed.mac(raw), Some(&hex(TAG)[..]));
    let route = parsed.routing(envelope.kind, envelope.has_session).unwrap();
    let alice: TextName = "org/ns/alice".parse().unwrap();
    assert_eq!(route.destination, alice.with_id(1).name());
    assert_eq!(route.source, route.destination);

    // Written again with the same ttl and tag it is the same message, framed.
    let tag: [u8; 32] = hex(TAG).try_into().unwrap();
    let (mut rewritten, mut out) = (BytesMut::new(), BytesMut::new());
    rewrite_header(&parsed, raw, parsed.ttl, Some(&tag), &mut rewritten);
    let lengths = Lengths {
        header: rewritten.len(),
        tail_inner: envelope.tail.inner_len,
        tail_outer: envelope.tail.outer_len(),
    };
    put_head(envelope.kind, lengths, &mut out).unwrap();
    out.extend_from_slice(&rewritten);
    envelope.tail.body.copy_to(&mut out);
    assert_eq!(out, [&[0, 0, 0, 0, 170][..], &bytes].concat());
    let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
    deframer.push(out.freeze());
    assert_eq!(deframer.pop(), Ok(Some(Body::from(bytes))));
}

#[test]
fn acks() {
    // WIRE §5.2, §6.1
    let failure = "321b 088202 1a16 737562736372697074696f6e206e6f7420666f756e64";
    for (bytes, success, error) in [
        ("3205 088202 1001", true, ""),
        (failure, false, "subscription not found"),
    ] {
        let Ok(Inbound::Ack(content)) = split(Body::from(hex(bytes))) else {
            panic!("field 6 is an ack");
        };
        let expected = pb::SubscriptionAck {
            subscription_id: 258,
            success,
            error: error.to_owned(),
        };
        assert_eq!(pb::SubscriptionAck::decode(content), Ok(expected));
    }
}

#[test]
fn messages_without_a_kind_are_empty() {
    // WIRE §2.2: no bytes, metadata only, unknown fields only.
    for bytes in ["", "22060a016b120176", "7801"] {
        assert_eq!(split(Body::from(hex(bytes))), Ok(Inbound::Empty), "{bytes}");
    }
}
