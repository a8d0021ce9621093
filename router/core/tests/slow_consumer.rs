//! Readers that are slow, stop, or never begin: what it costs them, and what it costs others.

mod harness;

use core::time::Duration;

use harness::{Client, Node, Reading, fields, millis, seconds, tail};
use slipring_core::{CloseReason, DropReason, Limits};

fn pair() -> (Node, Client, Client) {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    (node, alice, bob)
}

/// A reader that takes so many bytes a second, in steps of a millisecond.
fn paced(bytes_per_second: i64) -> Reading {
    Reading::Rate {
        per_ms: bytes_per_second / 1_000,
        left: 0,
    }
}

#[test]
fn a_burst_of_ten_thousand_to_a_reader_of_five_thousand_a_second_loses_nothing() {
    let (mut node, alice, bob) = pair();
    let message = "x".repeat(900);
    let header = node.signed(alice, fields("own", "bob/1")).seal();
    let framed = header.publish(&tail(format!("9999{message}").as_bytes()));
    let bytes = framed.expect("short").len();
    assert!((1_050..1_150).contains(&bytes), "{bytes} bytes a message");
    node.set_reading(bob, paced(5_000 * bytes as i64));
    let burst = (0..10_000).map(|index| format!("{index:04}{message}"));
    node.publish_many(alice, "bob/1", burst.clone());
    node.advance(seconds(3));
    assert!(node.received(bob).into_iter().eq(burst));
    node.assert_nothing_dropped();
    assert!(node.counters().stalls > 0, "the publisher was held");
    assert!(node.longest_pause <= millis(10), "never for long");
}

#[test]
fn a_reader_that_stops_is_closed_in_ten_to_twelve_seconds_although_nothing_follows() {
    let (mut node, alice, bob) = pair();
    node.set_reading(bob, Reading::Never);
    let began = node.now;
    node.publish(alice, "bob/1", "the only one");
    node.advance(seconds(20));
    assert_eq!(node.ended(bob), Some(CloseReason::SlowConsumer));
    let took = node.ended_at(bob).expect("ended").since(began);
    assert!((seconds(10)..=seconds(12)).contains(&took), "{took:?}");
    // Its message grew too old before that.
    assert_eq!(node.dropped(DropReason::EgressAge), 1);
    node.leave_nothing_behind();
}

#[test]
fn a_reader_that_stops_under_steady_traffic_is_closed_just_as_soon() {
    let (mut node, alice, bob) = pair();
    let carol = node.connect("carol", 0);
    node.subscribe(carol, "carol/1");
    node.set_reading(bob, Reading::Never);
    let began = node.now;
    for _ in 0..1_200 {
        node.publish(alice, "bob/1", &"x".repeat(2_000));
        node.publish(alice, "carol/1", "beside it");
        node.advance(millis(10));
    }
    let took = node.ended_at(bob).expect("ended").since(began);
    assert!((seconds(10)..=seconds(12)).contains(&took), "{took:?}");
    assert_eq!(node.received(carol).len(), 1_200);
    assert!(node.longest_pause <= millis(10));
}

#[test]
fn a_peer_that_does_not_even_read_the_reply_to_its_negotiation_is_closed() {
    let mut node = Node::new();
    let carol = node.open("carol", harness::Dial::edge(0)).expect("room");
    node.set_reading(carol, Reading::Never);
    node.negotiate(carol, harness::Dial::edge(0));
    node.advance(seconds(12));
    assert_eq!(node.ended(carol), Some(CloseReason::SlowConsumer));
}

#[test]
fn a_reader_that_makes_progress_is_never_closed() {
    let (mut node, alice, bob) = pair();
    // Four messages a second; everything else grows too old.
    node.set_reading(bob, paced(1_000));
    for _ in 0..60 {
        node.publish_many(alice, "bob/1", (0..100).map(|_| "tick"));
        node.advance(seconds(1));
    }
    assert_eq!(node.ended(bob), None);
    assert!(node.dropped(DropReason::EgressAge) > 5_000);
    assert!(!node.received(bob).is_empty());
}

#[test]
fn what_waited_too_long_goes_first_and_order_holds() {
    let (mut node, alice, bob) = pair();
    node.set_reading(bob, Reading::Never);
    for index in 0..8 {
        node.publish(alice, "bob/1", &index.to_string());
        node.advance(seconds(1));
    }
    node.set_reading(bob, Reading::Freely);
    let received = node.received(bob);
    let lost = node.dropped(DropReason::EgressAge);
    assert!(
        (2..=3).contains(&lost),
        "{lost} were older than five seconds"
    );
    assert!(
        received
            .into_iter()
            .eq((lost..8).map(|index| index.to_string()))
    );
    node.advance(seconds(20));
    assert_eq!(
        node.ended(bob),
        None,
        "a reader that came back is not closed"
    );
}

