//! The seeds of each corpus: real messages, their reorderings, and the interesting ways to bend
//! them.

#![allow(clippy::cast_possible_truncation, reason = "seeds are small")]

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use slipring_proto::generated as pb;
use slipring_proto::grpc::put_prefix;

use crate::fuzz_logic::{DEFRAMER_MESSAGE_BYTES_MAX, DIALLER, ENFORCE_PQC, LINK_ID, STRICT};
use crate::samples::{
    Dice, Node, block, encode, header_tree, name as wire_name, padded, paths, publish,
    publish_tree, shuffle, siblings, subscribe, subscribe_tree, tree,
};

/// Streams: whole messages, straddling ones, cut ones, and prefixes that lie.
pub(crate) fn deframer() -> Vec<Vec<u8>> {
    let framed = |message: &[u8]| {
        let mut out = BytesMut::new();
        put_prefix(message.len() as u32, &mut out);
        out.extend_from_slice(message);
        out.to_vec()
    };
    let publish = framed(&publish().encode_to_vec());
    let subscribe = framed(&subscribe(258).encode_to_vec());
    let empty = framed(b"");
    let largest = DEFRAMER_MESSAGE_BYTES_MAX.to_be_bytes();
    let beyond = (DEFRAMER_MESSAGE_BYTES_MAX + 1).to_be_bytes();
    let streams = [
        publish.clone(),
        [&publish[..], &subscribe, &empty].concat(),
        [&empty[..], &empty, &subscribe, &publish].concat(),
        publish[..publish.len() - 1].to_vec(),
        publish[..3].to_vec(),
        [&subscribe[..], &publish[..5]].concat(),
        [&subscribe[..], &[1, 0, 0, 0, 1, 9]].concat(),
        [&subscribe[..], &[0], &beyond].concat(),
        [&[0][..], &largest, &[7; 64]].concat(),
        [&[0][..], &[0xff; 4], &publish].concat(),
        empty.repeat(40),
        framed(&[7; 1_500]),
    ];
    let seeded = |stream: &Vec<u8>| [0, 3, 77].map(|seed| [&[seed], &stream[..]].concat());
    streams.iter().flat_map(seeded).collect()
}

/// Whole messages, each behind a byte that chooses the cuts.
pub(crate) fn envelope() -> Vec<Vec<u8>> {
    let cut = |(index, message): (usize, Vec<u8>)| [&[(index * 37) as u8][..], &message].concat();
    messages().into_iter().enumerate().map(cut).collect()
}

/// Whole messages.
pub(crate) fn differential() -> Vec<Vec<u8>> {
    messages()
}

/// Routed headers.
pub(crate) fn rewrite() -> Vec<Vec<u8>> {
    let real = [publish(), subscribe(258)].map(|message| {
        let header = match message.kind {
            Some(pb::message::Kind::Publish(publish)) => publish.header,
            Some(pb::message::Kind::Subscribe(subscribe)) => subscribe.header,
            _ => None,
        };
        header.expect("samples have headers").encode_to_vec()
    });
    let nodes = header_tree();
    let mut headers = [real.to_vec(), vec![encode(&nodes), Vec::new()]].concat();
    headers.extend((0..6).map(|seed| shuffled(&nodes, seed)));
    for removed in 0..nodes.len() {
        let mut fewer = nodes.clone();
        fewer.remove(removed);
        headers.push(encode(&fewer));
    }
    headers.extend(bent(&nodes).into_iter().step_by(7));
    headers
}

