//! Both roles against each other, with the real cryptography and with the fake.

use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::crypto::fake::FakeCrypto;
use slipring_proto::crypto::{LinkCrypto, MacKey};
use slipring_proto::link::{LinkTerms, PeerIdentity, PeerRejection, check_peer};

use super::*;

fn tag<K: MacKey>(terms: &LinkTerms<K>) -> [u8; 32] {
    terms.key.as_ref().expect("there is a key").tag(b"anything")
}

fn both_roles_agree<C: LinkCrypto>(crypto: &mut C) {
    let mut tags = Vec::new();
    for (dialler, acceptor, hybrid) in [
        (STRICT, STRICT, false),
        (STRICT, LENIENT, false),
        (LENIENT, STRICT, false),
        (LENIENT, LENIENT, false),
        // An acceptor that does not insist still answers a KEM key with a hybrid link.
        (STRICT_PQC, STRICT, true),
        (STRICT_PQC, LENIENT_PQC, true),
        (LENIENT_PQC, STRICT_PQC, true),
    ] {
        let (dialled, accepted) = exchange(dialler, acceptor, crypto);
        assert!(dialled.reply.is_none());
        for (terms, own, other) in [
            (&dialled.terms, dialler, "n2"),
            (&accepted.terms, acceptor, "n1"),
        ] {
            assert_eq!(terms.link_id, LINK_ID);
            assert_eq!(terms.connection_type, ConnectionType::Edge);
            assert_eq!(terms.strict, own.require_header_mac);
            assert_eq!(terms.hybrid, hybrid);
            assert_eq!(terms.peer.node_id, other);
            assert_eq!(terms.peer.deployment_name, "lab");
            assert_eq!(terms.peer.version, message::WIRE_VERSION);
        }
        assert_eq!(tag(&dialled.terms), tag(&accepted.terms));
        tags.push(tag(&dialled.terms));
    }
    // Every negotiation makes a key of its own, although the link id never changed.
    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count);
}

#[test]
fn both_roles_agree_with_aws() {
    both_roles_agree(&mut AwsCrypto);
}

#[test]
fn both_roles_agree_with_the_fake() {
    both_roles_agree(&mut FakeCrypto::new(1));
}

