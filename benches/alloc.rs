//! The zero-copy gate: what one turn of messages allocates, from the chunk that enters the deframer to
//! the batch that leaves for the transport.
//!
//! Allocations are climate where wall time is weather, so they are a gate, in two ways. The counts of
//! `alloc.toml` are exact: one allocation more in a turn fails, and a justified change is accepted by
//! one command. The bounds of [`CASES`] are promises: no acceptance moves them. The bytes of the chunk
//! itself belong to the transport and are not counted; what the router copies, it must allocate first,
//! so a copied tail would show. Messages are signed and verified with the real cryptography.
//!
//! The other half of the promise: what a link that does not read keeps is little more than what it is
//! charged for, however small its messages were and however large the chunks that they arrived in.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a gate shows what it measured, and its counts are exact in an f64"
)]

use std::time::Duration;

use bytes::BytesMut;
use slipring_benches::{
    expected::Gate,
    node::{Node, Traffic},
};
use slipring_core::{Account, Intake};
use slipring_proto::{crypto::aws::AwsCrypto, grpc::Body};

/// Counts are exact, so nothing is tolerated.
const GATE: Gate = Gate {
    file: "alloc.toml",
    unit: "allocations a turn",
    tolerance_percent: 0.0,
    accept: "cargo test -p slipring-benches --profile sim --test alloc -- --accept",
};

/// One kind of traffic and what a message of it may cost.
struct Case {
    name: &'static str,
    traffic: Traffic,
    allocations_max: f64,
    bytes_max: f64,
}

/// Of a 16 KiB message only its head is written, token included. A small one is written whole, into a
/// buffer that the batch shares: its bytes are counted, a heap block of its own it must not have.
const CASES: [Case; 6] = [
    Case {
        name: "16 KiB, frames of 256 KiB",
        traffic: traffic(16 << 10, 15, 256 << 10, false),
        allocations_max: 3.0,
        bytes_max: 512.0,
    },
    Case {
        name: "16 KiB, frames of 16 KiB",
        traffic: traffic(16 << 10, 15, 16 << 10, false),
        allocations_max: 3.0,
        bytes_max: 512.0,
    },
    Case {
        name: "16 KiB, fresh identity",
        traffic: traffic(16 << 10, 15, 256 << 10, true),
        allocations_max: 3.0,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, frames of 256 KiB",
        traffic: traffic(256, 300, 256 << 10, false),
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, frames of 16 KiB",
        traffic: traffic(256, 300, 16 << 10, false),
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, fresh identity",
        traffic: traffic(256, 250, 256 << 10, true),
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
];

const fn traffic(
    payload_bytes: usize,
    turn_messages: usize,
    frame_bytes: usize,
    has_fresh_identity: bool,
) -> Traffic {
    Traffic {
        payload_bytes,
        turn_messages,
        frame_bytes,
        fanout: 1,
        has_fresh_identity,
    }
}

/// Turns before the count begins, in which buffers grow to their size.
const WARM_UP_TURNS: usize = 16;

/// Turns that are counted.
const TURNS: usize = 64;

/// Messages to a link that does not read, and the time between two of them.
const STALLED_MESSAGES: usize = 20_000;
const STALLED_INTERVAL: Duration = Duration::from_millis(2);

/// What a stalled link may keep, over what it is charged.
const STALLED_RATIO_MAX: f64 = 1.5;

fn main() {
    let accept = std::env::args().any(|arg| arg == "--accept");
    println!(
        "{:<28}{:>14}{:>14}",
        "forwarded message", "allocations", "bytes"
    );
    let mut failures = Vec::new();
    let mut measured = Vec::new();
    for case in &CASES {
        let (allocations, bytes) = measure(case);
        measured.push((case.name.to_owned(), allocations / TURNS as f64));
        let messages = (TURNS * case.traffic.turn_messages) as f64;
        let (allocations, bytes) = (allocations / messages, bytes / messages);
        println!("{:<28}{allocations:>14.3}{bytes:>14.1}", case.name);
        if allocations > case.allocations_max || bytes > case.bytes_max {
            failures.push(format!(
                "{}: {allocations:.3} allocations and {bytes:.1} bytes a message, promised are {} and {}",
                case.name, case.allocations_max, case.bytes_max
            ));
        }
    }
    let ratio = measure_stalled();
    println!("kept for a stalled link: {ratio:.2} times what it is charged\n");
    if ratio > STALLED_RATIO_MAX {
        failures.push(format!(
            "a stalled link keeps {ratio:.2} times what it is charged, promised are {STALLED_RATIO_MAX}"
        ));
    }
    match GATE.judge("", &measured, accept) {
        Ok(found) => failures.extend(found),
        Err(error) => failures.push(error),
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Allocations and allocated bytes of all counted turns of this kind.
fn measure(case: &Case) -> (f64, f64) {
    let (mut node, alice, bob) = Node::pair([AwsCrypto; 2]);
    let mut turns = (0..WARM_UP_TURNS + TURNS)
        .map(|turn| case.traffic.frames(&alice, "bob", turn))
        .collect::<Vec<_>>()
        .into_iter();
    for frames in turns.by_ref().take(WARM_UP_TURNS) {
        node.forward(alice.link, frames, &[bob]);
    }
    let mut messages = 0;
    let counted = allocation_counter::measure(|| {
        for frames in turns {
            messages += node.forward(alice.link, frames, &[bob]);
        }
    });
    assert_eq!(
        messages,
        (TURNS * case.traffic.turn_messages) as u64,
        "none is lost"
    );
    (counted.count_total as f64, counted.bytes_total as f64)
}

/// Memory that a link keeps which does not read, over the bytes that it is charged: the messages are
/// small, arrive one in a large frame each, and grow too old as fast as they come.
fn measure_stalled() -> f64 {
    let (mut node, alice, _) = Node::pair([AwsCrypto; 2]);
    let small = traffic(60, 1, 64 << 10, false)
        .frames(&alice, "bob", 0)
        .remove(0);
    let mut charged = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..STALLED_MESSAGES {
            let mut frame = BytesMut::zeroed(64 << 10);
            frame[..small.len()].copy_from_slice(&small);
            let body = frame.freeze().slice(5..small.len());
            let intake = node
                .shard
                .handle_message(alice.link, Body::from(body), node.now);
            assert!(intake != Intake::Gone);
            while node.shard.poll_output().is_some() {}
            node.now = node.now.after(STALLED_INTERVAL);
            if node
                .shard
                .next_deadline()
                .is_some_and(|due| due <= node.now)
            {
                node.shard.handle_timeout(node.now);
            }
        }
        let view = node.shard.view(node.now);
        charged = view.accounts[Account::Egress.index()];
    });
    counted.bytes_current as f64 / charged as f64
}
