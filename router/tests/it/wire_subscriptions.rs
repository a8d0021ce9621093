//! Checklist 39 to 46: subscriptions, their ends and their acknowledgements.

use bytes::Bytes;
use slipring_proto::envelope::Kind;

use crate::harness::{Client, Router, Setup};

const BOB: &str = "org/ns/bob";
const NOT_FOUND: &str = "subscription not found";

#[tokio::test]
async fn wire_39_a_subscribe_is_acked_once_unless_its_id_is_0() {
    for shards in [1, 2, 4] {
        let router = Setup::new().shards(shards).start().await;
        let mut clients = Vec::new();
        for _ in 0..shards {
            clients.push(Client::of(&router).await);
        }
        for client in &mut clients {
            for id in [0, 1, 0, u64::MAX, 0, 7] {
                client.registers(Kind::Subscribe, BOB, id).await;
            }
            for id in [1, u64::MAX, 7] {
                assert_eq!(client.acked(id).await, Ok(()));
            }
            client.registers(Kind::Unsubscribe, BOB, 0).await;
            client.registers(Kind::Unsubscribe, BOB, 7).await;
            assert_eq!(client.acked(7).await, Ok(()));
        }
        let scrape = router.at_rest().await;
        assert_eq!(scrape.messages_out("ack"), 4 * shards as u64);
    }
}

#[tokio::test]
async fn wire_40_repeating_a_subscribe_changes_nothing() {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    for _ in 0..3 {
        bob.subscribes_as(BOB, 5).await;
    }
    let alice = Client::of(&router).await;
    for fanout in ["one", "all"] {
        match fanout {
            "one" => alice.publishes(BOB, fanout).await,
            _ => alice.broadcasts(BOB, fanout).await,
        }
        assert_eq!(bob.reads().await, fanout);
    }
    assert_eq!(router.at_rest().await.value("subscriptions"), 1);
    bob.registers(Kind::Unsubscribe, BOB, 5).await;
    assert_eq!(bob.acked(5).await, Ok(()));
    assert_eq!(router.at_rest().await.value("names"), 0);
}

#[tokio::test]
async fn wire_41_delivery_goes_on_until_the_last_id_is_gone() {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes_as(BOB, 1).await;
    bob.subscribes_as(BOB, 2).await;
    bob.subscribes_as("org/ns/marker", 3).await;
    let alice = Client::of(&router).await;
    alice.broadcasts(BOB, "once").await;
    assert_eq!(bob.reads().await, "once");
    bob.registers(Kind::Unsubscribe, BOB, 1).await;
    assert_eq!(bob.acked(1).await, Ok(()));
    alice.publishes(BOB, "still").await;
    assert_eq!(bob.reads().await, "still");
    bob.registers(Kind::Unsubscribe, BOB, 2).await;
    assert_eq!(bob.acked(2).await, Ok(()));
    alice.publishes(BOB, "no more").await;
    alice.publishes("org/ns/marker", "marker").await;
    assert_eq!(bob.reads().await, "marker");
    assert_eq!(router.at_rest().await.dropped("no_match"), 1);
}

#[tokio::test]
async fn wire_42_refusals_have_the_documented_texts() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let mut other = Client::of(&router).await;
    let id = "00000000-0000-0000-0000-00000000002a";
    let instance = format!("{BOB}/{id}");
    client.registers(Kind::Unsubscribe, BOB, 9).await;
    assert_eq!(client.acked(9).await, Err(NOT_FOUND.to_owned()));
    other.subscribes_as(&instance, 1).await;
    client.registers(Kind::Unsubscribe, BOB, 9).await;
    assert_eq!(
        client.acked(9).await,
        Err("id not found: NULL_COMPONENT".to_owned())
    );
    other.subscribes_as(BOB, 2).await;
    other.registers(Kind::Unsubscribe, &instance, 1).await;
    assert_eq!(other.acked(1).await, Ok(()));
    client.registers(Kind::Unsubscribe, &instance, 9).await;
    assert_eq!(client.acked(9).await, Err(format!("id not found: {id}")));
    for missing in [9, u64::MAX] {
        let expected = Err(format!("subscription id not found: {missing}"));
        client.registers(Kind::Unsubscribe, BOB, missing).await;
        assert_eq!(client.acked(missing).await, expected);
        other.registers(Kind::Unsubscribe, BOB, missing).await;
        assert_eq!(other.acked(missing).await, expected);
    }
}

