//! Depth and size: nothing a peer nests or announces costs more than its bytes, and 4 MiB is 4 MiB.

mod samples;

use bytes::{Bytes, BytesMut};
use samples::{Node, block, encode, header_tree, key, publish_tree, varint_bytes};
use slipring_proto::envelope::{Envelope, Inbound, Kind, split};
use slipring_proto::error::{Invalid, Malformed, TooLong};
use slipring_proto::grpc::{Body, Deframer, put_prefix};
use slipring_proto::header::RoutedHeader;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::rewrite::{Lengths, put_head};

fn routed(bytes: Vec<u8>) -> Envelope {
    match split(Body::from(bytes)) {
        Ok(Inbound::Routed(envelope)) => envelope,
        other => panic!("not routed: {other:?}"),
    }
}

#[test]
fn groups_are_refused_at_any_depth() {
    let group = |depth: usize| {
        let start = varint_bytes(key(99, 3)).repeat(depth);
        [start, varint_bytes(key(99, 4)).repeat(depth)].concat()
    };
    for depth in [1, 2, 99, 100, 101, 100_000] {
        assert_eq!(split(Body::from(group(depth))), Err(Malformed::Group));
        assert_eq!(RoutedHeader::parse(&group(depth)), Err(Malformed::Group));
    }
}

#[test]
fn nesting_that_nobody_walks_is_stepped_over() {
    // Unknown fields, session, content and metadata may hold anything.
    let mut deep = Vec::new();
    for _ in 0..2_000 {
        deep = block(2, deep.len() as u64, &deep);
    }
    let header = Node::Nested(
        1,
        [header_tree(), vec![Node::Leaf(13, deep.clone())]].concat(),
    );
    let publish = [2, 3, 9].map(|number| Node::Leaf(number, deep.clone()));
    let publish = Node::Nested(3, [vec![header], publish.to_vec()].concat());
    let bytes = encode(&[publish, Node::Leaf(4, deep.clone()), Node::Leaf(9, deep)]);
    let envelope = routed(bytes);
    assert!(envelope.has_session);
    assert!(RoutedHeader::parse(&envelope.header).is_ok());
}

#[test]
fn four_mebibytes_to_the_byte() {
    for (over, is_accepted) in [(-1, true), (0, true), (1, false)] {
        let length = MESSAGE_BYTES_MAX.checked_add_signed(over).unwrap();
        let mut stream = BytesMut::new();
        put_prefix(length, &mut stream);
        let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
        deframer.push(stream.freeze());
        if !is_accepted {
            assert_eq!(deframer.pop(), Err(Malformed::MessageTooLong));
            continue;
        }
        assert_eq!(deframer.pop(), Ok(None));
        let frame = Bytes::from(vec![0; 16_384]);
        let mut left = length as usize;
        while left > 0 {
            let chunk = frame.slice(..left.min(frame.len()));
            left -= chunk.len();
            assert_eq!(deframer.pop(), Ok(None));
            deframer.push(chunk);
        }
        let body = deframer.pop().unwrap().unwrap();
        assert_eq!(body.len(), length as usize);
        assert_eq!(deframer.buffered_bytes(), 0);
    }
}

#[test]
fn a_message_of_four_mebibytes_is_split_and_none_longer_leaves() {
    let mut nodes = publish_tree();
    let overhead = encode(&nodes).len();
    let Node::Nested(_, publish) = &mut nodes[0] else {
        panic!("the first field is the publish");
    };
    // The content grows by as much as is free, less what longer lengths take.
    let content = vec![7; MESSAGE_BYTES_MAX as usize - overhead - 5 + publish[2].content().len()];
    publish[2] = Node::Leaf(3, content);
    let bytes = encode(&nodes);
    assert_eq!(bytes.len(), MESSAGE_BYTES_MAX as usize);
    let envelope = routed(bytes);
    let lengths = Lengths {
        header: envelope.header.len(),
        tail_inner: envelope.tail.inner_len,
        tail_outer: envelope.tail.outer_len(),
    };
    let mut out = BytesMut::new();
    assert_eq!(put_head(Kind::Publish, lengths, &mut out), Ok(()));
    let longest = MESSAGE_BYTES_MAX as usize + 5;
    assert_eq!(
        out.len() + envelope.header.len() + envelope.tail.body.len(),
        longest
    );
    out.clear();
    // WIRE §1.2: a MAC more is a message less, not a receiver's stream less.
    for longer in [
        Lengths {
            header: lengths.header + 1,
            ..lengths
        },
        Lengths {
            tail_inner: lengths.tail_inner + 1,
            ..lengths
        },
        Lengths {
            tail_outer: lengths.tail_outer + 1,
            ..lengths
        },
    ] {
        let message_bytes = MESSAGE_BYTES_MAX as usize + 1;
        assert_eq!(
            put_head(Kind::Publish, longer, &mut out),
            Err(TooLong { message_bytes })
        );
    }
    let absurd = Lengths {
        header: usize::MAX,
        tail_inner: usize::MAX,
        tail_outer: usize::MAX,
    };
    assert!(put_head(Kind::Publish, absurd, &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn what_is_too_little_to_route() {
    // WIRE §2.2
    let without = |removed: &[usize]| {
        let mut header = header_tree();
        match removed {
            [index] => drop(header.remove(*index)),
            [index, inner] => {
                let Node::Nested(_, inside) = &mut header[*index] else {
                    panic!("names are nested");
                };
                inside.remove(*inner);
            }
            _ => {}
        }
        encode(&header)
    };
    for (removed, invalid) in [
        (&[0][..], Invalid::SourceMissing),
        (&[1], Invalid::DestinationMissing),
        (&[0, 0], Invalid::SourceNotEncoded),
        (&[1, 0], Invalid::DestinationNotEncoded),
    ] {
        let header = RoutedHeader::parse(&without(removed)).unwrap();
        for kind in [Kind::Publish, Kind::Subscribe, Kind::Unsubscribe] {
            assert_eq!(header.routing(kind, true), Err(invalid));
        }
    }
    // Text is not needed, and a session only by a Publish.
    for complete in [&[][..], &[0, 1], &[1, 1]] {
        let header = RoutedHeader::parse(&without(complete)).unwrap();
        assert_eq!(
            header.routing(Kind::Publish, false),
            Err(Invalid::SessionMissing)
        );
        assert!(header.routing(Kind::Publish, true).is_ok());
        assert!(header.routing(Kind::Subscribe, false).is_ok());
        assert!(header.routing(Kind::Unsubscribe, false).is_ok());
    }
    // A kind without a header is a kind with an empty one.
    for bytes in [
        vec![0x1a, 0],
        vec![0x1a, 2, 0x12, 0],
        vec![0x0a, 2, 0x10, 5],
    ] {
        let envelope = routed(bytes.clone());
        assert!(envelope.header.is_empty());
        let header = RoutedHeader::parse(&envelope.header).unwrap();
        let routing = header.routing(envelope.kind, envelope.has_session);
        assert_eq!(routing, Err(Invalid::SourceMissing));
    }
}
