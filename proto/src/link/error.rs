//! Every way a negotiation fails, each with its clause. On the wire they all look the same: the
//! stream ends with status 0.

use crate::crypto::CryptoFault;

/// The rule a negotiation broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The first message is of another kind.
    #[error("the first message is not a link message")]
    NotLink,
    /// The first message is a link message that does not decode.
    #[error("the link message does not decode")]
    Undecodable,
    /// The first message is an empty link message.
    #[error("the link message has no payload")]
    NoPayload,
    /// The acceptor enforces hybrid keys and the request carries no ML-KEM-768 key.
    #[error("the request carries no 1184-byte KEM key")]
    KemKeyRequired,
    /// A reply came where a request was due.
    #[error("the request is marked as a reply")]
    ReplyAsRequest,
    /// A request came where a reply was due, as when ours is sent back to us.
    #[error("the reply is not marked as one")]
    RequestAsReply,
    /// The version is not SemVer 2.0.
    #[error("the version is not a semantic version")]
    Version,
    /// The link is strict and the peer's ECDH key has another length than 32.
    #[error("the ECDH key is not 32 bytes")]
    EcdhKeyLength,
    /// The link has no name.
    #[error("the link id is empty")]
    LinkIdEmpty,
    /// The reply is to another request.
    #[error("the reply names another link")]
    LinkIdMismatch,
    /// A text of the payload is longer than [`super::TEXT_BYTES_MAX`].
    #[error("a text of the payload is too long")]
    TextTooLong,
    /// The peer answered with our own key, so it owns no secret.
    #[error("the reply carries our own ECDH key")]
    ReflectedKey,
    /// The link is strict and no key could be agreed on.
    #[error("key agreement failed: {0}")]
    KeyAgreement(CryptoFault),
    /// The dialler enforces hybrid keys and the reply carries no ML-KEM-768 ciphertext.
    #[error("the reply carries no 1088-byte KEM ciphertext")]
    KemCiphertextLength,
    /// Hybrid keys are enforced and none resulted.
    #[error("no hybrid key resulted")]
    NoHybridKey,
    /// This side could not generate a key.
    #[error("no own key: {0}")]
    OwnKey(CryptoFault),
    /// The machine has already taken its one message.
    #[error("the negotiation is over")]
    Finished,
}

impl NegotiationError {
    /// A short constant label, for metrics and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotLink => "not_link",
            Self::Undecodable => "undecodable",
            Self::NoPayload => "no_payload",
            Self::KemKeyRequired => "kem_key_required",
            Self::ReplyAsRequest => "reply_as_request",
            Self::RequestAsReply => "request_as_reply",
            Self::Version => "version",
            Self::EcdhKeyLength => "ecdh_key_length",
            Self::LinkIdEmpty => "link_id_empty",
            Self::LinkIdMismatch => "link_id_mismatch",
            Self::TextTooLong => "text_too_long",
            Self::ReflectedKey => "reflected_key",
            Self::KeyAgreement(_) => "key_agreement",
            Self::KemCiphertextLength => "kem_ciphertext_length",
            Self::NoHybridKey => "no_hybrid_key",
            Self::OwnKey(_) => "own_key",
            Self::Finished => "finished",
        }
    }

    /// The clause of the wire contract that was broken; where both roles share a rule, the
    /// acceptor's.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::NotLink | Self::Undecodable | Self::NoPayload => "4.2.1",
            Self::KemKeyRequired => "4.2.2",
            Self::ReplyAsRequest => "4.2.3",
            Self::Version => "4.2.4",
            Self::EcdhKeyLength => "4.2.5",
            Self::LinkIdEmpty => "4.2.6",
            Self::KeyAgreement(_) => "4.2.7",
            Self::NoHybridKey => "4.2.8",
            Self::RequestAsReply | Self::LinkIdMismatch | Self::KemCiphertextLength => "4.3",
            Self::Finished | Self::TextTooLong => "4.4",
            Self::ReflectedKey | Self::OwnKey(_) => "4.5",
        }
    }
}
