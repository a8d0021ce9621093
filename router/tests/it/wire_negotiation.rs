//! Checklist 10 to 18: the one exchange that opens a link.

use bytes::Bytes;
use slipring_proto::crypto::LinkCrypto;
use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::generated::LinkNegotiationPayload;
use slipring_proto::limits::{KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES};
use slipring_proto::link::LinkPolicy;
use slipring_proto::message::link;
use slipring_sdk::LinkOptions;
use slipring_sdk::error::{RpcStatus, StreamEnd};

use crate::harness::{Client, Opening, Router, Setup, clear, request};

async fn answer(router: &Router, request: LinkNegotiationPayload) -> LinkNegotiationPayload {
    let mut opening = Opening::of(router).await;
    opening.asks(request).await;
    opening.reply().await
}

async fn refuse(router: &Router, what: &str, request: LinkNegotiationPayload) {
    let mut opening = Opening::of(router).await;
    opening.asks(request).await;
    opening.is_refused(what).await;
}

async fn lenient() -> Router {
    let listener = clear("require_header_mac: false");
    Setup::new().servers([listener]).start().await
}

#[tokio::test]
async fn wire_10_versions_are_strict_semver_and_otherwise_unused() {
    let router = Router::start().await;
    let with = |version: &str| LinkNegotiationPayload {
        slim_version: version.to_owned(),
        ..request()
    };
    for version in ["", "abc", "1.2", "v1.2.3", "1.2.3 ", "01.2.3"] {
        refuse(&router, version, with(version)).await;
    }
    for version in ["0.11.4", "99.0.0", "1.0.0-rc.1+x"] {
        let reply = answer(&router, with(version)).await;
        assert_eq!(reply.slim_version, "3.4.6", "the router's own");
    }
}

#[tokio::test]
async fn wire_11_link_ids_are_any_text_but_none() {
    let router = Router::start().await;
    let with = |link_id: &str| LinkNegotiationPayload {
        link_id: link_id.to_owned(),
        ..request()
    };
    refuse(&router, "no link id", with("")).await;
    for link_id in [
        "x",
        "not a uuid",
        "ключ",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ] {
        assert_eq!(answer(&router, with(link_id)).await.link_id, link_id);
    }
}

#[tokio::test]
async fn wire_11_two_links_may_share_an_id() {
    let router = Router::start().await;
    let mut options = LinkOptions::default();
    options.settings.link_id = "twin".to_owned();
    let mut first = Client::with(&router.endpoint(), &options).await;
    let mut second = Client::with(&router.endpoint(), &options).await;
    first.subscribes("org/ns/first").await;
    second.subscribes("org/ns/second").await;
    first.publishes("org/ns/second", "to the second").await;
    second.publishes("org/ns/first", "to the first").await;
    assert_eq!(second.reads().await, "to the second");
    assert_eq!(first.reads().await, "to the first");
    drop(first);
    second.is_served().await;
}

#[tokio::test]
async fn wire_12_a_reply_is_no_request() {
    let router = Router::start().await;
    let reply = LinkNegotiationPayload {
        is_reply: true,
        ..request()
    };
    refuse(&router, "a reply", reply).await;
}

/// Keys that agree on nothing: too short, too long, and points of low order.
fn bad_keys() -> Vec<(&'static str, Bytes)> {
    let mut one = vec![0; 32];
    one[0] = 1;
    vec![
        ("no key", Bytes::new()),
        ("31 bytes", Bytes::from(vec![9; 31])),
        ("33 bytes", Bytes::from(vec![9; 33])),
        ("all zero", Bytes::from(vec![0; 32])),
        ("low order", Bytes::from(one)),
    ]
}

fn with_key(key: Bytes) -> LinkNegotiationPayload {
    LinkNegotiationPayload {
        link_ecdh_public_key: key,
        ..request()
    }
}

#[tokio::test]
async fn wire_13_a_strict_listener_needs_a_good_key() {
    let router = Router::start().await;
    for (what, key) in bad_keys() {
        refuse(&router, what, with_key(key)).await;
    }
    let reply = answer(&router, request()).await;
    assert_eq!(reply.link_ecdh_public_key.len(), 32);
}

