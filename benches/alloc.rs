//! The zero-copy gate: what one forwarded message allocates, from the chunk that enters the deframer
//! to the batch that leaves for the transport.
//!
//! Allocations are climate where wall time is weather, so they are a gate: `cargo test -p
//! slipring-benches` fails past the bounds of [`CASES`]. The bytes of the chunk itself belong to the
//! transport and are not counted; what the router copies, it must allocate first, so a copied tail
//! would show. Messages are signed and verified with the real cryptography.
//!
//! The other half of the promise: what a link that does not read keeps is little more than what it is
//! charged for, however small its messages were and however large the chunks that they arrived in.
#![allow(
    clippy::print_stdout,
    reason = "a gate shows what it measured, also when it passes"
)]

use bytes::{Buf as _, Bytes, BytesMut};
use slipring_core::{
    ControlCore, Intake, Limits, LinkOptions, Output, ShardCore, ShardOptions, Time,
};
use slipring_fib::{LinkId, RibLimits};
use slipring_proto::{
    crypto::{LinkCrypto, aws::AwsCrypto},
    envelope,
    grpc::{Body, Deframer},
    limits::MESSAGE_BYTES_MAX,
    link::{ConnectionType, LinkPolicy, LinkTerms, LocalNode, Negotiation},
    message::{self, HeaderFields, PublishTail},
    name::TextName,
    outgoing::Batch,
};

/// One kind of traffic and what a message of it may cost.
struct Case {
    name: &'static str,
    payload_bytes: usize,
    /// Messages that arrive and leave together.
    batch_messages: usize,
    /// DATA frames are cut at this many bytes.
    frame_bytes: usize,
    /// Whether every message carries an identity token of 235 bytes of its own, as shared-secret clients
    /// send it.
    has_fresh_identity: bool,
    allocations_max: f64,
    bytes_max: f64,
}

/// Of a 16 KiB message only its head is written, token included. A small one is written whole, into a
/// buffer that the batch shares: its bytes are counted, a heap block of its own it must not have.
const CASES: [Case; 6] = [
    Case {
        name: "16 KiB, frames of 256 KiB",
        payload_bytes: 16 << 10,
        batch_messages: 15,
        frame_bytes: 256 << 10,
        has_fresh_identity: false,
        allocations_max: 3.0,
        bytes_max: 512.0,
    },
    Case {
        name: "16 KiB, frames of 16 KiB",
        payload_bytes: 16 << 10,
        batch_messages: 15,
        frame_bytes: 16 << 10,
        has_fresh_identity: false,
        allocations_max: 3.0,
        bytes_max: 512.0,
    },
    Case {
        name: "16 KiB, fresh identity",
        payload_bytes: 16 << 10,
        batch_messages: 15,
        frame_bytes: 256 << 10,
        has_fresh_identity: true,
        allocations_max: 3.0,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, frames of 256 KiB",
        payload_bytes: 256,
        batch_messages: 300,
        frame_bytes: 256 << 10,
        has_fresh_identity: false,
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, frames of 16 KiB",
        payload_bytes: 256,
        batch_messages: 300,
        frame_bytes: 16 << 10,
        has_fresh_identity: false,
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
    Case {
        name: "256 B, fresh identity",
        payload_bytes: 256,
        batch_messages: 250,
        frame_bytes: 256 << 10,
        has_fresh_identity: true,
        allocations_max: 0.1,
        bytes_max: 1_024.0,
    },
];

/// Batches before the count begins, in which buffers grow to their size.
const WARM_UP_BATCHES: usize = 16;

/// Batches that are counted.
const BATCHES: usize = 64;

/// Messages to a link that does not read, and the time between two of them.
const STALLED_MESSAGES: usize = 20_000;
const STALLED_INTERVAL: core::time::Duration = core::time::Duration::from_millis(2);

/// What a stalled link may keep, over what it is charged.
const STALLED_RATIO_MAX: f64 = 1.5;

fn main() {
    println!(
        "{:<28}{:>14}{:>14}",
        "forwarded message", "allocations", "bytes"
    );
    let mut failed = 0;
    for case in &CASES {
        let (allocations, bytes) = measure(case);
        let passes = allocations <= case.allocations_max && bytes <= case.bytes_max;
        println!(
            "{:<28}{allocations:>14.3}{bytes:>14.1}  {}",
            case.name,
            if passes { "ok" } else { "TOO MUCH" }
        );
        failed += usize::from(!passes);
    }
    let ratio = measure_stalled();
    println!("kept for a stalled link: {ratio:.2} times what it is charged");
    failed += usize::from(ratio > STALLED_RATIO_MAX);
    assert_eq!(failed, 0, "cases past their bounds");
}

/// Allocations and allocated bytes of one message of this kind.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of a short run are exact in an f64"
)]
fn measure(case: &Case) -> (f64, f64) {
    let mut node = Node::new();
    let mut turns = (0..WARM_UP_BATCHES + BATCHES)
        .map(|turn| node.frames(case, turn))
        .collect::<Vec<_>>()
        .into_iter();
    for frames in turns.by_ref().take(WARM_UP_BATCHES) {
        node.forward(frames);
    }
    let mut messages = 0;
    let counted = allocation_counter::measure(|| {
        for frames in turns {
            messages += node.forward(frames);
        }
    });
    assert_eq!(
        messages,
        (BATCHES * case.batch_messages) as u64,
        "none is lost"
    );
    let messages = messages as f64;
    (
        counted.count_total as f64 / messages,
        counted.bytes_total as f64 / messages,
    )
}

