//! Every refusal of WIRE §4.2 and §4.3, in the order of the clauses.

use slipring_proto::crypto::CryptoFault;
use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::link::TEXT_BYTES_MAX;
use slipring_proto::message::{HeaderFields, PublishTail};

use super::*;

/// A name for each way to break a payload.
type Breakage = (&'static str, fn(&mut LinkNegotiationPayload));

fn refusal(policy: LinkPolicy, first: Inbound) -> NegotiationError {
    accept(policy, &mut AwsCrypto, first)
        .err()
        .expect("it is refused")
}

fn plain(framed: &Bytes) -> Inbound {
    arrived(&message::unframed(framed))
}

#[test]
fn a_first_message_of_another_kind_is_refused() {
    let header = HeaderFields::default().seal();
    let others = [
        plain(&header.subscribe(1).expect("it fits")),
        plain(&header.unsubscribe(1).expect("it fits")),
        plain(&header.publish(&PublishTail::empty()).expect("it fits")),
        plain(&message::subscription_ack(1, Ok(())).expect("it fits")),
        arrived(&Bytes::new()),
    ];
    for first in others {
        assert_eq!(refusal(LENIENT, first), NegotiationError::NotLink);
    }
    assert_eq!(
        refusal(LENIENT, link_around(None)),
        NegotiationError::NoPayload
    );
    let garbage = Inbound::Link(Body::from(vec![0x0a, 0x7f]));
    assert_eq!(refusal(LENIENT, garbage), NegotiationError::Undecodable);
}

/// Each step is broken together with all that come after it; the first one must win.
#[test]
fn the_first_broken_rule_of_a_request_wins() {
    let steps: [(Breakage, NegotiationError); 6] = [
        (
            ("kem key", |p| {
                p.link_kem_payload = Some(vec![1; 1183].into())
            }),
            NegotiationError::KemKeyRequired,
        ),
        (
            ("is_reply", |p| p.is_reply = true),
            NegotiationError::ReplyAsRequest,
        ),
        (
            ("version", |p| p.slim_version = "1.2".to_owned()),
            NegotiationError::Version,
        ),
        (
            ("ecdh length", |p| {
                p.link_ecdh_public_key = vec![9; 31].into()
            }),
            NegotiationError::EcdhKeyLength,
        ),
        (
            ("link id", |p| p.link_id.clear()),
            NegotiationError::LinkIdEmpty,
        ),
        (
            ("ecdh value", |p| {
                // Only if no earlier step has taken the length away.
                if p.link_ecdh_public_key.len() == 32 {
                    p.link_ecdh_public_key = vec![0; 32].into();
                }
            }),
            NegotiationError::KeyAgreement(CryptoFault::PeerKey),
        ),
    ];
    for (at, ((name, _), expected)) in steps.iter().enumerate() {
        let mut request = good_request();
        request.link_kem_payload = Some(vec![1; 1184].into());
        for ((_, change), _) in &steps[at..] {
            change(&mut request);
        }
        assert_eq!(
            refusal(STRICT_PQC, link_around(Some(request))),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn an_enforcing_acceptor_needs_a_hybrid_key() {
    let mut request = good_request();
    assert_eq!(
        refusal(LENIENT_PQC, link_around(Some(request.clone()))),
        NegotiationError::KemKeyRequired
    );
    // All ones is no reduced ML-KEM key.
    request.link_kem_payload = Some(vec![0xff; 1184].into());
    let fault = NegotiationError::KeyAgreement(CryptoFault::KemKey);
    assert_eq!(
        refusal(STRICT_PQC, link_around(Some(request.clone()))),
        fault
    );
    assert_eq!(refusal(STRICT, link_around(Some(request.clone()))), fault);
    assert_eq!(
        refusal(LENIENT_PQC, link_around(Some(request.clone()))),
        NegotiationError::NoHybridKey
    );
    let accepted = accept(LENIENT, &mut AwsCrypto, link_around(Some(request)));
    assert!(accepted.expect("nobody insists").terms.key.is_none());
}

#[test]
fn versions_are_strict_semver_and_otherwise_unused() {
    let verdict = |version: &str| {
        let request = LinkNegotiationPayload {
            slim_version: version.to_owned(),
            ..good_request()
        };
        accept(STRICT, &mut AwsCrypto, link_around(Some(request))).err()
    };
    for version in ["0.11.4", "1.0.0-rc.1+x", "99.0.0", "3.4.6"] {
        assert_eq!(verdict(version), None, "{version}");
    }
    for version in ["", "1.2", "v1.2.3", "abc", "01.2.3", " 1.2.3", "1.2.3.4"] {
        assert_eq!(
            verdict(version),
            Some(NegotiationError::Version),
            "{version}"
        );
    }
}

#[test]
fn strict_links_need_a_whole_key() {
    for length in [0, 31, 33, 64] {
        let ecdh = Bytes::from(vec![9; length]);
        let request = LinkNegotiationPayload {
            link_ecdh_public_key: ecdh,
            ..good_request()
        };
        let error = refusal(STRICT, link_around(Some(request)));
        assert_eq!(error, NegotiationError::EcdhKeyLength, "{length}");
    }
}

#[test]
fn texts_are_bounded() {
    let texts: [(Breakage, NegotiationError); 4] = [
        (
            ("link id", |p| p.link_id = too_long()),
            NegotiationError::TextTooLong,
        ),
        (
            ("node id", |p| p.node_id = too_long()),
            NegotiationError::TextTooLong,
        ),
        (
            ("deployment", |p| p.deployment_name = too_long()),
            NegotiationError::TextTooLong,
        ),
        (
            ("version", |p| {
                p.slim_version = format!("1.0.0-{}", too_long())
            }),
            NegotiationError::Version,
        ),
    ];
    for ((name, change), expected) in texts {
        let mut request = good_request();
        change(&mut request);
        assert_eq!(
            refusal(LENIENT, link_around(Some(request))),
            expected,
            "{name}"
        );
    }
    let longest = LinkNegotiationPayload {
        link_id: "x".repeat(TEXT_BYTES_MAX),
        ..good_request()
    };
    assert!(accept(STRICT, &mut AwsCrypto, link_around(Some(longest))).is_ok());
}

fn too_long() -> String {
    "x".repeat(TEXT_BYTES_MAX + 1)
}

/// The same for the dialler: each step broken together with all later ones.
#[test]
fn the_first_broken_rule_of_a_reply_wins() {
    let steps: [(Breakage, NegotiationError); 6] = [
        (
            ("is_reply", |p| p.is_reply = false),
            NegotiationError::RequestAsReply,
        ),
        (
            ("version", |p| p.slim_version.clear()),
            NegotiationError::Version,
        ),
        (
            ("ecdh length", |p| p.link_ecdh_public_key = Bytes::new()),
            NegotiationError::EcdhKeyLength,
        ),
        (
            ("link id", |p| p.link_id.push('x')),
            NegotiationError::LinkIdMismatch,
        ),
        (
            ("kem length", |p| p.link_kem_payload = None),
            NegotiationError::KemCiphertextLength,
        ),
        (
            ("ecdh value", |p| {
                if p.link_ecdh_public_key.len() == 32 {
                    p.link_ecdh_public_key = vec![0; 32].into();
                }
            }),
            NegotiationError::KeyAgreement(CryptoFault::PeerKey),
        ),
    ];
    let crypto = &mut AwsCrypto;
    for (at, ((name, _), expected)) in steps.iter().enumerate() {
        let (mut dialling, request) = dial(STRICT_PQC, crypto);
        let accepted = accept(STRICT, crypto, arrived(&request)).expect("the request is good");
        let answer = altered(&accepted.reply.expect("an acceptor replies"), |payload| {
            for ((_, change), _) in &steps[at..] {
                change(payload);
            }
        });
        let error = dialling.handle(answer, crypto).err();
        assert_eq!(error, Some(*expected), "{name}");
    }
}

#[test]
fn a_dialler_names_its_link() {
    let crypto = &mut AwsCrypto;
    let edge = ConnectionType::Edge;
    for (link_id, expected) in [
        (String::new(), NegotiationError::LinkIdEmpty),
        (too_long(), NegotiationError::TextTooLong),
    ] {
        let error = Negotiation::dial(node("n1"), STRICT, link_id, edge, crypto).err();
        assert_eq!(error, Some(expected));
    }
}
