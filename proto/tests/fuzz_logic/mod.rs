//! What each fuzz target asserts, as plain functions: `fuzz/` runs them on what libFuzzer invents,
//! `tests/corpus.rs` on the committed corpora, `tests/roundtrip.rs` on mutated messages.
#![allow(dead_code, reason = "each user has its own part")]

mod model;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use slipring_proto::crypto::fake::FakeCrypto;
use slipring_proto::envelope::{Envelope, Inbound, split};
use slipring_proto::generated as pb;
use slipring_proto::grpc::{Body, Deframer};
use slipring_proto::header::{RoutedHeader, Steering};
use slipring_proto::limits::MAC_BYTES;
use slipring_proto::link::{ConnectionType, LinkPolicy, LocalNode, Negotiation};
use slipring_proto::name::{ANY_ID, IdText, TextName};
use slipring_proto::rewrite::{Lengths, put_head, rewrite_header};

/// Longest message the `deframer` target takes.
pub(crate) const DEFRAMER_MESSAGE_BYTES_MAX: u32 = 4_096;

/// Link id of the dialler in the `negotiation` target.
pub(crate) const LINK_ID: &str = "fuzz-link";

/// Bits of the first byte in the `negotiation` target.
pub(crate) const DIALLER: u8 = 1;
/// As [`DIALLER`].
pub(crate) const STRICT: u8 = 2;
/// As [`DIALLER`].
pub(crate) const ENFORCE_PQC: u8 = 4;

/// The tag the rewriting checks sign with.
const TAG: [u8; MAC_BYTES] = [0xa5; MAC_BYTES];

/// However a stream is cut into chunks, the same messages and the same fault come out, and what is
/// held is what went in less what came out. The first byte chooses the cuts.
pub(crate) fn deframer(input: &[u8]) {
    let Some((&seed, stream)) = input.split_first() else {
        return;
    };
    let (expected, fault) = model::messages(stream, DEFRAMER_MESSAGE_BYTES_MAX);
    let mut deframer = Deframer::new(DEFRAMER_MESSAGE_BYTES_MAX);
    let mut found: Vec<Bytes> = Vec::new();
    let mut failed = None;
    let (mut pushed, mut popped) = (0usize, 0usize);
    for chunk in model::chunks(stream, seed) {
        pushed += chunk.len();
        deframer.push(chunk);
        loop {
            match deframer.pop() {
                Ok(Some(body)) => {
                    assert!(body.chunks().all(|chunk| !chunk.is_empty()));
                    popped += body.len() + 5;
                    found.push(body.into_bytes());
                }
                Ok(None) => {
                    assert_eq!(deframer.buffered_bytes(), pushed - popped);
                    assert_eq!(deframer.assembling_bytes(), pushed - popped);
                    assert!(pushed - popped < DEFRAMER_MESSAGE_BYTES_MAX as usize + 5);
                    break;
                }
                Err(error) => {
                    failed = Some(error);
                    assert_eq!(deframer.buffered_bytes(), 0);
                    break;
                }
            }
        }
    }
    assert_eq!(found, expected);
    assert_eq!(failed, fault);
}

/// However a message is cut into chunks, it splits alike; joined again from kind, header and tail
/// it splits into the very same parts. The first byte chooses the cuts.
pub(crate) fn envelope(input: &[u8]) {
    let Some((&seed, message)) = input.split_first() else {
        return;
    };
    let whole = split(Body::from(message.to_vec()));
    let mut body = Body::new();
    for chunk in model::chunks(message, seed) {
        body.push(chunk);
    }
    assert_eq!(split(body), whole);
    let Ok(Inbound::Routed(envelope)) = whole else {
        return;
    };
    assert!(envelope.tail.inner_len <= envelope.tail.body.len());
    let joined = join(&envelope, &envelope.header);
    let Ok(Inbound::Routed(again)) = split(joined) else {
        panic!("a joined envelope splits");
    };
    assert_eq!(again, envelope);
}

