//! What is counted: each case prepares, warms up, and does its work inside [`measured`].

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use slipring_benches::{
    fib_world::{HASH_SEED, LIMITS, Names, add, below, filled, link, mix},
    node::{Client, Node, Traffic},
};
use slipring_fib::{ClassSet, Delta, Fib, FibLimits};
use slipring_proto::{
    crypto::fake::{FakeCrypto, FakeKey},
    envelope::{self, Envelope, Inbound, Kind},
    grpc::{Body, Deframer},
    header::RoutedHeader,
    limits::MESSAGE_BYTES_MAX,
    mac, message,
    name::Name,
    rewrite::{Lengths, put_head, rewrite_header},
};

/// One thing to count.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How many of it are done in one run.
    pub(crate) operations: u64,
    pub(crate) run: fn(),
}

const fn case(name: &'static str, operations: u64, run: fn()) -> Case {
    Case {
        name,
        operations,
        run,
    }
}

/// Every case.
pub(crate) const CASES: &[Case] = &[
    case("deframe, 256 B", TURN, deframe_small),
    case("deframe, 16 KiB over 2 chunks", 15, deframe_large),
    case("envelope, 256 B", 1, envelope_parse),
    case("header parse", 1, header_parse),
    case("rewrite, 256 B", 1, rewrite),
    case("mac verify", 1, mac_verify),
    case("mac sign", 1, mac_sign),
    case("fib exact, 10000 names", LOOKUPS, fib_exact),
    case("fib any, 10000 instances", LOOKUPS, fib_any),
    case("fib all, 64 links", 1, fib_all),
    case("fib apply, 1000 of 11000", 1_000, fib_apply),
    case("message alone, 256 B", 1, || {
        forward(traffic(256, 1, false))
    }),
    case("message, 256 B, header known", TURN, || {
        forward(traffic(256, TURN, false));
    }),
    case("message, 256 B, header new", TURN, || {
        forward(traffic(256, TURN, true));
    }),
    case("message, 16 KiB, header known", 15, || {
        forward(traffic(16 << 10, 15, false));
    }),
    case("message, 16 KiB, header new", 15, || {
        forward(traffic(16 << 10, 15, true));
    }),
    case("delivery of 1 to 64, 256 B", 64 * 16, || fan_out(256, 16)),
    // More would pass the mark from which large tails are copied.
    case("delivery of 1 to 64, 16 KiB", 64 * 4, || {
        fan_out(16 << 10, 4)
    }),
];

/// Messages of a turn.
const TURN: u64 = 64;

const LOOKUPS: u64 = 1_000;
const NAMES: u64 = 10_000;

/// What fills caches and lets buffers grow.
const WARM_UP_TURNS: usize = 16;

/// The function that callgrind counts in, found by its name. Whatever it is given is inlined or called
/// here, and nothing else of this program is.
#[inline(never)]
fn measured<R>(run: impl FnOnce() -> R) -> R {
    let result = run();
    // A tail call would leave this function before the work is done.
    black_box(&result);
    result
}

fn traffic(payload_bytes: usize, turn_messages: u64, has_fresh_identity: bool) -> Traffic {
    Traffic {
        payload_bytes,
        turn_messages: usize::try_from(turn_messages).expect("a turn is short"),
        frame_bytes: 256 << 10,
        fanout: 1,
        has_fresh_identity,
    }
}

/// The same keys in every run, and the clients' others than the shard's.
const fn crypto() -> [FakeCrypto; 2] {
    [FakeCrypto::new(1), FakeCrypto::new(2)]
}

/// The frames of one turn of traffic between two clients.
fn frames(traffic: Traffic) -> Vec<Bytes> {
    let (_, alice, _) = Node::pair(crypto());
    traffic.frames(&alice, "bob", 0)
}

/// One message of 256 B, and the client that sent it.
fn one_message() -> (Body, Client<FakeKey>) {
    let (_, alice, _) = Node::pair(crypto());
    let frame = traffic(256, 1, false).frames(&alice, "bob", 0).remove(0);
    (Body::from(message::unframed(&frame)), alice)
}

fn split(body: Body) -> Envelope {
    match envelope::split(body) {
        Ok(Inbound::Routed(envelope)) => envelope,
        other => panic!("a publish was sent, and this arrived: {other:?}"),
    }
}

fn deframe_small() {
    deframe(frames(traffic(256, TURN, false)));
}

fn deframe_large() {
    // Messages of 16 KiB do not end where chunks do.
    let chunks = Traffic {
        frame_bytes: 128 << 10,
        ..traffic(16 << 10, 15, false)
    };
    deframe(frames(chunks));
}

fn deframe(chunks: Vec<Bytes>) {
    let mut deframer = Deframer::new(MESSAGE_BYTES_MAX);
    let mut cut = |chunks: Vec<Bytes>| {
        for chunk in chunks {
            deframer.push(chunk);
            while let Some(body) = deframer.pop().expect("well framed") {
                black_box(body);
            }
        }
    };
    cut(chunks.clone());
    measured(|| cut(chunks));
}

