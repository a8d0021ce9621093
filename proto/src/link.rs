//! Link negotiation: the one exchange that opens a link, for both roles, without I/O.
//!
//! Enters: the first message a peer sent, and fresh key material. Leaves: the reply to send, if any,
//! and the [`LinkTerms`] both sides now hold. The caller owns the clock (WIRE §4.1 gives the
//! exchange [`crate::limits::NEGOTIATION_TIMEOUT_MS`]) and the stream; any error means that the
//! stream ends with status 0 and nothing else is sent.
//!
//! Invariants: a machine takes one message, whatever it was, and then is finished; key material
//! lives no longer than the machine; strict terms always hold a key, and terms of a node that
//! enforces post-quantum keys always hold a hybrid one.

mod error;
mod peer;
mod terms;

use core::mem;

use bytes::Bytes;

pub use self::error::NegotiationError;
pub use self::peer::{LocalNode, PeerIdentity, PeerRejection, check_peer};
pub use self::terms::{ConnectionType, LinkPolicy, LinkTerms, Negotiated};
use crate::crypto::{CryptoFault, LinkCrypto, Secret};
use crate::envelope::Inbound;
use crate::generated::LinkNegotiationPayload;
use crate::limits::{ECDH_KEY_BYTES, KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES};
use crate::message;

/// Longest `link_id`, `slim_version`, `node_id` and `deployment_name` taken from a peer. The
/// protocol sets no bound; without one a peer could make every later MAC on the link hash
/// megabytes. Published peers stay below 100 bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// WIRE §4.5: binds a key to its purpose when both keys are classical.
const CLASSICAL_PURPOSE: &[u8] = b"SLIM-DP-inter-node-hmac-v1";
/// WIRE §4.5: binds a key to its purpose when an ML-KEM secret went into it.
const HYBRID_PURPOSE: &[u8] = b"SLIM-DP-inter-node-hmac-v1-pq";

/// One side of one negotiation.
pub struct Negotiation<C: LinkCrypto> {
    local: LocalNode,
    policy: LinkPolicy,
    phase: Phase<C>,
}

enum Phase<C: LinkCrypto> {
    AwaitingRequest,
    AwaitingReply(Dialled<C>),
    Finished,
}

/// What a dialler must remember until the reply comes.
struct Dialled<C: LinkCrypto> {
    link_id: String,
    own: C::Ephemeral,
    own_public: [u8; ECDH_KEY_BYTES],
    kem: Option<C::KemSecret>,
}

impl<C: LinkCrypto> Negotiation<C> {
    /// The side that was dialled: waits for the request.
    pub fn accept(local: LocalNode, policy: LinkPolicy) -> Self {
        Self {
            local,
            policy,
            phase: Phase::AwaitingRequest,
        }
    }

    /// The side that dials: returns the request to send at once, a protobuf `Message` without gRPC
    /// prefix, and waits for the reply. Nothing else may be sent before that (WIRE §4.1).
    ///
    /// # Errors
    /// [`NegotiationError::LinkIdEmpty`] or [`NegotiationError::TextTooLong`] if `link_id` could
    /// not be accepted by ourselves; [`NegotiationError::OwnKey`] if no key could be generated.
    pub fn dial(
        local: LocalNode,
        policy: LinkPolicy,
        link_id: String,
        connection_type: ConnectionType,
        crypto: &mut C,
    ) -> Result<(Self, Bytes), NegotiationError> {
        if link_id.is_empty() {
            return Err(NegotiationError::LinkIdEmpty);
        }
        if link_id.len() > TEXT_BYTES_MAX {
            return Err(NegotiationError::TextTooLong);
        }
        let (own, own_public) = crypto.ephemeral().map_err(NegotiationError::OwnKey)?;
        let (kem, kem_payload) = if policy.enforce_pqc {
            let (secret, key) = crypto.kem_generate().map_err(NegotiationError::OwnKey)?;
            (Some(secret), Some(Bytes::from(key)))
        } else {
            (None, None)
        };
        let request = message::link(LinkNegotiationPayload {
            link_id: link_id.clone(),
            slim_version: local.version.clone(),
            is_reply: false,
            link_ecdh_public_key: Bytes::copy_from_slice(&own_public),
            connection_type: connection_type.to_wire(),
            node_id: local.node_id.clone(),
            deployment_name: local.deployment_name.clone(),
            link_kem_payload: kem_payload,
        });
        let phase = Phase::AwaitingReply(Dialled {
            link_id,
            own,
            own_public,
            kem,
        });
        Ok((
            Self {
                local,
                policy,
                phase,
            },
            request,
        ))
    }

