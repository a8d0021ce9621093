//! Malformed messages, made by rule from three samples with all fields.
#![allow(
    clippy::unwrap_used,
    reason = "samples are known; a wrong one shall fail the test"
)]

use slipring_proto::error::Malformed;

use crate::samples::{
    Node, block, encode, key, node_at, numbers, padded, paths, publish_tree, siblings,
    subscribe_tree, varint, varint_bytes,
};

/// One input, what was done to make it, and how it must be refused.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Malformed,
}

/// The sample messages.
pub(crate) fn sample_messages() -> [(&'static str, Vec<Node>); 3] {
    [
        ("publish", publish_tree()),
        ("subscribe", subscribe_tree(1)),
        ("unsubscribe", subscribe_tree(2)),
    ]
}

/// Every field of every sample, with what `bend` makes of it.
fn for_every_field(
    what: &str,
    bend: impl Fn(&[Node], &[usize]) -> Vec<(String, Vec<u8>, Malformed)>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (sample, nodes) in sample_messages() {
        for path in paths(&nodes) {
            let field = numbers(&nodes, &path);
            for (how, bytes, expected) in bend(&nodes, &path) {
                let what = format!("{sample}: {what} {how} at {field}");
                cases.push(Case {
                    what,
                    bytes,
                    expected,
                });
            }
        }
    }
    cases
}

/// The message with other bytes in place of one field.
fn replaced(nodes: &[Node], path: &[usize], bytes: Vec<u8>) -> Vec<u8> {
    let mut nodes = nodes.to_vec();
    siblings(&mut nodes, path)[*path.last().unwrap()] = Node::Raw(bytes);
    encode(&nodes)
}

/// The same with the bytes behind all other fields of the message the field is in.
fn replaced_last(nodes: &[Node], path: &[usize], bytes: Vec<u8>) -> Vec<u8> {
    let mut nodes = nodes.to_vec();
    let fields = siblings(&mut nodes, path);
    fields.remove(*path.last().unwrap());
    fields.push(Node::Raw(bytes));
    encode(&nodes)
}

fn is_length(node: &Node) -> bool {
    !matches!(node, Node::Varint(..))
}

/// Whether the walk that meets the field goes into it. The header is met twice: the envelope steps
/// over it before anyone goes in.
fn is_entered(nodes: &[Node], path: &[usize]) -> bool {
    matches!(node_at(nodes, path), Node::Nested(..)) && path.len() != 2
}

fn cut_fields() -> Vec<Case> {
    for_every_field("cut", |nodes, path| {
        let bytes = node_at(nodes, path).bytes();
        let cuts = [1, bytes.len() / 2, bytes.len() - 1];
        let cut = |at: usize| {
            let how = format!("to {at} bytes");
            let bytes = replaced_last(nodes, path, bytes[..at].to_vec());
            (how, bytes, Malformed::Truncated)
        };
        cuts.map(cut).to_vec()
    })
}

fn wrong_lengths() -> Vec<Case> {
    for_every_field("length", |nodes, path| {
        let node = node_at(nodes, path);
        if !is_length(&node) {
            return Vec::new();
        }
        let (content, number) = (node.content(), node.number());
        let length = content.len() as u64;
        let with = |length| replaced_last(nodes, path, block(number, length, &content));
        // One byte less: the field inside that is now too long says so, or the byte left over is
        // the tag of no field.
        let expected = if is_entered(nodes, path) {
            Malformed::Truncated
        } else {
            Malformed::Tag
        };
        let mut cases = vec![("one less".to_owned(), with(length - 1), expected)];
        for longer in [length + 1, 1 << 31, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            cases.push((longer.to_string(), with(longer), Malformed::Truncated));
        }
        let mut beyond = varint_bytes(key(number, 2));
        beyond.extend([0xff; 9]);
        beyond.push(2);
        let beyond = replaced_last(nodes, path, beyond);
        cases.push((
            "beyond 64 bits".to_owned(),
            beyond,
            Malformed::VarintTooLong,
        ));
        cases
    })
}

fn wrong_wire_types() -> Vec<Case> {
    for_every_field("wire type", |nodes, path| {
        let node = node_at(nodes, path);
        let number = node.number();
        let own = if is_length(&node) { 2 } else { 0 };
        // Content that would do for each of the wire types.
        let contents: [&[u8]; 8] = [
            &[1],
            &[0; 8],
            &[1, 0],
            &varint_bytes(key(number, 4)),
            &[],
            &[0; 4],
            &[],
            &[],
        ];
        let others = (0..8).filter(|wire_type| *wire_type != own);
        others
            .map(|wire_type| {
                let tag = varint_bytes(key(number, wire_type));
                let bytes = [&tag, contents[wire_type as usize]].concat();
                let is_metadata = path.len() == 1 && number == 4;
                let expected = match wire_type {
                    6 | 7 => Malformed::Tag,
                    _ if is_metadata => Malformed::MetadataWireType,
                    _ => Malformed::WireType,
                };
                let bytes = replaced(nodes, path, bytes);
                (wire_type.to_string(), bytes, expected)
            })
            .collect()
    })
}

fn duplicates() -> Vec<Case> {
    for_every_field("duplicate", |nodes, path| {
        let node = node_at(nodes, path);
        let twice = [node.bytes(), node.bytes()].concat();
        let expected = match (path.len(), node.number()) {
            // Metadata repeats, and what the tail holds is not ours to judge.
            (1, 4) => return Vec::new(),
            (2, 2 | 3) if is_length(&node) => return Vec::new(),
            (1, _) => Malformed::DuplicateKind,
            _ => Malformed::DuplicateField,
        };
        let apart = {
            let mut nodes = nodes.to_vec();
            siblings(&mut nodes, path).push(node);
            encode(&nodes)
        };
        vec![
            (
                "in a row".to_owned(),
                replaced(nodes, path, twice),
                expected,
            ),
            ("apart".to_owned(), apart, expected),
        ]
    })
}

fn two_kinds() -> Vec<Case> {
    let kinds = [1, 2, 3, 5, 6];
    let pairs = kinds
        .iter()
        .flat_map(|first| kinds.map(|second| (*first, second)));
    let case = |(first, second): (u32, u32)| Case {
        what: format!("kind {first}, then kind {second}"),
        bytes: encode(&[Node::Leaf(first, vec![]), Node::Leaf(second, vec![])]),
        expected: Malformed::DuplicateKind,
    };
    pairs.map(case).collect()
}

fn padding() -> Vec<Case> {
    for_every_field("padded", |nodes, path| {
        let node = node_at(nodes, path);
        let (content, number) = (node.content(), node.number());
        let refused = |how: &str, bytes: Vec<u8>| {
            let bytes = replaced(nodes, path, bytes);
            (how.to_owned(), bytes, Malformed::VarintPadded)
        };
        let mut cases = Vec::new();
        if is_length(&node) {
            let tag = padded(key(number, 2));
            let length = content.len() as u64;
            cases.push(refused(
                "tag",
                [&tag, &varint_bytes(length)[..], &content].concat(),
            ));
            let tag = varint_bytes(key(number, 2));
            cases.push(refused(
                "length",
                [&tag, &padded(length)[..], &content].concat(),
            ));
        } else {
            let tag = padded(key(number, 0));
            cases.push(refused("tag", [tag, content].concat()));
            let tag = varint_bytes(key(number, 0));
            cases.push(refused("value", [tag, padded(1)].concat()));
        }
        cases
    })
}

fn values_out_of_range() -> Vec<Case> {
    let mut cases = Vec::new();
    let too_large = [1 << 32, 1 << 63, u64::MAX];
    for (number, values) in [(4, too_large), (6, too_large), (10, [2, 1 << 32, u64::MAX])] {
        for value in values {
            let header = Node::Nested(1, vec![Node::Varint(number, value)]);
            cases.push(Case {
                what: format!("value {value} in field {number} of the header"),
                bytes: encode(&[Node::Nested(3, vec![header])]),
                expected: Malformed::ValueRange,
            });
        }
    }
    for (number, fields) in [(4, 2), (6, 2), (7, 2), (8, 2), (9, 2), (10, 2)] {
        let mut bytes = varint_bytes(key(number, 0));
        bytes.extend([0xff; 9]);
        bytes.push(fields);
        let header = Node::Nested(1, vec![Node::Raw(bytes)]);
        cases.push(Case {
            what: format!("more than 64 bits in field {number} of the header"),
            bytes: encode(&[Node::Nested(3, vec![header])]),
            expected: Malformed::VarintTooLong,
        });
    }
    cases
}

fn texts() -> Vec<Case> {
    for_every_field("text", |nodes, path| {
        let number = node_at(nodes, path).number();
        let is_text = match path.len() {
            3 => number == 3 || number == 5,
            5 => numbers(nodes, path).split('.').nth(3) == Some("2"),
            _ => false,
        };
        if !is_text {
            return Vec::new();
        }
        // A lone continuation, an overlong slash, a surrogate, a cut sequence.
        let texts: [&[u8]; 4] = [b"a\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"abc\xe2\x82"];
        let case = |text: &[u8]| {
            let bytes = block(number, text.len() as u64, text);
            let how = format!("{text:02x?}");
            (how, replaced(nodes, path, bytes), Malformed::Text)
        };
        texts.map(case).to_vec()
    })
}

/// Stray bytes of no field behind every field that is walked, and at the end of the message.
fn strays() -> Vec<Case> {
    let mut group = varint_bytes(key(1_000, 3));
    varint(key(1_000, 4), &mut group);
    let key_beyond = varint_bytes(1 << 32 | key(1, 2));
    let fixed_cut = [varint_bytes(key(1_000, 1)), vec![0; 7]].concat();
    let short_cut = [varint_bytes(key(1_000, 5)), vec![0; 3]].concat();
    let strays: [(&str, &[u8], Malformed); 10] = [
        ("field 0", &[0, 1], Malformed::Tag),
        ("field 0 block", &[2, 0], Malformed::Tag),
        ("wire type 6", &[0x7e, 0], Malformed::Tag),
        ("wire type 7", &[0x7f, 0], Malformed::Tag),
        ("tag beyond 32 bits", &key_beyond, Malformed::Tag),
        ("group", &group, Malformed::Group),
        ("group end", &[0x7c], Malformed::GroupEnd),
        (
            "unknown padded varint",
            &[0x78, 0x80, 0x00],
            Malformed::VarintPadded,
        ),
        ("unknown 64-bit cut", &fixed_cut, Malformed::Truncated),
        ("unknown 32-bit cut", &short_cut, Malformed::Truncated),
    ];
    let mut cases = Vec::new();
    for (what, bytes, expected) in strays {
        cases.push(Case {
            what: format!("{what} at the end"),
            bytes: [encode(&publish_tree()), bytes.to_vec()].concat(),
            expected,
        });
    }
    cases.extend(for_every_field("stray", |nodes, path| {
        let Node::Nested(number, inside) = node_at(nodes, path) else {
            return Vec::new();
        };
        let case = |(what, stray, expected): (&str, &[u8], Malformed)| {
            let content = [encode(&inside), stray.to_vec()].concat();
            let bytes = block(number, content.len() as u64, &content);
            (what.to_owned(), replaced(nodes, path, bytes), expected)
        };
        strays.map(case).to_vec()
    }));
    cases
}

/// All of them.
pub(crate) fn every_case() -> Vec<Case> {
    [
        cut_fields(),
        wrong_lengths(),
        wrong_wire_types(),
        duplicates(),
        two_kinds(),
        padding(),
        values_out_of_range(),
        texts(),
        strays(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
