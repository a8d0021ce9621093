//! Checklist 17 to 27: header MACs, and the fields that no node may obey or pass on.

use bytes::Bytes;
use slipring_proto::crypto::MacKey;
use slipring_proto::envelope::Kind;
use slipring_proto::generated::{Name, SlimHeader};
use slipring_proto::link::ConnectionType;
use slipring_proto::message::{HeaderFields, PublishTail, wire_name};

use crate::harness::{Client, Opening, Router, Setup, clear, fields, name, payload, text};

const BOB: &str = "org/ns/bob";

/// A router, a subscriber to [`BOB`], and another client.
async fn pair() -> (Router, Client, Client) {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let alice = Client::of(&router).await;
    (router, bob, alice)
}

/// WIRE §5.2, written down a second time.
fn preimage(header: &SlimHeader, link_id: &str) -> Vec<u8> {
    fn bytes(out: &mut Vec<u8>, content: &[u8]) {
        out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        out.extend(content);
    }
    fn named(out: &mut Vec<u8>, name: Option<&Name>) {
        out.push(u8::from(name.is_some()));
        let Some(name) = name else { return };
        out.push(u8::from(name.name.is_some()));
        if let Some(ids) = &name.name {
            for component in [ids.component_0, ids.component_1, ids.component_2] {
                out.extend(component.to_le_bytes());
            }
            out.push(u8::from(ids.name_id.is_some()));
            if let Some(id) = &ids.name_id {
                out.extend(id.id_0.to_le_bytes());
                out.extend(id.id_1.to_le_bytes());
            }
        }
        out.push(u8::from(name.str_name.is_some()));
        if let Some(text) = &name.str_name {
            bytes(out, text.str_component_0.as_bytes());
            bytes(out, text.str_component_1.as_bytes());
            bytes(out, text.str_component_2.as_bytes());
        }
    }
    let mut out = b"SLIM-DP-HDR-v1\0".to_vec();
    bytes(&mut out, link_id.as_bytes());
    named(&mut out, header.source.as_ref());
    named(&mut out, header.destination.as_ref());
    bytes(&mut out, header.identity.as_bytes());
    out.extend(header.fanout.to_le_bytes());
    for index in [header.recv_from, header.forward_to] {
        out.push(u8::from(index.is_some()));
        out.extend(index.map(u64::to_le_bytes).into_iter().flatten());
    }
    out.push(u8::from(header.error.is_some()));
    out.extend(header.error.map(u8::from));
    out.extend(header.ttl.to_le_bytes());
    out
}

