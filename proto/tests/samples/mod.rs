//! Messages to test with: real ones through prost, and a raw tree of fields that can be bent in
//! ways no encoder bends them.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "samples are small and known; a wrong one shall fail the test"
)]

use slipring_proto::generated as pb;
use slipring_proto::name::{TextName, component_hash};

/// The wire form of `org/ns/<service>`; without an id if `id` is `None`.
pub(crate) fn name(service: &str, id: Option<u128>) -> pb::Name {
    pb::Name {
        name: Some(pb::EncodedName {
            component_0: component_hash("org"),
            component_1: component_hash("ns"),
            component_2: component_hash(service),
            name_id: id.map(|id| pb::NameId {
                id_0: (id >> 64) as u64,
                id_1: id as u64,
            }),
        }),
        str_name: Some(pb::StringName {
            str_component_0: "org".to_owned(),
            str_component_1: "ns".to_owned(),
            str_component_2: service.to_owned(),
        }),
    }
}

/// The wire form of a readable name.
pub(crate) fn wire_name(text: &TextName) -> pb::Name {
    let [_, _, service] = text.parts();
    name(service, Some(text.name().id))
}

/// A header as a published client writes it.
pub(crate) fn header(source: pb::Name, destination: pb::Name) -> pb::SlimHeader {
    pb::SlimHeader {
        source: Some(source),
        destination: Some(destination),
        fanout: 1,
        version: "3.4.6".to_owned(),
        ttl: 8,
        ..pb::SlimHeader::default()
    }
}

/// A Publish that has everything a Publish can have.
pub(crate) fn publish() -> pb::Message {
    let header = pb::SlimHeader {
        identity: "org/ns/alice_AbCd1234:1700000000:AAECAwQFBgcICQoL".to_owned(),
        recv_from: Some(3),
        forward_to: Some(0),
        incoming_conn: Some(1),
        error: Some(false),
        header_mac: Some(vec![0x5a; 32].into()),
        e2e_header_sig: Some(vec![7; 64].into()),
        ..header(name("alice", Some(1)), name("bob", Some(u128::MAX)))
    };
    let publish = pb::Publish {
        header: Some(header),
        session: Some(pb::SessionHeader {
            session_type: pb::SessionType::PointToPoint.into(),
            session_message_type: pb::SessionMessageType::Msg.into(),
            session_id: 2_728_875_438,
            message_id: 1,
        }),
        msg: Some(pb::Content {
            content_type: Some(pb::content::ContentType::AppPayload(
                pb::ApplicationPayload {
                    payload_type: "text".to_owned(),
                    blob: vec![0xee; 200].into(),
                },
            )),
        }),
    };
    pb::Message {
        metadata: [("PUBLISH_TO".to_owned(), "TRUE".to_owned())].into(),
        kind: Some(pb::message::Kind::Publish(publish)),
    }
}

/// A Subscribe as a published client writes it.
pub(crate) fn subscribe(subscription_id: u64) -> pb::Message {
    let alice = name("alice", Some(1));
    let subscribe = pb::Subscribe {
        header: Some(header(alice.clone(), alice)),
        subscription_id,
    };
    pb::Message {
        kind: Some(pb::message::Kind::Subscribe(subscribe)),
        ..pb::Message::default()
    }
}

/// Reads `"0a 1b2c"` and the like.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A field of a message, down to where nobody looks any further.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A varint field.
    Varint(u32, u64),
    /// A length-delimited field that is stepped over or taken whole.
    Leaf(u32, Vec<u8>),
    /// A length-delimited field that is walked.
    Nested(u32, Vec<Self>),
    /// Any bytes at all.
    Raw(Vec<u8>),
}

/// Appends a varint.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes of a varint.
pub(crate) fn varint_bytes(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(value, &mut out);
    out
}

/// The same varint with one byte too many.
pub(crate) fn padded(value: u64) -> Vec<u8> {
    let mut out = varint_bytes(value);
    *out.last_mut().unwrap() |= 0x80;
    out.push(0);
    out
}

/// The varint before a field's content.
pub(crate) fn key(number: u32, wire_type: u32) -> u64 {
    u64::from(number) << 3 | u64::from(wire_type)
}

/// A length-delimited field whose announced length need not be the true one.
pub(crate) fn block(number: u32, length: u64, content: &[u8]) -> Vec<u8> {
    let mut out = varint_bytes(key(number, 2));
    varint(length, &mut out);
    out.extend_from_slice(content);
    out
}

impl Node {
    /// Field number; 0 of raw bytes.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::Varint(number, _) | Self::Leaf(number, _) | Self::Nested(number, _) => *number,
            Self::Raw(_) => 0,
        }
    }

    /// What stands after tag and length.
    pub(crate) fn content(&self) -> Vec<u8> {
        match self {
            Self::Varint(_, value) => varint_bytes(*value),
            Self::Leaf(_, bytes) | Self::Raw(bytes) => bytes.clone(),
            Self::Nested(_, nodes) => encode(nodes),
        }
    }

    /// The field with tag and length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let content = self.content();
        match self {
            Self::Varint(number, _) => [varint_bytes(key(*number, 0)), content].concat(),
            Self::Leaf(number, _) | Self::Nested(number, _) => {
                block(*number, content.len() as u64, &content)
            }
            Self::Raw(_) => content,
        }
    }
}

/// The bytes of fields one after another.
pub(crate) fn encode(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flat_map(Node::bytes).collect()
}

/// The path to every field, parents before their children.
pub(crate) fn paths(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        found.push(vec![index]);
        if let Node::Nested(_, inside) = node {
            found.extend(paths(inside).into_iter().map(|mut path| {
                path.insert(0, index);
                path
            }));
        }
    }
    found
}