#[test]
fn the_fake_is_deterministic() {
    let run = |seed| {
        let crypto = &mut FakeCrypto::new(seed);
        let (_, request) = dial(STRICT_PQC, crypto);
        let accepted = accept(STRICT, crypto, arrived(&request)).expect("the request is good");
        (request, accepted.reply, tag(&accepted.terms))
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn the_connection_type_is_echoed_and_an_unknown_one_becomes_remote() {
    for (asked, answered) in [(0, 0), (1, 1), (2, 2), (3, 0), (-1, 0), (i32::MAX, 0)] {
        let request = LinkNegotiationPayload {
            connection_type: asked,
            ..good_request()
        };
        let accepted = accept(STRICT, &mut AwsCrypto, link_around(Some(request)))
            .expect("the request is good");
        let reply = payload_in(&accepted.reply.expect("an acceptor replies"));
        assert_eq!(reply.connection_type, answered, "asked {asked}");
        assert_eq!(
            accepted.terms.connection_type as i32, answered,
            "asked {asked}"
        );
    }
}

#[test]
fn a_dialler_adopts_the_type_of_the_reply() {
    let crypto = &mut AwsCrypto;
    let (mut dialling, request) = dial(STRICT, crypto);
    let accepted = accept(STRICT, crypto, arrived(&request)).expect("the request is good");
    let reply = accepted.reply.expect("an acceptor replies");
    let answer = altered(&reply, |payload| payload.connection_type = 0);
    let dialled = dialling.handle(answer, crypto).expect("the reply is good");
    assert_eq!(dialled.terms.connection_type, ConnectionType::Remote);
}

#[test]
fn peer_links_have_a_key_but_no_mac_key() {
    let crypto = &mut AwsCrypto;
    for (asked, signs) in [(0, true), (1, false), (2, true)] {
        let request = LinkNegotiationPayload {
            connection_type: asked,
            ..good_request()
        };
        let terms = accept(STRICT, crypto, link_around(Some(request)))
            .expect("the request is good")
            .terms;
        assert!(terms.key.is_some());
        assert_eq!(terms.mac_key().is_some(), signs);
    }
}

#[test]
fn the_debug_text_of_terms_does_not_hold_the_key() {
    let (dialled, _) = exchange(STRICT, STRICT, &mut AwsCrypto);
    let text = format!("{:?}", dialled.terms);
    assert!(
        text.contains("keyed: true") && !text.contains("key:"),
        "{text}"
    );
}

#[test]
fn a_link_that_is_not_strict_does_without_a_key() {
    for key in [&[][..], &[7; 31], &[7; 33], &[0; 32]] {
        let ecdh = Bytes::copy_from_slice(key);
        let request = LinkNegotiationPayload {
            link_ecdh_public_key: ecdh,
            ..good_request()
        };
        let accepted = accept(LENIENT, &mut AwsCrypto, link_around(Some(request)))
            .expect("a key is not required");
        assert!(accepted.terms.key.is_none() && !accepted.terms.hybrid);
        let reply = payload_in(&accepted.reply.expect("an acceptor replies"));
        assert!(reply.link_ecdh_public_key.is_empty() && reply.link_kem_payload.is_none());
    }
}

#[test]
fn a_dialler_that_is_not_strict_does_without_a_key() {
    let crypto = &mut AwsCrypto;
    for key in [&[][..], &[7; 31], &[0; 32]] {
        let (mut dialling, request) = dial(LENIENT, crypto);
        let accepted = accept(LENIENT, crypto, arrived(&request)).expect("the request is good");
        let answer = altered(&accepted.reply.expect("an acceptor replies"), |payload| {
            payload.link_ecdh_public_key = Bytes::copy_from_slice(key);
        });
        let dialled = dialling
            .handle(answer, crypto)
            .expect("a key is not required");
        assert!(dialled.terms.key.is_none());
    }
}

#[test]
fn only_a_kem_key_of_the_right_length_makes_a_hybrid_key() {
    let crypto = &mut AwsCrypto;
    let (_, request) = dial(STRICT_PQC, crypto);
    let whole = payload_in(&request)
        .link_kem_payload
        .expect("a KEM key was sent");
    for length in [0, 1, 32, 1088, 1183, 1184] {
        let cut = altered(&request, |payload| {
            payload.link_kem_payload = Some(whole.slice(..length));
        });
        let accepted = accept(STRICT, crypto, cut).expect("other lengths are ignored");
        assert_eq!(accepted.terms.hybrid, length == 1184);
        let reply = payload_in(&accepted.reply.expect("an acceptor replies"));
        let ciphertext = reply.link_kem_payload.map(|bytes| bytes.len());
        assert_eq!(ciphertext, (length == 1184).then_some(1088));
    }
}

#[test]
fn peers_are_of_one_deployment_and_two_nodes() {
    let mut local = node("n1");
    let mut peer = PeerIdentity {
        version: String::new(),
        node_id: "n2".to_owned(),
        deployment_name: "lab".to_owned(),
    };
    assert_eq!(check_peer(&local, &peer), Ok(()));
    peer.deployment_name.clear();
    assert_eq!(
        check_peer(&local, &peer),
        Err(PeerRejection::DeploymentMismatch)
    );
    local.deployment_name.clear();
    assert_eq!(check_peer(&local, &peer), Ok(()));
    peer.deployment_name = "other".to_owned();
    assert_eq!(check_peer(&local, &peer), Ok(()));
    peer.node_id = "n1".to_owned();
    assert_eq!(check_peer(&local, &peer), Err(PeerRejection::SameNode));
    // WIRE §4.6 gives the texts that go out with status 7.
    assert_eq!(
        PeerRejection::SameNode.to_string(),
        "self-connection rejected: same node_id"
    );
    assert_eq!(
        PeerRejection::DeploymentMismatch.to_string(),
        "deployment_name mismatch"
    );
}
