//! The vectors of WIRE §4.5, through the whole machine.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use slipring_proto::crypto::aws::{AwsCrypto, AwsKey};
use slipring_proto::crypto::{CryptoFault, MacKey, Secret};

use super::*;

const DIALLER_PUBLIC: &str = "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13";
const ACCEPTOR_PUBLIC: &str = "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20";
const SHARED: &str = "9e004098efc091d4ec2663b4e9f5cfd4d7064571690b4bea97ab146ab9f35056";
const CLASSICAL_KEY: &str = "345556c2417ad3ff339e9de5da7b7f2d7f35ebc1cd2d88bffecfdc73a4e584a9";
const HYBRID_KEY: &str = "f28ba1ecc762a76d9b41b8e025ed795a93a63b186c7c457e0850411e5a7ec16a";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// The real cryptography with a given private key and a given KEM secret.
struct Fixed {
    private: [u8; 32],
}

impl Fixed {
    fn kem_secret() -> Secret {
        Secret::from_slice(&[0x33; 32]).expect("it is not zero")
    }
}

impl LinkCrypto for Fixed {
    type Key = AwsKey;
    type Ephemeral = PrivateKey;
    type KemSecret = ();

    fn ephemeral(&mut self) -> Result<(PrivateKey, [u8; 32]), CryptoFault> {
        let own = PrivateKey::from_private_key(&X25519, &self.private).expect("32 bytes");
        let public = own.compute_public_key().expect("it has one");
        let public = public.as_ref().try_into().expect("32 bytes");
        Ok((own, public))
    }

    fn agree(&mut self, own: PrivateKey, peer: &[u8]) -> Result<Secret, CryptoFault> {
        let shared = AwsCrypto.agree(own, peer)?;
        assert_eq!(shared.as_bytes().as_slice(), hex(SHARED));
        Ok(shared)
    }

    fn kem_generate(&mut self) -> Result<((), Vec<u8>), CryptoFault> {
        Ok(((), vec![1; 1184]))
    }

    fn kem_encapsulate(&mut self, _key: &[u8]) -> Result<(Vec<u8>, Secret), CryptoFault> {
        Ok((vec![2; 1088], Self::kem_secret()))
    }

    fn kem_decapsulate(&mut self, (): (), _ciphertext: &[u8]) -> Result<Secret, CryptoFault> {
        Ok(Self::kem_secret())
    }

    fn derive(&self, salt: &[u8], ikm: &[&[u8]], info: &[u8]) -> Result<AwsKey, CryptoFault> {
        AwsCrypto.derive(salt, ikm, info)
    }
}

fn vector_node(node_id: &str) -> LocalNode {
    LocalNode {
        deployment_name: String::new(),
        ..node(node_id)
    }
}

/// Runs the exchange of the vector and returns request, reply and what each side's key tags with.
fn run(policy: LinkPolicy) -> (Bytes, Bytes, [u8; 32], [u8; 32]) {
    let (dialler, acceptor) = (
        &mut Fixed {
            private: [0x11; 32],
        },
        &mut Fixed {
            private: [0x22; 32],
        },
    );
    let (mut dialling, request) = Negotiation::dial(
        vector_node("n1"),
        policy,
        LINK_ID.to_owned(),
        ConnectionType::Edge,
        dialler,
    )
    .expect("it dials");
    let accepted = Negotiation::accept(vector_node("n2"), policy)
        .handle(arrived(&request), acceptor)
        .expect("the request is good");
    let reply = accepted.reply.expect("an acceptor replies");
    let dialled = dialling
        .handle(arrived(&reply), dialler)
        .expect("the reply is good");
    let tags = [dialled.terms, accepted.terms]
        .map(|terms| terms.key.expect("there is a key").tag(b"vector"));
    (request, reply, tags[0], tags[1])
}

fn expected_tag(key: &str) -> [u8; 32] {
    AwsKey::new(&hex(key).try_into().expect("32 bytes")).tag(b"vector")
}

/// The bytes WIRE §4.5 lists for request and reply.
fn vector_message(reply: bool, public: &str, node_id: &str) -> Vec<u8> {
    let mut payload = vec![0x0a, 0x24];
    payload.extend_from_slice(LINK_ID.as_bytes());
    payload.extend_from_slice(b"\x12\x053.4.6");
    if reply {
        payload.extend_from_slice(&[0x18, 0x01]);
    }
    payload.extend_from_slice(&[0x22, 0x20]);
    payload.extend_from_slice(&hex(public));
    payload.extend_from_slice(&[0x28, 0x02, 0x32, 0x02]);
    payload.extend_from_slice(node_id.as_bytes());
    let length = u8::try_from(payload.len()).expect("a short payload");
    [&[0x2a, length + 2, 0x0a, length][..], &payload].concat()
}

#[test]
fn the_classical_vector() {
    let (request, reply, dialled, accepted) = run(STRICT);
    assert_eq!(request.len(), 89);
    assert_eq!(request, vector_message(false, DIALLER_PUBLIC, "n1"));
    assert_eq!(reply, vector_message(true, ACCEPTOR_PUBLIC, "n2"));
    assert_eq!(dialled, expected_tag(CLASSICAL_KEY));
    assert_eq!(accepted, expected_tag(CLASSICAL_KEY));
}

#[test]
fn the_hybrid_vector() {
    let (request, reply, dialled, accepted) = run(STRICT_PQC);
    assert_eq!(
        payload_in(&request).link_kem_payload,
        Some(vec![1; 1184].into())
    );
    assert_eq!(
        payload_in(&reply).link_kem_payload,
        Some(vec![2; 1088].into())
    );
    assert_eq!(dialled, expected_tag(HYBRID_KEY));
    assert_eq!(accepted, expected_tag(HYBRID_KEY));
}
