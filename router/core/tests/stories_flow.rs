//! The memory for headers never changes what a message means (design, section 10.11).

mod harness;

use harness::{Client, Node, NodeOptions, fields, tail};
use proptest::prelude::*;
use slipring_core::{Account, Counters, DropReason, Limits};
use slipring_proto::message::SealedHeader;

/// A node with or without the memory, alice, and two receivers of what she says.
fn node(has_flow_cache: bool) -> (Node, Client, [Client; 2]) {
    let mut node = Node::build(NodeOptions {
        has_flow_cache,
        limits: Limits {
            malformed_max: u8::MAX,
            ..Limits::default()
        },
        ..NodeOptions::default()
    });
    let alice = node.connect("alice", 0);
    let receivers = [node.connect("bob", 0), node.connect("carol", 0)];
    for (receiver, name) in receivers.iter().zip(["bob/1", "carol/1"]) {
        node.subscribe(*receiver, name);
    }
    (node, alice, receivers)
}

/// The headers and tails that one receiver got.
type Heard = Vec<(Vec<u8>, Vec<u8>)>;

/// Everything that a story can see of what became of its messages.
fn fate(node: &mut Node, receivers: [Client; 2]) -> ([Heard; 2], Counters) {
    let delivered = receivers.map(|receiver| {
        let messages = node.delivered(receiver).into_iter();
        messages
            .map(|message| (message.raw.to_vec(), message.tail.to_vec()))
            .collect()
    });
    let counters = Counters {
        flow_hits: 0,
        names_hits: 0,
        ..node.counters()
    };
    (delivered, counters)
}

#[test]
fn any_bit_of_a_known_header_that_changes_makes_it_unknown() {
    let text = tail(b"x");
    let (first, alice, _) = node(true);
    let known = first.signed(alice, fields("own", "bob/1")).seal();
    let mut forwarded = 0;
    for bit in 0..known.as_bytes().len() * 8 {
        let mut changed = known.as_bytes().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = SealedHeader::from_raw(changed.into());
        let fates = [true, false].map(|has_flow_cache| {
            let (mut node, alice, receivers) = node(has_flow_cache);
            node.say(alice, known.publish(&text).expect("short"));
            node.say(alice, changed.publish(&text).expect("short"));
            assert_eq!(node.counters().flow_hits, 0);
            fate(&mut node, receivers)
        });
        assert_eq!(fates[0], fates[1], "bit {bit}");
        forwarded += usize::from(fates[0].1.routed == 2);
    }
    // Only the version is neither routed on nor signed: five letters, seven bits each.
    assert!((1..=8 * "3.4.6".len()).contains(&forwarded), "{forwarded}");
}

/// One step of a story that is told twice.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        name: usize,
        fanout: u32,
        ttl: u32,
        fresh: bool,
    },
    Subscribe {
        client: usize,
        name: usize,
    },
    Unsubscribe {
        client: usize,
        name: usize,
    },
    Reconnect {
        client: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..4_usize;
    let client = 0..2_usize;
    prop_oneof![
        6 => (name.clone(), 0..3_u32, 1..4_u32, any::<bool>())
            .prop_map(|(name, fanout, ttl, fresh)| Step::Publish { name, fanout, ttl, fresh }),
        2 => (client.clone(), name.clone())
            .prop_map(|(client, name)| Step::Subscribe { client, name }),
        1 => (client.clone(), name).prop_map(|(client, name)| Step::Unsubscribe { client, name }),
        1 => client.prop_map(|client| Step::Reconnect { client }),
    ]
}

const NAMES: [&str; 4] = ["bob/1", "bob/2", "bob", "carol/1"];

fn tell(steps: &[Step], has_flow_cache: bool) -> (Vec<Vec<String>>, Counters) {
    let (mut node, alice, mut receivers) = node(has_flow_cache);
    let mut heard = vec![Vec::new(); 2];
    for (index, step) in steps.iter().enumerate() {
        match *step {
            Step::Publish {
                name,
                fanout,
                ttl,
                fresh,
            } => {
                let mut header = fields("own", NAMES[name]).with_fanout(fanout);
                header.ttl = ttl;
                if fresh {
                    header.identity = format!("token {index}");
                }
                node.send(alice, header, &tail(index.to_string().as_bytes()));
            }
            Step::Subscribe { client, name } => {
                node.ask_subscribe(receivers[client], NAMES[name], 0);
            }
            Step::Unsubscribe { client, name } => {
                node.ask_unsubscribe(receivers[client], NAMES[name], 1);
            }
            Step::Reconnect { client } => {
                node.vanish(receivers[client]);
                receivers[client] = node.connect("again", 0);
            }
        }
        for (receiver, heard) in receivers.iter().zip(&mut heard) {
            heard.extend(node.received(*receiver));
        }
    }
    let counters = Counters {
        flow_hits: 0,
        names_hits: 0,
        ..node.counters()
    };
    (heard, counters)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn with_and_without_memory_the_story_is_the_same(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(tell(&steps, true), tell(&steps, false));
    }
}

#[test]
fn when_the_pool_is_spent_headers_are_read_again_and_mean_the_same() {
    let mut node = Node::within(Limits {
        flow_pool_bytes: 3_000,
        ..Limits::default()
    });
    let bob = node.connect("bob", 0);
    node.subscribe(bob, "bob/1");
    let senders = node.connect_many("sender", 8);
    for _ in 0..3 {
        for sender in &senders {
            node.publish(*sender, "bob/1", "same");
        }
    }
    assert_eq!(node.received(bob).len(), 24);
    let hits = node.counters().flow_hits;
    assert!(
        (1..16).contains(&hits),
        "{hits} hits: some are remembered, not all"
    );
    assert_eq!(node.dropped(DropReason::MacInvalid), 0);
    node.leave_nothing_behind();
}

#[test]
fn a_header_longer_than_the_memory_takes_is_not_remembered() {
    let (mut node, alice, receivers) = node(true);
    for _ in 0..3 {
        let header = fields("own", "bob/1").with_identity("x".repeat(2_000));
        node.send(alice, header, &tail(b"long"));
    }
    assert_eq!(node.counters().flow_hits, 0);
    assert_eq!(node.received(receivers[0]).len(), 3);
}

#[test]
fn a_full_pool_froze_the_memory_of_every_link() {
    let pool = 4 << 10;
    let mut node = Node::within(Limits {
        flow_pool_bytes: pool,
        ..Limits::default()
    });
    let (alice, bob) = (node.connect("alice", 0), node.connect("bob", 0));
    node.subscribe(bob, "bob/1");
    // Sessions come and go; each says something twice.
    let hits: Vec<u64> = (100..200)
        .map(|session| {
            let before = node.counters().flow_hits;
            for text in ["first", "second"] {
                let header = fields(&format!("session-{session}"), "bob/1");
                node.send(alice, header, &tail(text.as_bytes()));
            }
            node.counters().flow_hits - before
        })
        .collect();
    let used = node.account(0, Account::Flows);
    assert!((pool / 2..=pool).contains(&used), "{used} bytes");
    let late: u64 = hits.iter().skip(50).sum();
    assert!(late > 10, "{late} of the last sessions were remembered");
    assert_eq!(node.received(bob).len(), 200);
}