#[tokio::test]
async fn wire_17_the_tag_is_hmac_sha256_over_the_documented_preimage() {
    // The worked example of §5.2, for the second writing of it above.
    let example = HeaderFields {
        source: Some(wire_name(&name("org/ns/alice").with_id(1))),
        ..fields(BOB).with_identity("id1")
    };
    let written = preimage(&example, "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_eq!(written.len(), 203);
    assert_eq!(written[written.len() - 7..], [0, 0, 0, 8, 0, 0, 0]);

    let (_router, mut bob, alice) = pair().await;
    for header in [
        fields(BOB),
        fields(BOB).with_identity("token").with_fanout(9),
        HeaderFields {
            error: Some(true),
            ..fields(BOB)
        },
        HeaderFields {
            error: Some(false),
            ..fields(BOB)
        },
    ] {
        alice.publishes_as(&alice.sign(header), &text("x")).await;
        let delivery = bob.receives().await;
        let terms = bob.terms_of();
        let tag = delivery.header().header_mac.clone().unwrap();
        assert_eq!(tag.len(), 32);
        let expected = preimage(delivery.header(), &terms.link_id);
        assert_eq!(tag[..], terms.key.as_ref().unwrap().tag(&expected));
    }
}

/// Headers that a strict link must drop, made by changing one that was signed.
fn spoilt(alice: &Client, other: &Client) -> Vec<(&'static str, HeaderFields)> {
    let signed = || alice.sign(fields(BOB));
    let tag = signed().header_mac.unwrap();
    let mut flipped = tag.to_vec();
    flipped[31] ^= 1;
    let with_tag = |tag: Option<Bytes>| HeaderFields {
        header_mac: tag,
        ..fields(BOB)
    };
    let mut other_text = signed();
    let names = other_text.destination.as_mut().unwrap();
    names.str_name.as_mut().unwrap().str_component_0 = "elsewhere".to_owned();
    let mut other_source = signed();
    other_source.source = Some(wire_name(&name("org/ns/mallory")));
    let mut without_id = signed();
    let names = without_id.destination.as_mut().unwrap();
    names.name.as_mut().unwrap().name_id = None;
    vec![
        ("no tag", with_tag(None)),
        ("empty tag", with_tag(Some(Bytes::new()))),
        ("half a tag", with_tag(Some(tag.slice(..16)))),
        ("31 bytes", with_tag(Some(tag.slice(..31)))),
        ("33 bytes", with_tag(Some([&tag[..], &[0]].concat().into()))),
        ("one bit", with_tag(Some(flipped.into()))),
        ("another link's tag", other.sign(fields(BOB))),
        (
            "fanout",
            HeaderFields {
                fanout: 2,
                ..signed()
            },
        ),
        ("ttl", HeaderFields { ttl: 7, ..signed() }),
        (
            "identity",
            HeaderFields {
                identity: "else".to_owned(),
                ..signed()
            },
        ),
        (
            "error",
            HeaderFields {
                error: Some(false),
                ..signed()
            },
        ),
        (
            "recv_from",
            HeaderFields {
                recv_from: Some(0),
                ..signed()
            },
        ),
        (
            "forward_to",
            HeaderFields {
                forward_to: Some(0),
                ..signed()
            },
        ),
        ("destination text", other_text),
        ("source", other_source),
        ("presence of the id", without_id),
    ]
}

#[tokio::test]
async fn wire_19_a_strict_link_drops_what_is_not_signed_for_it() {
    let (router, mut bob, mut alice) = pair().await;
    let spoilt = spoilt(&alice, &bob);
    for (what, header) in &spoilt {
        alice.publishes_as(header, &text(what)).await;
        alice.registers_as(Kind::Subscribe, header, 5).await;
        alice.registers_as(Kind::Unsubscribe, header, 5).await;
    }
    // The next thing that either side hears proves that nothing came of them.
    alice.publishes(BOB, "signed").await;
    assert_eq!(bob.reads().await, "signed");
    alice.subscribes_as("org/ns/alice", 6).await;
    let scrape = router.at_rest().await;
    assert_eq!(scrape.dropped("mac_missing"), 3);
    let wrong = u64::try_from(3 * (spoilt.len() - 1)).unwrap();
    assert_eq!(scrape.dropped("mac_invalid"), wrong);
    assert_eq!(scrape.value("subscriptions"), 2);
}

#[tokio::test]
async fn wire_20_what_the_tag_does_not_cover_may_change() {
    let (router, mut bob, alice) = pair().await;
    let signed = || alice.sign(fields(BOB));
    let session = slipring_proto::generated::SessionHeader {
        session_id: 7,
        ..Default::default()
    };
    let tails = [
        text("other payload"),
        PublishTail::new(&session),
        text("").metadata("key", "value"),
    ];
    let headers = [
        HeaderFields {
            version: "9.9.9".to_owned(),
            ..signed()
        },
        HeaderFields {
            incoming_conn: Some(3),
            ..signed()
        },
        HeaderFields {
            e2e_header_sig: Some(Bytes::from_static(b"sig")),
            ..signed()
        },
    ];
    for header in &headers {
        alice.publishes_as(header, &text("header")).await;
        assert_eq!(bob.reads().await, "header");
    }
    for tail in &tails {
        alice.publishes_as(&signed(), tail).await;
        assert!(bob.receives().await.is_signed_for(bob.terms_of()));
    }
    assert_eq!(router.at_rest().await.sum("messages_dropped_total"), 0);
}

/// One row of the table of §5.4.
struct Row {
    what: &'static str,
    client: usize,
    kind: Kind,
    header: HeaderFields,
    is_accepted: bool,
}

fn rows(keyed: &Client) -> Vec<Row> {
    let tagged = |tag: &'static [u8]| HeaderFields {
        header_mac: Some(Bytes::from_static(tag)),
        ..fields(BOB)
    };
    let row = |what, client, kind, header, is_accepted| Row {
        what,
        client,
        kind,
        header,
        is_accepted,
    };
    let (publish, subscribe, unsubscribe) = (Kind::Publish, Kind::Subscribe, Kind::Unsubscribe);
    let wrong = || tagged(&[7; 32]);
    vec![
        row("key, no tag, Subscribe", 0, subscribe, fields(BOB), true),
        row(
            "key, no tag, Unsubscribe",
            0,
            unsubscribe,
            fields(BOB),
            true,
        ),
        row("key, no tag, Publish", 0, publish, fields(BOB), false),
        row("key, wrong tag, Subscribe", 0, subscribe, wrong(), false),
        row("key, wrong tag, Publish", 0, publish, wrong(), false),
        row(
            "key, right tag, Publish",
            0,
            publish,
            keyed.sign(fields(BOB)),
            true,
        ),
        row("no key, no tag, Publish", 1, publish, fields(BOB), true),
        row("no key, no tag, Subscribe", 1, subscribe, fields(BOB), true),
        row(
            "no key, no tag, Unsubscribe",
            1,
            unsubscribe,
            fields(BOB),
            true,
        ),
        row("no key, a tag, Publish", 1, publish, wrong(), false),
        row("no key, a tag, Subscribe", 1, subscribe, wrong(), true),
        row("no key, a tag, Unsubscribe", 1, unsubscribe, wrong(), true),
    ]
}

