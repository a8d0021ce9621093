//! A shard from the chunk that arrives to the batch that leaves: sizes, fan-outs, and headers that were
//! seen before or never, with the real cryptography.
//!
//! What the kernel, TLS and HTTP/2 cost is not in these figures; `loadgen` measures the whole.

use bytes::Bytes;
use slipring_benches::{
    node::{Node, Traffic},
    timing::{heading, row, time},
};
use slipring_fib::LinkId;
use slipring_proto::crypto::aws::AwsCrypto;

/// Bytes of one turn, about what one read of a busy link brings.
const TURN_BYTES: usize = 240 << 10;

/// Turns of a run.
const TURNS: usize = 200;

/// Distinct headers where none is seen before: many times what a link remembers. More would measure the
/// memory that they lie in.
const FRESH_HEADERS: usize = 4_096;

fn main() {
    heading("egress_batch");
    for (what, payload_bytes) in [
        ("256 B", 256),
        ("1 KiB", 1 << 10),
        ("2 KiB", 2 << 10),
        ("16 KiB", 16 << 10),
    ] {
        pair(
            &format!("{what}, 1 to 1, header known"),
            traffic(payload_bytes, false),
            1,
        );
        let fresh = traffic(payload_bytes, true);
        let sets = FRESH_HEADERS.div_ceil(fresh.turn_messages);
        pair(&format!("{what}, 1 to 1, header new"), fresh, sets);
    }
    pair(
        "256 B, 1 to 1, header known, one message a turn",
        Traffic {
            turn_messages: 1,
            ..traffic(256, false)
        },
        1,
    );
    for (what, payload_bytes) in [("256 B", 256), ("16 KiB", 16 << 10)] {
        for subscribers in [8, 64, 1_000] {
            room(what, payload_bytes, subscribers);
        }
    }
}

const fn traffic(payload_bytes: usize, has_fresh_identity: bool) -> Traffic {
    Traffic {
        payload_bytes,
        turn_messages: TURN_BYTES / (payload_bytes + 600),
        frame_bytes: 256 << 10,
        fanout: 1,
        has_fresh_identity,
    }
}

/// One publisher and one subscriber; `sets` turns of different messages, one after the other.
fn pair(what: &str, traffic: Traffic, sets: usize) {
    let (mut node, alice, bob) = Node::pair([AwsCrypto; 2]);
    let turns: Vec<Vec<Bytes>> = (0..sets)
        .map(|turn| traffic.frames(&alice, "bob", turn))
        .collect();
    let messages = (TURNS * traffic.turn_messages) as u64;
    run(what, &mut node, alice.link, &turns, &[bob], messages);
}

/// One publisher to a room; few messages at a time, so that no member's queue fills.
fn room(what: &str, payload_bytes: usize, subscribers: usize) {
    let (mut node, alice, members) = Node::room([AwsCrypto; 2], subscribers);
    let traffic = Traffic {
        turn_messages: 8,
        fanout: 256,
        ..traffic(payload_bytes, false)
    };
    let turns = [traffic.frames(&alice, "room", 0)];
    let deliveries = (TURNS * 8 * subscribers) as u64;
    let what = format!("{what}, 1 to {subscribers}, each delivery");
    run(&what, &mut node, alice.link, &turns, &members, deliveries);
}

/// Runs a case, unless the command line asks for others: `cargo bench --bench egress_batch -- TEXT`.
fn run(
    what: &str,
    node: &mut Node<AwsCrypto>,
    from: LinkId,
    turns: &[Vec<Bytes>],
    targets: &[LinkId],
    messages: u64,
) {
    let mut asked = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    if asked.next().is_some_and(|text| !what.contains(&text)) {
        return;
    }
    let mut next = turns.iter().cycle();
    let figure = time(messages, || {
        let mut left = 0;
        for turn in next.by_ref().take(TURNS) {
            left += node.forward(from, turn.clone(), targets);
        }
        assert_eq!(left, messages, "none is lost");
        left
    });
    row(what, &figure, "ns");
}
