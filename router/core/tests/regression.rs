//! One test for each bug that was found, named by what went wrong.

mod harness;

use harness::{Dial, Node, NodeOptions, Reading, fields, millis, seconds, tail};
use slipring_core::{Account, CloseReason, ControlEvent, DropReason, Limits, LinkOptions, Output};
use slipring_fib::{Change, Delta, LinkClass};
use slipring_proto::{
    link::LinkPolicy,
    name::{Name, Prefix},
};

#[test]
fn an_expired_message_left_its_target_to_the_next_message_of_another_name() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let others = node.connect_many("other", 2);
    let wanted = node.connect_many("wanted", 2);
    for (index, client) in others.iter().enumerate() {
        node.subscribe(*client, &format!("other/{index}"));
    }
    for (index, client) in wanted.iter().enumerate() {
        node.subscribe(*client, &format!("wanted/{index}"));
    }
    node.publish(alice, "wanted", "first");
    let mut spent = fields("own", "other");
    spent.ttl = 1;
    node.send(alice, spent, &tail(b"spent"));
    node.publish(alice, "wanted", "second");
    assert_eq!(node.dropped(DropReason::TtlExpired), 1);
    assert_eq!(node.received(wanted[0]).len(), 1);
    assert_eq!(node.received(wanted[1]).len(), 1);
}

#[test]
fn a_repeated_subscribe_was_never_acknowledged_after_another_shard_had_moved_on() {
    let mut node = Node::of(2);
    let bob = node.connect("bob", 0);
    let carol = node.connect("carol", 1);
    node.subscribe(bob, "bob/1");
    node.subscribe(carol, "carol/1");
    node.subscribe(bob, "bob/1");
    node.publish(bob, "carol/1", "still free to publish");
    assert_eq!(node.received(carol), ["still free to publish"]);
}

#[test]
fn a_congested_link_that_ended_left_its_publishers_stalled() {
    for shards in [1, 2] {
        let mut node = Node::of(shards);
        let alice = node.connect("alice", usize::from(shards) - 1);
        let bob = node.connect("bob", 0);
        node.subscribe(bob, "bob/1");
        node.congest(alice, bob, "bob/1");
        node.vanish(bob);
        assert!(!node.is_paused(alice), "with {shards} shards");
    }
}

#[test]
fn a_queue_of_many_small_messages_overflowed_before_it_counted_as_congested() {
    let limits = Limits::default();
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let bob = node.dial("bob", Dial::remote(0));
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    let count = limits.egress_node.messages_max as usize;
    node.publish_many(alice, "bob/1", (0..count).map(|_| "small"));
    assert!(node.is_paused(alice));
    assert_eq!(node.dropped(DropReason::EgressFull), 0);
    node.set_reading(bob, Reading::Freely);
    assert_eq!(node.received(bob).len(), count);
}

#[test]
fn a_short_negotiation_timeout_waited_for_a_longer_one_before_it() {
    let mut node = Node::new();
    let policy = LinkPolicy {
        require_header_mac: true,
        enforce_pqc: false,
    };
    let mut open = |name, timeout| {
        let options = LinkOptions {
            policy,
            negotiation_timeout: timeout,
        };
        node.open_with(name, Dial::edge(0), options).expect("room")
    };
    let (patient, hasty) = (open("patient", seconds(5)), open("hasty", seconds(1)));
    node.advance(seconds(2));
    assert_eq!(node.ended(hasty), Some(CloseReason::NegotiationTimeout));
    assert_eq!(node.ended(patient), None);
}

#[test]
fn a_drained_link_whose_last_message_grew_too_old_waited_for_nothing() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let bob = node.connect("bob", 0);
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    node.publish(alice, "bob/1", "never read");
    node.drain(seconds(0), seconds(30));
    node.advance(seconds(6));
    assert_eq!(node.dropped(DropReason::EgressAge), 1);
    assert_eq!(node.ended(bob), Some(CloseReason::Drained));
}

#[test]
fn after_the_drain_deadline_the_next_deadline_stayed_in_the_past() {
    let mut node = Node::new();
    node.connect("alice", 0);
    node.drain(seconds(0), seconds(30));
    node.advance(seconds(31));
    assert_eq!(node.shards[0].next_deadline(), None);
}

#[test]
fn unfinished_messages_alone_never_came_to_be_shed() {
    let mut node = Node::within(Limits {
        assembly_pool_bytes: 100_000,
        ..Limits::default()
    });
    let alice = node.connect("alice", 0);
    node.advance(seconds(1));
    let link = node.link(alice);
    assert!(node.shards[0].charge_assembly(link, 96_000));
    node.advance(seconds(1));
    assert_eq!(node.ended(alice), Some(CloseReason::Pressure));
}