/// A rewritten header reads as the old one with another ttl and tag and without local indexes, and
/// rewriting it again changes nothing; names that lead it need not be read again. The input is a routed
/// header.
pub(crate) fn rewrite(raw: &[u8]) {
    let Ok(header) = RoutedHeader::parse(raw) else {
        return;
    };
    if let Some(names) = header.leading_names() {
        assert!(raw.starts_with(names.of(raw)));
        assert_eq!(RoutedHeader::parse_behind(&names, raw), Ok(header));
    }
    for tag in [None, Some(&TAG)] {
        let ttl = header.ttl.saturating_sub(1);
        let rewritten = rewritten(&header, raw, ttl, tag);
        assert!(rewritten.len() <= raw.len() + MAC_BYTES + 2);
        let next = RoutedHeader::parse(&rewritten).expect("a rewritten header parses");
        assert_eq!(next.mac(&rewritten), tag.map(|tag| &tag[..]));
        assert_eq!(
            (next.ttl, next.fanout, next.error),
            (ttl, header.fanout, header.error)
        );
        assert_eq!((next.recv_from, next.forward_to), (None, None));
        assert!(!next.incoming_conn.is_present());
        assert_eq!(
            next.identity.whole.of(&rewritten),
            header.identity.whole.of(raw)
        );
        assert_eq!(
            next.version.whole.of(&rewritten),
            header.version.whole.of(raw)
        );
        assert_eq!(
            next.e2e_header_sig.whole.of(&rewritten),
            header.e2e_header_sig.whole.of(raw)
        );
        for (next, last) in [
            (next.source, header.source),
            (next.destination, header.destination),
        ] {
            assert_eq!(
                next.map(|name| name.field.of(&rewritten)),
                last.map(|name| name.field.of(raw))
            );
        }
        // What is signed is what the next hop verifies.
        let preimage = |header: &RoutedHeader, raw: &[u8], steering| {
            let mut out = Vec::new();
            header.preimage(raw, b"link", ttl, steering, &mut out);
            out
        };
        assert_eq!(
            preimage(&header, raw, Steering::Cleared),
            preimage(&next, &rewritten, Steering::AsReceived)
        );
        let again = self::rewritten(&next, &rewritten, ttl, tag);
        assert_eq!(again, rewritten);
    }
}

/// Whatever is accepted means to prost what it means to us, before and after a rewrite; whatever
/// we call undecodable, prost refuses too.
pub(crate) fn differential(message: &[u8]) {
    let decoded = pb::Message::decode(message);
    let envelope = match split(Body::from(message.to_vec())) {
        Err(malformed) => {
            assert!(
                !malformed.is_undecodable() || decoded.is_err(),
                "{malformed:?}"
            );
            return;
        }
        Ok(inbound) => match (inbound, &decoded) {
            (Inbound::Routed(envelope), _) => envelope,
            (Inbound::Link(content), Ok(decoded)) => {
                let link = pb::Link::decode(content).expect("prost decoded it before");
                assert_eq!(decoded.kind, Some(pb::message::Kind::Link(link)));
                return;
            }
            (Inbound::Ack(content), Ok(decoded)) => {
                let ack = pb::SubscriptionAck::decode(content).expect("prost decoded it before");
                assert_eq!(decoded.kind, Some(pb::message::Kind::SubscriptionAck(ack)));
                return;
            }
            (Inbound::Empty, Ok(decoded)) => return assert_eq!(decoded.kind, None),
            (Inbound::Link(_) | Inbound::Ack(_) | Inbound::Empty, Err(_)) => return,
        },
    };
    let raw = &envelope.header;
    let decoded_header = pb::SlimHeader::decode(raw.clone());
    let header = match RoutedHeader::parse(raw) {
        Ok(header) => header,
        Err(malformed) => {
            let refused = decoded_header.is_err() && decoded.is_err();
            assert!(!malformed.is_undecodable() || refused, "{malformed:?}");
            return;
        }
    };
    let decoded_header = decoded_header.expect("prost accepts every header that we accept");
    model::assert_same_header(&header, raw, &decoded_header);
    // Prost may still refuse the tail, which is not ours to read.
    if let Ok(decoded) = decoded {
        let next_header = rewritten(&header, raw, 41, Some(&TAG));
        let rewritten = join(&envelope, &next_header);
        let next = pb::Message::decode(rewritten).expect("a rewritten message decodes");
        model::assert_same_envelope(&envelope, decoded, &next, &decoded_header, &TAG, 41);
    }
}

