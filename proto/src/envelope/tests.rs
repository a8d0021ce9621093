//! Splitting: what is copied, and what becomes of other orders.

use bytes::Bytes;

use super::*;

/// Publish { header "HEAD", session "S", content "CC" }, then a metadata entry "M".
const CANONICAL: &[u8] = b"\x1a\x0d\x0a\x04HEAD\x12\x01S\x1a\x02CC\x22\x01M";

fn routed(body: Body) -> Envelope {
    match split(body) {
        Ok(Inbound::Routed(envelope)) => envelope,
        other => panic!("not routed: {other:?}"),
    }
}

/// The bytes in two chunks, and where they are in memory.
fn halves(bytes: &'static [u8], cut: usize) -> Body {
    let mut body = Body::from(Bytes::from_static(&bytes[..cut]));
    body.push(Bytes::from_static(&bytes[cut..]));
    body
}

#[test]
fn canonical_order_copies_nothing_but_a_header_over_two_chunks() {
    let within = CANONICAL.as_ptr_range();
    for cut in 0..=CANONICAL.len() {
        let envelope = routed(halves(CANONICAL, cut));
        assert_eq!(envelope.kind, Kind::Publish);
        assert_eq!(envelope.header, "HEAD");
        assert!(envelope.has_session);
        assert_eq!(envelope.tail.inner_len, 7);
        assert_eq!(envelope.tail.outer_len(), 3);
        let is_copied = !within.contains(&envelope.header.as_ptr());
        assert_eq!(is_copied, (5..8).contains(&cut), "cut at {cut}");
        let mut chunks = envelope.tail.body.chunks();
        assert!(chunks.all(|chunk| within.contains(&chunk.as_ptr())));
        assert_eq!(envelope.tail.body, Body::from(&CANONICAL[8..]));
    }
}

#[test]
fn other_orders_are_spliced() {
    let tail = |inner: &[u8], outer: &[u8]| Tail {
        body: Body::from([inner, outer].concat()),
        inner_len: inner.len(),
    };
    for (bytes, expected) in [
        // Metadata first.
        (
            &b"\x22\x01M\x1a\x0d\x0a\x04HEAD\x12\x01S\x1a\x02CC"[..],
            tail(b"\x12\x01S\x1a\x02CC", b"\x22\x01M"),
        ),
        // The header last.
        (
            b"\x1a\x0d\x12\x01S\x1a\x02CC\x0a\x04HEAD\x22\x01M",
            tail(b"\x12\x01S\x1a\x02CC", b"\x22\x01M"),
        ),
        // The header in the middle, fields on both sides of everything.
        (
            b"\x22\x01M\x1a\x0d\x12\x01S\x0a\x04HEAD\x1a\x02CC\x78\x01",
            tail(b"\x12\x01S\x1a\x02CC", b"\x22\x01M\x78\x01"),
        ),
    ] {
        for cut in 0..=bytes.len() {
            let envelope = routed(halves(bytes, cut));
            assert_eq!(envelope.header, "HEAD", "cut at {cut}");
            assert_eq!(envelope.tail, expected, "cut at {cut}");
            assert!(envelope.has_session);
        }
    }
}

#[test]
fn the_subscription_id_is_read_and_stays_in_the_tail() {
    for (bytes, kind) in [
        (&b"\x0a\x09\x0a\x04HEAD\x10\x82\x02"[..], Kind::Subscribe),
        (b"\x12\x09\x10\x82\x02\x0a\x04HEAD", Kind::Unsubscribe),
    ] {
        let envelope = routed(Body::from(bytes));
        assert_eq!((envelope.kind, envelope.subscription_id), (kind, 258));
        assert_eq!(envelope.header, "HEAD");
        assert_eq!(envelope.tail.body, Body::from(&b"\x10\x82\x02"[..]));
        assert!(!envelope.has_session);
    }
}

#[test]
fn link_and_ack_are_cut_out() {
    let link = split(halves(b"\x22\x01M\x2a\x03abc\x22\x01M", 6));
    assert_eq!(link, Ok(Inbound::Link(Body::from(&b"abc"[..]))));
    let ack = split(halves(b"\x32\x00", 1));
    assert_eq!(ack, Ok(Inbound::Ack(Body::new())));
    assert_eq!(split(Body::from(&b"\x22\x01M"[..])), Ok(Inbound::Empty));
}

#[test]
fn a_session_without_a_header_is_still_a_session() {
    let envelope = routed(Body::from(&b"\x1a\x02\x12\x00"[..]));
    assert!(envelope.has_session && envelope.header.is_empty());
    assert_eq!(envelope.tail.body, Body::from(&b"\x12\x00"[..]));
}
