//! Every way a link ends, whatever it was doing, leaves nothing behind.

mod harness;

use harness::{Client, Dial, Node, Reading, fields, millis, seconds, tail};
use slipring_core::{CloseReason, DropReason, Intake};
use slipring_proto::grpc::Status;

/// A link of two shards in the middle of something, and who watches it.
fn busy(state: &str) -> (Node, Client, Client) {
    let mut node = Node::of(2);
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    let carol = node.connect("carol", 1);
    node.subscribe(bob, "bob/1");
    node.subscribe(carol, "carol/1");
    node.subscribe(alice, "alice/1");
    match state {
        "idle" => {}
        "congested" => {
            node.congest(carol, alice, "alice/1");
        }
        "stalled" => {
            node.congest(alice, bob, "bob/1");
            node.publish_many(alice, "bob/1", ["unread", "unread too"]);
        }
        "held" => {
            node.freeze(1);
            node.ask_subscribe(alice, "alice/2", 2);
            node.publish(alice, "carol/1", "held");
        }
        "owing" => {
            node.set_reading(alice, Reading::Never);
            let header = node.signed(alice, fields("own", "alice/3")).seal();
            let requests: Vec<u8> = (1..=10_000_u64)
                .flat_map(|id| header.subscribe(id).expect("short"))
                .collect();
            node.say(alice, requests);
            assert!(node.is_paused(alice));
        }
        "assembling" => {
            let link = node.link(alice);
            assert!(node.shards[0].charge_assembly(link, 1_000_000));
        }
        "leaving" => {
            node.set_reading(alice, Reading::Never);
            node.publish(bob, "alice/1", "waits");
            let now = node.now;
            node.shards[0].begin_drain(seconds(0), seconds(30), now);
            node.settle();
        }
        _ => panic!("no such state"),
    }
    (node, alice, bob)
}

const STATES: [&str; 7] = [
    "idle",
    "congested",
    "stalled",
    "held",
    "owing",
    "assembling",
    "leaving",
];

#[test]
fn a_link_may_vanish_whatever_it_was_doing() {
    for state in STATES {
        let (mut node, alice, _) = busy(state);
        node.vanish(alice);
        assert_eq!(
            node.ended(alice),
            Some(CloseReason::TransportLost),
            "{state}"
        );
        node.thaw(1);
        node.advance(seconds(12));
        node.leave_nothing_behind();
    }
}

#[test]
fn whoever_is_left_goes_on() {
    for state in STATES {
        let (mut node, alice, bob) = busy(state);
        node.vanish(alice);
        node.thaw(1);
        node.set_reading(bob, Reading::Freely);
        node.received(bob);
        if node.ended(bob).is_none() {
            let dave = node.connect("dave", 1);
            node.publish(dave, "bob/1", "still here");
            assert_eq!(node.received(bob), ["still here"], "{state}");
        }
    }
}

#[test]
fn a_stop_ends_links_whatever_they_were_doing() {
    for state in STATES {
        let (mut node, alice, _) = busy(state);
        let now = node.now;
        for shard in &mut node.shards {
            shard.stop(now);
        }
        node.settle();
        let ended = node.ended(alice);
        assert_eq!(ended, Some(CloseReason::Stopped), "{state}");
        node.thaw(1);
        node.leave_nothing_behind();
    }
}

#[test]
fn what_the_shell_saw_is_the_reason_and_the_status_is_zero() {
    for reason in [
        CloseReason::Oversize,
        CloseReason::PeerEnded,
        CloseReason::PeerReset,
        CloseReason::TransportLost,
    ] {
        let (mut node, alice, _) = busy("idle");
        let (link, now) = (node.link(alice), node.now);
        node.shards[0].end_link(link, reason, now);
        node.settle();
        let ending = node.ending(alice).expect("ended");
        assert_eq!((ending.reason, ending.status), (reason, Status::Ok));
        assert_eq!(node.closed(reason), 1);
        // Once is enough.
        node.shards[0].end_link(link, reason, now);
        node.settle();
        assert_eq!(node.closed(reason), 1);
    }
}