#[tokio::test]
async fn wire_21_links_that_are_not_strict_follow_the_table() {
    let listener = clear("require_header_mac: false");
    let router = Setup::new().servers([listener]).start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let keyed = Client::of(&router).await;
    let keyless = Opening::of(&router).await.keyless().await;
    let rows = rows(&keyed);
    let mut clients = [keyed, keyless];
    for row in &rows {
        let client = &mut clients[row.client];
        if row.kind == Kind::Publish {
            client.publishes_as(&row.header, &text(row.what)).await;
            let marker = client.sign(fields(BOB));
            client.publishes_as(&marker, &text("marker")).await;
            if row.is_accepted {
                assert_eq!(bob.reads().await, row.what);
            }
            assert_eq!(bob.reads().await, "marker", "{}", row.what);
        } else {
            client.registers_as(row.kind, &row.header, 5).await;
            if row.is_accepted {
                assert_eq!(client.acked(5).await, Ok(()), "{}", row.what);
            }
            let marker = client.sign(fields("org/ns/marker"));
            client.registers_as(Kind::Subscribe, &marker, 6).await;
            assert_eq!(client.acked(6).await, Ok(()), "{}", row.what);
        }
    }
    let scrape = router.at_rest().await;
    assert_eq!(scrape.dropped("mac_missing"), 1);
    assert_eq!(scrape.dropped("mac_invalid"), 2);
    assert_eq!(scrape.dropped("mac_unexpected"), 1);
}

#[tokio::test]
async fn wire_23_every_hop_signs_anew_and_counts_down() {
    let router = Router::start().await;
    for connection_type in [ConnectionType::Edge, ConnectionType::Remote] {
        let mut bob = Client::typed(&router, connection_type).await;
        bob.subscribes(BOB).await;
        let alice = Client::typed(&router, connection_type).await;
        let signed = alice.sign(fields(BOB));
        let first_tag = signed.header_mac.clone();
        // Twice, so that a remembered head is looked at too.
        for _ in 0..2 {
            alice.publishes_as(&signed, &text("x")).await;
            let delivery = bob.receives().await;
            assert_eq!(delivery.header().ttl, 7);
            assert_ne!(delivery.header().header_mac, first_tag);
            assert!(delivery.is_signed_for(bob.terms_of()));
            let unchanged = HeaderFields {
                ttl: 8,
                header_mac: first_tag.clone(),
                ..delivery.header().clone()
            };
            assert_eq!(unchanged, signed);
        }
    }
}

#[tokio::test]
async fn wire_24_steering_fields_never_leave() {
    let (_router, mut bob, alice) = pair().await;
    let header = HeaderFields {
        recv_from: Some(0),
        forward_to: Some(u64::MAX),
        ..fields(BOB)
    };
    alice.publishes_as(&alice.sign(header), &text("x")).await;
    let delivery = bob.receives().await;
    assert_eq!(delivery.header().recv_from, None);
    assert_eq!(delivery.header().forward_to, None);
    assert!(delivery.is_signed_for(bob.terms_of()));
}

#[tokio::test]
async fn wire_25_steering_fields_have_no_effect() {
    let (router, mut bob, mut alice) = pair().await;
    let mut carol = Client::of(&router).await;
    carol.subscribes("org/ns/carol").await;
    for index in (0..16).chain([u64::MAX]) {
        // If it were obeyed, the subscription would be made on somebody else's link.
        let to_carol = HeaderFields {
            recv_from: Some(index),
            ..fields("org/ns/stolen")
        };
        alice
            .registers_as(Kind::Subscribe, &alice.sign(to_carol), 40 + index % 99)
            .await;
        assert_eq!(alice.acked(40 + index % 99).await, Ok(()));
        // If it were obeyed, somebody who never subscribed would get it.
        let forged = HeaderFields {
            forward_to: Some(index),
            ..fields(BOB)
        };
        alice
            .publishes_as(&alice.sign(forged), &text("by name"))
            .await;
        assert_eq!(bob.reads().await, "by name");
    }
    bob.broadcasts("org/ns/stolen", "to its subscriber").await;
    assert_eq!(alice.reads().await, "to its subscriber");
    bob.publishes("org/ns/carol", "first").await;
    assert_eq!(carol.reads().await, "first");
    let scrape = router.at_rest().await;
    assert_eq!(scrape.sum("messages_dropped_total"), 0);
}

#[tokio::test]
async fn wire_26_incoming_conn_does_not_leave() {
    let (_router, mut bob, alice) = pair().await;
    for incoming_conn in [None, Some(0), Some(9)] {
        let header = HeaderFields {
            incoming_conn,
            ..fields(BOB)
        };
        alice
            .publishes_as(&alice.sign(header), &payload(b"x"))
            .await;
        assert_eq!(bob.receives().await.header().incoming_conn, None);
    }
}

#[tokio::test]
async fn wire_27_a_link_without_a_key_gets_no_tag() {
    let listener = clear("require_header_mac: false");
    let router = Setup::new().servers([listener]).start().await;
    let mut keyless = Opening::of(&router).await.keyless().await;
    keyless.subscribes_as(BOB, 1).await;
    let alice = Client::of(&router).await;
    for _ in 0..2 {
        alice.publishes(BOB, "x").await;
        assert_eq!(keyless.receives().await.header().header_mac, None);
    }
}