/// Memory that a link keeps which does not read, over the bytes that it is charged: the messages are
/// small, arrive one in a large frame each, and grow too old as fast as they come.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of a short run are exact in an f64"
)]
fn measure_stalled() -> f64 {
    let mut node = Node::new();
    let case = Case {
        name: "",
        payload_bytes: 60,
        batch_messages: 1,
        frame_bytes: 64 << 10,
        has_fresh_identity: false,
        allocations_max: 0.0,
        bytes_max: 0.0,
    };
    let small = node.frames(&case, 0).remove(0);
    let mut charged = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..STALLED_MESSAGES {
            let mut frame = BytesMut::zeroed(64 << 10);
            frame[..small.len()].copy_from_slice(&small);
            let body = frame.freeze().slice(5..small.len());
            let intake = node
                .shard
                .handle_message(node.alice, Body::from(body), node.now);
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
        charged = view.accounts[slipring_core::Account::Egress.index()];
    });
    counted.bytes_current as f64 / charged as f64
}

type Key = <AwsCrypto as LinkCrypto>::Key;

/// One shard with a publisher and a subscriber.
struct Node {
    shard: ShardCore<AwsCrypto>,
    control: ControlCore,
    deframer: Deframer,
    alice: LinkId,
    bob: LinkId,
    terms: LinkTerms<Key>,
    now: Time,
}

impl Node {
    fn new() -> Self {
        let options = ShardOptions {
            shard: 0,
            shards: 1,
            node: local("slipring"),
            limits: Limits {
                // A stalled link is looked at for longer than it would live.
                write_deadline: core::time::Duration::from_secs(1_000),
                ..Limits::default()
            },
            has_flow_cache: true,
            hash_seed: 1,
        };
        let rib = RibLimits {
            names_max: 16,
            subscriptions_max: 16,
            subscriptions_per_link_max: 16,
        };
        let mut shard = ShardCore::new(options, AwsCrypto);
        let now = Time::from_micros(1);
        let (alice, terms) = connect(&mut shard, "alice", now);
        let (bob, bob_terms) = connect(&mut shard, "bob", now);
        let mut node = Self {
            shard,
            control: ControlCore::new(1, rib, 1),
            deframer: Deframer::new(MESSAGE_BYTES_MAX),
            alice,
            bob,
            terms: bob_terms,
            now,
        };
        let subscribe = node.header("bob", "").seal().subscribe(1).expect("short");
        let body = Body::from(message::unframed(&subscribe));
        assert_eq!(node.shard.handle_message(bob, body, now), Intake::Next);
        node.obey();
        node.terms = terms;
        node.pull();
        node
    }

    /// A signed header from alice to bob; `terms` says on whose link.
    fn header(&self, source: &str, identity: &str) -> HeaderFields {
        let key = self.terms.key.as_ref().expect("strict");
        HeaderFields::between(&name(source), &name("bob"))
            .with_identity(identity)
            .sign(key, &self.terms.link_id)
            .expect("a header")
    }

