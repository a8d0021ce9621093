//! Every row of WIRE §5.4, and what breaks a tag.

mod harness;

use harness::{Client, Dial, Node, fields, tail};
use slipring_core::{CloseReason, DropReason};
use slipring_proto::{
    grpc::Status,
    message::{HeaderFields, wire_name},
};

/// What stands in the place of the tag.
#[derive(Clone, Copy, Debug)]
enum Tag {
    Absent,
    Right,
    Wrong,
    Short,
    Empty,
}

/// A client of this kind, and a subscriber of `bob/1` to see what gets through.
fn node_with(dial: Dial) -> (Node, Client, Client) {
    let mut node = Node::new();
    let bob = node.connect("bob", 0);
    node.subscribe(bob, "bob/1");
    let alice = node.dial("alice", dial);
    (node, alice, bob)
}

fn tagged(node: &Node, client: Client, mut fields: HeaderFields, tag: Tag) -> HeaderFields {
    fields.header_mac = match tag {
        Tag::Absent => None,
        Tag::Right => node.signed(client, fields.clone()).header_mac,
        Tag::Wrong => Some(vec![7; 32].into()),
        Tag::Short => Some(vec![7; 31].into()),
        Tag::Empty => Some(vec![].into()),
    };
    fields
}

fn publish(dial: Dial, tag: Tag) -> Result<(), DropReason> {
    let (mut node, alice, bob) = node_with(dial);
    let header = tagged(&node, alice, fields("alice", "bob/1"), tag).seal();
    node.say(alice, header.publish(&tail(b"published")).expect("short"));
    assert_eq!(node.ended(alice), None, "the link stays");
    let is_delivered = !node.delivered(bob).is_empty();
    fate(&node, is_delivered)
}

fn subscribe(dial: Dial, tag: Tag) -> Result<(), DropReason> {
    let (mut node, alice, _) = node_with(dial);
    let header = tagged(&node, alice, fields("alice", "alice/1"), tag).seal();
    node.say(alice, header.subscribe(7).expect("short"));
    let acks = node.acks(alice);
    let subscribed = fate(&node, acks == [(7, Ok(()))]);
    node.say(alice, header.unsubscribe(7).expect("short"));
    assert_eq!(node.acks(alice).len(), usize::from(subscribed.is_ok()));
    assert_eq!(node.ended(alice), None, "the link stays");
    subscribed
}

/// Whether it got through, or the one reason why not.
fn fate(node: &Node, got_through: bool) -> Result<(), DropReason> {
    let lost = DropReason::ALL
        .iter()
        .filter(|reason| node.dropped(**reason) > 0);
    match lost.collect::<Vec<_>>()[..] {
        [] => {
            assert!(got_through, "lost without a reason");
            Ok(())
        }
        [reason] => {
            assert!(!got_through, "dropped and delivered");
            Err(*reason)
        }
        _ => panic!("lost for several reasons"),
    }
}

#[test]
fn a_strict_link_takes_nothing_without_the_right_tag() {
    for dial in [Dial::edge(0), Dial::remote(0)] {
        for (tag, verdict) in [
            (Tag::Absent, Err(DropReason::MacMissing)),
            (Tag::Wrong, Err(DropReason::MacInvalid)),
            (Tag::Short, Err(DropReason::MacInvalid)),
            (Tag::Empty, Err(DropReason::MacInvalid)),
            (Tag::Right, Ok(())),
        ] {
            assert_eq!(publish(dial, tag), verdict, "publish, {tag:?}");
            assert_eq!(subscribe(dial, tag), verdict, "subscribe, {tag:?}");
        }
    }
}

#[test]
fn a_lax_link_with_a_key_excuses_unsigned_subscriptions_only() {
    let dial = Dial::edge(0).lax();
    assert_eq!(subscribe(dial, Tag::Absent), Ok(()));
    assert_eq!(publish(dial, Tag::Absent), Err(DropReason::MacMissing));
    for tag in [Tag::Wrong, Tag::Short, Tag::Empty] {
        assert_eq!(publish(dial, tag), Err(DropReason::MacInvalid), "{tag:?}");
        assert_eq!(subscribe(dial, tag), Err(DropReason::MacInvalid), "{tag:?}");
    }
    assert_eq!(publish(dial, Tag::Right), Ok(()));
    assert_eq!(subscribe(dial, Tag::Right), Ok(()));
}

