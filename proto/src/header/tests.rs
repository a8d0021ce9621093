//! Parsing and rewriting, field by field.

use bytes::BytesMut;

use super::*;
use crate::limits::REWRITE_GROWTH_BYTES_MAX;
use crate::rewrite::rewrite_header;

/// Source and destination with one id component each, identity "i", fanout 1, version "v", ttl 8.
const FIRST_FIVE: &[u8] =
    b"\x0a\x04\x0a\x02\x08\x05\x12\x04\x0a\x02\x08\x06\x1a\x01i\x20\x01\x2a\x01v";

fn header(rest: &[u8]) -> Vec<u8> {
    [FIRST_FIVE, rest].concat()
}

fn next_hop(raw: &[u8], ttl: u32, tag: Option<&[u8; 32]>) -> Vec<u8> {
    let mut out = BytesMut::new();
    rewrite_header(&RoutedHeader::parse(raw).unwrap(), raw, ttl, tag, &mut out);
    assert!(out.len() <= raw.len() + REWRITE_GROWTH_BYTES_MAX);
    out.to_vec()
}

#[test]
fn nothing_is_a_header_of_defaults() {
    let parsed = RoutedHeader::parse(b"").unwrap();
    assert_eq!(parsed.source, None);
    assert_eq!(parsed.mac(b""), None);
    assert_eq!(next_hop(b"", 0, None), b"");
}

#[test]
fn fields_are_where_they_say() {
    let raw = header(b"\x30\x08\x38\x00\x40\x03\x48\x04\x50\x01\x5a\x03mac\x62\x03sig");
    let parsed = RoutedHeader::parse(&raw).unwrap();
    assert_eq!((parsed.fanout, parsed.ttl), (1, 8));
    assert_eq!((parsed.recv_from, parsed.forward_to), (Some(0), Some(3)));
    assert_eq!(parsed.error, Some(true));
    assert_eq!(parsed.mac(&raw), Some(&b"mac"[..]));
    for (field, whole, content) in [
        (parsed.identity, &b"\x1a\x01i"[..], &b"i"[..]),
        (parsed.version, b"\x2a\x01v", b"v"),
        (parsed.incoming_conn, b"\x48\x04", b"\x04"),
        (parsed.error_field, b"\x50\x01", b"\x01"),
        (parsed.header_mac, b"\x5a\x03mac", b"mac"),
        (parsed.e2e_header_sig, b"\x62\x03sig", b"sig"),
    ] {
        assert!(field.is_present());
        assert_eq!(
            (field.whole.of(&raw), field.content.of(&raw)),
            (whole, content)
        );
    }
    let names = [parsed.source, parsed.destination].map(|name| name.unwrap().field);
    assert_eq!(names[0].of(&raw), b"\x0a\x04\x0a\x02\x08\x05");
    assert_eq!(names[1].of(&raw), b"\x12\x04\x0a\x02\x08\x06");
}

#[test]
fn a_hop_clears_indexes_and_the_old_mac() {
    let raw = header(b"\x30\x08\x38\x00\x40\x03\x48\x04\x50\x00\x5a\x03mac\x62\x03sig");
    let unsigned = header(b"\x30\x07\x50\x00\x62\x03sig");
    assert_eq!(next_hop(&raw, 7, None), unsigned);
    let tag = [0x77; 32];
    let signed = [&b"\x30\x07\x50\x00\x5a\x20"[..], &tag, b"\x62\x03sig"].concat();
    assert_eq!(next_hop(&raw, 7, Some(&tag)), header(&signed));
}

#[test]
fn any_order_leaves_in_the_canonical_one() {
    let tail = b"\x30\x08\x62\x03sig";
    let expected = header(tail);
    let (names, texts) = FIRST_FIVE.split_at(12);
    let unknown = b"\x98\x06\x01";
    for parts in [
        [&tail[..], names, texts],
        [&texts[..3], names, &[&texts[3..], tail].concat()],
        [names, unknown, &[texts, tail].concat()],
        [unknown, FIRST_FIVE, tail],
        [FIRST_FIVE, tail, unknown],
        [FIRST_FIVE, unknown, tail],
        [names, tail, texts],
    ] {
        assert_eq!(next_hop(&parts.concat(), 8, None), expected, "{parts:?}");
    }
}

#[test]
fn explicit_defaults_mean_nothing_to_a_reader() {
    // Identity, fanout, version and ttl written out although they are empty or zero.
    let raw = b"\x1a\x00\x20\x00\x2a\x00\x30\x00";
    let parsed = RoutedHeader::parse(raw).unwrap();
    assert!(parsed.identity.is_present() && parsed.identity.content.is_empty());
    assert_eq!((parsed.fanout, parsed.ttl), (0, 0));
    assert_eq!(
        RoutedHeader::parse(&next_hop(raw, 0, None)).unwrap().fanout,
        0
    );
}
