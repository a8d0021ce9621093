//! Every reason for which a link is closed, provoked from the network and seen in `/metrics`.

use slipring_proto::generated::LinkNegotiationPayload;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::link::ConnectionType;
use slipring_proto::message::framed;
use slipring_sdk::error::StreamEnd;

use crate::harness::{
    Client, Line, Opening, PATIENCE, Router, Scrape, Setup, clear, field, request,
};

const BOB: &str = "org/ns/bob";

/// Waits until one link was closed for `reason`, and none for another.
async fn counted(router: &Router, reason: &str) -> Scrape {
    let is_counted = |scrape: &Scrape| scrape.closed(reason) > 0;
    let scrape = router.scrape_when(reason, is_counted).await;
    assert_eq!(scrape.closed(reason), 1);
    assert_eq!(scrape.sum("links_closed_total"), 1);
    scrape
}

#[tokio::test]
async fn close_drain_deadline() {
    let setup = Setup::new().limit("egress_age_max", "1h");
    let mut router = setup.runtime("drain_timeout: 300ms").start().await;
    let mut stalled = Client::stalled(&router, BOB).await;
    let alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 10).await;
    let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 10;
    router.scrape_when("a queue", planned).await;
    router.signal("TERM");
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
    router.says("drain_deadline=1").await;
    assert!(
        stalled.end().await.status().is_none(),
        "it was cut, not ended"
    );
    drop(alice);
}

#[tokio::test]
async fn close_drained() {
    let mut router = Setup::new().runtime("drain_timeout: 10s").start().await;
    let _stalled = Client::stalled(&router, BOB).await;
    let mut alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 10).await;
    let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 10;
    router.scrape_when("a queue", planned).await;
    router.signal("TERM");
    alice.ends_with_status(0).await;
    let is_counted = |scrape: &Scrape| scrape.closed("drained") == 1;
    router.scrape_when("drained", is_counted).await;
    assert!(router.is_alive());
}

#[tokio::test]
async fn close_malformed() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let ambiguous = framed(&[0x1a, 4, 0x0a, 0, 0x0a, 0]).unwrap();
    client.sends(&ambiguous.repeat(3)).await;
    client.ends_with_status(0).await;
    assert_eq!(counted(&router, "malformed").await.dropped("malformed"), 3);
}

#[tokio::test]
async fn close_negotiation_failed() {
    let router = Router::start().await;
    let mut opening = Opening::of(&router).await;
    let unversioned = LinkNegotiationPayload {
        slim_version: String::new(),
        ..request()
    };
    opening.asks(unversioned).await;
    opening.is_refused("no version").await;
    counted(&router, "negotiation_failed").await;
}

#[tokio::test]
async fn close_negotiation_timeout() {
    let listener = clear("negotiation_timeout_secs: 1");
    let router = Setup::new().servers([listener]).start().await;
    let mut opening = Opening::of(&router).await;
    opening.is_refused("silence").await;
    counted(&router, "negotiation_timeout").await;
}

#[tokio::test]
async fn close_oversize() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let length = (MESSAGE_BYTES_MAX + 1).to_be_bytes();
    client.sends(&[&[0], &length[..]].concat()).await;
    client.ends_with_status(0).await;
    counted(&router, "oversize").await;
}

#[tokio::test]
async fn close_peer_ended() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    client.sender().finish();
    client.ends_with_status(0).await;
    counted(&router, "peer_ended").await;
}

#[tokio::test]
async fn close_peer_reset() {
    let router = Router::start().await;
    let client = Client::of(&router).await;
    client.sender().reset(h2::Reason::CANCEL);
    counted(&router, "peer_reset").await;
}

#[tokio::test]
async fn close_peering_unconfigured() {
    let router = Router::start().await;
    let mut opening = Opening::of(&router).await;
    let as_peer = LinkNegotiationPayload {
        connection_type: 1,
        ..request()
    };
    opening.asks(as_peer).await;
    assert_eq!(opening.reply().await.connection_type, 1);
    let StreamEnd::Status(status) = opening.end().await else {
        panic!("a peer is told why");
    };
    assert_eq!(status.code, 7);
    assert_eq!(status.message, "peering is not configured");
    let scrape = counted(&router, "peering_unconfigured").await;
    assert_eq!(scrape.value("links{class=\"peer\"}"), 0);
}

#[tokio::test]
async fn close_pressure() {
    // One link to another node may hold as much as the pool of its shard.
    let setup = Setup::new()
        .limit("egress_pool_bytes", "8MiB")
        .limit("egress_node_bytes_max", "8MiB")
        .limit("egress_age_max", "1h");
    let router = setup.start().await;
    let mut stalled = Client::stalled_as(&router, BOB, ConnectionType::Remote).await;
    let mut alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 200).await;
    let scrape = counted(&router, "pressure").await;
    assert_eq!(scrape.value("pressure{shard=\"0\"}"), 0);
    assert!(
        stalled.end().await.status().is_none(),
        "it was cut, not ended"
    );
    alice.is_served().await;
}

#[tokio::test]
async fn close_slow_consumer() {
    let setup = Setup::new().limit("write_deadline", "500ms");
    let router = setup.start().await;
    let mut stalled = Client::stalled(&router, BOB).await;
    let mut alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 5).await;
    counted(&router, "slow_consumer").await;
    assert!(
        stalled.end().await.status().is_none(),
        "it was cut, not ended"
    );
    alice.is_served().await;
    assert_eq!(router.at_rest().await.value("names"), 0);
}

#[tokio::test]
async fn close_stopped() {
    let mut router = Router::start().await;
    let stalled = Client::stalled(&router, BOB).await;
    let alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 10).await;
    let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 10;
    router.scrape_when("a queue", planned).await;
    assert!(router.order("stop").starts_with("ok"));
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
    // Nobody can ask a process that is gone, so it leaves its sums behind.
    router.says("closed=stopped=2").await;
    router.says("dropped=link_gone=").await;
    drop((stalled, alice));
}

#[tokio::test]
async fn close_transport_lost() {
    let router = Router::start().await;
    let line = Line::to(&router).await;
    let mut client = Client::at(&line.endpoint()).await;
    client.subscribes(BOB).await;
    line.cut();
    let scrape = counted(&router, "transport_lost").await;
    assert_eq!(scrape.value("links{class=\"edge\"}"), 0);
    let gone = |scrape: &Scrape| scrape.value("names") == 0;
    router.scrape_when("its routes to go", gone).await;
    assert!(client.end().await.status().is_none());
}

#[tokio::test]
async fn close_transport_lost_when_a_ping_is_not_answered() {
    let listener = clear("keepalive: {time: 200ms, timeout: 500ms}");
    let router = Setup::new().servers([listener]).start().await;
    let mut lively = Client::of(&router).await;
    let line = Line::to(&router).await;
    let mut client = Client::at(&line.endpoint()).await;
    client.subscribes(BOB).await;
    line.freeze();
    counted(&router, "transport_lost").await;
    lively.is_served().await;
    let links = router.links().await;
    assert_eq!(links.len(), 1);
    assert_eq!(field(&links[0], "state"), Some("open"));
}

#[tokio::test]
async fn close_undecodable() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    client.sends(&framed(b"\x1a\xff").unwrap()).await;
    client.ends_with_status(0).await;
    counted(&router, "undecodable").await;
}