#[tokio::test]
async fn wire_43_the_same_id_on_two_links_and_0_for_many_names_do_not_interfere() {
    let router = Router::start().await;
    let mut first = Client::of(&router).await;
    let mut second = Client::of(&router).await;
    first.subscribes_as(BOB, 5).await;
    second.subscribes_as(BOB, 5).await;
    first.registers(Kind::Unsubscribe, BOB, 5).await;
    assert_eq!(first.acked(5).await, Ok(()));
    let alice = Client::of(&router).await;
    alice.publishes(BOB, "to the second").await;
    assert_eq!(second.reads().await, "to the second");

    for topic in ["a", "b", "c"] {
        first
            .registers(Kind::Subscribe, &format!("org/ns/{topic}"), 0)
            .await;
    }
    first.registers(Kind::Unsubscribe, "org/ns/b", 0).await;
    first.subscribes_as("org/ns/marker", 6).await;
    for topic in ["a", "b", "c", "marker"] {
        alice.publishes(&format!("org/ns/{topic}"), topic).await;
    }
    for topic in ["a", "c", "marker"] {
        assert_eq!(first.reads().await, topic);
    }
    assert_eq!(router.at_rest().await.value("subscriptions"), 4);
}

#[tokio::test]
async fn wire_44_after_a_replay_with_0_any_id_ends_the_subscription() {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    bob.registers(Kind::Subscribe, BOB, 0).await;
    bob.registers(Kind::Unsubscribe, BOB, 4_711).await;
    assert_eq!(bob.acked(4_711).await, Ok(()));
    bob.registers(Kind::Unsubscribe, BOB, 4_711).await;
    assert_eq!(bob.acked(4_711).await, Err(NOT_FOUND.to_owned()));
    let alice = Client::of(&router).await;
    alice.publishes(BOB, "nobody").await;
    let lost = |scrape: &crate::harness::Scrape| scrape.dropped("no_match") == 1;
    router.scrape_when("drop", lost).await;
}

/// Ways in which a link can be lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    HalfClose,
    Reset,
    Disconnect,
}

#[tokio::test]
async fn wire_45_a_lost_link_takes_all_its_routes_along() {
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        for loss in [Loss::HalfClose, Loss::Reset, Loss::Disconnect] {
            let mut bob = Client::of(&router).await;
            for topic in 0..50 {
                bob.subscribes(&format!("org/ns/topic-{topic}")).await;
            }
            let mut other = Client::of(&router).await;
            other.subscribes("org/ns/topic-0").await;
            match loss {
                Loss::HalfClose => bob.sender().finish(),
                Loss::Reset => bob.sender().reset(h2::Reason::CANCEL),
                Loss::Disconnect => drop(bob),
            }
            let gone = |scrape: &crate::harness::Scrape| scrape.value("names") == 1;
            router
                .scrape_when(&format!("{loss:?} to take the routes"), gone)
                .await;
            let alice = Client::of(&router).await;
            for _ in 0..3 {
                alice.publishes("org/ns/topic-0", "left").await;
                assert_eq!(other.reads().await, "left", "{loss:?}");
            }
            alice.publishes("org/ns/topic-1", "nobody").await;
            router.at_rest().await;
        }
    }
}

#[tokio::test]
async fn wire_46_an_id_may_be_used_for_any_number_of_names() {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    let mut carol = Client::of(&router).await;
    for topic in ["a", "b", "c"] {
        bob.subscribes_as(&format!("org/ns/{topic}"), 5).await;
        carol
            .subscribes_as(&format!("org/ns/carol-{topic}"), 5)
            .await;
    }
    let alice = Client::of(&router).await;
    for topic in ["a", "b", "c"] {
        alice.publishes(&format!("org/ns/{topic}"), topic).await;
        assert_eq!(bob.reads().await, topic);
        alice
            .publishes(&format!("org/ns/carol-{topic}"), topic)
            .await;
        assert_eq!(carol.reads().await, topic);
    }
    bob.registers(Kind::Unsubscribe, "org/ns/b", 5).await;
    assert_eq!(bob.acked(5).await, Ok(()));
    alice.publishes("org/ns/c", "c").await;
    assert_eq!(bob.reads().await, "c");
    assert_eq!(router.at_rest().await.value("names"), 5);
}

#[tokio::test]
async fn a_subscription_by_an_ack_is_none() {
    // A router asks for no acks; whoever sends one changes nothing.
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let ack = slipring_proto::message::subscription_ack(5, Ok(())).unwrap();
    let refusal = slipring_proto::message::subscription_ack(5, Err("no")).unwrap();
    client.sends(&Bytes::from([ack, refusal].concat())).await;
    client.subscribes_as(BOB, 5).await;
    let scrape = router.at_rest().await;
    assert_eq!(scrape.messages_in("ack"), 2);
    assert_eq!(scrape.value("subscriptions"), 1);
}