#[test]
fn acknowledgements_survive_what_grows_too_old_around_them() {
    let (mut node, alice, bob) = pair();
    node.set_reading(bob, Reading::Never);
    node.publish(alice, "bob/1", "old");
    node.ask_subscribe(bob, "bob/2", 2);
    node.publish(alice, "bob/1", "old too");
    node.ask_subscribe(bob, "bob/3", 3);
    node.advance(millis(5_500));
    node.ask_subscribe(bob, "bob/4", 4);
    node.publish(alice, "bob/1", "young");
    node.set_reading(bob, Reading::Freely);
    assert_eq!(node.acks(bob), [(2, Ok(())), (3, Ok(())), (4, Ok(()))]);
    assert_eq!(node.received(bob), ["young"]);
    assert_eq!(node.dropped(DropReason::EgressAge), 2);
    node.leave_nothing_behind();
}

#[test]
fn a_full_queue_keeps_what_it_has_and_loses_what_comes() {
    let (mut node, alice, bob) = pair();
    node.set_reading(bob, Reading::Never);
    let payload = |index: usize| format!("{index}:{}", "x".repeat(1_000));
    node.publish_many(alice, "bob/1", (0..1_500).map(payload));
    // Held for ten milliseconds a message, so it takes a while until the queue overflows.
    node.advance(seconds(4));
    let lost = node.dropped(DropReason::EgressFull);
    assert!(lost > 0);
    assert_eq!(node.ended(bob), None);
    node.set_reading(bob, Reading::Freely);
    let received = node.received(bob);
    let kept = received
        .iter()
        .zip(0..)
        .take_while(|(text, index)| **text == payload(*index));
    assert!(kept.count() > 800);
}

#[test]
fn a_message_of_four_mebibytes_always_fits_an_empty_queue() {
    let (mut node, alice, bob) = pair();
    node.set_reading(bob, Reading::Never);
    node.send(alice, fields("own", "bob/1"), &tail(&vec![b'x'; 4_193_000]));
    assert!(node.is_paused(alice), "another one would not fit");
    node.send(alice, fields("own", "bob/1"), &tail(b"small"));
    node.advance(millis(10));
    assert_eq!(node.dropped(DropReason::EgressFull), 1);
    node.set_reading(bob, Reading::Freely);
    assert_eq!(node.received(bob).len(), 1);
}

#[test]
fn one_stalled_reader_of_many_costs_the_others_nothing() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let members = node.connect_many("member", 64);
    for (index, member) in members.iter().enumerate() {
        node.subscribe(*member, &format!("group/{index}"));
    }
    node.set_reading(members[13], Reading::Never);
    for index in 0..2_000 {
        node.publish_all(alice, "group", &format!("{index}{}", "x".repeat(1_000)));
        node.advance(millis(6));
    }
    assert_eq!(
        node.longest_pause,
        Duration::ZERO,
        "a fan-out is never held"
    );
    for (index, member) in members.iter().enumerate() {
        if index != 13 {
            assert_eq!(node.received(*member).len(), 2_000);
        }
    }
    assert_eq!(node.ended(members[13]), Some(CloseReason::SlowConsumer));
    assert!(node.dropped(DropReason::EgressFull) > 0);
}

#[test]
fn who_sends_to_others_too_is_held_once_a_turn_at_most() {
    let (mut node, alice, bob) = pair();
    let carol = node.connect("carol", 0);
    node.subscribe(carol, "carol/1");
    node.congest(alice, bob, "bob/1");
    node.advance(millis(10));
    let stalls = node.counters().stalls;
    let to_bob = node.signed(alice, fields("own", "bob/1")).seal();
    let to_carol = node.signed(alice, fields("own", "carol/1")).seal();
    let both: Vec<u8> = (0..50)
        .flat_map(|_| {
            let bob = to_bob.publish(&tail(b"to bob")).expect("short");
            let carol = to_carol.publish(&tail(b"to carol")).expect("short");
            [bob, carol].concat()
        })
        .collect();
    node.say(alice, both);
    node.advance(millis(10));
    assert_eq!(node.received(carol).len(), 50);
    assert!(node.counters().stalls <= stalls + 1);
}

#[test]
fn a_held_publisher_goes_on_as_soon_as_its_reader_does() {
    let (mut node, alice, bob) = pair();
    let count = node.congest(alice, bob, "bob/1");
    node.set_reading(bob, Reading::Freely);
    assert!(!node.is_paused(alice));
    assert_eq!(node.received(bob).len(), count);
    node.assert_nothing_dropped();
}

#[test]
fn when_the_pool_of_the_shard_is_spent_the_message_is_dropped() {
    let mut node = Node::within(Limits {
        egress_pool_bytes: 400_000,
        ..Limits::default()
    });
    let alice = node.connect("alice", 0);
    let readers = node.connect_many("reader", 2);
    for (index, reader) in readers.iter().enumerate() {
        node.subscribe(*reader, &format!("reader/{index}"));
        node.set_reading(*reader, Reading::Never);
    }
    for name in ["reader/0", "reader/1"] {
        node.publish_many(alice, name, (0..300).map(|_| [b'x'; 1_000]));
    }
    assert!(node.dropped(DropReason::EgressFull) > 0);
    for reader in readers {
        node.set_reading(reader, Reading::Freely);
    }
    node.leave_nothing_behind();
}
