//! Writing what the next hop gets in front of the tail: gRPC prefix, lengths and routed header.

use std::hint::black_box;

use bytes::BytesMut;
use slipring_benches::{
    node::{Node, Traffic},
    timing::{heading, row, time},
};
use slipring_proto::{
    crypto::fake::FakeCrypto,
    envelope::{self, Inbound, Kind},
    grpc::Body,
    header::RoutedHeader,
    limits::MAC_BYTES,
    message,
    rewrite::{Lengths, put_head, rewrite_header},
};

const OPERATIONS: u64 = 1_000_000;

fn main() {
    heading("rewrite");
    for (what, has_fresh_identity) in [("no token", false), ("a token of 235 B", true)] {
        head(what, has_fresh_identity);
    }
}

fn head(what: &str, has_fresh_identity: bool) {
    let (_, alice, _) = Node::pair([FakeCrypto::new(1), FakeCrypto::new(2)]);
    let traffic = Traffic {
        payload_bytes: 256,
        turn_messages: 1,
        frame_bytes: 256 << 10,
        fanout: 1,
        has_fresh_identity,
    };
    let frame = traffic.frames(&alice, "bob", 0).remove(0);
    let Ok(Inbound::Routed(envelope)) = envelope::split(Body::from(message::unframed(&frame)))
    else {
        panic!("a publish was sent");
    };
    let raw = &envelope.header;
    let header = RoutedHeader::parse(raw).expect("a header");
    let tag = [7; MAC_BYTES];
    let mut next = BytesMut::with_capacity(4 << 10);
    let mut out = BytesMut::with_capacity(4 << 10);
    let figure = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            next.clear();
            rewrite_header(black_box(&header), raw, 7, Some(&tag), &mut next);
            sum + next.len() as u64
        })
    });
    let bytes = next.len();
    row(&format!("header of {bytes} B, {what}"), &figure, "ns");
    let figure = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            out.clear();
            let lengths = Lengths {
                header: black_box(bytes),
                tail_inner: envelope.tail.inner_len,
                tail_outer: envelope.tail.outer_len(),
            };
            put_head(Kind::Publish, lengths, &mut out).expect("short enough");
            sum + out.len() as u64
        })
    });
    row(&format!("what stands before it, {what}"), &figure, "ns");
}
