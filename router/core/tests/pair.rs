//! Two clients and one node: what a message is on its way from one to the other.

mod harness;

use harness::{Client, Dial, Node, fields, tail, text_name};
use slipring_core::{CloseReason, DropReason, MessageKind};
use slipring_proto::{
    generated::{EncodedName, Name, SessionHeader},
    grpc::Status,
    message::{PublishTail, wire_name},
    varint,
};

/// A publisher, and a subscriber of `bob/1`.
fn pair() -> (Node, Client, Client) {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    (node, alice, bob)
}

#[test]
fn a_message_reaches_the_one_who_subscribed() {
    let (mut node, alice, bob) = pair();
    node.publish(alice, "bob/1", "hello");
    assert_eq!(node.received(bob), ["hello"]);
    assert!(node.received(alice).is_empty());
    node.assert_nothing_dropped();
    node.leave_nothing_behind();
}

#[test]
fn what_the_router_does_not_read_arrives_as_it_was_sent() {
    let (mut node, alice, bob) = pair();
    let mut header = fields("alice/3", "bob/1").with_identity("token");
    header.version = "99.0.0".to_owned();
    header.error = Some(true);
    header.e2e_header_sig = Some(vec![1, 2, 3].into());
    let odd = SessionHeader {
        session_type: -1,
        session_message_type: 4_711,
        ..SessionHeader::default()
    };
    let sent = PublishTail::new(&odd)
        .command_payload(b"opaque")
        .metadata("key", "value");
    node.send(alice, header, &sent);
    let delivered = node.delivered(bob).remove(0);
    assert_eq!(delivered.tail, [sent.inner(), sent.outer()].concat());
    assert_eq!(delivered.tail_inner, sent.inner().len());
    let (header, raw) = (delivered.header, &delivered.raw);
    assert_eq!(
        (header.ttl, header.fanout, header.error),
        (7, 1, Some(true))
    );
    assert_eq!(header.version.content.of(raw), b"99.0.0");
    assert_eq!(header.e2e_header_sig.content.of(raw), [1, 2, 3]);
    assert_eq!(delivered.identity(), "token");
    let source = header.source.expect("a source");
    assert_eq!(source.name(), Some(text_name("alice/3").name()));
    let text = source.text.expect("text").map(|span| span.of(raw).to_vec());
    assert_eq!(text, ["org", "ns", "alice"].map(Vec::from));
}

#[test]
fn fields_in_another_order_mean_the_same() {
    let (mut node, alice, bob) = pair();
    let header = node.signed(alice, fields("alice", "bob/1")).seal();
    let body = tail(b"behind").metadata("k", "v");
    // Metadata first, then a publish whose header comes last.
    let mut publish = bytes::BytesMut::from(body.inner());
    publish.extend_from_slice(&[0x0a]);
    varint::put(header.as_bytes().len() as u64, &mut publish);
    publish.extend_from_slice(header.as_bytes());
    let mut message = bytes::BytesMut::from(body.outer());
    message.extend_from_slice(&[0x1a]);
    varint::put(publish.len() as u64, &mut message);
    message.extend_from_slice(&publish);
    node.say_plain(alice, message);
    let delivered = node.delivered(bob).remove(0);
    assert_eq!(delivered.tail, [body.inner(), body.outer()].concat());
    assert_eq!(delivered.text(), "behind");
}

#[test]
fn steering_fields_are_signed_for_and_then_ignored_and_cleared() {
    let (mut node, alice, bob) = pair();
    let carol = node.connect("carol", 0);
    let mut header = fields("alice", "bob/1");
    header.recv_from = Some(node.link(carol).to_u64());
    header.forward_to = Some(2);
    header.incoming_conn = Some(3);
    node.send(alice, header.clone(), &tail(b"steered"));
    // The harness refuses to deliver a header that still holds any of them.
    assert_eq!(node.received(bob), ["steered"]);
    assert!(node.received(carol).is_empty());
    header.destination = Some(wire_name(&text_name("carol/1")));
    let subscribe = node
        .signed(alice, header)
        .seal()
        .subscribe(5)
        .expect("short");
    node.say(alice, subscribe);
    assert_eq!(node.acks(alice), [(5, Ok(()))]);
    node.publish(bob, "carol/1", "to whoever subscribed");
    assert_eq!(node.received(alice), ["to whoever subscribed"]);
}