    /// One batch as the transport delivers it.
    fn frames(&self, case: &Case, turn: usize) -> Vec<Bytes> {
        let tail = PublishTail::new(&slipring_proto::generated::SessionHeader::default())
            .app_payload("", &vec![7; case.payload_bytes]);
        let same = self.header("alice", "").seal();
        let mut stream = BytesMut::new();
        for index in 0..case.batch_messages {
            let header = if case.has_fresh_identity {
                self.header("alice", &format!("{:0235}", turn * 1_000 + index))
                    .seal()
            } else {
                same.clone()
            };
            header
                .put_publish(tail.inner(), tail.outer(), &mut stream)
                .expect("short enough");
        }
        let stream = stream.freeze();
        let cuts = (0..stream.len()).step_by(case.frame_bytes);
        cuts.map(|at| stream.slice(at..stream.len().min(at + case.frame_bytes)))
            .collect()
    }

    /// Everything that is counted. Answers how many messages left.
    fn forward(&mut self, frames: Vec<Bytes>) -> u64 {
        for frame in frames {
            self.deframer.push(frame);
            while let Some(body) = self.deframer.pop().expect("well framed") {
                let intake = self.shard.handle_message(self.alice, body, self.now);
                assert_eq!(intake, Intake::Next);
            }
        }
        self.shard.end_turn(self.alice);
        while self.shard.poll_output().is_some() {}
        self.pull()
    }

    fn pull(&mut self) -> u64 {
        let before = self.messages_out();
        let mut batch = Batch::new();
        while self
            .shard
            .poll_batch(self.bob, 512 << 10, &mut batch, self.now)
        {}
        self.shard.note_sent(self.bob, batch.len() as u64, self.now);
        self.messages_out() - before
    }

    fn messages_out(&self) -> u64 {
        let publish = slipring_core::MessageKind::Publish.index();
        self.shard.counters().messages_out.at(publish)
    }

    /// Carries requests and their answers to and fro until nothing moves.
    fn obey(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Request(request) => self.control.handle_request(0, request),
                Output::Applied(seq) => self.control.handle_applied(0, seq),
                Output::Announce(_)
                | Output::Close(_)
                | Output::Congestion { .. }
                | Output::Diverged(_)
                | Output::Handoff { .. }
                | Output::Resume(_)
                | Output::Wake(_) => {}
            }
            while let Some((_, event)) = self.control.poll_event() {
                self.shard.handle_control(event, self.now);
            }
        }
    }
}

/// Opens and negotiates a link.
fn connect(shard: &mut ShardCore<AwsCrypto>, who: &str, now: Time) -> (LinkId, LinkTerms<Key>) {
    let policy = LinkPolicy {
        require_header_mac: true,
        enforce_pqc: false,
    };
    let options = LinkOptions {
        policy,
        negotiation_timeout: core::time::Duration::from_secs(5),
    };
    let link = shard.open_link(options, now).expect("room");
    let mut crypto = AwsCrypto;
    let kind = ConnectionType::Edge;
    let (mut negotiation, request) =
        Negotiation::dial(local(who), policy, format!("link-{who}"), kind, &mut crypto)
            .expect("a request");
    assert_eq!(
        shard.handle_message(link, Body::from(request), now),
        Intake::Next
    );
    while shard.poll_output().is_some() {}
    let mut batch = Batch::new();
    shard.poll_batch(link, usize::MAX, &mut batch, now);
    let reply_bytes = batch.len();
    shard.note_sent(link, reply_bytes as u64, now);
    let reply = batch.copy_to_bytes(reply_bytes);
    let reply = envelope::split(Body::from(message::unframed(&reply))).expect("a reply");
    let terms = negotiation.handle(reply, &mut crypto).expect("terms").terms;
    (link, terms)
}

fn local(node_id: &str) -> LocalNode {
    LocalNode {
        node_id: node_id.to_owned(),
        deployment_name: String::new(),
        version: "3.4.6".to_owned(),
    }
}

fn name(service: &str) -> TextName {
    TextName::new(["org", "ns", service], 1).expect("a name")
}