    /// Takes the first message of the peer and finishes.
    ///
    /// # Errors
    /// The first rule of WIRE §4.2 or §4.3 that the message breaks; the stream must then end. A
    /// second call is [`NegotiationError::Finished`], which WIRE §4.4 wants ignored instead.
    pub fn handle(
        &mut self,
        first: Inbound,
        crypto: &mut C,
    ) -> Result<Negotiated<C::Key>, NegotiationError> {
        match mem::replace(&mut self.phase, Phase::Finished) {
            Phase::AwaitingRequest => self.answer(payload_of(first)?, crypto),
            Phase::AwaitingReply(dialled) => self.conclude(dialled, payload_of(first)?, crypto),
            Phase::Finished => Err(NegotiationError::Finished),
        }
    }

    /// WIRE §4.2, checks in the order of the clause.
    fn answer(
        &self,
        request: LinkNegotiationPayload,
        crypto: &mut C,
    ) -> Result<Negotiated<C::Key>, NegotiationError> {
        if self.policy.enforce_pqc && kem_payload(&request).len() != KEM_KEY_BYTES {
            return Err(NegotiationError::KemKeyRequired);
        }
        if request.is_reply {
            return Err(NegotiationError::ReplyAsRequest);
        }
        self.check_version_and_key(&request)?;
        if request.link_id.is_empty() {
            return Err(NegotiationError::LinkIdEmpty);
        }
        check_text_lengths(&request)?;
        let keys = self.required(answer_keys(&request, crypto))?;
        let (key, public, ciphertext) = match keys {
            Some(keys) => (Some(keys.key), keys.public, keys.ciphertext),
            None => (None, Bytes::new(), None),
        };
        let hybrid = ciphertext.is_some();
        let connection_type = ConnectionType::from_wire(request.connection_type);
        let reply = message::link(LinkNegotiationPayload {
            link_id: request.link_id.clone(),
            slim_version: self.local.version.clone(),
            is_reply: true,
            link_ecdh_public_key: public,
            connection_type: connection_type.to_wire(),
            node_id: self.local.node_id.clone(),
            deployment_name: self.local.deployment_name.clone(),
            link_kem_payload: ciphertext,
        });
        Ok(Negotiated {
            reply: Some(reply),
            terms: self.terms(request, key, hybrid),
        })
    }

    /// WIRE §4.3.
    fn conclude(
        &self,
        dialled: Dialled<C>,
        reply: LinkNegotiationPayload,
        crypto: &mut C,
    ) -> Result<Negotiated<C::Key>, NegotiationError> {
        if !reply.is_reply {
            return Err(NegotiationError::RequestAsReply);
        }
        self.check_version_and_key(&reply)?;
        if reply.link_id != dialled.link_id {
            return Err(NegotiationError::LinkIdMismatch);
        }
        check_text_lengths(&reply)?;
        if reply.link_ecdh_public_key == dialled.own_public.as_slice() {
            return Err(NegotiationError::ReflectedKey);
        }
        let hybrid = dialled.kem.is_some();
        if hybrid && kem_payload(&reply).len() != KEM_CIPHERTEXT_BYTES {
            return Err(NegotiationError::KemCiphertextLength);
        }
        let key = self.required(conclude_key(dialled, &reply, crypto))?;
        Ok(Negotiated {
            reply: None,
            terms: self.terms(reply, key, hybrid),
        })
    }

    /// The checks that both roles make in the same order: WIRE §4.2 steps 4 and 5, and §4.3.
    fn check_version_and_key(
        &self,
        payload: &LinkNegotiationPayload,
    ) -> Result<(), NegotiationError> {
        // The bound comes first so that the parser never sees megabytes.
        if payload.slim_version.len() > TEXT_BYTES_MAX
            || semver::Version::parse(&payload.slim_version).is_err()
        {
            return Err(NegotiationError::Version);
        }
        let key_length = payload.link_ecdh_public_key.len();
        if self.policy.require_header_mac && key_length != ECDH_KEY_BYTES {
            return Err(NegotiationError::EcdhKeyLength);
        }
        Ok(())
    }

