//! Cutting a stream into messages, a message into envelope and tail, and reading its routed header.
//!
//! Every message is in the cache, as what was just received is.

use std::hint::black_box;

use bytes::Bytes;
use slipring_benches::{
    node::{Node, Traffic},
    timing::{heading, row, time},
};
use slipring_proto::{
    crypto::fake::FakeCrypto,
    envelope::{self, Inbound, Kind},
    grpc::{Body, Deframer},
    header::RoutedHeader,
    limits::MESSAGE_BYTES_MAX,
};

/// Times a turn is gone through in one run.
const ROUNDS: u64 = 2_000;

fn main() {
    heading("envelope");
    for (what, traffic) in [
        ("256 B", traffic(256, 64, 256 << 10, false)),
        ("256 B, a token of 235 B", traffic(256, 64, 256 << 10, true)),
        ("1 KiB", traffic(1 << 10, 64, 256 << 10, false)),
        ("16 KiB", traffic(16 << 10, 8, 256 << 10, false)),
        (
            "16 KiB in chunks of 16 KiB",
            traffic(16 << 10, 8, 16 << 10, false),
        ),
    ] {
        steps(what, traffic);
    }
}

const fn traffic(
    payload_bytes: usize,
    turn_messages: usize,
    frame_bytes: usize,
    has_fresh_identity: bool,
) -> Traffic {
    Traffic {
        payload_bytes,
        turn_messages,
        frame_bytes,
        fanout: 1,
        has_fresh_identity,
    }
}

/// Each step includes those before it.
fn steps(what: &str, traffic: Traffic) {
    let (_, alice, _) = Node::pair([FakeCrypto::new(1), FakeCrypto::new(2)]);
    let frames = traffic.frames(&alice, "bob", 0);
    let messages = ROUNDS * traffic.turn_messages as u64;
    let case = |step: &str| format!("{what}: {step}");
    let figure = time(messages, || rounds(&frames, |body| body.len() as u64));
    row(&case("deframe"), &figure, "ns");
    let figure = time(messages, || {
        rounds(&frames, |body| match envelope::split(body) {
            Ok(Inbound::Routed(envelope)) => black_box(envelope).header.len() as u64,
            other => panic!("a publish was sent, and this arrived: {other:?}"),
        })
    });
    row(&case("deframe, split"), &figure, "ns");
    let figure = time(messages, || {
        rounds(&frames, |body| match envelope::split(body) {
            Ok(Inbound::Routed(envelope)) => {
                let header = RoutedHeader::parse(&envelope.header).expect("a header");
                let route = header.routing(Kind::Publish, envelope.has_session);
                route.expect("names").destination.prefix.0[0]
            }
            other => panic!("a publish was sent, and this arrived: {other:?}"),
        })
    });
    row(&case("deframe, split, read the header"), &figure, "ns");
}

fn rounds(frames: &[Bytes], mut step: impl FnMut(Body) -> u64) -> u64 {
    let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
    let mut sum = 0;
    for _ in 0..ROUNDS {
        for frame in frames {
            deframer.push(frame.clone());
            while let Some(body) = deframer.pop().expect("well framed") {
                sum ^= step(body);
            }
        }
    }
    sum
}
