//! The header MAC as WIRE §5 has it: the vectors, and what it covers, bit by bit (W-01).

use bytes::{Bytes, BytesMut};
use slipring_proto::crypto::MacKey;
use slipring_proto::crypto::aws::AwsKey;
use slipring_proto::crypto::fake::FakeKey;
use slipring_proto::header::RoutedHeader;
use slipring_proto::mac;
use slipring_proto::message::{self, HeaderFields, SealedHeader};
use slipring_proto::name::{ANY_ID, TextName};

#[path = "mac/bits.rs"]
mod bits;
#[path = "mac/hops.rs"]
mod hops;
#[path = "mac/timing.rs"]
mod timing;

const LINK_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

fn alice() -> TextName {
    TextName::new(["org", "ns", "alice"], 1).expect("a good name")
}

fn any_bob() -> TextName {
    TextName::new(["org", "ns", "bob"], ANY_ID).expect("a good name")
}

fn to_bob() -> HeaderFields {
    HeaderFields::between(&alice(), &any_bob()).with_identity("id1")
}

/// What a receiver on the link says to a header; a header that does not parse is refused.
fn accepts<K: MacKey>(key: &K, link_id: &str, raw: &[u8]) -> bool {
    RoutedHeader::parse(raw)
        .is_ok_and(|header| mac::verify(key, &header, raw, link_id.as_bytes(), &mut Vec::new()))
}

fn sealed<K: MacKey>(fields: HeaderFields, key: &K) -> SealedHeader {
    fields.sign(key, LINK_ID).expect("a header we built").seal()
}

#[test]
fn the_tag_vector() {
    let bytes: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).expect("below 32"));
    let signed = to_bob()
        .sign(&AwsKey::new(&bytes), LINK_ID)
        .expect("a header we built");
    let expected = hex("1199876a906d720d276f8fc6bc3a4299e0aa2f747cbdbc344c669043ac8bdb83");
    assert_eq!(signed.header_mac, Some(expected.into()));
}

#[test]
fn the_signed_subscribe_vector() {
    let key = hex("345556c2417ad3ff339e9de5da7b7f2d7f35ebc1cd2d88bffecfdc73a4e584a9");
    let key = AwsKey::new(&key.try_into().expect("32 bytes"));
    let header = sealed(HeaderFields::between(&alice(), &alice()), &key);
    let framed = header.subscribe(258).expect("it fits");
    let plain = hex(concat!(
        "0aa7010aa1010a380a2408bbacaab7b780969f870110d1a1a6e3a4d3ddfcee011882e3daadfa91afc87b",
        "2202100112100a036f726712026e731a05616c69636512380a2408bbacaab7b780969f870110d1a1a6e3",
        "a4d3ddfcee011882e3daadfa91afc87b2202100112100a036f726712026e731a05616c69636520012a05",
        "332e342e3630085a202c576ae684c68693de3d094311ec434ee1bd47cac645996555e4553129fc1ee010",
        "8202",
    ));
    assert_eq!(plain.len(), 170);
    assert_eq!(framed[..5], [0, 0, 0, 0, 170]);
    assert_eq!(message::unframed(&framed), plain);
    assert_eq!(message::framed(&plain), Ok(framed));
    assert!(accepts(&key, LINK_ID, header.as_bytes()));
}

#[test]
fn the_ack_vectors() {
    let success = message::subscription_ack(258, Ok(())).expect("it fits");
    assert_eq!(message::unframed(&success), hex("32050882021001"));
    let refusal = message::subscription_ack(258, Err("subscription not found")).expect("it fits");
    let text = [&hex("321b0882021a16")[..], b"subscription not found"].concat();
    assert_eq!(message::unframed(&refusal), text);
}

fn only_32_bytes_verify<K: MacKey>(key: &K) {
    let signed = to_bob().sign(key, LINK_ID).expect("a header we built");
    let tag = signed.header_mac.clone().expect("it is signed");
    let twice = [tag.as_ref(), tag.as_ref()].concat();
    for length in 0..=twice.len() {
        let cut = Bytes::copy_from_slice(&twice[..length]);
        let header = HeaderFields {
            header_mac: Some(cut),
            ..signed.clone()
        }
        .seal();
        assert_eq!(
            accepts(key, LINK_ID, header.as_bytes()),
            length == 32,
            "{length} bytes"
        );
    }
    let unsigned = HeaderFields {
        header_mac: None,
        ..signed
    };
    assert!(!accepts(key, LINK_ID, unsigned.seal().as_bytes()));
}

#[test]
fn a_tag_of_any_other_length_is_refused() {
    only_32_bytes_verify(&AwsKey::new(&[5; 32]));
    only_32_bytes_verify(&FakeKey::new(5));
}

fn bound_to_link_and_key<K: MacKey>(key: &K, other: &K) {
    let header = sealed(to_bob(), key);
    assert!(accepts(key, LINK_ID, header.as_bytes()));
    assert!(!accepts(other, LINK_ID, header.as_bytes()));
    assert!(!accepts(key, "another link", header.as_bytes()));
    assert!(!accepts(key, "", header.as_bytes()));
}

#[test]
fn a_tag_holds_for_one_link_and_one_key() {
    bound_to_link_and_key(&AwsKey::new(&[5; 32]), &AwsKey::new(&[6; 32]));
    bound_to_link_and_key(&FakeKey::new(5), &FakeKey::new(6));
}

/// WIRE §12, item 20, as far as the header goes: tails are not even seen here.
#[test]
fn what_the_tag_does_not_cover_may_change() {
    let key = AwsKey::new(&[5; 32]);
    let mut signed = to_bob().sign(&key, LINK_ID).expect("a header we built");
    signed.version = "9.9.9".to_owned();
    signed.incoming_conn = Some(7);
    signed.e2e_header_sig = Some(Bytes::from_static(b"anything"));
    assert!(accepts(&key, LINK_ID, signed.seal().as_bytes()));
}

/// Every covered field on its own, presence included: absent is not zero.
#[test]
fn what_the_tag_covers_may_not_change() {
    let key = AwsKey::new(&[5; 32]);
    type Change = (&'static str, fn(&mut HeaderFields));
    let changes: [Change; 13] = [
        ("no source", |h| h.source = None),
        ("no destination", |h| h.destination = None),
        ("names swapped", |h| {
            core::mem::swap(&mut h.source, &mut h.destination)
        }),
        ("no ids", |h| {
            h.destination.as_mut().expect("it has one").name = None
        }),
        ("no text", |h| {
            h.destination.as_mut().expect("it has one").str_name = None
        }),
        ("any id left out", |h| {
            let name = h.destination.as_mut().expect("it has one");
            name.name.as_mut().expect("it has ids").name_id = None;
        }),
        ("identity", |h| h.identity.push('x')),
        ("fanout", |h| h.fanout = 2),
        ("ttl", |h| h.ttl = 9),
        ("recv_from 0", |h| h.recv_from = Some(0)),
        ("forward_to 0", |h| h.forward_to = Some(0)),
        ("error false", |h| h.error = Some(false)),
        ("tag", |h| h.header_mac = Some(Bytes::from_static(&[0; 32]))),
    ];
    for (name, change) in changes {
        let mut signed = to_bob().sign(&key, LINK_ID).expect("a header we built");
        change(&mut signed);
        assert!(!accepts(&key, LINK_ID, signed.seal().as_bytes()), "{name}");
        // Signed again, the same fields are good: it is the tag that refused them.
        let again = sealed(signed, &key);
        assert!(accepts(&key, LINK_ID, again.as_bytes()), "{name}");
    }
}