#[tokio::test]
async fn wire_13_a_lenient_listener_does_without() {
    let router = lenient().await;
    for (what, key) in bad_keys() {
        let reply = answer(&router, with_key(key)).await;
        assert!(reply.link_ecdh_public_key.is_empty(), "{what}");
    }
    let reply = answer(&router, request()).await;
    assert_eq!(reply.link_ecdh_public_key.len(), 32);
}

#[tokio::test]
async fn wire_14_the_reply_echoes_link_id_and_type() {
    let router = Router::start().await;
    for (asked, echoed) in [(0, 0), (2, 2), (3, 0), (77, 0), (-1, 0)] {
        let request = LinkNegotiationPayload {
            connection_type: asked,
            ..request()
        };
        let reply = answer(&router, request).await;
        assert_eq!(reply.connection_type, echoed, "type {asked}");
        assert_eq!((reply.link_id.as_str(), reply.is_reply), ("link", true));
        assert_eq!(reply.node_id, "router-under-test");
        assert_eq!(reply.deployment_name, "");
    }
}

#[tokio::test]
async fn wire_14_a_peer_is_echoed_and_then_declined() {
    let router = Router::start().await;
    let mut opening = Opening::of(&router).await;
    let request = LinkNegotiationPayload {
        connection_type: 1,
        ..request()
    };
    opening.asks(request).await;
    assert_eq!(opening.reply().await.connection_type, 1);
    let declined = StreamEnd::Status(RpcStatus {
        code: 7,
        message: "peering is not configured".to_owned(),
    });
    assert_eq!(opening.end().await, declined);
}

#[tokio::test]
async fn wire_15_a_kem_key_of_the_right_length_makes_the_key_hybrid() {
    let router = Router::start().await;
    let with = |kem: &[u8]| LinkNegotiationPayload {
        link_kem_payload: Some(Bytes::copy_from_slice(kem)),
        ..request()
    };
    let (_, kem) = AwsCrypto.kem_generate().unwrap();
    let reply = answer(&router, with(&kem)).await;
    let ciphertext = reply.link_kem_payload.unwrap();
    assert_eq!(ciphertext.len(), KEM_CIPHERTEXT_BYTES);
    for length in [0, 1, 32, 1_088, KEM_KEY_BYTES - 1, KEM_KEY_BYTES + 1] {
        let reply = answer(&router, with(&vec![7; length])).await;
        assert_eq!(reply.link_kem_payload, None, "{length} bytes");
        assert_eq!(reply.link_ecdh_public_key.len(), 32, "{length} bytes");
    }
    // Coefficients of 4095 are not reduced: no key of that length at all.
    refuse(&router, "an invalid KEM key", with(&[0xff; KEM_KEY_BYTES])).await;
}

#[tokio::test]
async fn wire_16_both_ends_derive_the_same_key() {
    let router = Router::start().await;
    for enforce_pqc in [false, true] {
        let mut options = LinkOptions::default();
        options.settings.policy = LinkPolicy {
            require_header_mac: true,
            enforce_pqc,
        };
        let mut client = Client::with(&router.endpoint(), &options).await;
        assert_eq!(client.terms().hybrid, enforce_pqc);
        // The router verifies what this side signs, and this side what the router signs.
        client.subscribes("org/ns/keyed").await;
        let sender = Client::of(&router).await;
        sender.publishes("org/ns/keyed", "x").await;
        let delivery = client.receives().await;
        assert!(delivery.is_signed_for(client.terms_of()));
    }
}

#[tokio::test]
async fn wire_18_further_link_messages_are_ignored() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    client.subscribes("org/ns/bob").await;
    for payload in [
        request(),
        LinkNegotiationPayload::default(),
        LinkNegotiationPayload {
            connection_type: 1,
            is_reply: true,
            ..request()
        },
    ] {
        let message = slipring_proto::message::framed(&link(payload)).unwrap();
        client.sends(&message).await;
    }
    // A link message without content, and one whose content is no payload at all.
    client.sends(b"\0\0\0\0\x02\x2a\x00").await;
    client.sends(b"\0\0\0\0\x04\x2a\x02\xff\xff").await;
    let sender = Client::of(&router).await;
    sender.publishes("org/ns/bob", "still here").await;
    assert_eq!(client.reads().await, "still here");
    client.is_served().await;
    assert_eq!(router.at_rest().await.sum("messages_dropped_total"), 0);
}