#[test]
fn a_hop_is_spent_and_the_last_one_is_not_spent_on_others() {
    let (mut node, alice, bob) = pair();
    for (ttl, next) in [
        (0, None),
        (1, None),
        (2, Some(1)),
        (8, Some(7)),
        (u32::MAX, Some(u32::MAX - 1)),
    ] {
        let mut header = fields("alice", "bob/1");
        header.ttl = ttl;
        node.send(alice, header, &tail(b"hop"));
        let got = node
            .delivered(bob)
            .first()
            .map(|message| message.header.ttl);
        assert_eq!(got, next, "arrived with {ttl}");
    }
    assert_eq!(node.dropped(DropReason::TtlExpired), 2);
}

#[test]
fn a_message_to_nobody_or_only_to_its_sender_is_dropped_in_silence() {
    let (mut node, alice, bob) = pair();
    node.publish(alice, "carol/1", "nobody");
    node.publish(bob, "bob/1", "to itself");
    node.publish_all(bob, "bob", "to itself and all others");
    assert_eq!(node.dropped(DropReason::NoMatch), 3);
    assert!(node.received(bob).is_empty() && node.acks(bob).is_empty());
}

#[test]
fn an_invalid_message_costs_itself_and_nothing_else() {
    let (mut node, alice, bob) = pair();
    let no_ids = |service| {
        let mut name = wire_name(&text_name(service));
        name.name = None;
        Some(name)
    };
    let mut headers = Vec::from([(); 4].map(|()| fields("alice", "bob/1")));
    headers[0].source = None;
    headers[1].destination = None;
    headers[2].source = no_ids("alice");
    headers[3].destination = no_ids("bob/1");
    for header in headers {
        node.send(alice, header, &tail(b"invalid"));
    }
    // WIRE §2.2: a session header is demanded, were it empty, but not a content.
    node.send(alice, fields("alice", "bob/1"), &PublishTail::empty());
    node.say_plain(alice, vec![]);
    node.say_plain(
        alice,
        tail(b"").metadata("only", "metadata").outer().to_vec(),
    );
    assert_eq!(node.dropped(DropReason::Invalid), 7);
    let bare = PublishTail::new(&SessionHeader::default());
    node.send(alice, fields("alice", "bob/1"), &bare);
    assert_eq!(node.delivered(bob).len(), 1);
    assert_eq!(node.ended(alice), None);
}

#[test]
fn a_known_header_does_not_excuse_a_missing_session() {
    let (mut node, alice, bob) = pair();
    node.publish(alice, "bob/1", "whole");
    node.send(alice, fields("own", "bob/1"), &PublishTail::empty());
    assert_eq!(node.dropped(DropReason::Invalid), 1);
    assert_eq!(node.received(bob), ["whole"]);
}

#[test]
fn an_ambiguous_message_is_tolerated_twice_and_an_undecodable_one_never() {
    let (mut node, alice, bob) = pair();
    let twice = |plain: &[u8]| [plain, plain].concat();
    let one = tail(b"x");
    let header = node.signed(alice, fields("alice", "bob/1")).seal();
    let framed = header.publish(&one).expect("short");
    for round in 1..=3 {
        assert_eq!(node.ended(alice), None, "round {round}");
        node.say_plain(alice, twice(&framed[5..]));
    }
    assert_eq!(node.ended(alice), Some(CloseReason::Malformed));
    node.say_plain(bob, vec![0x1a, 0x7f]);
    assert_eq!(node.ended(bob), Some(CloseReason::Undecodable));
    assert_eq!(node.dropped(DropReason::Malformed), 4);
    let ending = node.ending(bob).expect("ended");
    assert_eq!((ending.status, ending.message), (Status::Ok, ""));
}

