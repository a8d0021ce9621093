//! W-02: downgrades, replays, reflected keys, wrong ids and self-connections, by someone who can
//! read and change what passes between the two. Each is refused with a reason, or leaves the
//! attacker without the key.

use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::crypto::fake::FakeCrypto;
use slipring_proto::crypto::{LinkCrypto, MacKey};
use slipring_proto::link::{LinkTerms, PeerRejection, check_peer};

use super::*;

fn with_both(case: impl Fn(&mut dyn FnMut(LinkPolicy, Tamper) -> Outcome)) {
    case(&mut |policy, tamper| attacked(policy, tamper, &mut AwsCrypto));
    case(&mut |policy, tamper| attacked(policy, tamper, &mut FakeCrypto::new(7)));
}

/// What the attacker does to the reply, given the request.
type Tamper = fn(&LinkNegotiationPayload, &mut LinkNegotiationPayload);

/// The dialler's verdict on a tampered reply; `Ok` tells whether both ends share a key.
type Outcome = Result<bool, NegotiationError>;

fn attacked<C: LinkCrypto>(policy: LinkPolicy, tamper: Tamper, crypto: &mut C) -> Outcome {
    let (mut dialling, request) = dial(policy, crypto);
    let accepted = accept(policy, crypto, arrived(&request)).expect("the request is good");
    let reply = accepted.reply.clone().expect("an acceptor replies");
    let answer = altered(&reply, |payload| tamper(&payload_in(&request), payload));
    let dialled = dialling.handle(answer, crypto)?;
    Ok(shared_key(&dialled.terms, &accepted.terms))
}

fn shared_key<K: MacKey>(one: &LinkTerms<K>, other: &LinkTerms<K>) -> bool {
    let tags = [one, other].map(|terms| terms.key.as_ref().map(|key| key.tag(b"probe")));
    tags[0].is_some() && tags[0] == tags[1]
}

#[test]
fn an_untouched_exchange_shares_a_key() {
    with_both(|attack| {
        for policy in [STRICT, LENIENT, STRICT_PQC, LENIENT_PQC] {
            assert_eq!(attack(policy, |_, _| ()), Ok(true));
        }
    });
}

#[test]
fn a_hybrid_link_cannot_be_talked_down_to_classical() {
    with_both(|attack| {
        for policy in [STRICT_PQC, LENIENT_PQC] {
            let stripped = attack(policy, |_, reply| reply.link_kem_payload = None);
            assert_eq!(stripped, Err(NegotiationError::KemCiphertextLength));
            let cut = attack(policy, |_, reply| {
                reply.link_kem_payload = Some(vec![1; 1087].into());
            });
            assert_eq!(cut, Err(NegotiationError::KemCiphertextLength));
        }
        let no_ecdh = attack(LENIENT_PQC, |_, reply| {
            reply.link_ecdh_public_key = Bytes::new()
        });
        assert_eq!(no_ecdh, Err(NegotiationError::NoHybridKey));
    });
    // The same on the way there: the acceptor misses the KEM key.
    let (_, request) = dial(STRICT_PQC, &mut AwsCrypto);
    let stripped = altered(&request, |payload| payload.link_kem_payload = None);
    let error = accept(STRICT_PQC, &mut AwsCrypto, stripped).err();
    assert_eq!(error, Some(NegotiationError::KemKeyRequired));
}

#[test]
fn a_strict_link_cannot_be_talked_out_of_its_key() {
    with_both(|attack| {
        let stripped = attack(STRICT, |_, reply| reply.link_ecdh_public_key = Bytes::new());
        assert_eq!(stripped, Err(NegotiationError::EcdhKeyLength));
        let zeroed = attack(STRICT, |_, reply| {
            reply.link_ecdh_public_key = vec![0; 32].into()
        });
        assert_eq!(zeroed.map_err(|error| error.reason()), Err("key_agreement"));
    });
}

#[test]
fn a_changed_key_or_ciphertext_leaves_the_ends_without_a_common_key() {
    with_both(|attack| {
        let other_key = attack(STRICT, |_, reply| {
            let mut key = reply.link_ecdh_public_key.to_vec();
            key[3] ^= 1;
            reply.link_ecdh_public_key = key.into();
        });
        assert_eq!(other_key, Ok(false));
        let other_ciphertext = attack(STRICT_PQC, |_, reply| {
            let mut ciphertext = reply
                .link_kem_payload
                .take()
                .expect("it is hybrid")
                .to_vec();
            ciphertext[900] ^= 1;
            reply.link_kem_payload = Some(ciphertext.into());
        });
        assert_eq!(other_ciphertext, Ok(false));
    });
}

