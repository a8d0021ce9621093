//! An acknowledged subscription is found from every shard, an ended one from none (D-04, D-05).

use slipring_proto::envelope::Kind;

use crate::harness::{Client, Router, Setup, fields, text};

/// Trials in all.
const TRIALS: usize = 10_000;

/// Pairs that work at once, so that no trial waits for another's round trip.
const PAIRS: usize = 10;

/// A subscriber on one shard and a publisher on the other.
struct Pair {
    subscriber: Client,
    publisher: Client,
    number: usize,
}

impl Pair {
    async fn new(router: &Router, number: usize) -> Self {
        let shard = number % 2;
        let mut subscriber = Client::on_shard(router, shard).await;
        let publisher = Client::on_shard(router, 1 - shard).await;
        subscriber.subscribes(&format!("org/marker/{number}")).await;
        Self {
            subscriber,
            publisher,
            number,
        }
    }

    /// Subscribed: the very next message from the other shard arrives. Ended: it does not, as the
    /// marker behind it proves.
    async fn trial(&mut self, trial: usize) {
        let topic = format!("org/topic-{}/{trial}", self.number);
        let id = 1 + trial as u64;
        let header = self.publisher.sign(fields(&topic));
        self.subscriber.registers(Kind::Subscribe, &topic, id).await;
        assert_eq!(self.subscriber.acked(id).await, Ok(()));
        self.publisher.publishes_as(&header, &text("found")).await;
        assert_eq!(self.subscriber.reads().await, "found");
        self.subscriber
            .registers(Kind::Unsubscribe, &topic, id)
            .await;
        assert_eq!(self.subscriber.acked(id).await, Ok(()));
        self.publisher.publishes_as(&header, &text("ghost")).await;
        let marker = format!("org/marker/{}", self.number);
        self.publisher.publishes(&marker, "marker").await;
        assert_eq!(self.subscriber.reads().await, "marker");
    }
}

#[tokio::test]
async fn an_ack_means_that_every_shard_knows() {
    let router = Setup::new().shards(2).start().await;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let mut pair = Pair::new(&router, number).await;
        pairs.push(tokio::spawn(async move {
            for trial in 0..TRIALS / PAIRS {
                pair.trial(trial).await;
            }
            pair
        }));
    }
    let mut done = Vec::new();
    for pair in pairs {
        // Each step has its own deadline; all of them together may take as long as they like.
        done.push(pair.await.unwrap());
    }
    let scrape = router.at_rest().await;
    assert_eq!(scrape.messages_out("publish"), 2 * TRIALS as u64);
    assert_eq!(scrape.dropped("no_match"), TRIALS as u64);
    assert_eq!(scrape.sum("messages_dropped_total"), TRIALS as u64);
    assert_eq!(scrape.value("names"), PAIRS as u64);
}