/// Readable names and instance ids.
pub(crate) fn name() -> Vec<Vec<u8>> {
    let texts = [
        "org/ns/bob",
        "org/ns/bob/NULL_COMPONENT",
        "agntcy/default/alice/48b1da60-0caa-b75f-a73e-4fe334bf1482",
        "agntcy/default/alice/48B1DA60-0CAA-B75F-A73E-4FE334BF1482",
        "48b1da60-0caa-b75f-a73e-4fe334bf1482",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
        "NULL_COMPONENT",
        " org / ns / bob ",
        "a/b/c/ffffffff-ffff-ffff-ffff-ffffffffffff",
        "a/b",
        "a/b/c/d",
        "a/b/c/d/e",
        "//",
        "/a/b",
        "a/ /c",
        "",
        "héllo/wörld/日本",
        "\u{3000}a/b\u{a0}/c",
        "a/b/c/48b1da60-0caa-b75f-a73e-4fe334bf148é",
        "a/b/c/48b1da600-caa-b75f-a73e-4fe334bf1482",
        "org\0/ns/bob",
        "a/b/c/",
        "a\u{ff}/b/c/NULL_COMPONENT ",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// First messages of a link, each behind the byte that chooses role and policy.
pub(crate) fn negotiation() -> Vec<Vec<u8>> {
    let good = pb::LinkNegotiationPayload {
        link_id: LINK_ID.to_owned(),
        slim_version: "3.4.6".to_owned(),
        is_reply: false,
        link_ecdh_public_key: Bytes::from_static(&[9; 32]),
        connection_type: 2,
        node_id: "n1".to_owned(),
        deployment_name: "d".to_owned(),
        link_kem_payload: None,
    };
    let change = |change: fn(&mut pb::LinkNegotiationPayload)| {
        let mut payload = good.clone();
        change(&mut payload);
        payload
    };
    let payloads = [
        change(|_| {}),
        change(|payload| payload.is_reply = true),
        change(|payload| payload.slim_version = "v1.2.3".to_owned()),
        change(|payload| payload.slim_version = "1.0.0-rc.1+x".to_owned()),
        change(|payload| payload.link_id.clear()),
        change(|payload| payload.link_id = "another".to_owned()),
        change(|payload| payload.link_ecdh_public_key = Bytes::new()),
        change(|payload| payload.link_ecdh_public_key = Bytes::from_static(&[9; 31])),
        change(|payload| payload.link_ecdh_public_key = Bytes::from_static(&[0; 32])),
        change(|payload| payload.connection_type = 0),
        change(|payload| payload.connection_type = 1),
        change(|payload| payload.connection_type = -1),
        change(|payload| payload.link_kem_payload = Some(Bytes::new())),
        change(|payload| payload.link_kem_payload = Some(vec![5; 1_184].into())),
        change(|payload| {
            payload.is_reply = true;
            payload.link_kem_payload = Some(vec![5; 1_088].into());
        }),
    ];
    let mut inputs = Vec::new();
    for payload in payloads {
        let link_type = Some(pb::link::LinkType::LinkNegotiation(payload));
        let message = pb::Message {
            kind: Some(pb::message::Kind::Link(pb::Link { link_type })),
            ..pb::Message::default()
        };
        let message = message.encode_to_vec();
        for choice in [
            0,
            STRICT,
            ENFORCE_PQC,
            DIALLER,
            DIALLER | STRICT | ENFORCE_PQC,
        ] {
            inputs.push([&[choice], &message[..]].concat());
        }
    }
    for other in [
        &b""[..],
        b"\x2a\x00",
        b"\x32\x02\x08\x01",
        b"\x2a\x04\x0a\x02\x0a\x05",
    ] {
        inputs.push([&[STRICT], other].concat());
    }
    inputs.push([&[0], &subscribe(1).encode_to_vec()[..]].concat());
    inputs
}

fn messages() -> Vec<Vec<u8>> {
    let mut messages = vec![
        publish().encode_to_vec(),
        subscribe(258).encode_to_vec(),
        subscribe(0).encode_to_vec(),
        encode(&publish_tree()),
        encode(&subscribe_tree(1)),
        encode(&subscribe_tree(2)),
        Vec::new(),
        b"\x22\x06\x0a\x01k\x12\x01v".to_vec(),
        b"\x32\x05\x08\x82\x02\x10\x01".to_vec(),
        b"\x2a\x02\x0a\x00".to_vec(),
        b"\x1a\x02\x12\x00".to_vec(),
        b"\x20\x04\x32\x02\x08\x01".to_vec(),
    ];
    let nodes = publish_tree();
    messages.extend((0..8).map(|seed| shuffled(&nodes, seed)));
    let real = tree(&publish().encode_to_vec());
    messages.extend((0..4).map(|seed| shuffled(&real, seed)));
    messages.extend(bent(&nodes).into_iter().step_by(9));
    let nameless = wire_name("bob", None);
    let mut header = Vec::new();
    header.extend(block(
        2,
        nameless.encoded_len() as u64,
        &nameless.encode_to_vec(),
    ));
    messages.push(encode(&[Node::Nested(3, vec![Node::Leaf(1, header)])]));
    messages
}

fn shuffled(nodes: &[Node], seed: u64) -> Vec<u8> {
    let mut nodes = nodes.to_vec();
    shuffle(&mut nodes, &mut Dice::new(seed));
    encode(&nodes)
}

/// For every field: the message without it, with it twice, with it cut, with a padded tag.
fn bent(nodes: &[Node]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for path in paths(nodes) {
        let index = path[path.len() - 1];
        for how in 0..4 {
            let mut nodes = nodes.to_vec();
            let fields = siblings(&mut nodes, &path);
            let bytes = fields[index].bytes();
            match how {
                0 => drop(fields.remove(index)),
                1 => fields.push(Node::Raw(bytes)),
                2 => fields[index] = Node::Raw(bytes[..bytes.len() - 1].to_vec()),
                _ => {
                    let tag = padded(u64::from(bytes[0]));
                    fields[index] = Node::Raw([&tag, &bytes[1..]].concat());
                }
            }
            found.push(encode(&nodes));
        }
    }
    found
}
