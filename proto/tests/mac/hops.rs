//! From one hop to the next: what is signed for the next hop verifies there, and a context that has
//! absorbed the names leads to the same tags.

use proptest::prelude::*;
use slipring_proto::generated::Name as WireName;
use slipring_proto::name::{Name, Prefix};
use slipring_proto::rewrite::rewrite_header;

use super::*;

const NEXT_LINK: &str = "the next link";

fn names() -> impl Strategy<Value = Option<WireName>> {
    let text = prop::array::uniform3("[a-zé]{1,12}");
    (any::<[u64; 3]>(), any::<u128>(), text, 0..5_u8).prop_map(|(prefix, id, text, shape)| {
        let parts = text.each_ref().map(String::as_str);
        let full = message::wire_name(&TextName::new(parts, id).expect("a good name"));
        let ids = WireName::from(Name::new(Prefix(prefix), id));
        match shape {
            0 => None,
            1 => Some(ids),
            2 => Some(WireName { name: None, ..full }),
            3 => Some(WireName {
                name: full.name.map(|ids| slipring_proto::generated::EncodedName {
                    name_id: None,
                    ..ids
                }),
                ..full
            }),
            _ => Some(full),
        }
    })
}

prop_compose! {
    fn headers()(
        source in names(),
        destination in names(),
        identity in ".{0,40}",
        version in "[0-9.]{0,8}",
        fanout: u32,
        ttl: u32,
        recv_from: Option<u64>,
        forward_to: Option<u64>,
        incoming_conn: Option<u64>,
        error: Option<bool>,
        signature in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
    ) -> HeaderFields {
        HeaderFields {
            source, destination, identity, fanout, version, ttl, recv_from, forward_to,
            incoming_conn, error,
            header_mac: None,
            e2e_header_sig: signature.map(Bytes::from),
        }
    }
}

fn one_hop<K: MacKey>(fields: HeaderFields, ingress: &K, egress: &K) {
    let sealed = sealed(fields, ingress);
    let raw = sealed.as_bytes();
    let header = RoutedHeader::parse(raw).expect("a header we built");
    let scratch = &mut vec![0xee; 7];
    assert!(mac::verify(
        ingress,
        &header,
        raw,
        LINK_ID.as_bytes(),
        scratch
    ));
    let names = mac::names_context(ingress, &header, raw, LINK_ID.as_bytes(), scratch);
    // The context is used twice on purpose: finishing one tag leaves it as it was.
    assert!(mac::verify_rest::<K>(&names, &header, raw, scratch));
    assert!(mac::verify_rest::<K>(&names, &header, raw, scratch));

    let ttl = header.ttl.saturating_sub(1);
    let tag = mac::sign(egress, &header, raw, NEXT_LINK.as_bytes(), ttl, scratch);
    let names = mac::names_context(egress, &header, raw, NEXT_LINK.as_bytes(), scratch);
    assert_eq!(mac::sign_rest::<K>(&names, &header, raw, ttl, scratch), tag);

    let mut next = BytesMut::new();
    rewrite_header(&header, raw, ttl, Some(&tag), &mut next);
    assert!(accepts(egress, NEXT_LINK, &next));
    assert!(
        !accepts(ingress, LINK_ID, &next),
        "the old link's key must not fit"
    );
    let arrived = RoutedHeader::parse(&next).expect("a header we wrote");
    assert_eq!(
        (arrived.recv_from, arrived.forward_to, arrived.ttl),
        (None, None, ttl)
    );
}

proptest! {
    #[test]
    fn what_is_signed_for_the_next_hop_verifies_there(fields in headers()) {
        one_hop(fields.clone(), &AwsKey::new(&[1; 32]), &AwsKey::new(&[2; 32]));
        one_hop(fields, &FakeKey::new(1), &FakeKey::new(2));
    }

    /// A context for other names refuses, so a cache that mixes names up cannot go unnoticed.
    #[test]
    fn a_context_of_other_names_refuses(fields in headers(), other in headers()) {
        prop_assume!((&fields.source, &fields.destination) != (&other.source, &other.destination));
        let key = AwsKey::new(&[1; 32]);
        let (sealed, other) = (sealed(fields, &key), sealed(other, &key));
        let headers = [&sealed, &other]
            .map(|sealed| RoutedHeader::parse(sealed.as_bytes()).expect("a header we built"));
        let scratch = &mut Vec::new();
        let link_id = LINK_ID.as_bytes();
        let names = mac::names_context(&key, &headers[1], other.as_bytes(), link_id, scratch);
        let passed =
            mac::verify_rest::<AwsKey>(&names, &headers[0], sealed.as_bytes(), scratch);
        prop_assert!(!passed);
    }
}
