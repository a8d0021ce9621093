//! Who gets a message: which names match, one or all of them, and whose turn it is (WIRE §7.2–7.5).

mod harness;

use harness::{Client, Dial, Node, NodeOptions, fields, tail};
use slipring_core::DropReason;

/// Members of `group/0`, `group/1`, … of one node each.
fn members(node: &mut Node, count: usize) -> Vec<Client> {
    let members = node.connect_many("member", count);
    for (index, member) in members.iter().enumerate() {
        node.subscribe(*member, &format!("group/{index}"));
    }
    members
}

/// How many messages each got since the last look.
fn counts(node: &mut Node, clients: &[Client]) -> Vec<usize> {
    clients
        .iter()
        .map(|client| node.received(*client).len())
        .collect()
}

/// The same node with and without the memory for headers, on one shard and on four.
fn every_kind(mut story: impl FnMut(&mut Node)) {
    for shards in [1, 4] {
        for has_flow_cache in [true, false] {
            let mut node = Node::build(NodeOptions {
                shards,
                has_flow_cache,
                ..NodeOptions::default()
            });
            story(&mut node);
            node.leave_nothing_behind();
        }
    }
}

#[test]
fn a_specific_id_never_reaches_those_who_asked_for_any() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let clients = node.connect_many("client", 3);
        for (client, name) in clients.iter().zip(["bob", "bob/1", "bob/2"]) {
            node.subscribe(*client, name);
        }
        node.publish_all(alice, "bob/1", "to one instance");
        assert_eq!(counts(node, &clients), [0, 1, 0]);
        node.publish_all(alice, "bob", "to any instance");
        assert_eq!(counts(node, &clients), [1, 1, 1]);
        node.publish_all(alice, "bob/3", "to nobody");
        assert_eq!(node.dropped(DropReason::NoMatch), 1);
    });
}

#[test]
fn a_fanout_of_one_is_one_and_every_other_is_all() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let members = members(node, 5);
        for fanout in [0, 2, 256, u32::MAX] {
            let header = fields("alice", "group").with_fanout(fanout);
            node.send(alice, header.clone(), &tail(b"all"));
            assert_eq!(counts(node, &members), [1; 5], "fanout {fanout}");
        }
        node.publish(alice, "group", "one");
        assert_eq!(counts(node, &members).iter().sum::<usize>(), 1);
    });
}

#[test]
fn a_link_that_matches_twice_gets_one_copy() {
    every_kind(|node| {
        let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
        for name in ["bob/1", "bob/2", "bob"] {
            node.subscribe(bob, name);
        }
        node.publish_all(alice, "bob", "once");
        assert_eq!(node.received(bob), ["once"]);
    });
}

#[test]
fn the_sender_is_never_a_target() {
    every_kind(|node| {
        let members = members(node, 3);
        node.publish_all(members[1], "group", "to the others");
        assert_eq!(counts(node, &members), [1, 0, 1]);
        for _ in 0..6 {
            node.publish(members[1], "group", "to one of the others");
        }
        assert_eq!(counts(node, &members), [3, 0, 3]);
    });
}

#[test]
fn the_turn_goes_round_evenly() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let members = members(node, 3);
        let turns: Vec<usize> = (0..6)
            .map(|_| {
                node.publish(alice, "group", "next");
                let counts = counts(node, &members);
                assert_eq!(counts.iter().sum::<usize>(), 1);
                counts
                    .iter()
                    .position(|count| *count == 1)
                    .expect("someone")
            })
            .collect();
        assert_eq!(turns[..3], turns[3..]);
        assert_ne!(turns[0], turns[1]);
        for _ in 0..99 {
            node.publish(alice, "group", "next");
        }
        assert_eq!(counts(node, &members), [33; 3]);
    });
}

#[test]
fn a_rotation_goes_on_evenly_when_a_member_leaves() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let members = members(node, 4);
        for _ in 0..7 {
            node.publish(alice, "group", "before");
        }
        let first = counts(node, &members);
        assert!(
            first.iter().all(|count| (1..=2).contains(count)),
            "{first:?}"
        );
        node.vanish(members[2]);
        for _ in 0..300 {
            node.publish(alice, "group", "after");
        }
        assert_eq!(counts(node, &members), [100, 100, 0, 100]);
    });
}

#[test]
fn another_node_is_preferred_to_a_client() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let (edge, remote) = (
            node.connect("edge", 0),
            node.dial("remote", Dial::remote(0)),
        );
        node.subscribe(edge, "group/1");
        node.subscribe(remote, "group/1");
        for _ in 0..4 {
            node.publish(alice, "group/1", "one");
        }
        assert_eq!(counts(node, &[remote, edge]), [4, 0]);
        node.publish_all(alice, "group/1", "all");
        assert_eq!(counts(node, &[remote, edge]), [1, 1]);
        for _ in 0..4 {
            node.publish(remote, "group/1", "not back to where it came from");
        }
        assert_eq!(counts(node, &[remote, edge]), [0, 4]);
    });
}

#[test]
fn a_target_found_once_is_not_used_after_it_left() {
    every_kind(|node| {
        let alice = node.connect("alice", 0);
        let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 0));
        node.subscribe(bob, "bob/1");
        node.publish(alice, "bob/1", "first");
        node.subscribe(carol, "bob/1");
        node.ask_unsubscribe(bob, "bob/1", 1);
        node.publish(alice, "bob/1", "second");
        assert_eq!(node.received(bob), ["first"]);
        assert_eq!(node.received(carol), ["second"]);
        node.vanish(carol);
        // The next link in the same slot is not the one that was found.
        let dave = node.connect("dave", 0);
        node.publish(alice, "bob/1", "third");
        assert!(node.received(dave).is_empty());
        assert_eq!(node.dropped(DropReason::NoMatch), 1);
    });
}

#[test]
fn the_same_header_is_read_once() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let members = members(&mut node, 2);
    for _ in 0..10 {
        node.publish_all(alice, "group", "again");
    }
    assert_eq!(node.counters().flow_hits, 9);
    assert_eq!(counts(&mut node, &members), [10, 10]);
}