#[test]
fn reflected_keys_and_requests_are_refused() {
    with_both(|attack| {
        for policy in [STRICT, LENIENT] {
            let key = attack(policy, |request, reply| {
                reply.link_ecdh_public_key = request.link_ecdh_public_key.clone();
            });
            assert_eq!(key, Err(NegotiationError::ReflectedKey));
            let request = attack(policy, |request, reply| *reply = request.clone());
            assert_eq!(request, Err(NegotiationError::RequestAsReply));
            let marked = attack(policy, |request, reply| {
                *reply = LinkNegotiationPayload {
                    is_reply: true,
                    ..request.clone()
                };
            });
            assert_eq!(marked, Err(NegotiationError::ReflectedKey));
        }
    });
}

#[test]
fn a_reply_to_another_link_is_refused() {
    with_both(|attack| {
        for policy in [STRICT, LENIENT] {
            let other = attack(policy, |_, reply| reply.link_id = "other".to_owned());
            assert_eq!(other, Err(NegotiationError::LinkIdMismatch));
            let none = attack(policy, |_, reply| reply.link_id.clear());
            assert_eq!(none, Err(NegotiationError::LinkIdMismatch));
        }
    });
}

/// The link id is the salt, so an acceptor that was told another one holds another key.
#[test]
fn a_request_under_another_link_id_yields_another_key() {
    let crypto = &mut AwsCrypto;
    let (mut dialling, request) = dial(STRICT, crypto);
    let renamed = altered(&request, |payload| payload.link_id = "other".to_owned());
    let accepted = accept(STRICT, crypto, renamed).expect("any id is good");
    let answer = altered(&accepted.reply.expect("an acceptor replies"), |payload| {
        payload.link_id = LINK_ID.to_owned();
    });
    let dialled = dialling.handle(answer, crypto).expect("the id is ours");
    assert!(!shared_key(&dialled.terms, &accepted.terms));
}

/// A replayed message is accepted, as the link id is the same after every reconnect, but fresh keys
/// on the other side leave whoever replays without the link key.
#[test]
fn a_replay_yields_no_key() {
    let crypto = &mut AwsCrypto;
    let (mut first, request) = dial(STRICT_PQC, crypto);
    let recorded = accept(STRICT, crypto, arrived(&request)).expect("the request is good");
    let reply = recorded.reply.clone().expect("an acceptor replies");
    let original = first
        .handle(arrived(&reply), crypto)
        .expect("the reply is good");

    let replayed = accept(STRICT, crypto, arrived(&request)).expect("nothing tells it apart");
    assert!(!shared_key(&original.terms, &replayed.terms));

    let (mut second, _) = dial(STRICT_PQC, crypto);
    let fooled = second
        .handle(arrived(&reply), crypto)
        .expect("nothing tells it apart");
    assert!(!shared_key(&original.terms, &fooled.terms));
    assert!(!shared_key(&recorded.terms, &fooled.terms));
}

#[test]
fn a_machine_takes_one_message() {
    let crypto = &mut AwsCrypto;
    let (mut dialling, request) = dial(STRICT, crypto);
    let mut accepting = Negotiation::accept(node("n2"), STRICT);
    let accepted = accepting
        .handle(arrived(&request), crypto)
        .expect("the request is good");
    let reply = accepted.reply.expect("an acceptor replies");
    dialling
        .handle(arrived(&reply), crypto)
        .expect("the reply is good");
    let again = [
        accepting.handle(arrived(&request), crypto).err(),
        dialling.handle(arrived(&reply), crypto).err(),
    ];
    assert_eq!(again, [Some(NegotiationError::Finished); 2]);
    // A refused message counts too: nobody gets a second guess.
    let mut accepting = Negotiation::<AwsCrypto>::accept(node("n2"), STRICT);
    assert!(accepting.handle(link_around(None), crypto).is_err());
    let error = accepting.handle(arrived(&request), crypto).err();
    assert_eq!(error, Some(NegotiationError::Finished));
}

#[test]
fn a_node_that_dials_itself_is_told_so() {
    let crypto = &mut AwsCrypto;
    let (_, request) = dial(STRICT, crypto);
    let terms = Negotiation::accept(node("n1"), STRICT)
        .handle(arrived(&request), crypto)
        .expect("the negotiation itself succeeds")
        .terms;
    let verdict = check_peer(&node("n1"), &terms.peer);
    assert_eq!(verdict, Err(PeerRejection::SameNode));
    assert_eq!(verdict.map_err(PeerRejection::reason), Err("same_node"));
}
