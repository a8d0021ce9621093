//! Every reason for which a message is dropped, provoked from the network and seen in `/metrics`.

use bytes::Bytes;
use slipring_proto::crypto::LinkCrypto;
use slipring_proto::generated::Name;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::message::{HeaderFields, framed};

use crate::harness::{
    Client, Hog, Opening, Router, Scrape, Setup, clear, cpus_allowed, field, fields, payload, text,
};

const BOB: &str = "org/ns/bob";

/// Waits until `reason` was counted, and that every message is accounted for.
async fn counted(router: &Router, reason: &str) -> u64 {
    let is_counted = |scrape: &Scrape| scrape.dropped(reason) > 0;
    router.scrape_when(reason, is_counted).await;
    router.at_rest().await.dropped(reason)
}

#[tokio::test]
async fn drop_egress_age() {
    let setup = Setup::new().limit("egress_age_max", "200ms");
    let router = setup.start().await;
    let _stalled = Client::stalled(&router, BOB).await;
    let alice = Client::of(&router).await;
    alice.fills(BOB, 10_000, 20).await;
    // What the peer granted window for has left; the rest grows old, all of it.
    let empty =
        |scrape: &Scrape| scrape.dropped("egress_age") > 0 && scrape.value("egress_messages") == 0;
    let scrape = router.scrape_when("age drops", empty).await;
    let left = scrape.messages_out("publish");
    assert_eq!(left + counted(&router, "egress_age").await, 20);
    assert_eq!(scrape.sum("links_closed_total"), 0);
}

#[tokio::test]
async fn drop_egress_full() {
    let setup = Setup::new().limit("egress_messages_max", 5);
    let router = setup.start().await;
    let _stalled = Client::stalled(&router, BOB).await;
    let alice = Client::of(&router).await;
    alice.fills(BOB, 10_000, 50).await;
    // The sender is held at times, so the last of them comes late.
    let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 50;
    let scrape = router.scrape_when("all of them", planned).await;
    let lost = scrape.dropped("egress_full");
    assert!(lost > 0);
    assert_eq!(lost + scrape.messages_out("publish") + 5, 50);
    let links = router.links().await;
    let slowest = &links[0];
    assert_eq!(field(slowest, "dropped"), Some(lost.to_string().as_str()));
}

#[tokio::test]
async fn drop_invalid() {
    let router = Router::start().await;
    let alice = Client::of(&router).await;
    alice.sends(&framed(b"").unwrap()).await;
    let nowhere = HeaderFields {
        destination: Some(Name::default()),
        ..fields(BOB)
    };
    alice.publishes_as(&alice.sign(nowhere), &text("x")).await;
    let is_counted = |scrape: &Scrape| scrape.dropped("invalid") == 2;
    router.scrape_when("both", is_counted).await;
}

#[tokio::test]
async fn drop_link_gone() {
    let router = Router::start().await;
    let stalled = Client::stalled(&router, BOB).await;
    let alice = Client::of(&router).await;
    alice.fills(BOB, 10_000, 20).await;
    let waits = |scrape: &Scrape| {
        scrape.value("deliveries_total") == 20 && scrape.value("egress_messages") > 0
    };
    let waiting = router
        .scrape_when("a queue", waits)
        .await
        .value("egress_messages");
    drop(stalled);
    assert_eq!(counted(&router, "link_gone").await, waiting);
}

#[tokio::test]
async fn drop_mac_invalid() {
    let router = Router::start().await;
    let alice = Client::of(&router).await;
    let forged = HeaderFields {
        header_mac: Some(Bytes::from_static(&[1; 32])),
        ..fields(BOB)
    };
    alice.publishes_as(&forged, &text("x")).await;
    assert_eq!(counted(&router, "mac_invalid").await, 1);
}

#[tokio::test]
async fn drop_mac_missing() {
    let router = Router::start().await;
    let alice = Client::of(&router).await;
    alice.publishes_as(&fields(BOB), &text("x")).await;
    assert_eq!(counted(&router, "mac_missing").await, 1);
}

#[tokio::test]
async fn drop_mac_unexpected() {
    let listener = clear("require_header_mac: false");
    let router = Setup::new().servers([listener]).start().await;
    let keyless = Opening::of(&router).await.keyless().await;
    let key = slipring_proto::crypto::aws::AwsCrypto
        .derive(b"link", &[&[7; 32]], b"some other key")
        .unwrap();
    let signed = fields(BOB).sign(&key, "link").unwrap();
    keyless.publishes_as(&signed, &text("x")).await;
    assert_eq!(counted(&router, "mac_unexpected").await, 1);
}

#[tokio::test]
async fn drop_malformed() {
    let router = Router::start().await;
    let mut alice = Client::of(&router).await;
    // A Publish with two session headers is fine, one with two empty routed headers is not.
    alice
        .sends(&framed(&[0x1a, 4, 0x0a, 0, 0x0a, 0]).unwrap())
        .await;
    assert_eq!(counted(&router, "malformed").await, 1);
    alice.is_served().await;
}

#[tokio::test]
async fn drop_mesh_full() {
    let cpu = cpus_allowed()[0];
    let setup = Setup::new().shards(2).cpu(cpu).limit("mesh_slots", 16);
    let router = setup.start().await;
    let mut bob = Client::on_shard(&router, 1).await;
    bob.subscribes(BOB).await;
    let alice = Client::on_shard(&router, 0).await;
    // The shard of the receiver is kept from its CPU for longer than the sender's has patience.
    router.idle_class("slipring-1");
    let hog = Hog::on(cpu);
    // More than the ring and all windows hold, so that some of it waits longer than that.
    alice.fills(BOB, 10, 50_000).await;
    drop(hog);
    let is_counted = |scrape: &Scrape| scrape.dropped("mesh_full") > 0;
    tokio::select! {
        () = reads_on(&mut bob) => {}
        _ = router.scrape_when("mesh drops", is_counted) => {}
    }
}

/// Reads to the end of the link.
async fn reads_on(client: &mut Client) {
    while client.recv().await.unwrap().is_some() {}
}

#[tokio::test]
async fn drop_no_match() {
    let router = Router::start().await;
    let mut alice = Client::of(&router).await;
    alice.subscribes("org/ns/alice").await;
    alice
        .publishes("org/ns/alice", "only the sender subscribes")
        .await;
    alice.publishes(BOB, "nobody subscribes").await;
    assert_eq!(counted(&router, "no_match").await, 2);
}

#[tokio::test]
async fn drop_oversize() {
    let listener = clear("require_header_mac: false");
    let router = Setup::new().servers([listener]).start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let keyless = Opening::of(&router).await.keyless().await;
    // Within the bound as it arrives, beyond it with the tag of the next hop.
    let header = fields(BOB).seal();
    let room = MESSAGE_BYTES_MAX as usize - header.as_bytes().len();
    let blob = (0..64).map(|less| payload(&vec![7; room - less]));
    let mut messages = blob.map(|tail| header.publish(&tail));
    let message = messages.find_map(Result::ok).unwrap();
    keyless.sends(&message).await;
    assert_eq!(counted(&router, "oversize").await, 1);
    bob.is_served().await;
}

#[tokio::test]
async fn drop_ttl_expired() {
    let router = Router::start().await;
    let alice = Client::of(&router).await;
    let spent = HeaderFields {
        ttl: 1,
        ..fields(BOB)
    };
    alice.publishes_as(&alice.sign(spent), &text("x")).await;
    assert_eq!(counted(&router, "ttl_expired").await, 1);
}
