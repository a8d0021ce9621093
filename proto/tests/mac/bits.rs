//! W-01: every bit of a signed header, flipped.

use slipring_proto::header::{Field, Span};

use super::*;

/// A header with every field in it.
fn full() -> HeaderFields {
    HeaderFields {
        recv_from: Some(3),
        forward_to: Some(300),
        incoming_conn: Some(5),
        error: Some(true),
        e2e_header_sig: Some(Bytes::from_static(&[0x5a; 64])),
        ..to_bob()
    }
}

fn within(field: Field, at: usize) -> bool {
    let Span { start, end } = field.whole;
    (start as usize..end as usize).contains(&at)
}

/// Flips each bit in turn and returns how many flips were refused, and how many were accepted.
fn flip_each_bit<K: MacKey>(key: &K, fields: HeaderFields) -> (usize, usize) {
    let header = sealed(fields, key);
    let raw = header.as_bytes();
    let spans = RoutedHeader::parse(raw).expect("a header we built");
    let uncovered = [spans.version, spans.incoming_conn, spans.e2e_header_sig];
    let (mut refused, mut accepted) = (0, 0);
    for bit in 0..raw.len() * 8 {
        let mut flipped = raw.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if accepts(key, LINK_ID, &flipped) {
            // WIRE §5.1: three fields are not covered. A flip in one of them must not have moved
            // anything that is.
            assert!(
                uncovered.iter().any(|field| within(*field, bit / 8)),
                "bit {bit} passed"
            );
            let after = RoutedHeader::parse(&flipped).expect("it was accepted");
            let mut preimages = [Vec::new(), Vec::new()];
            let steering = slipring_proto::header::Steering::AsReceived;
            spans.preimage(raw, b"", spans.ttl, steering, &mut preimages[0]);
            after.preimage(&flipped, b"", after.ttl, steering, &mut preimages[1]);
            assert_eq!(preimages[0], preimages[1], "bit {bit}");
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    (refused, accepted)
}

fn covered_bits<K: MacKey>(key: &K) {
    // Without uncovered fields not one flip passes.
    let bare = HeaderFields {
        version: String::new(),
        ..to_bob()
    };
    let length = sealed(bare.clone(), key).as_bytes().len();
    assert_eq!(flip_each_bit(key, bare), (length * 8, 0));
    // With them the flips that pass are theirs, and some do.
    let (refused, accepted) = flip_each_bit(key, full());
    assert!(
        accepted > 0 && refused > accepted,
        "{refused} refused, {accepted} accepted"
    );
}

#[test]
fn every_flipped_bit_is_refused_with_aws() {
    covered_bits(&AwsKey::new(&[5; 32]));
}

#[test]
fn every_flipped_bit_is_refused_with_the_fake() {
    covered_bits(&FakeKey::new(5));
}
