//! Subscriptions: what is acknowledged, when, and what it promises (WIRE §6).

mod harness;

use core::time::Duration;

use harness::{Node, NodeOptions, Reading, fields, seconds, tail};
use slipring_core::{Account, DropReason, MessageKind, RefuseReason};
use slipring_fib::RibLimits;

const UUID_1: &str = "00000000-0000-0000-0000-000000000001";

fn refusal(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

#[test]
fn every_request_with_an_id_is_answered_once_and_one_without_never() {
    let mut node = Node::of(2);
    let bob = node.connect("bob", 1);
    node.ask_subscribe(bob, "bob/1", 7);
    assert_eq!(node.acks(bob), [(7, Ok(()))]);
    node.ask_subscribe(bob, "bob/1", u64::MAX);
    assert_eq!(node.acks(bob), [(u64::MAX, Ok(()))]);
    node.ask_subscribe(bob, "bob/2", 0);
    node.ask_unsubscribe(bob, "nobody/2", 0);
    assert_eq!(node.acks(bob), []);
    node.leave_nothing_behind();
}

#[test]
fn repeating_a_request_changes_nothing_and_is_acknowledged() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    for _ in 0..3 {
        node.subscribe(bob, "bob/1");
    }
    node.publish_all(alice, "bob/1", "once");
    assert_eq!(node.received(bob), ["once"]);
    node.ask_unsubscribe(bob, "bob/1", 1);
    assert_eq!(node.acks(bob), [(1, Ok(()))]);
    node.publish_all(alice, "bob/1", "to nobody");
    assert!(node.received(bob).is_empty());
}

#[test]
fn a_name_is_delivered_until_its_last_subscription_ends() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.ask_subscribe(bob, "bob/1", 1);
    node.ask_subscribe(bob, "bob/1", 2);
    node.ask_unsubscribe(bob, "bob/1", 1);
    node.publish(alice, "bob/1", "still");
    node.ask_unsubscribe(bob, "bob/1", 2);
    node.publish(alice, "bob/1", "no more");
    assert_eq!(node.received(bob), ["still"]);
    assert_eq!(node.dropped(DropReason::NoMatch), 1);
}

#[test]
fn what_cannot_be_undone_is_told_in_the_words_of_the_reference() {
    let mut node = Node::of(2);
    let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 1));
    node.ask_unsubscribe(bob, "bob/1", 1);
    assert_eq!(node.acks(bob), [(1, refusal("subscription not found"))]);
    node.subscribe(carol, "bob/2");
    node.ask_unsubscribe(bob, "bob/1", 2);
    assert_eq!(
        node.acks(bob),
        [(2, refusal(&format!("id not found: {UUID_1}")))]
    );
    node.ask_unsubscribe(bob, "bob", 3);
    assert_eq!(
        node.acks(bob),
        [(3, refusal("id not found: NULL_COMPONENT"))]
    );
    node.ask_unsubscribe(bob, "bob/2", 4);
    assert_eq!(
        node.acks(bob),
        [(4, refusal("subscription id not found: 4"))]
    );
}

#[test]
fn an_id_belongs_to_its_link_and_its_name() {
    let mut node = Node::new();
    let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 0));
    let alice = node.connect("alice", 0);
    for client in [bob, carol] {
        node.ask_subscribe(client, "shared/1", 5);
    }
    node.ask_subscribe(bob, "other/1", 5);
    node.ask_unsubscribe(carol, "shared/1", 5);
    node.publish_all(alice, "shared/1", "shared");
    node.publish_all(alice, "other/1", "other");
    assert_eq!(node.received(bob), ["shared", "other"]);
    assert!(node.received(carol).is_empty());
}

#[test]
fn after_a_replay_without_ids_any_id_undoes_a_subscription() {
    let mut node = Node::new();
    let bob = node.connect("bob", 0);
    for name in ["bob/1", "bob/2"] {
        node.ask_subscribe(bob, name, 0);
    }
    node.ask_unsubscribe(bob, "bob/1", 99);
    assert_eq!(node.acks(bob), [(99, Ok(()))]);
    node.ask_unsubscribe(bob, "bob/1", 99);
    assert_eq!(
        node.acks(bob),
        [(99, refusal(&format!("id not found: {UUID_1}")))]
    );
    assert_eq!(node.control.rib().subscriptions(), 1);
}

#[test]
fn a_lost_link_takes_all_its_routes_with_it() {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 1));
    for id in 1..=100 {
        node.ask_subscribe(bob, &format!("bob/{id}"), id);
    }
    assert_eq!(node.control.rib().names(), 100);
    node.vanish(bob);
    assert_eq!(node.control.rib().names(), 0);
    node.publish_all(alice, "bob", "nobody is left");
    assert_eq!(node.dropped(DropReason::NoMatch), 1);
    node.leave_nothing_behind();
}

#[test]
fn an_acknowledgement_waits_for_the_last_shard() {
    let mut node = Node::of(4);
    let bob = node.connect("bob", 0);
    node.freeze(3);
    node.ask_subscribe(bob, "bob/1", 1);
    node.advance(seconds(3));
    assert_eq!(node.acks(bob), []);
    // A refusal promises nothing, but answers keep the order of the requests.
    node.ask_unsubscribe(bob, "nobody/1", 2);
    assert_eq!(node.acks(bob), []);
    node.thaw(3);
    let acks = node.acks(bob);
    assert_eq!(acks, [(1, Ok(())), (2, refusal("subscription not found"))]);
}

