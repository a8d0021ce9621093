//! A consumer that does not read costs itself its link, and its neighbours nothing (S-01, S-04).

use std::time::Duration;

use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::message::framed;

use crate::harness::{
    Client, Router, Scrape, Setup, eventually, field, fields, payload, text, within,
};

const TOPIC: &str = "org/ns/topic";

/// Subscribers of one name, the stalled one not counted.
const NEIGHBOURS: usize = 63;

/// How long the peer of a waiting queue may accept no byte, unless configured.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Reads numbered messages until the last one; none may be missing.
async fn reads_all(mut client: Client, last: impl Future<Output = usize>) -> Client {
    let mut last = std::pin::pin!(last);
    let (mut next, mut end) = (0, None);
    while end.is_none_or(|end| next < end) {
        tokio::select! {
            count = &mut last, if end.is_none() => end = Some(count),
            words = client.reads() => {
                assert_eq!(words.split(' ').next(), Some(next.to_string().as_str()));
                next += 1;
            }
        }
    }
    client
}

async fn stall_among_neighbours(shards: usize) {
    let router = Setup::new().shards(shards).start().await;
    let mut neighbours = Vec::new();
    let (told, count) = tokio::sync::watch::channel(None);
    for _ in 0..NEIGHBOURS {
        let mut client = Client::of(&router).await;
        client.subscribes(TOPIC).await;
        let mut count = count.clone();
        let last = async move { count.wait_for(Option::is_some).await.unwrap().unwrap() };
        neighbours.push(tokio::spawn(reads_all(client, last)));
    }
    let mut stalled = Client::stalled(&router, TOPIC).await;
    let stalled_id = stalled.terms().link_id.clone();
    let sender = Client::of(&router).await;
    let header = sender.sign(fields(TOPIC).with_fanout(256)).seal();
    let filler = "x".repeat(8_000);
    let (mut sent, mut stuck) = (0, Duration::ZERO);
    let closed = eventually("close of the stalled link", async || {
        let tail = text(&format!("{sent} {filler}"));
        within("room", sender.sender().publish_sealed(&header, &tail))
            .await
            .unwrap();
        sent += 1;
        for link in router.links().await {
            if field(&link, "link_id") == Some(&stalled_id) {
                stuck = Duration::from_millis(field(&link, "stuck_ms").unwrap().parse().unwrap());
            }
        }
        let scrape = router.scrape().await;
        (scrape.closed("slow_consumer") == 1).then_some(scrape)
    })
    .await;
    told.send_replace(Some(sent));
    for neighbour in neighbours {
        within("the last message", neighbour).await.unwrap();
    }
    // It was looked at shortly before its end, and never after its time.
    assert!(
        stuck > WRITE_DEADLINE.mul_f64(0.8) && stuck < WRITE_DEADLINE.mul_f64(1.2),
        "{stuck:?}"
    );
    assert!(
        stalled.end().await.status().is_none(),
        "it was cut, not ended"
    );
    // Whatever was lost was lost on the stalled link.
    let scrape = router.at_rest().await;
    let to_neighbours = (sent * NEIGHBOURS) as u64;
    let to_stalled = scrape.value("deliveries_total") - to_neighbours;
    let taken = scrape.messages_out("publish") - to_neighbours;
    assert_eq!(taken + scrape.sum("messages_dropped_total"), to_stalled);
    assert_eq!(closed.sum("links_closed_total"), 1);
}

#[tokio::test]
async fn one_stalled_reader_of_64_is_closed_and_the_others_lose_nothing() {
    stall_among_neighbours(1).await;
}

#[tokio::test]
async fn one_stalled_reader_of_64_is_closed_on_two_shards_too() {
    stall_among_neighbours(2).await;
}

