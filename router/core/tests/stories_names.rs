//! Headers that differ in the identity alone, as clients with a shared secret send them: their names are
//! known, and each of them is judged and signed for itself.

mod harness;

use bytes::Bytes;
use harness::{Client, Node, NodeOptions, fields, tail};
use slipring_core::{DropReason, Limits};
use slipring_proto::message::HeaderFields;

/// Alice says `text` to `name` under an identity of its own.
fn say(node: &mut Node, alice: Client, name: &str, fanout: u32, text: &str) {
    let header = with_identity(name, text).with_fanout(fanout);
    node.send(alice, header, &tail(text.as_bytes()));
}

fn with_identity(name: &str, identity: &str) -> HeaderFields {
    fields("own", name).with_identity(identity)
}

fn hits(node: &Node) -> (u64, u64) {
    let counters = node.counters();
    (counters.flow_hits, counters.names_hits)
}

#[test]
fn each_identity_arrives_under_a_tag_of_its_own() {
    for shards in [1, 3] {
        let mut node = Node::of(shards);
        let alice = node.connect("alice", 0);
        let bob = node.connect("bob", usize::from(shards) - 1);
        node.subscribe(bob, "bob/1");
        let texts: Vec<String> = (0..20).map(|number| format!("token {number}")).collect();
        for text in &texts {
            say(&mut node, alice, "bob/1", 1, text);
        }
        // Reading them checks each tag.
        let delivered = node.delivered(bob);
        let identities: Vec<&str> = delivered.iter().map(|one| one.identity()).collect();
        assert_eq!(identities, texts);
        assert_eq!(hits(&node), (0, 19));
        node.assert_nothing_dropped();
        node.vanish(alice);
        node.vanish(bob);
        node.leave_nothing_behind();
    }
}

#[test]
fn a_header_that_comes_twice_in_a_row_is_remembered_whole() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    for (identity, after) in [
        ("old", (0, 0)),
        ("old", (1, 0)),
        ("new", (1, 1)),
        ("new", (1, 2)),
        ("new", (2, 2)),
        ("new", (3, 2)),
    ] {
        say(&mut node, alice, "bob/1", 1, identity);
        assert_eq!(hits(&node), after, "{identity}");
    }
    assert_eq!(node.received(bob).len(), 6);
}

#[test]
fn a_wrong_tag_is_refused_although_the_names_are_known() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    for text in ["one", "two"] {
        say(&mut node, alice, "bob/1", 1, text);
    }
    let signed = node.signed(alice, with_identity("bob/1", "three"));
    let stolen = HeaderFields {
        identity: "mallory".to_owned(),
        ..signed.clone()
    };
    let cut = HeaderFields {
        header_mac: signed.header_mac.clone().map(|tag| tag.slice(..31)),
        ..signed.clone()
    };
    let bare = HeaderFields {
        header_mac: None,
        ..signed.clone()
    };
    let empty = HeaderFields {
        header_mac: Some(Bytes::new()),
        ..signed
    };
    for forged in [stolen, cut, empty] {
        node.say(alice, forged.seal().publish(&tail(b"x")).expect("short"));
    }
    node.say(alice, bare.seal().publish(&tail(b"x")).expect("short"));
    assert_eq!(node.dropped(DropReason::MacInvalid), 3);
    assert_eq!(node.dropped(DropReason::MacMissing), 1);
    say(&mut node, alice, "bob/1", 1, "four");
    assert_eq!(node.received(bob), ["one", "two", "four"]);
}

#[test]
fn another_link_with_the_same_names_is_judged_by_its_own_key() {
    let mut node = Node::new();
    let (alice, eve) = (node.connect("alice", 0), node.connect("eve", 0));
    let bob = node.connect("bob", 0);
    node.subscribe(bob, "bob/1");
    for text in ["one", "two"] {
        say(&mut node, alice, "bob/1", 1, text);
    }
    let replayed = node.signed(alice, with_identity("bob/1", "three")).seal();
    node.say(eve, replayed.publish(&tail(b"x")).expect("short"));
    assert_eq!(node.dropped(DropReason::MacInvalid), 1);
    say(&mut node, eve, "bob/1", 1, "by eve");
    say(&mut node, eve, "bob/1", 1, "by eve again");
    assert_eq!(node.received(bob), ["one", "two", "by eve", "by eve again"]);
}

#[test]
fn the_plan_follows_the_routes_and_the_fanout() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let (bob, carol) = (node.connect("bob", 0), node.connect("carol", 0));
    node.subscribe(bob, "service/1");
    for text in ["a", "b"] {
        say(&mut node, alice, "service/1", 1, text);
    }
    node.subscribe(carol, "service/1");
    for (fanout, text) in [(0, "c"), (1, "d"), (1, "e"), (0, "f")] {
        say(&mut node, alice, "service/1", fanout, text);
    }
    let heard = [bob, carol].map(|client| node.received(client));
    let all = |text: &&str| heard.iter().flatten().filter(|one| one == text).count();
    assert_eq!(
        ["a", "b", "c", "d", "e", "f"].map(|text| all(&text)),
        [1, 1, 2, 1, 1, 2]
    );
    assert_eq!(heard.map(|texts| texts.len()), [5, 3], "d and e took turns");
    node.vanish(bob);
    node.vanish(carol);
    say(&mut node, alice, "service/1", 1, "g");
    assert_eq!(node.dropped(DropReason::NoMatch), 1);
}

#[test]
fn a_receiver_that_came_back_gets_tags_of_its_new_key() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    for round in 0..3 {
        let bob = node.connect("bob", 0);
        node.subscribe(bob, "bob/1");
        for number in 0..3 {
            say(&mut node, alice, "bob/1", 1, &format!("{round} {number}"));
        }
        assert_eq!(node.delivered(bob).len(), 3);
        node.vanish(bob);
    }
}

#[test]
fn many_names_and_a_spent_pool_change_nothing() {
    for (flow_pool_bytes, has_flow_cache) in [(4 << 10, true), (64 << 20, true), (0, false)] {
        let mut node = Node::build(NodeOptions {
            has_flow_cache,
            limits: Limits {
                flow_pool_bytes,
                ..Limits::default()
            },
            ..NodeOptions::default()
        });
        let alice = node.connect("alice", 0);
        let clients = node.connect_many("client", 40);
        for (number, client) in clients.iter().enumerate() {
            node.subscribe(*client, &format!("name/{number}"));
        }
        for round in 0..4 {
            for number in 0..clients.len() {
                say(
                    &mut node,
                    alice,
                    &format!("name/{number}"),
                    1,
                    &round.to_string(),
                );
            }
        }
        for client in &clients {
            assert_eq!(node.received(*client), ["0", "1", "2", "3"]);
            node.vanish(*client);
        }
        node.vanish(alice);
        node.leave_nothing_behind();
    }
}