#[test]
fn a_first_message_of_any_other_kind_ends_the_stream() {
    let framed = |node: &Node, from: Client| {
        let header = node.signed(from, fields("own", "bob/1")).seal();
        [
            header.publish(&tail(b"x")).expect("short"),
            header.subscribe(1).expect("short"),
            vec![0, 0, 0, 0, 0].into(),
            vec![0, 0, 0, 0, 2, 0x2a, 0x00].into(),
            vec![0, 0, 0, 0, 4, 0x32, 0x02, 0x08, 0x01].into(),
        ]
    };
    let (mut node, alice, _) = busy("idle");
    for (count, first) in (1..).zip(framed(&node, alice)) {
        let stream = node.open("stream", Dial::edge(0)).expect("room");
        node.say(stream, first);
        assert_eq!(node.ended(stream), Some(CloseReason::NegotiationFailed));
        assert_eq!(node.closed(CloseReason::NegotiationFailed), count);
    }
    let stream = node.open("stream", Dial::edge(0)).expect("room");
    node.say_plain(stream, vec![0x2a, 0x7f]);
    assert_eq!(node.ended(stream), Some(CloseReason::Undecodable));
    node.leave_nothing_behind();
}

#[test]
fn a_strict_stream_without_a_usable_key_ends() {
    let mut node = Node::new();
    let stream = node.dial("stream", Dial::edge(0).keyless());
    assert_eq!(node.ended(stream), Some(CloseReason::NegotiationFailed));
    let ending = node.ending(stream).expect("ended");
    assert_eq!((ending.status, ending.message), (Status::Ok, ""));
}

#[test]
fn what_is_fed_to_a_link_that_is_gone_is_counted() {
    let (mut node, alice, bob) = busy("idle");
    let header = node.signed(alice, fields("own", "bob/1")).seal();
    let framed = header.publish(&tail(b"late")).expect("short");
    node.vanish(alice);
    let body = slipring_proto::grpc::Body::from(framed.slice(5..));
    let (link, now) = (node.link(alice), node.now);
    let intake = node.shards[0].handle_message(link, body, now);
    assert_eq!(intake, Intake::Gone);
    assert_eq!(node.dropped(DropReason::LinkGone), 1);
    assert!(!node.shards[0].charge_assembly(link, 5));
    assert_eq!(node.shards[0].waiting_bytes(link), None);
    node.settle();
    assert!(node.received(bob).is_empty());
    node.leave_nothing_behind();
}

#[test]
fn a_slot_is_used_again_and_never_mistaken() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let first = node.connect("bob", 0);
    node.subscribe(first, "bob/1");
    node.publish(alice, "bob/1", "first");
    for round in 0..50 {
        let before = node.connect("short-lived", 0);
        node.vanish(before);
        let after = node.connect("next", 0);
        assert_eq!(
            node.link(before).slot(),
            node.link(after).slot(),
            "round {round}"
        );
        assert_ne!(node.link(before), node.link(after));
        node.vanish(after);
    }
    node.publish(alice, "bob/1", "second");
    assert_eq!(node.received(first), ["first", "second"]);
    node.advance(millis(1));
    node.leave_nothing_behind();
}

#[test]
fn every_link_stands_on_one_page() {
    let mut node = Node::new();
    let count = slipring_core::LINKS_PER_PAGE as usize * 2 + 5;
    node.connect_many("client", count);
    let (mut next, mut seen, mut pages) = (Some(0), std::collections::BTreeSet::new(), 0);
    while let Some(first) = next {
        let (page, more) = node.shards[0].view_links(first, node.now);
        assert!(page.len() <= slipring_core::LINKS_PER_PAGE as usize);
        assert!(page.iter().all(|link| seen.insert(link.id)));
        (next, pages) = (more, pages + 1);
    }
    assert_eq!((seen.len(), pages), (count, 3));
}
