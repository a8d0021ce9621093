//! The tail of a message is nobody's business but its receiver's: it arrives bit by bit as it was
//! sent, and appears nowhere else (W-04).

use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::message::{PublishTail, framed, put_metadata};

use crate::harness::{Client, Setup, fields, payload};

const BOB: &str = "org/ns/bob";
const CANARY: &str = "canary-4c0ffee4-in-the-tail";

/// Bytes without pattern.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

#[tokio::test]
async fn tails_of_every_length_arrive_as_they_were_sent() {
    let longest = MESSAGE_BYTES_MAX as usize - 400;
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        let mut bob = Client::of(&router).await;
        bob.subscribes(BOB).await;
        let alice = Client::of(&router).await;
        let lengths = [
            0, 1, 2, 127, 128, 1_023, 2_047, 2_048, 2_049, 16_383, 16_384, 65_535, 65_536, 262_144,
            1_048_575, 1_048_576, 3_000_000, longest,
        ];
        for (length, seed) in lengths.into_iter().zip(1..) {
            let blob = noise(length, seed);
            alice
                .publishes_as(&alice.sign(fields(BOB)), &payload(&blob))
                .await;
            let delivery = bob.receives().await;
            assert_eq!(delivery.payload().len(), length);
            assert!(delivery.payload()[..] == blob[..], "{length} bytes differ");
            assert!(delivery.is_signed_for(bob.terms_of()));
        }
        assert_eq!(router.at_rest().await.sum("messages_dropped_total"), 0);
    }
}

#[tokio::test]
async fn what_is_no_protobuf_within_the_tail_goes_through() {
    let router = Setup::new().start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let alice = Client::of(&router).await;
    for seed in 0..50 {
        // Session and content are length-delimited; what is inside is not looked at.
        let header = alice.sign(fields(BOB)).seal();
        let (session, content) = (noise(7, seed), noise(100, seed + 100));
        let mut inner = vec![0x12, 7];
        inner.extend(&session);
        inner.extend([0x1a, 100]);
        inner.extend(&content);
        let mut outer = bytes::BytesMut::new();
        put_metadata("key", "value", &mut outer);
        let mut message = bytes::BytesMut::new();
        header.put_publish(&inner, &outer, &mut message).unwrap();
        alice.sends(&message).await;
        let received = crate::harness::within("message", bob.recv()).await;
        let tail = received.unwrap().unwrap().envelope.tail;
        let bytes = tail.body.into_bytes();
        assert_eq!(bytes[..], [&inner[..], &outer[..]].concat());
    }
    router.at_rest().await;
}

#[tokio::test]
async fn nothing_of_a_tail_appears_in_logs_metrics_or_pages() {
    let router = Setup::new().log("trace").start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let alice = Client::of(&router).await;
    let tail = payload(CANARY.as_bytes()).metadata(CANARY, CANARY);
    for header in [
        fields(BOB),
        fields(BOB).with_fanout(0),
        fields("org/ns/nobody"),
    ] {
        alice.publishes_as(&alice.sign(header), &tail).await;
    }
    alice.publishes_as(&fields(BOB), &tail).await;
    let broken = PublishTail::empty().app_payload(CANARY, CANARY.as_bytes());
    alice.publishes_as(&alice.sign(fields(BOB)), &broken).await;
    alice
        .sends(&framed(&[&[0x1a, 0xff], CANARY.as_bytes()].concat()).unwrap())
        .await;
    for _ in 0..2 {
        assert_eq!(bob.reads().await, CANARY);
    }
    let closed = |scrape: &crate::harness::Scrape| scrape.closed("undecodable") == 1;
    router.scrape_when("the end of the sender", closed).await;
    for path in [
        "/metrics",
        "/links",
        "/links?format=json",
        "/fib",
        "/fib?format=json",
    ] {
        assert!(!router.get(path).await.1.contains("4c0ffee4"), "{path}");
    }
    assert!(!router.stderr().contains("4c0ffee4"), "the log");
    assert!(router.stderr().contains("TRACE"), "the log was on");
}
