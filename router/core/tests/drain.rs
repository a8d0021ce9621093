//! Leaving in order: nothing accepted is lost, nobody comes back all at once, and it ends in time.

mod harness;

use harness::{Client, Dial, Node, Reading, fields, millis, seconds, tail};
use slipring_core::{CloseReason, DropReason, RefuseReason};
use slipring_proto::grpc::Status;

fn pair_on(shards: u8) -> (Node, Client, Client) {
    let mut node = Node::of(shards);
    let last = usize::from(shards) - 1;
    let (alice, bob) = (node.connect("alice", last), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    (node, alice, bob)
}

#[test]
fn links_are_told_one_after_the_other() {
    let mut node = Node::new();
    let clients = node.connect_many("client", 10);
    for (index, client) in clients.iter().enumerate() {
        node.subscribe(*client, &format!("client/{index}"));
    }
    let began = node.now;
    node.drain(seconds(10), seconds(30));
    node.advance(seconds(30));
    for (client, second) in clients.iter().zip(0..) {
        assert!(node.is_announced(*client));
        let ending = node.ending(*client).expect("ended");
        assert_eq!(
            (ending.reason, ending.status),
            (CloseReason::Drained, Status::Ok)
        );
        let told = node.ended_at(*client).expect("ended").since(began);
        assert_eq!(told, seconds(second));
    }
    assert_eq!(node.shards[0].links_open(), 0);
    node.leave_nothing_behind();
}

#[test]
fn what_was_accepted_before_is_delivered_before_the_end() {
    for shards in [1, 2] {
        let (mut node, alice, bob) = pair_on(shards);
        node.set_reading(
            bob,
            Reading::Rate {
                per_ms: 100,
                left: 0,
            },
        );
        let texts = (0..500_usize).map(|index| index.to_string());
        node.publish_many(alice, "bob/1", texts.clone());
        node.drain(seconds(0), seconds(30));
        assert_eq!(node.ended(bob), None, "its queue is not empty");
        node.advance(seconds(4));
        assert!(node.received(bob).into_iter().eq(texts));
        assert_eq!(node.ended(bob), Some(CloseReason::Drained));
        node.assert_nothing_dropped();
        node.leave_nothing_behind();
    }
}

#[test]
fn a_link_ends_only_when_no_shard_finds_it_any_more() {
    let (mut node, alice, bob) = pair_on(2);
    node.freeze(1);
    let now = node.now;
    node.shards[0].begin_drain(seconds(0), seconds(30), now);
    node.settle();
    assert!(node.is_announced(bob));
    assert_eq!(node.ended(bob), None);
    // Shard 1 does not know yet, and what it sends is still delivered.
    node.publish(alice, "bob/1", "just in time");
    assert_eq!(node.received(bob), ["just in time"]);
    node.thaw(1);
    assert_eq!(node.ended(bob), Some(CloseReason::Drained));
    node.publish(alice, "bob/1", "too late");
    assert_eq!(node.dropped(DropReason::NoMatch), 1);
    assert_eq!(node.dropped(DropReason::LinkGone), 0);
}

#[test]
fn what_still_waits_at_the_deadline_is_lost_and_counted() {
    let (mut node, alice, bob) = pair_on(1);
    node.set_reading(bob, Reading::Never);
    node.publish_many(alice, "bob/1", ["one", "two", "three"]);
    let began = node.now;
    node.drain(seconds(0), seconds(3));
    node.advance(seconds(10));
    assert_eq!(node.ended(bob), Some(CloseReason::DrainDeadline));
    assert_eq!(node.ended_at(bob).expect("ended").since(began), seconds(3));
    assert_eq!(node.dropped(DropReason::LinkGone), 3);
    assert_eq!(node.ended(alice), Some(CloseReason::Drained));
    node.leave_nothing_behind();
}

#[test]
fn who_has_not_negotiated_is_closed_at_once_and_nobody_new_is_taken() {
    let mut node = Node::new();
    let unfinished = node.open("unfinished", Dial::edge(0)).expect("room");
    node.drain(seconds(10), seconds(30));
    assert_eq!(node.ended(unfinished), Some(CloseReason::Drained));
    let refused = node.open("new", Dial::edge(0));
    assert_eq!(refused, Err(RefuseReason::Draining));
    let count = node.counters().refused.at(RefuseReason::Draining.index());
    assert_eq!(count, 1);
}

#[test]
fn a_publish_that_waits_for_its_subscription_is_forwarded_before_its_link_ends() {
    let (mut node, alice, bob) = pair_on(2);
    node.freeze(0);
    node.ask_subscribe(alice, "alice/1", 1);
    node.publish(alice, "bob/1", "held");
    assert!(node.is_paused(alice));
    let now = node.now;
    node.shards[1].begin_drain(seconds(0), seconds(30), now);
    node.settle();
    assert_eq!(node.ended(alice), None);
    node.thaw(0);
    assert_eq!(node.received(bob), ["held"]);
    assert_eq!(node.acks(alice), [(1, Ok(()))]);
    assert_eq!(node.ended(alice), Some(CloseReason::Drained));
    node.assert_nothing_dropped();
}

#[test]
fn what_a_link_publishes_after_it_was_told_is_forwarded() {
    let (mut node, alice, bob) = pair_on(2);
    node.set_reading(alice, Reading::Never);
    node.ask_subscribe(alice, "alice/1", 1);
    let now = node.now;
    node.shards[1].begin_drain(seconds(0), seconds(30), now);
    node.freeze(0);
    node.settle();
    node.publish(alice, "bob/1", "while its routes go");
    assert!(!node.is_paused(alice), "it waits for no subscription");
    node.thaw(0);
    assert_eq!(node.ended(alice), None, "its acknowledgement waits");
    node.publish(alice, "bob/1", "after they went");
    assert_eq!(
        node.received(bob),
        ["while its routes go", "after they went"]
    );
    node.assert_nothing_dropped();
    // A route that came now would outlive its link.
    node.ask_subscribe(alice, "alice/2", 2);
    assert_eq!(node.dropped(DropReason::LinkGone), 1);
    node.set_reading(alice, Reading::Freely);
    assert_eq!(node.acks(alice), [(1, Ok(()))]);
    assert_eq!(node.ended(alice), Some(CloseReason::Drained));
}

#[test]
fn a_second_drain_does_not_move_the_deadline() {
    let (mut node, alice, bob) = pair_on(1);
    node.set_reading(bob, Reading::Never);
    node.publish(alice, "bob/1", "waits");
    let began = node.now;
    node.drain(seconds(0), seconds(3));
    node.advance(seconds(2));
    node.drain(seconds(0), seconds(30));
    node.advance(seconds(5));
    assert_eq!(node.ended_at(bob).expect("ended").since(began), seconds(3));
}

#[test]
fn a_stop_ends_every_link_at_once() {
    let (mut node, alice, bob) = pair_on(1);
    let unfinished = node.open("unfinished", Dial::edge(0)).expect("room");
    node.set_reading(bob, Reading::Never);
    node.publish(alice, "bob/1", "lost");
    let now = node.now;
    node.shards[0].stop(now);
    node.settle();
    for client in [alice, bob, unfinished] {
        assert_eq!(node.ended(client), Some(CloseReason::Stopped));
    }
    assert_eq!(node.dropped(DropReason::LinkGone), 1);
    node.leave_nothing_behind();
}

#[test]
fn a_drain_under_load_loses_nothing_that_was_taken() {
    let mut node = Node::of(2);
    let members = node.connect_many("member", 32);
    for (index, member) in members.iter().enumerate() {
        node.subscribe(*member, &format!("group/{index}"));
        node.set_reading(
            *member,
            Reading::Rate {
                per_ms: 5_000,
                left: 0,
            },
        );
    }
    let senders = node.connect_many("sender", 8);
    node.drain(seconds(4), seconds(30));
    for round in 0..500 {
        for (index, sender) in senders.iter().enumerate() {
            if node.ended(*sender).is_none() && !node.is_announced(*sender) {
                let name = format!("group/{}", (round * 7 + index) % 32);
                node.send(*sender, fields("own", &name), &tail(&[b'x'; 500]));
            }
        }
        node.advance(millis(10));
    }
    node.advance(seconds(30));
    let counters = node.counters();
    let received: usize = members
        .iter()
        .map(|member| node.delivered(*member).len())
        .sum();
    // Names that are gone match nobody; whatever matched was delivered.
    assert_eq!(received as u64, counters.deliveries);
    assert_eq!(counters.dropped_out.sum(), 0);
    assert_eq!(counters.dropped_in.sum(), node.dropped(DropReason::NoMatch));
    assert_eq!(node.closed(CloseReason::Drained), 40);
}
