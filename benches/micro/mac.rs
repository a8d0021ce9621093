//! The header MAC with the real cryptography: whole, and from a context that has absorbed the names.

use std::hint::black_box;

use slipring_benches::{
    node::{Node, Traffic},
    timing::{heading, row, time},
};
use slipring_proto::{
    crypto::aws::{AwsCrypto, AwsKey},
    envelope::{self, Inbound},
    grpc::Body,
    header::RoutedHeader,
    mac, message,
};

const OPERATIONS: u64 = 200_000;

fn main() {
    heading("mac");
    for (what, has_fresh_identity) in [("no token", false), ("a token of 235 B", true)] {
        tags(what, has_fresh_identity);
    }
}

fn tags(what: &str, has_fresh_identity: bool) {
    let (_, alice, _) = Node::pair([AwsCrypto; 2]);
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
    let key = alice.terms.key.as_ref().expect("strict links have a key");
    let link_id = alice.terms.link_id.as_bytes();
    let mut scratch = Vec::new();
    let case = |step: &str| format!("header of {} B, {what}: {step}", raw.len());
    let verify = time(OPERATIONS, || {
        count(|| mac::verify(key, black_box(&header), raw, link_id, &mut scratch))
    });
    row(&case("verify"), &verify, "ns");
    let sign = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            let tag = mac::sign(key, black_box(&header), raw, link_id, 7, &mut scratch);
            sum + u64::from(tag[0])
        })
    });
    row(&case("sign"), &sign, "ns");
    let names = mac::names_context(key, &header, raw, link_id, &mut scratch);
    let verify = time(OPERATIONS, || {
        count(|| mac::verify_rest::<AwsKey>(&names, black_box(&header), raw, &mut scratch))
    });
    row(&case("verify behind the names"), &verify, "ns");
    let sign = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            let tag = mac::sign_rest::<AwsKey>(&names, black_box(&header), raw, 7, &mut scratch);
            sum + u64::from(tag[0])
        })
    });
    row(&case("sign behind the names"), &sign, "ns");
}

/// Verifies so many times; a tag that is wrong would not be worth timing.
fn count(mut verify: impl FnMut() -> bool) -> u64 {
    let right = (0..OPERATIONS).filter(|_| verify()).count() as u64;
    assert_eq!(right, OPERATIONS, "the tag is right");
    right
}
