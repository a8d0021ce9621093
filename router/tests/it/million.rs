//! A million numbered messages, within and between shards: none is lost, none comes twice, none
//! overtakes another (D-03).

use std::rc::Rc;

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::harness::{Client, Router, Setup, fields, payload, within};

const MESSAGES_PER_PAIR: u64 = 250_000;

/// Shards of publisher and subscriber: every way to cross, and not to.
const PAIRS: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// Messages of one pair that are under way, so that no queue has to drop any.
const WINDOW: u32 = 1_024;

/// Messages after which the subscriber makes room for as many more.
const STEP: u32 = 128;

async fn publishes_all(publisher: Client, to: String, room: Rc<Semaphore>) -> Client {
    let header = publisher.sign(fields(&to)).seal();
    for number in 0..MESSAGES_PER_PAIR {
        if number % u64::from(STEP) == 0 {
            let flushed = publisher.sender().flush();
            within("flush", flushed).await.unwrap();
            within("room", room.acquire_many(STEP))
                .await
                .unwrap()
                .forget();
        }
        let tail = payload(&number.to_be_bytes());
        let sent = publisher.sender().publish_sealed(&header, &tail);
        within("room to send", sent).await.unwrap();
    }
    within("flush", publisher.sender().flush()).await.unwrap();
    publisher
}

async fn reads_all(mut subscriber: Client, room: Rc<Semaphore>) -> Client {
    for expected in 0..MESSAGES_PER_PAIR {
        let received = within("message", subscriber.recv()).await.unwrap();
        let payload = received.expect("the link is open").payload().unwrap();
        assert_eq!(payload[..], expected.to_be_bytes());
        if (expected + 1) % u64::from(STEP) == 0 {
            room.add_permits(STEP as usize);
        }
    }
    subscriber
}

#[tokio::test]
async fn a_million_messages_arrive_once_and_in_order() {
    let router = Setup::new().shards(2).start().await;
    let local = LocalSet::new();
    let ran = local.run_until(all_pairs(&router));
    let clients = ran.await;
    let scrape = router.at_rest().await;
    let count = PAIRS.len() as u64 * MESSAGES_PER_PAIR;
    assert_eq!(count, 1_000_000);
    assert_eq!(scrape.messages_in("publish"), count);
    assert_eq!(scrape.messages_out("publish"), count);
    assert_eq!(scrape.sum("messages_dropped_total"), 0);
    drop(clients);
}

async fn all_pairs(router: &Router) -> Vec<Client> {
    let mut tasks = Vec::new();
    for (number, (from, to)) in PAIRS.into_iter().enumerate() {
        let topic = format!("org/ns/pair-{number}");
        let publisher = Client::on_shard(router, from).await;
        let mut subscriber = Client::on_shard(router, to).await;
        subscriber.subscribes(&topic).await;
        let room = Rc::new(Semaphore::new(WINDOW as usize));
        tasks.push(tokio::task::spawn_local(reads_all(
            subscriber,
            Rc::clone(&room),
        )));
        tasks.push(tokio::task::spawn_local(publishes_all(
            publisher, topic, room,
        )));
    }
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(task.await.unwrap());
    }
    clients
}
