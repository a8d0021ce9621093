//! Checklist 48 and 49: order between two links, and what a stalled subscriber costs others.

use slipring_proto::message::PublishTail;

use crate::harness::{Client, Router, Setup, fields, payload, text, within};

const BOB: &str = "org/ns/bob";

/// Sends `count` numbered messages, some large enough to be referenced and not copied.
async fn send_numbered(sender: &Client, to: &str, who: usize, count: usize) {
    let header = sender.sign(fields(to)).seal();
    for number in 0..count {
        let filler = "x".repeat(if number % 97 == 0 {
            5_000
        } else {
            number % 300
        });
        let tail: PublishTail = text(&format!("{who} {number} {filler}"));
        let sent = sender.sender().publish_sealed(&header, &tail);
        within("room to send", sent).await.unwrap();
    }
    within("flush", sender.sender().flush()).await.unwrap();
}

#[tokio::test]
async fn wire_48_order_is_kept_between_two_links() {
    const COUNT: usize = 3_000;
    const SENDERS: usize = 3;
    for shards in [1, 2, 4] {
        let router = Setup::new().shards(shards).start().await;
        let mut bob = Client::of(&router).await;
        bob.subscribes(BOB).await;
        let mut sending = Vec::new();
        for who in 0..SENDERS {
            let sender = Client::of(&router).await;
            sending.push(tokio::spawn(async move {
                send_numbered(&sender, BOB, who, COUNT).await;
                sender
            }));
        }
        let mut next = [0; SENDERS];
        for _ in 0..SENDERS * COUNT {
            let words = bob.reads().await;
            let mut words = words.split(' ').map(|word| word.parse::<usize>());
            let who = words.next().unwrap().unwrap();
            assert_eq!(words.next().unwrap().unwrap(), next[who], "sender {who}");
            next[who] += 1;
        }
        assert_eq!(next, [COUNT; SENDERS]);
        let scrape = router.at_rest().await;
        assert_eq!(scrape.sum("messages_dropped_total"), 0);
    }
}

#[tokio::test]
async fn wire_49_a_stalled_subscriber_costs_unrelated_deliveries_nothing() {
    const ROUNDS: usize = 200;
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        let stalled = Client::stalled(&router, "org/ns/stalled").await;
        let mut bob = Client::of(&router).await;
        bob.subscribes(BOB).await;
        let alice = Client::of(&router).await;
        // From here on `stalled` reads nothing: 12 MiB pass its window, its queue and its bounds.
        let filler = alice.sign(fields("org/ns/stalled")).seal();
        let filling = payload(&[7; 60_000]);
        for round in 0..ROUNDS {
            let sent = alice.sender().publish_sealed(&filler, &filling);
            within("room to send", sent).await.unwrap();
            alice.publishes(BOB, &round.to_string()).await;
            assert_eq!(bob.reads().await, round.to_string());
        }
        let scrape = router.scrape().await;
        assert!(scrape.dropped("egress_full") > 0);
        assert_eq!(scrape.closed("slow_consumer"), 0);
        let lost = scrape.dropped("egress_full") + scrape.dropped("egress_age");
        assert_eq!(scrape.sum("messages_dropped_total"), lost);
        drop(stalled);
        router.at_rest().await;
    }
}

#[tokio::test]
async fn a_router_that_only_hears_itself_is_at_rest() {
    let router = Router::start().await;
    assert_eq!(router.at_rest().await.sum("messages_in_total"), 0);
}