#[test]
fn shedding_for_one_account_closed_the_debtors_of_another() {
    let mut node = Node::within(Limits {
        assembly_pool_bytes: 100_000,
        ..Limits::default()
    });
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    node.publish_many(alice, "bob/1", (0..200).map(|_| [b'x'; 1_024]));
    let hoarder = node.connect("hoarder", 0);
    let link = node.link(hoarder);
    node.shards[0].charge_assembly(link, 96_000);
    node.advance(seconds(1));
    assert_eq!(node.ended(hoarder), Some(CloseReason::Pressure));
    assert_eq!(node.ended(bob), None);
}

#[test]
fn a_held_publish_filled_the_assembly_account_and_others_paid() {
    let mut node = Node::build(NodeOptions {
        shards: 2,
        limits: Limits {
            assembly_pool_bytes: 100_000,
            ..Limits::default()
        },
        ..NodeOptions::default()
    });
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    let hoarder = node.connect("hoarder", 0);
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    node.publish(alice, "bob/1", "waits");
    node.freeze(1);
    node.ask_subscribe(hoarder, "hoarder/1", 1);
    node.send(hoarder, fields("own", "bob/1"), &tail(&[0; 96_000]));
    node.advance(seconds(1));
    assert_eq!(node.ended(hoarder), Some(CloseReason::Pressure));
    assert_eq!((node.ended(alice), node.ended(bob)), (None, None));
}

#[test]
fn a_node_was_shed_before_the_clients_that_were_in_debt_too() {
    let mut node = Node::within(Limits {
        egress_pool_bytes: 2_000_000,
        ..Limits::default()
    });
    let alice = node.connect("alice", 0);
    let (edge, remote) = (
        node.connect("edge", 0),
        node.dial("remote", Dial::remote(0)),
    );
    for (client, name) in [(edge, "edge/1"), (remote, "remote/1")] {
        node.subscribe(client, name);
        node.set_reading(client, Reading::Never);
    }
    node.publish_many(alice, "edge/1", (0..500).map(|_| [b'x'; 1_024]));
    let publishers = node.connect_many("publisher", 4);
    for publisher in publishers {
        node.publish_many(publisher, "remote/1", (0..300).map(|_| [b'x'; 1_024]));
    }
    node.advance(millis(200));
    assert_eq!(node.ended(edge), Some(CloseReason::Pressure));
    assert_eq!(node.ended(remote), None);
}

#[test]
fn headers_signed_for_many_links_passed_the_bound_of_their_pool() {
    let mut node = Node::within(Limits {
        flow_pool_bytes: 16_384,
        ..Limits::default()
    });
    let alice = node.connect("alice", 0);
    for (index, client) in node.connect_many("member", 100).into_iter().enumerate() {
        node.subscribe(client, &format!("group/{index}"));
    }
    node.publish_all(alice, "group", "one header, a hundred signatures");
    let view = node.shards[0].view(node.now);
    assert!(view.accounts[Account::Flows.index()] <= 16_384);
}

#[test]
fn requests_without_number_waited_for_the_control_shard() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    node.freeze(0);
    let header = node.signed(alice, fields("own", "alice/1")).seal();
    let subscribes: Vec<u8> = (1..=10_000_u64)
        .flat_map(|id| header.subscribe(id).expect("short"))
        .collect();
    node.say(alice, subscribes);
    assert!(node.unread(alice) > 8_000, "the input is held");
    node.thaw(0);
    let acks = node.acks(alice);
    assert!(acks.into_iter().eq((1..=10_000).map(|id| (id, Ok(())))));
}

#[test]
fn an_ambiguous_first_message_left_the_stream_open() {
    let mut node = Node::new();
    let alice = node.open("alice", Dial::edge(0)).expect("room");
    // Two kinds in one message: a decoder takes the last, another might take the first.
    node.say_plain(alice, vec![0x2a, 0x00, 0x2a, 0x00]);
    assert_eq!(node.ended(alice), Some(CloseReason::NegotiationFailed));
}

#[test]
fn a_turn_that_congested_its_own_target_overflowed_it() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    let carol = node.connect("carol", 0);
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    node.publish_many(alice, "bob/1", (0..3_000).map(|_| "small"));
    assert!(!node.is_paused(alice), "the queue is below its high mark");
    node.publish_many(carol, "bob/1", (0..1_200).map(|_| "small"));
    assert!(node.is_paused(carol));
    node.assert_nothing_dropped();
}

#[test]
fn the_second_of_two_large_messages_was_lost_at_a_healthy_reader() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    let per_ms = 200_000;
    node.set_reading(bob, Reading::Rate { per_ms, left: 0 });
    node.publish_many(alice, "bob/1", (0..10).map(|_| vec![b'x'; 600 << 10]));
    node.advance(seconds(1));
    node.assert_nothing_dropped();
    assert_eq!(node.received(bob).len(), 10);
}

