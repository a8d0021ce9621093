//! Messages that cross from one shard to another.

mod harness;

use harness::{Client, Node, NodeOptions, Reading, millis, seconds};
use slipring_core::DropReason;

/// A node of four shards with `count` subscribers of `group`, spread over them.
fn four_shards(count: usize) -> (Node, Vec<Client>) {
    let mut node = Node::of(4);
    let members = node.connect_many("member", count);
    for (index, member) in members.iter().enumerate() {
        node.subscribe(*member, &format!("group/{index}"));
    }
    (node, members)
}

#[test]
fn a_message_to_all_reaches_every_shard_once() {
    let (mut node, members) = four_shards(64);
    let alice = node.connect("alice", 2);
    node.publish_all(alice, "group", "to everybody");
    for member in &members {
        assert_eq!(node.received(*member), ["to everybody"]);
    }
    // One handoff for each other shard, counted by deliveries.
    assert_eq!(node.counters().handoffs, 48);
    assert_eq!(node.counters().deliveries, 64);
    node.leave_nothing_behind();
}

#[test]
fn order_holds_across_shards() {
    let (mut node, members) = four_shards(4);
    let alice = node.connect("alice", 0);
    let texts = |step: usize| (0..1_000_usize).map(move |index| (index * step).to_string());
    node.publish_many(alice, "group/3", texts(1));
    node.publish_many(alice, "group/2", texts(3));
    assert!(node.received(members[3]).into_iter().eq(texts(1)));
    assert!(node.received(members[2]).into_iter().eq(texts(3)));
    node.assert_nothing_dropped();
}

#[test]
fn a_full_ring_loses_what_does_not_fit_and_says_so() {
    let mut node = Node::build(NodeOptions {
        shards: 2,
        ring_max: 100,
        ..NodeOptions::default()
    });
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 1));
    node.subscribe(bob, "bob/1");
    node.freeze(1);
    node.publish_many(
        alice,
        "bob/1",
        (0..150_usize).map(|index| index.to_string()),
    );
    assert_eq!(node.dropped(DropReason::MeshFull), 50);
    node.thaw(1);
    let first = (0..100_usize).map(|index| index.to_string());
    assert!(node.received(bob).into_iter().eq(first));
}

#[test]
fn a_message_in_the_ring_outlives_its_target_by_nothing() {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 1));
    node.subscribe(bob, "bob/1");
    node.freeze(1);
    node.publish_many(alice, "bob/1", ["one", "two"]);
    node.vanish(bob);
    // Whoever comes next into the same slot is somebody else.
    let carol = node.connect("carol", 1);
    node.thaw(1);
    assert_eq!(node.dropped(DropReason::LinkGone), 2);
    assert!(node.received(carol).is_empty());
    node.leave_nothing_behind();
}

#[test]
fn after_an_acknowledgement_every_shard_finds_the_subscriber() {
    for home in 0..4 {
        let mut node = Node::of(4);
        let bob = node.connect("bob", home);
        let senders = node.connect_many("sender", 4);
        node.subscribe(bob, "bob/1");
        for sender in senders {
            node.publish(sender, "bob/1", "found");
        }
        assert_eq!(node.received(bob), ["found"; 4]);
        node.assert_nothing_dropped();
    }
}

#[test]
fn replicas_agree_whatever_the_order_of_their_reading() {
    let mut node = Node::of(4);
    let clients = node.connect_many("client", 12);
    for round in 0..4 {
        node.freeze(round);
        for (index, client) in clients.iter().enumerate() {
            node.ask_subscribe(*client, &format!("name/{}", index % 5), 0);
            if index % 3 == round % 3 {
                node.ask_unsubscribe(*client, &format!("name/{}", index % 5), 0);
            }
        }
        node.thaw(round);
        let digest = node.control.rib().digest();
        for shard in 0..4 {
            let now = node.now;
            assert_eq!(
                node.shards[shard].view(now).fib_digest,
                digest,
                "round {round}"
            );
        }
    }
    node.leave_nothing_behind();
}

#[test]
fn a_publisher_is_held_for_a_congested_reader_on_another_shard() {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 1));
    let carol = node.connect("carol", 1);
    node.subscribe(bob, "bob/1");
    node.subscribe(carol, "carol/1");
    let count = node.congest(alice, bob, "bob/1");
    node.publish_many(alice, "bob/1", ["one more", "and another"]);
    assert_eq!(node.unread(alice), 2);
    node.advance(millis(10));
    assert_eq!(
        node.unread(alice),
        1,
        "ten milliseconds let one message pass"
    );
    node.set_reading(bob, Reading::Freely);
    assert!(!node.is_paused(alice), "relief is told at once");
    assert_eq!(node.received(bob).len(), count + 2);
    node.publish(alice, "carol/1", "free again");
    assert_eq!(node.received(carol), ["free again"]);
    node.assert_nothing_dropped();
}

#[test]
fn a_burst_across_shards_to_a_slow_reader_loses_nothing() {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 1));
    node.subscribe(bob, "bob/1");
    let per_ms = 5_000;
    node.set_reading(bob, Reading::Rate { per_ms, left: 0 });
    node.publish_many(alice, "bob/1", (0..5_000).map(|_| [b'x'; 800]));
    node.advance(seconds(10));
    assert_eq!(node.received(bob).len(), 5_000);
    node.assert_nothing_dropped();
    assert!(node.longest_pause <= millis(10));
}