fn envelope_parse() {
    let (body, _) = one_message();
    black_box(split(body.clone()));
    black_box(measured(|| split(black_box(body))));
}

fn header_parse() {
    let (body, _) = one_message();
    let raw = split(body).header;
    let header = measured(|| RoutedHeader::parse(black_box(&raw)));
    black_box(header.expect("a header"));
}

fn rewrite() {
    let (body, _) = one_message();
    let envelope = split(body);
    let header = RoutedHeader::parse(&envelope.header).expect("a header");
    let mut next = BytesMut::with_capacity(4 << 10);
    let mut out = BytesMut::with_capacity(4 << 10);
    measured(|| {
        rewrite_header(&header, &envelope.header, 7, Some(&[7; 32]), &mut next);
        let lengths = Lengths {
            header: next.len(),
            tail_inner: envelope.tail.inner_len,
            tail_outer: envelope.tail.outer_len(),
        };
        put_head(Kind::Publish, lengths, &mut out).expect("short enough");
    });
    black_box((next, out));
}

fn mac_verify() {
    with_header(|key, header, raw, link_id, scratch| {
        assert!(measured(|| mac::verify(key, header, raw, link_id, scratch)));
    });
}

fn mac_sign() {
    with_header(|key, header, raw, link_id, scratch| {
        black_box(measured(|| {
            mac::sign(key, header, raw, link_id, 7, scratch)
        }));
    });
}

fn with_header(run: impl Fn(&FakeKey, &RoutedHeader, &[u8], &[u8], &mut Vec<u8>)) {
    let (body, alice) = one_message();
    let raw = split(body).header;
    let header = RoutedHeader::parse(&raw).expect("a header");
    let key = alice.terms.key.as_ref().expect("strict links have a key");
    let mut scratch = Vec::with_capacity(4 << 10);
    run(
        key,
        &header,
        &raw,
        alice.terms.link_id.as_bytes(),
        &mut scratch,
    );
}

fn fib_exact() {
    let names = Names::of(1_000);
    let mut fib = filled(&names, NAMES, 1_000);
    let asked: Vec<Name> = (0..LOOKUPS)
        .map(|at| names.name(below(mix(at), NAMES)))
        .collect();
    lookups(&mut fib, &asked);
}

fn fib_any() {
    let names = Names::of(1);
    let mut fib = filled(&names, NAMES, 1_000);
    let asked = vec![names.any(0); 1_000];
    lookups(&mut fib, &asked);
}

fn lookups(fib: &mut Fib, asked: &[Name]) {
    let outside = link(16_000_000);
    let mut ask = || {
        asked.iter().fold(0, |sum, name| {
            let choice = fib.one(*name, outside, ClassSet::ALL);
            sum ^ choice.expect("the name is there").link.to_u64()
        })
    };
    black_box(ask());
    black_box(measured(ask));
}

fn fib_all() {
    let names = Names::of(1);
    let fib = filled(&names, 1_000, 64);
    let mut out = Vec::with_capacity(64);
    measured(|| fib.all(names.any(0), link(16_000_000), ClassSet::ALL, &mut out));
    assert_eq!(out.len(), 64, "every link is found");
}

fn fib_apply() {
    let names = Names::of(1_000);
    let mut fib = Fib::new(FibLimits::from(LIMITS), HASH_SEED);
    let deltas: Vec<Delta> = (0..NAMES + 1_000)
        .map(|number| add(number + 1, names.name(number), link(mix(number) % 1_000)))
        .collect();
    let (before, counted) = deltas.split_at(usize::try_from(NAMES).expect("a count"));
    let mut apply = |deltas: &[Delta]| {
        for delta in deltas {
            fib.apply(delta).expect("names are distinct");
        }
    };
    apply(before);
    measured(|| apply(counted));
}

/// From the chunk that arrives to the batch that leaves, the warm-up with other headers if every
/// message has its own.
fn forward(traffic: Traffic) {
    let (mut node, alice, bob) = Node::pair(crypto());
    for turn in 0..WARM_UP_TURNS {
        node.forward(alice.link, traffic.frames(&alice, "bob", turn), &[bob]);
    }
    let frames = traffic.frames(&alice, "bob", WARM_UP_TURNS);
    let messages = measured(|| node.forward(alice.link, frames, &[bob]));
    assert_eq!(messages, traffic.turn_messages as u64, "none is lost");
}

fn fan_out(payload_bytes: usize, turn_messages: u64) {
    let (mut node, alice, members) = Node::room(crypto(), 64);
    let traffic = Traffic {
        fanout: 64,
        ..traffic(payload_bytes, turn_messages, false)
    };
    for turn in 0..WARM_UP_TURNS {
        node.forward(alice.link, traffic.frames(&alice, "room", turn), &members);
    }
    let frames = traffic.frames(&alice, "room", WARM_UP_TURNS);
    let messages = measured(|| node.forward(alice.link, frames, &members));
    assert_eq!(messages, 64 * turn_messages, "none is lost");
}