#[test]
fn a_reader_that_had_stopped_held_its_publisher_message_by_message() {
    for shards in [1, 2] {
        let mut node = Node::of(shards);
        let alice = node.connect("alice", 0);
        let bob = node.connect("bob", usize::from(shards) - 1);
        let carol = node.connect("carol", 0);
        node.subscribe(bob, "bob/1");
        node.subscribe(carol, "carol/1");
        node.set_reading(bob, Reading::Never);
        node.publish_many(alice, "bob/1", (0..5_000).map(|_| [b'x'; 1_000]));
        node.publish(alice, "carol/1", "behind them");
        node.advance(seconds(2));
        assert_eq!(node.received(carol), ["behind them"], "{shards} shards");
        assert!(node.longest_pause <= millis(10));
        // Once it reads again, its publishers wait for it again.
        node.set_reading(
            bob,
            Reading::Rate {
                per_ms: 5_000,
                left: 0,
            },
        );
        node.advance(millis(200));
        node.received(bob);
        let lost = node.dropped(DropReason::EgressFull);
        node.publish_many(alice, "bob/1", (0..2_000).map(|_| [b'x'; 1_000]));
        node.advance(seconds(3));
        assert_eq!(node.dropped(DropReason::EgressFull), lost);
    }
}

#[test]
fn a_reader_far_away_that_takes_little_at_a_time_is_still_waited_for() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    node.set_reading(bob, Reading::Never);
    node.publish_many(alice, "bob/1", (0..3_000).map(|_| [b'x'; 1_000]));
    // One window every 200 milliseconds.
    for _ in 0..20 {
        node.advance(millis(200));
        node.take_once(bob, 256 << 10);
    }
    node.assert_nothing_dropped();
    assert_eq!(node.received(bob).len(), 3_000);
}

#[test]
fn a_link_with_room_again_let_the_publishers_of_another_go() {
    for shards in [1, 2] {
        let mut node = Node::of(shards);
        let last = usize::from(shards) - 1;
        let (full, other) = (node.connect("full", last), node.connect("other", last));
        node.subscribe(full, "full/1");
        node.subscribe(other, "other/1");
        let waiting = node.connect_many("waiting", 2);
        let third = node.connect("third", 0);
        node.congest(third, other, "other/1");
        node.congest(waiting[0], full, "full/1");
        node.congest(waiting[1], full, "full/1");
        node.set_reading(other, Reading::Freely);
        assert!(!node.is_paused(third), "its own target has room");
        let held = waiting.iter().all(|publisher| node.is_paused(*publisher));
        assert!(held, "theirs has none, with {shards} shards");
        node.advance(millis(10));
        let held = waiting.iter().any(|publisher| node.is_paused(*publisher));
        assert!(!held, "but nobody is held for longer");
    }
}

#[test]
fn a_delta_that_could_not_be_applied_was_reported_as_applied() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let (link, now) = (node.link(alice), node.now);
    let core = &mut node.shards[0];
    let applied = [1, 3, 1, 2].map(|seq| {
        let change = Change::Add {
            name: Name::new(Prefix([1, 2, 3]), u128::from(seq)),
            link,
            class: LinkClass::Edge,
        };
        core.handle_control(ControlEvent::Delta(Delta { seq, change }), now);
        match core.poll_output() {
            Some(Output::Applied(seq)) => Some(seq),
            Some(Output::Diverged(_)) => None,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(applied, [Some(1), None, None, Some(2)]);
    assert_eq!(core.counters().fib_deltas, 2);
}

#[test]
fn a_message_for_one_was_lost_at_a_link_whose_route_outlived_it() {
    let mut node = Node::of(2);
    let alice = node.connect("alice", 0);
    let (bob, dave) = (node.dial("bob", Dial::remote(0)), node.connect("dave", 0));
    let carol = node.connect("carol", 1);
    node.subscribe(bob, "group/1");
    for (index, client) in [(1, carol), (2, dave)] {
        node.subscribe(client, &format!("group/{index}"));
    }
    // Nothing that the control shard says arrives at shard 0.
    node.freeze(0);
    node.vanish(bob);
    node.vanish(dave);
    for name in ["group", "group", "group", "group/1"] {
        node.publish(alice, name, "to whoever is there");
    }
    assert_eq!(node.received(carol).len(), 4);
    node.assert_nothing_dropped();
    // Whoever is the only one is not looked for again and again.
    node.publish(alice, "group/2", "to nobody");
    assert_eq!(node.dropped(DropReason::LinkGone), 1);
    node.thaw(0);
    node.publish(alice, "group", "to whoever is left");
    assert_eq!(node.received(carol), ["to whoever is left"]);
}