#[tokio::test]
async fn what_http2_holds_for_a_reader_is_charged_and_ends_at_the_deadline() {
    let setup = Setup::new().limit("write_deadline", "2s");
    let router = setup.start().await;
    let mut stalled = Client::stalled(&router, TOPIC).await;
    let sender = Client::of(&router).await;
    // A single message is no queue, and HTTP/2 takes it whole.
    sender.fills(TOPIC, 3_000_000, 1).await;
    let is_charged = |scrape: &Scrape| {
        scrape.value("egress_bytes") > 2_500_000 && scrape.value("egress_messages") == 0
    };
    router.scrape_when("charge", is_charged).await;
    let is_closed = |scrape: &Scrape| scrape.closed("slow_consumer") == 1;
    let scrape = router.scrape_when("close", is_closed).await;
    assert_eq!(scrape.value("egress_bytes"), 0);
    assert!(stalled.end().await.status().is_none(), "it was cut");
}

#[tokio::test]
async fn a_congested_link_is_marked_where_operators_look() {
    let router = Router::start().await;
    let _stalled = Client::stalled(&router, TOPIC).await;
    let _healthy = Client::of(&router).await;
    let sender = Client::of(&router).await;
    sender.fills(TOPIC, 50_000, 40).await;
    let full = |scrape: &Scrape| scrape.dropped("egress_full") > 0;
    router.scrape_when("a full queue", full).await;
    let links = router.links().await;
    assert_eq!(field(&links[0], "is_congested"), Some("true"));
    assert!(
        links[1..]
            .iter()
            .all(|link| field(link, "is_congested") == Some("false"))
    );
    let (_, page) = router.get("/links").await;
    let slow: Vec<_> = page
        .lines()
        .filter(|line| line.contains(" slow "))
        .collect();
    assert_eq!(slow.len(), 1, "{page}");
}

#[tokio::test]
async fn a_reader_that_makes_progress_is_never_closed() {
    let setup = Setup::new().limit("write_deadline", "300ms");
    let router = setup.limit("egress_age_max", "1h").start().await;
    let mut slow = Client::stalled(&router, TOPIC).await;
    let sender = Client::of(&router).await;
    sender.fills(TOPIC, 30_000, 30).await;
    // Three times the deadline, a message at a time, each well within it.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(slow.receives().await.payload().len(), 30_000);
    }
    assert_eq!(router.at_rest().await.sum("links_closed_total"), 0);
}

#[tokio::test]
async fn a_long_message_to_one_reader_holds_up_nobody_else() {
    const SMALL: usize = 1_000;
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        let mut stalled = Client::stalled(&router, "org/ns/long").await;
        let mut bob = Client::of(&router).await;
        bob.subscribes("org/ns/bob").await;
        let (long_sender, sender) = (Client::of(&router).await, Client::of(&router).await);
        let header = long_sender.sign(fields("org/ns/long")).seal();
        let room = MESSAGE_BYTES_MAX as usize - 300;
        let message = header.publish(&payload(&vec![7; room])).unwrap();
        long_sender.sends(&message).await;
        let taken = |scrape: &Scrape| scrape.value("deliveries_total") == 1;
        router.scrape_when("the long message", taken).await;
        let filler = "x".repeat(190);
        for number in 0..SMALL {
            sender
                .publishes("org/ns/bob", &format!("{number} {filler}"))
                .await;
            assert!(bob.reads().await.starts_with(&format!("{number} ")));
        }
        // Only now is the long one read, and it is whole.
        assert_eq!(stalled.receives().await.payload().len(), room);
        let scrape = router.at_rest().await;
        assert_eq!(scrape.sum("messages_dropped_total"), 0);
    }
}

#[tokio::test]
async fn acks_reach_a_reader_whose_queue_is_full() {
    // Answers have a lane of their own: they wait behind what was queued before and are not lost.
    let setup = Setup::new().limit("egress_messages_max", 3);
    let router = setup.start().await;
    let mut slow = Client::stalled(&router, TOPIC).await;
    let sender = Client::of(&router).await;
    sender.fills(TOPIC, 60_000, 30).await;
    let full = |scrape: &Scrape| scrape.dropped("egress_full") > 0;
    router.scrape_when("a full queue", full).await;
    slow.sends(&framed(b"").unwrap()).await;
    slow.subscribes("org/ns/another").await;
    sender.publishes("org/ns/another", "after the burst").await;
    while slow.receives().await.payload().len() == 60_000 {}
    router.at_rest().await;
}