#[test]
fn a_publish_right_behind_a_subscribe_waits_until_nobody_misses_the_subscriber() {
    let mut node = Node::of(2);
    let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 1));
    node.subscribe(carol, "carol/1");
    node.freeze(1);
    let subscribe = node
        .signed(bob, fields("bob", "bob/1"))
        .seal()
        .subscribe(1)
        .expect("short");
    let header = node.signed(bob, fields("bob", "carol/1")).seal();
    let first = header.publish(&tail(b"first")).expect("short");
    let second = header.publish(&tail(b"second")).expect("short");
    node.say(bob, [subscribe, first, second].concat());
    node.advance(seconds(1));
    assert!(node.is_paused(bob) && node.account(0, Account::Assembly) > 0);
    assert_eq!(node.unread(bob), 1);
    node.thaw(1);
    assert_eq!(node.received(carol), ["first", "second"]);
    // Whoever answers that publish finds its sender.
    node.publish(carol, "bob/1", "answer");
    assert_eq!(node.received(bob), ["answer"]);
    assert_eq!(node.account(0, Account::Assembly), 0);
    node.assert_nothing_dropped();
}

#[test]
fn a_link_that_ends_while_its_publish_waits_loses_that_publish_only() {
    let mut node = Node::of(2);
    let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 1));
    node.subscribe(carol, "carol/1");
    node.freeze(1);
    node.ask_subscribe(bob, "bob/1", 1);
    node.publish(bob, "carol/1", "held");
    node.vanish(bob);
    assert_eq!(node.dropped(DropReason::LinkGone), 1);
    assert_eq!(node.account(0, Account::Assembly), 0);
    node.thaw(1);
    assert!(node.received(carol).is_empty());
    node.leave_nothing_behind();
}

#[test]
fn nothing_reaches_a_link_behind_its_unsubscribe_acknowledgement() {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 1), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    // Shard 0 is slow: what shard 1 has sent must still come before the acknowledgement.
    node.freeze(0);
    node.publish(alice, "bob/1", "before");
    node.ask_unsubscribe(bob, "bob/1", 1);
    node.publish(alice, "bob/1", "after");
    node.thaw(0);
    assert_eq!(node.received(bob), ["before"]);
    assert_eq!(node.acks(bob), [(1, Ok(()))]);
    node.publish(alice, "bob/1", "too late");
    assert!(node.received(bob).is_empty());
    assert_eq!(node.dropped(DropReason::NoMatch), 2);
}

#[test]
fn a_spent_request_is_dropped_without_an_answer() {
    let mut node = Node::new();
    let bob = node.connect("bob", 0);
    for ttl in [0, 1] {
        let mut header = fields("bob", "bob/1");
        header.ttl = ttl;
        let header = node.signed(bob, header).seal();
        node.say(bob, header.subscribe(1).expect("short"));
        node.say(bob, header.unsubscribe(2).expect("short"));
    }
    assert_eq!(node.acks(bob), []);
    assert_eq!(node.dropped(DropReason::TtlExpired), 4);
}

#[test]
fn past_a_limit_the_answer_names_the_limit() {
    let rib = |names_max, subscriptions_max, subscriptions_per_link_max| RibLimits {
        names_max,
        subscriptions_max,
        subscriptions_per_link_max,
    };
    let cases = [
        (rib(1, 9, 9), "names_max reached: 1", RefuseReason::NamesMax),
        (
            rib(9, 1, 9),
            "subscriptions_max reached: 1",
            RefuseReason::SubscriptionsMax,
        ),
        (
            rib(9, 9, 1),
            "subscriptions_per_link_max reached: 1",
            RefuseReason::SubscriptionsPerLink,
        ),
    ];
    for (rib, text, reason) in cases {
        let mut node = Node::build(NodeOptions {
            rib,
            ..NodeOptions::default()
        });
        let bob = node.connect("bob", 0);
        node.subscribe(bob, "bob/1");
        node.ask_subscribe(bob, "bob/2", 2);
        assert_eq!(node.acks(bob), [(2, refusal(text))]);
        assert_eq!(node.counters().refused.at(reason.index()), 1);
        node.publish(bob, "bob/2", "not there");
        assert_eq!(node.dropped(DropReason::NoMatch), 1);
    }
}

#[test]
fn a_peer_that_asks_and_never_reads_is_not_fed_without_bound() {
    let mut node = Node::new();
    let bob = node.connect("bob", 0);
    node.set_reading(bob, Reading::Never);
    let header = node.signed(bob, fields("bob", "bob/1")).seal();
    let requests: Vec<u8> = (1..=20_000_u64)
        .flat_map(|id| header.subscribe(id).expect("short"))
        .collect();
    node.say(bob, requests);
    // The invariants bound what waits at every step.
    assert!(node.unread(bob) > 10_000);
    node.set_reading(bob, Reading::Freely);
    assert!(
        node.acks(bob)
            .into_iter()
            .eq((1..=20_000).map(|id| (id, Ok(()))))
    );
    assert_eq!(node.unread(bob), 0);
    let acks = node.counters().messages_out.at(MessageKind::Ack.index());
    assert_eq!(acks, 20_000);
}

#[test]
fn a_client_that_reads_its_answers_is_never_held() {
    let mut node = Node::of(2);
    let bob = node.connect("bob", 1);
    let requests: Vec<u8> = (1..=5_000_u64)
        .flat_map(|id| {
            let header = node.signed(bob, fields("bob", &format!("bob/{id}"))).seal();
            header.subscribe(id).expect("short")
        })
        .collect();
    node.say(bob, requests);
    assert_eq!(node.acks(bob).len(), 5_000);
    assert_eq!(node.longest_pause, Duration::ZERO);
    assert_eq!(node.control.rib().names(), 5_000);
    node.leave_nothing_behind();
}