/// The list of fields that the one at `path` is in.
pub(crate) fn siblings<'a>(nodes: &'a mut Vec<Node>, path: &[usize]) -> &'a mut Vec<Node> {
    match path {
        [] | [_] => nodes,
        [index, rest @ ..] => match &mut nodes[*index] {
            Node::Nested(_, inside) => siblings(inside, rest),
            Node::Varint(..) | Node::Leaf(..) | Node::Raw(_) => {
                panic!("the path leads into a leaf")
            }
        },
    }
}

/// The field at `path`.
pub(crate) fn node_at(nodes: &[Node], path: &[usize]) -> Node {
    let mut nodes = nodes.to_vec();
    siblings(&mut nodes, path)[*path.last().unwrap()].clone()
}

/// Field numbers along a path, as in `3.1.2`.
pub(crate) fn numbers(nodes: &[Node], path: &[usize]) -> String {
    let numbers: Vec<String> = (1..=path.len())
        .map(|depth| node_at(nodes, &path[..depth]).number().to_string())
        .collect();
    numbers.join(".")
}

fn name_tree(number: u32, id_1: u64) -> Node {
    let id = vec![Node::Varint(1, 5), Node::Varint(2, id_1)];
    let encoded = vec![
        Node::Varint(1, 0x873e_5803_76ea_963b),
        Node::Varint(2, 0x2ef9_769a_4c69_90d1),
        Node::Varint(3, 0x00ae_1b43_7ae5_73c4),
        Node::Nested(4, id),
    ];
    let text = vec![
        Node::Leaf(1, b"org\x07".to_vec()),
        Node::Leaf(2, b"ns\x07".to_vec()),
        Node::Leaf(3, b"alice\x07".to_vec()),
    ];
    Node::Nested(
        number,
        vec![Node::Nested(1, encoded), Node::Nested(2, text)],
    )
}

/// All fields of a routed header. Every leaf ends in the byte 7, which is the tag of no field.
pub(crate) fn header_tree() -> Vec<Node> {
    vec![
        name_tree(1, 7),
        name_tree(2, u64::MAX),
        Node::Leaf(3, b"identity\x07".to_vec()),
        Node::Varint(4, 300),
        Node::Leaf(5, b"3.4.6\x07".to_vec()),
        Node::Varint(6, 8),
        Node::Varint(7, 1),
        Node::Varint(8, u64::MAX),
        Node::Varint(9, 2),
        Node::Varint(10, 1),
        Node::Leaf(11, vec![7; 32]),
        Node::Leaf(12, vec![7; 64]),
    ]
}

/// A Publish with all fields; its header is a field to walk.
pub(crate) fn publish_tree() -> Vec<Node> {
    let publish = vec![
        Node::Nested(1, header_tree()),
        Node::Leaf(2, vec![0x08, 1, 0x20, 7]),
        Node::Leaf(3, vec![0x0a, 4, 0x12, 2, 9, 7]),
    ];
    let metadata = Node::Leaf(4, b"\x0a\x01k\x12\x02v\x07".to_vec());
    vec![Node::Nested(3, publish), metadata]
}

/// A Subscribe (1) or Unsubscribe (2) with all fields.
pub(crate) fn subscribe_tree(number: u32) -> Vec<Node> {
    let fields = vec![Node::Nested(1, header_tree()), Node::Varint(2, 258)];
    vec![Node::Nested(number, fields)]
}

/// A small deterministic source of numbers, so that inputs are the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts from any number.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, below `bound`.
    pub(crate) fn roll(&mut self, bound: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// Brings the items into another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.roll(index + 1));
        }
    }
}

/// Brings the fields of a message, and of every message in it, into another order.
pub(crate) fn shuffle(nodes: &mut [Node], dice: &mut Dice) {
    dice.shuffle(nodes);
    for node in nodes {
        if let Node::Nested(_, inside) = node {
            shuffle(inside, dice);
        }
    }
}

/// Reads a well-formed message as a tree, walking what the router walks.
pub(crate) fn tree(bytes: &[u8]) -> Vec<Node> {
    read_tree(bytes, &|path| {
        matches!(
            path,
            [1..=3]
                | [1..=3, 1]
                | [1..=3, 1, 1 | 2]
                | [1..=3, 1, 1 | 2, 1 | 2]
                | [1..=3, 1, 1 | 2, 1, 4]
        )
    })
}

fn read_tree(bytes: &[u8], is_nested: &dyn Fn(&[u32]) -> bool) -> Vec<Node> {
    fn read_varint(bytes: &[u8], at: &mut usize) -> u64 {
        let (value, taken) = slipring_proto::varint::decode(&bytes[*at..]).unwrap();
        *at += taken;
        value
    }
    fn walk(bytes: &[u8], path: &mut Vec<u32>, is_nested: &dyn Fn(&[u32]) -> bool) -> Vec<Node> {
        let (mut at, mut nodes) = (0, Vec::new());
        while at < bytes.len() {
            let key = read_varint(bytes, &mut at);
            let number = (key >> 3) as u32;
            if key & 7 == 0 {
                nodes.push(Node::Varint(number, read_varint(bytes, &mut at)));
                continue;
            }
            assert_eq!(key & 7, 2, "samples have varints and blocks only");
            let length = read_varint(bytes, &mut at) as usize;
            let content = &bytes[at..at + length];
            at += length;
            path.push(number);
            nodes.push(if is_nested(path) {
                Node::Nested(number, walk(content, path, is_nested))
            } else {
                Node::Leaf(number, content.to_vec())
            });
            path.pop();
        }
        nodes
    }
    walk(bytes, &mut Vec::new(), is_nested)
}