#[test]
fn a_lax_link_without_a_key_refuses_tags_on_publishes_only() {
    let dial = Dial::edge(0).lax().keyless();
    assert_eq!(publish(dial, Tag::Absent), Ok(()));
    assert_eq!(subscribe(dial, Tag::Absent), Ok(()));
    for tag in [Tag::Wrong, Tag::Short, Tag::Empty] {
        assert_eq!(
            publish(dial, tag),
            Err(DropReason::MacUnexpected),
            "{tag:?}"
        );
        assert_eq!(subscribe(dial, tag), Ok(()), "{tag:?}");
    }
}

/// The harness verifies each delivery: signed with the key of the link it came by, unsigned on a link
/// that has none.
#[test]
fn what_leaves_is_signed_for_the_link_it_leaves_by() {
    let mut node = Node::new();
    let alice = node.connect("alice", 0);
    let dials = [
        Dial::edge(0),
        Dial::remote(0),
        Dial::edge(0).lax(),
        Dial::edge(0).lax().keyless(),
        Dial::remote(0).lax().keyless(),
    ];
    let receivers: Vec<Client> = (0..)
        .zip(dials)
        .map(|(index, dial)| {
            let receiver = node.dial(&format!("receiver-{index}"), dial);
            node.subscribe(receiver, &format!("group/{index}"));
            receiver
        })
        .collect();
    for text in ["first", "the header is known by now"] {
        node.publish_all(alice, "group", text);
        for receiver in &receivers {
            assert_eq!(node.received(*receiver), [text]);
        }
    }
}

#[test]
fn a_tag_covers_what_is_routed_on_and_nothing_else() {
    let (mut node, alice, bob) = node_with(Dial::edge(0));
    let other = Some(wire_name(&harness::text_name("bob/2")));
    let signed = node.signed(alice, fields("alice", "bob/1").with_identity("token"));
    type Change = fn(&mut HeaderFields);
    let covered: [Change; 8] = [
        |header| header.identity.push('x'),
        |header| header.fanout = 2,
        |header| header.ttl = 7,
        |header| header.error = Some(false),
        |header| header.recv_from = Some(1),
        |header| header.forward_to = Some(1),
        |header| header.source = None,
        |header| header.destination.as_mut().expect("one").str_name = None,
    ];
    for (lost, change) in (1..).zip(covered) {
        let mut header = signed.clone();
        change(&mut header);
        node.say(alice, header.seal().publish(&tail(b"x")).expect("short"));
        assert_eq!(node.dropped(DropReason::MacInvalid), lost);
    }
    let mut redirected = signed.clone();
    redirected.destination = other;
    node.say(
        alice,
        redirected.seal().publish(&tail(b"x")).expect("short"),
    );
    assert_eq!(node.dropped(DropReason::MacInvalid), 9);
    assert!(node.received(bob).is_empty());
    let open: [Change; 3] = [
        |header| header.version = "0.11.4".to_owned(),
        |header| header.incoming_conn = Some(5),
        |header| header.e2e_header_sig = Some(vec![1].into()),
    ];
    for change in open {
        let mut header = signed.clone();
        change(&mut header);
        let text = tail(b"another payload");
        node.say(alice, header.seal().publish(&text).expect("short"));
        assert_eq!(node.received(bob), ["another payload"]);
    }
}

#[test]
fn a_header_signed_for_one_link_is_worth_nothing_on_another() {
    let (mut node, alice, bob) = node_with(Dial::edge(0));
    let carol = node.connect("carol", 0);
    let header = node.signed(alice, fields("alice", "bob/1")).seal();
    let framed = header.publish(&tail(b"mine")).expect("short");
    node.say(alice, framed.clone());
    node.say(carol, framed);
    assert_eq!(node.received(bob), ["mine"]);
    assert_eq!(node.dropped(DropReason::MacInvalid), 1);
}

#[test]
fn a_peer_is_told_what_it_asked_for_and_then_refused() {
    let mut node = Node::new();
    // The reply is verified by the client's half of the negotiation: the type is echoed.
    let peer = node.dial("peer", Dial::peer(0));
    let ending = node.ending(peer).expect("ended");
    assert_eq!(ending.reason, CloseReason::PeeringUnconfigured);
    assert_eq!(ending.status, Status::PermissionDenied);
    assert_eq!(ending.message, "peering is not configured");
    assert_eq!(node.counters().links_opened, 0);
    node.leave_nothing_behind();
}
