//! What is remembered about a header serves that header, on that link, while that link and the routes
//! live, and nothing else: whatever changes between two messages, the second is judged anew.

mod harness;

use harness::{Client, Node, fields, tail};
use proptest::prelude::*;
use slipring_core::DropReason;
use slipring_proto::message::{PublishTail, SealedHeader};

/// What happens between two messages with the same header.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// One bit of the header flips.
    Bit(prop::sample::Index, u8),
    /// Another link says the very same bytes.
    OtherLink,
    /// The sender's link ends, and the next one in its slot says the very same bytes.
    SenderReborn,
    /// A receiver's link ends, and the next one in its slot subscribes again.
    ReceiverReborn,
    /// One more receiver subscribes.
    RouteAdded,
    /// The receiver takes its subscription back.
    RouteRemoved,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        1 => Just(Between::Nothing),
        6 => (any::<prop::sample::Index>(), 0..8_u8)
            .prop_map(|(place, bit)| Between::Bit(place, bit)),
        1 => Just(Between::OtherLink),
        1 => Just(Between::SenderReborn),
        1 => Just(Between::ReceiverReborn),
        1 => Just(Between::RouteAdded),
        1 => Just(Between::RouteRemoved),
    ]
}

/// What the second message must lead to.
#[derive(Default)]
struct Fate {
    hits: u64,
    to_bob: usize,
    to_carol: usize,
    lost: Option<DropReason>,
}

/// Alice sends to bob; carol is somebody else.
struct Story {
    node: Node,
    alice: Client,
    bob: Client,
    carol: Client,
    known: SealedHeader,
    text: PublishTail,
}

impl Story {
    fn begin(fanout: u32, identity: &str, payload: &[u8]) -> Self {
        let mut node = Node::new();
        let alice = node.connect("alice", 0);
        let bob = node.connect("bob", 0);
        let carol = node.connect("carol", 0);
        node.subscribe(bob, "service/1");
        let header = fields("own", "service/1")
            .with_fanout(fanout)
            .with_identity(identity);
        let known = node.signed(alice, header).seal();
        Self {
            node,
            alice,
            bob,
            carol,
            known,
            text: tail(payload),
        }
    }

    fn say(&mut self, client: Client) {
        let message = self.known.publish(&self.text).expect("short");
        self.node.say(client, message);
    }

    /// What happens, the second message, and its fate.
    fn go_on(&mut self, between: Between, fanout: u32) -> Fate {
        let alice = self.alice;
        let mut fate = Fate::default();
        match between {
            Between::Nothing => {
                self.say(alice);
                (fate.hits, fate.to_bob) = (1, 1);
            }
            Between::Bit(place, bit) => {
                let mut changed = self.known.as_bytes().to_vec();
                let place = place.index(changed.len());
                changed[place] ^= 1 << bit;
                self.known = SealedHeader::from_raw(changed.into());
                self.say(alice);
                // The version is neither routed on nor signed; any other bit costs the message.
                fate.to_bob = usize::from(self.node.counters().routed == 2);
            }
            Between::OtherLink => {
                self.say(self.carol);
                fate.lost = Some(DropReason::MacInvalid);
            }
            Between::SenderReborn => {
                self.node.vanish(alice);
                let again = self.node.connect("alice", 0);
                self.say(again);
                fate.lost = Some(DropReason::MacInvalid);
            }
            Between::ReceiverReborn => {
                self.node.vanish(self.bob);
                self.bob = self.node.connect("bob", 0);
                self.node.subscribe(self.bob, "service/1");
                self.say(alice);
                (fate.hits, fate.to_bob) = (1, 1);
            }
            Between::RouteAdded => {
                self.node.subscribe(self.carol, "service/1");
                self.say(alice);
                fate.hits = 1;
                if fanout == 1 {
                    // Either may have the turn; the remembered receiver has no claim to it.
                    let bobs = self.node.delivered(self.bob).len();
                    assert_eq!(bobs + self.node.delivered(self.carol).len(), 1);
                } else {
                    (fate.to_bob, fate.to_carol) = (1, 1);
                }
            }
            Between::RouteRemoved => {
                self.node.ask_unsubscribe(self.bob, "service/1", 1);
                self.say(alice);
                fate.hits = 1;
                fate.lost = Some(DropReason::NoMatch);
            }
        }
        fate
    }
}

fn check(between: Between, fanout: u32, identity: &str, payload: &[u8]) {
    let mut story = Story::begin(fanout, identity, payload);
    story.say(story.alice);
    let first = story.node.delivered(story.bob);
    assert_eq!((first.len(), story.node.counters().flow_hits), (1, 0));
    let fate = story.go_on(between, fanout);
    let node = &mut story.node;
    assert_eq!(node.counters().flow_hits, fate.hits, "{between:?}");
    let second = node.delivered(story.bob);
    assert_eq!(second.len(), fate.to_bob, "{between:?}");
    assert_eq!(
        node.delivered(story.carol).len(),
        fate.to_carol,
        "{between:?}"
    );
    if let Some(reason) = fate.lost {
        assert_eq!(node.dropped(reason), 1, "{between:?}");
    }
    if let Some(second) = second.first() {
        // A header that was signed for a link that is gone is of no use to the next one.
        let is_same = second.raw == first[0].raw;
        let is_kept = matches!(between, Between::Nothing | Between::RouteAdded);
        assert_eq!(is_same, is_kept, "{between:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_between_two_messages_is_seen(
        between in between(),
        fanout in prop::sample::select(vec![1_u32, 256]),
        identity in "[a-z]{0,40}",
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        check(between, fanout, &identity, &payload);
    }
}

#[test]
fn every_way_to_change_something_is_tried() {
    for fanout in [1, 256] {
        for between in [
            Between::Nothing,
            Between::OtherLink,
            Between::SenderReborn,
            Between::ReceiverReborn,
            Between::RouteAdded,
            Between::RouteRemoved,
        ] {
            check(between, fanout, "token", b"text");
        }
    }
}