/// A name that parses survives being displayed.
pub(crate) fn name(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(id) = text.parse::<IdText>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.0 == ANY_ID || text.eq_ignore_ascii_case(&id.to_string()));
    }
    if let Ok(name) = text.parse::<TextName>() {
        let displayed = name.to_string();
        let again: TextName = displayed.parse().expect("a displayed name parses");
        assert_eq!(again, name);
        assert_eq!(again.name(), name.name());
        assert!(name.parts().iter().all(|part| !part.is_empty()));
    }
}

/// Either side of a negotiation takes any first message without falling over, agrees only to what
/// its policy allows, and answers what WIRE §4.2 says. The first byte chooses role and policy.
pub(crate) fn negotiation(input: &[u8]) {
    let Some((&choice, message)) = input.split_first() else {
        return;
    };
    let local = LocalNode {
        node_id: "fuzz-node".to_owned(),
        deployment_name: String::new(),
        version: "3.4.6".to_owned(),
    };
    let policy = LinkPolicy {
        require_header_mac: choice & STRICT != 0,
        enforce_pqc: choice & ENFORCE_PQC != 0,
    };
    let dials = choice & DIALLER != 0;
    let mut crypto = FakeCrypto::new(1);
    let mut side = if dials {
        let edge = ConnectionType::Edge;
        let dialled = Negotiation::dial(local, policy, LINK_ID.to_owned(), edge, &mut crypto);
        dialled.expect("a dialler with a link id starts").0
    } else {
        Negotiation::accept(local, policy)
    };
    let Ok(first) = split(Body::from(message.to_vec())) else {
        return;
    };
    let Ok(negotiated) = side.handle(first.clone(), &mut crypto) else {
        assert!(side.handle(first, &mut crypto).is_err());
        return;
    };
    // Metadata beside the link message is not read, so it need not decode.
    let Inbound::Link(content) = first.clone() else {
        panic!("only a link message is accepted");
    };
    let asked = model::negotiation_payload(content);
    let terms = &negotiated.terms;
    assert_eq!(terms.link_id, asked.link_id);
    assert_eq!((dials, negotiated.reply.is_none()), (asked.is_reply, dials));
    assert!(!dials || terms.link_id == LINK_ID);
    assert!(terms.key.is_some() || !(policy.require_header_mac || policy.enforce_pqc));
    assert!(terms.hybrid || !policy.enforce_pqc);
    assert_eq!(terms.strict, policy.require_header_mac);
    if let Some(reply) = negotiated.reply {
        let reply = pb::Message::decode(reply).expect("our reply decodes");
        let Some(pb::message::Kind::Link(reply)) = reply.kind else {
            panic!("our reply is a link message");
        };
        let reply = model::negotiation_payload(Body::from(reply.encode_to_vec()));
        assert!(reply.is_reply);
        assert_eq!(reply.link_id, asked.link_id);
        assert!((0..=2).contains(&reply.connection_type));
        assert!([asked.connection_type, 0].contains(&reply.connection_type));
        assert_eq!(reply.link_ecdh_public_key.is_empty(), terms.key.is_none());
        assert_eq!(reply.link_kem_payload.is_some(), terms.hybrid);
    }
    assert!(side.handle(first, &mut crypto).is_err());
}

/// The next hop's header.
fn rewritten(header: &RoutedHeader, raw: &[u8], ttl: u32, tag: Option<&[u8; 32]>) -> Bytes {
    let mut out = BytesMut::new();
    rewrite_header(header, raw, ttl, tag, &mut out);
    out.freeze()
}

/// The message of an envelope with another header, taken out of its framing.
fn join(envelope: &Envelope, header: &[u8]) -> Body {
    let lengths = Lengths {
        header: header.len(),
        tail_inner: envelope.tail.inner_len,
        tail_outer: envelope.tail.outer_len(),
    };
    let mut out = BytesMut::new();
    put_head(envelope.kind, lengths, &mut out).expect("inputs are far below 4 MiB");
    out.extend_from_slice(header);
    envelope.tail.body.copy_to(&mut out);
    let mut deframer = Deframer::new(u32::MAX);
    deframer.push(out.freeze());
    let body = deframer.pop().expect("our own framing is right");
    assert_eq!(deframer.buffered_bytes(), 0);
    body.expect("the length announced is the length written")
}