    /// Whether a link may do without the keys that failed: WIRE §4.2 steps 7 and 8.
    fn required<T>(&self, keys: Result<T, CryptoFault>) -> Result<Option<T>, NegotiationError> {
        match keys {
            Ok(keys) => Ok(Some(keys)),
            Err(fault) if self.policy.require_header_mac => {
                Err(NegotiationError::KeyAgreement(fault))
            }
            Err(_) if self.policy.enforce_pqc => Err(NegotiationError::NoHybridKey),
            Err(_) => Ok(None),
        }
    }

    fn terms(
        &self,
        payload: LinkNegotiationPayload,
        key: Option<C::Key>,
        hybrid: bool,
    ) -> LinkTerms<C::Key> {
        LinkTerms {
            connection_type: ConnectionType::from_wire(payload.connection_type),
            hybrid: hybrid && key.is_some(),
            key,
            strict: self.policy.require_header_mac,
            link_id: payload.link_id,
            peer: PeerIdentity {
                version: payload.slim_version,
                node_id: payload.node_id,
                deployment_name: payload.deployment_name,
            },
        }
    }
}

/// What an acceptor installs and answers with.
struct AnswerKeys<K> {
    key: K,
    public: Bytes,
    ciphertext: Option<Bytes>,
}

fn answer_keys<C: LinkCrypto>(
    request: &LinkNegotiationPayload,
    crypto: &mut C,
) -> Result<AnswerKeys<C::Key>, CryptoFault> {
    let (own, public) = crypto.ephemeral()?;
    let shared = crypto.agree(own, &request.link_ecdh_public_key)?;
    // WIRE §4.5: exactly this length asks for a hybrid key, every other one is ignored.
    let (ciphertext, kem_shared) = match kem_payload(request) {
        key if key.len() == KEM_KEY_BYTES => {
            let (ciphertext, shared) = crypto.kem_encapsulate(key)?;
            (Some(Bytes::from(ciphertext)), Some(shared))
        }
        _ => (None, None),
    };
    let key = derive(crypto, &request.link_id, &shared, kem_shared.as_ref())?;
    Ok(AnswerKeys {
        key,
        public: Bytes::copy_from_slice(&public),
        ciphertext,
    })
}

fn conclude_key<C: LinkCrypto>(
    dialled: Dialled<C>,
    reply: &LinkNegotiationPayload,
    crypto: &mut C,
) -> Result<C::Key, CryptoFault> {
    let shared = crypto.agree(dialled.own, &reply.link_ecdh_public_key)?;
    let kem_shared = match dialled.kem {
        Some(secret) => Some(crypto.kem_decapsulate(secret, kem_payload(reply))?),
        None => None,
    };
    derive(crypto, &dialled.link_id, &shared, kem_shared.as_ref())
}

/// WIRE §4.5.
fn derive<C: LinkCrypto>(
    crypto: &C,
    link_id: &str,
    shared: &Secret,
    kem_shared: Option<&Secret>,
) -> Result<C::Key, CryptoFault> {
    let salt = link_id.as_bytes();
    match kem_shared {
        Some(kem) => crypto.derive(salt, &[shared.as_bytes(), kem.as_bytes()], HYBRID_PURPOSE),
        None => crypto.derive(salt, &[shared.as_bytes()], CLASSICAL_PURPOSE),
    }
}

fn payload_of(first: Inbound) -> Result<LinkNegotiationPayload, NegotiationError> {
    let Inbound::Link(body) = first else {
        return Err(NegotiationError::NotLink);
    };
    message::decode_link(body)
        .map_err(|_| NegotiationError::Undecodable)?
        .ok_or(NegotiationError::NoPayload)
}

fn kem_payload(payload: &LinkNegotiationPayload) -> &[u8] {
    payload.link_kem_payload.as_deref().unwrap_or_default()
}

fn check_text_lengths(payload: &LinkNegotiationPayload) -> Result<(), NegotiationError> {
    let texts = [&payload.link_id, &payload.node_id, &payload.deployment_name];
    if texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(NegotiationError::TextTooLong);
    }
    Ok(())
}