#[test]
fn duplicate_fields_of_the_header_are_ambiguous_too() {
    let (mut node, alice, bob) = pair();
    let header = node.signed(alice, fields("alice", "bob/1")).seal();
    let doubled = [header.as_bytes().as_ref(), &[0x30, 0x08]].concat();
    let forged = slipring_proto::message::SealedHeader::from_raw(doubled.into());
    node.say(alice, forged.publish(&tail(b"x")).expect("short"));
    assert_eq!(node.dropped(DropReason::Malformed), 1);
    assert!(node.received(bob).is_empty());
}

#[test]
fn link_messages_and_acknowledgements_after_the_negotiation_mean_nothing() {
    let (mut node, alice, bob) = pair();
    let before = node.counters();
    node.say_plain(alice, vec![0x2a, 0x00]);
    node.say_plain(alice, vec![0x32, 0x02, 0x08, 0x01]);
    let after = node.counters();
    for kind in [MessageKind::Link, MessageKind::Ack] {
        let count = |counters: &slipring_core::Counters| counters.messages_in.at(kind.index());
        assert_eq!(count(&after), count(&before) + 1);
    }
    node.assert_nothing_dropped();
    node.publish(alice, "bob/1", "still there");
    assert_eq!(node.received(bob), ["still there"]);
}

#[test]
fn three_thousand_messages_of_all_sizes_stay_in_order() {
    let (mut node, alice, bob) = pair();
    let payload = |index: usize| {
        let filler = "x".repeat([0, 10, 300, 2_000, 2_100, 20_000][index % 6]);
        format!("{index}:{filler}")
    };
    node.publish_many(alice, "bob/1", (0..3_000).map(payload));
    node.advance(harness::seconds(1));
    let received = node.received(bob);
    assert!(received.into_iter().eq((0..3_000).map(payload)));
    node.assert_nothing_dropped();
}

#[test]
fn a_message_that_would_grow_past_four_mebibytes_is_dropped_alone() {
    let mut node = Node::new();
    let alice = node.dial("alice", Dial::edge(0).lax().keyless());
    let (bob, dave) = (
        node.connect("bob", 0),
        node.dial("dave", Dial::edge(0).lax().keyless()),
    );
    node.subscribe(bob, "group/1");
    node.subscribe(dave, "group/2");
    // As long as a message may be; the tag for bob's link makes it longer, dave's link has none.
    let header = fields("alice", "group").with_fanout(0);
    let around = header
        .seal()
        .publish(&tail(&[0; 4_000_000]))
        .expect("short")
        .len()
        - 4_000_000;
    let payload = vec![0; 4_194_304 + 5 - around];
    let framed = header
        .seal()
        .publish(&tail(&payload))
        .expect("just short enough");
    assert_eq!(framed.len(), 4_194_304 + 5);
    node.say(alice, framed);
    assert_eq!(node.dropped(DropReason::Oversize), 1);
    assert!(node.received(bob).is_empty());
    assert_eq!(node.delivered(dave).len(), 1);
}

#[test]
fn a_name_without_text_is_as_good_as_one_with_it() {
    let mut node = Node::new();
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    let mut bare = fields("bob", "bob/1");
    bare.destination = Some(Name::from(text_name("bob/1").name()));
    let subscribe = node.signed(bob, bare).seal().subscribe(1).expect("short");
    node.say(bob, subscribe);
    assert_eq!(node.acks(bob), [(1, Ok(()))]);
    // An absent id means any, as the any-id does.
    let mut to_any = fields("alice", "bob");
    if let Some(EncodedName { name_id, .. }) =
        to_any.destination.as_mut().and_then(|n| n.name.as_mut())
    {
        *name_id = None;
    }
    node.send(alice, to_any, &tail(b"any"));
    assert_eq!(node.received(bob), ["any"]);
}
