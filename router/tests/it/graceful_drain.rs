//! Leaving in order: what was accepted is delivered, deadlines are kept, a second signal ends it
//! (L-01, L-02, L-03).

use std::time::Duration;

use slipring_sdk::error::StreamEnd;

use crate::harness::{Client, PATIENCE, Router, Scrape, Setup, eventually, fields, text, within};

/// Publishers, and as many subscribers: 64 links.
const PAIRS: usize = 32;

/// Numbers what it sends to one name until its stream ends. Returns how many it sent.
async fn publishes_on(client: Client, to: String) -> usize {
    let header = client.sign(fields(&to)).seal();
    let mut sent = 0;
    loop {
        let tail = text(&format!("{sent} {}", "x".repeat(sent % 500)));
        if client
            .sender()
            .publish_sealed(&header, &tail)
            .await
            .is_err()
        {
            return sent;
        }
        sent += 1;
        // Lets the others of this thread have their turn.
        tokio::task::yield_now().await;
    }
}

/// Reads to the end of the stream. Returns how many messages came, all in order, none missing.
async fn reads_on(mut client: Client) -> (usize, StreamEnd) {
    let mut next = 0;
    while let Some(received) = client.recv().await.unwrap() {
        let words = String::from_utf8(received.payload().unwrap().to_vec()).unwrap();
        let number: usize = words.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(number, next, "one is missing");
        next += 1;
    }
    let end = client.receiver().end().cloned().unwrap();
    (next, end)
}

#[tokio::test]
async fn a_drain_under_load_loses_nothing_that_was_accepted() {
    for shards in [1, 2] {
        let mut router = Setup::new().shards(shards).start().await;
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        for pair in 0..PAIRS {
            let to = format!("org/ns/pair-{pair}");
            let mut reader = Client::of(&router).await;
            reader.subscribes(&to).await;
            readers.push(tokio::spawn(reads_on(reader)));
            writers.push(tokio::spawn(publishes_on(Client::of(&router).await, to)));
        }
        let flowing = |scrape: &Scrape| scrape.messages_out("publish") > 2_000;
        router.scrape_when("traffic", flowing).await;
        let before = router.scrape().await;
        router.signal("TERM");
        let mut received = 0;
        for reader in readers {
            let (count, end) = within("end of a reader", reader).await.unwrap();
            let status = end
                .status()
                .map(|status| (status.code, status.message.as_str()));
            assert_eq!(status, Some((0, "")), "{end}");
            received += count as u64;
        }
        for writer in writers {
            within("end of a writer", writer).await.unwrap();
        }
        assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
        // Readers got at least all that was routed by the time of the signal.
        let lost = before.sum("messages_dropped_total");
        assert!(received + lost >= before.value("messages_routed_total"));
        assert_eq!(lost, 0, "readers keep up");
    }
}

#[tokio::test]
async fn a_drain_with_stalled_links_ends_at_its_deadline() {
    const STALLED: usize = 10;
    let setup = Setup::new().limit("egress_age_max", "1h");
    let mut router = setup.runtime("drain_timeout: 2s").start().await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(Client::stalled(&router, "org/ns/stalled").await);
    }
    let mut bob = Client::of(&router).await;
    bob.subscribes("org/ns/bob").await;
    let alice = Client::of(&router).await;
    let header = alice.sign(fields("org/ns/stalled").with_fanout(0));
    for _ in 0..10 {
        alice
            .publishes_as(&header, &text(&"x".repeat(30_000)))
            .await;
    }
    for number in 0..100 {
        alice.publishes("org/ns/bob", &number.to_string()).await;
    }
    let routed = |scrape: &Scrape| scrape.value("messages_routed_total") == 110;
    router.scrape_when("everything", routed).await;
    let told = tokio::time::Instant::now();
    router.signal("TERM");
    for number in 0..100 {
        assert_eq!(bob.reads().await, number.to_string());
    }
    bob.ends_with_status(0).await;
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
    let took = told.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let said = router.last_words();
    let counted = said
        .lines()
        .any(|line| line.contains("deadline") && line.contains("links=10"));
    assert!(counted, "{said}");
    drop(stalled);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    for signal in ["TERM", "INT"] {
        let mut router = Router::start().await;
        let stalled = Client::stalled(&router, "org/ns/stalled").await;
        let alice = Client::of(&router).await;
        alice.fills("org/ns/stalled", 60_000, 10).await;
        let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 10;
        router.scrape_when("a queue", planned).await;
        router.signal(signal);
        eventually("a failing /readyz", async || {
            (router.get("/readyz").await.0 == 503).then_some(())
        })
        .await;
        assert!(router.is_alive());
        let told = tokio::time::Instant::now();
        router.signal(signal);
        assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
        // 200 ms are promised; a test machine may be busy.
        assert!(
            told.elapsed() < Duration::from_secs(2),
            "{:?}",
            told.elapsed()
        );
        drop((stalled, alice));
    }
}

#[tokio::test]
async fn a_router_without_links_leaves_at_once() {
    for shards in [1, 2] {
        let mut router = Setup::new().shards(shards).start().await;
        let told = tokio::time::Instant::now();
        router.signal("TERM");
        assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
        assert!(
            told.elapsed() < Duration::from_secs(5),
            "{:?}",
            told.elapsed()
        );
    }
}

#[tokio::test]
async fn the_control_socket_drains_as_a_signal_does() {
    let mut router = Router::start().await;
    let mut client = Client::of(&router).await;
    client.subscribes("org/ns/bob").await;
    let answer = router.order("drain 5s");
    assert!(answer.starts_with("ok"), "{answer}");
    client.ends_with_status(0).await;
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn a_slow_reader_may_take_its_time_until_the_deadline() {
    // The queue is empty long before the reader has read what was already on its way.
    let mut router = Router::start().await;
    let mut slow = Client::stalled(&router, "org/ns/slow").await;
    let alice = Client::of(&router).await;
    alice.fills("org/ns/slow", 400_000, 2).await;
    let planned = |scrape: &Scrape| scrape.value("deliveries_total") == 2;
    router.scrape_when("both", planned).await;
    router.signal("TERM");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for _ in 0..2 {
        assert_eq!(slow.receives().await.payload().len(), 400_000);
    }
    slow.ends_with_status(0).await;
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
}
