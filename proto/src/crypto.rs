//! The cryptographic seam of a link: what negotiation and the header MAC need, and nothing more.
//!
//! Enters: a peer's public key, a KEM payload, bytes to authenticate. Leaves: shared secrets, link
//! keys, 32-byte tags. The rooms above are generic over [`LinkCrypto`], so the simulation and the
//! fuzzers run the real protocol with the fake of `fake`, and a shipped binary with `aws`.
//!
//! Invariants: a [`Secret`] is wiped when dropped and cannot be printed; an all-zero agreement is
//! never handed out; tags are compared in constant time.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(test, feature = "fake"))]
pub mod fake;

use core::hint::black_box;

use zeroize::Zeroizing;

use crate::limits::{ECDH_KEY_BYTES, MAC_BYTES, SHARED_SECRET_BYTES};

/// A key of one link, able to tag and to check tags.
///
/// A context may be cloned after a common prefix has been absorbed, so a caller hashes that prefix
/// once and finishes many times.
pub trait MacKey {
    /// A tag being computed.
    type Context: Clone;

    /// Starts a tag.
    fn begin(&self) -> Self::Context;

    /// Absorbs `bytes`. How the input is cut into calls does not matter to the tag.
    fn update(context: &mut Self::Context, bytes: &[u8]);

    /// Finishes the tag over everything absorbed.
    fn finish(context: Self::Context) -> [u8; MAC_BYTES];

    /// The tag of `bytes`.
    fn tag(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        let mut context = self.begin();
        Self::update(&mut context, bytes);
        Self::finish(context)
    }

    /// Whether `candidate` is exactly `tag`, in time that does not depend on where they differ.
    /// A candidate of another length never is.
    fn equal(tag: &[u8; MAC_BYTES], candidate: &[u8]) -> bool {
        equal_in_constant_time(tag, candidate)
    }

    /// Whether `tag` is the tag of `bytes`, in constant time. Any length but 32 is refused.
    fn verify(&self, bytes: &[u8], tag: &[u8]) -> bool {
        tag.len() == MAC_BYTES && Self::equal(&self.tag(bytes), tag)
    }
}

/// Everything a negotiation asks of cryptography.
pub trait LinkCrypto {
    /// The key of a negotiated link.
    type Key: MacKey;
    /// An X25519 private key, used for one agreement.
    type Ephemeral;
    /// An ML-KEM-768 decapsulation key, used for one ciphertext.
    type KemSecret;

    /// A fresh key pair: the private half and the 32-byte public key.
    ///
    /// # Errors
    /// [`CryptoFault::Generation`] if no randomness was to be had.
    fn ephemeral(&mut self) -> Result<(Self::Ephemeral, [u8; ECDH_KEY_BYTES]), CryptoFault>;

    /// The secret shared with the owner of `peer`.
    ///
    /// # Errors
    /// [`CryptoFault::PeerKey`] if `peer` is not 32 bytes or yields an all-zero secret.
    fn agree(&mut self, own: Self::Ephemeral, peer: &[u8]) -> Result<Secret, CryptoFault>;

    /// A fresh KEM key pair: the secret half and the 1184-byte encapsulation key.
    ///
    /// # Errors
    /// [`CryptoFault::Generation`] if no randomness was to be had.
    fn kem_generate(&mut self) -> Result<(Self::KemSecret, Vec<u8>), CryptoFault>;

    /// A fresh secret, and the 1088-byte ciphertext that carries it to the owner of `key`.
    ///
    /// # Errors
    /// [`CryptoFault::KemKey`] if `key` is not a valid encapsulation key of 1184 bytes.
    fn kem_encapsulate(&mut self, key: &[u8]) -> Result<(Vec<u8>, Secret), CryptoFault>;

    /// The secret inside `ciphertext`. A forged ciphertext yields a secret nobody else knows, as
    /// FIPS 203 wants it, not an error.
    ///
    /// # Errors
    /// [`CryptoFault::KemCiphertext`] if `ciphertext` is not 1088 bytes.
    fn kem_decapsulate(
        &mut self,
        secret: Self::KemSecret,
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoFault>;

    /// HKDF: one link key from the concatenation of `ikm`.
    ///
    /// # Errors
    /// [`CryptoFault::Derivation`] if the library refuses the input.
    fn derive(&self, salt: &[u8], ikm: &[&[u8]], info: &[u8]) -> Result<Self::Key, CryptoFault>;
}

/// A shared secret. It is wiped when dropped, and has no `Debug` so that no log can hold it.
pub struct Secret(Zeroizing<[u8; SHARED_SECRET_BYTES]>);

impl Secret {
    /// Takes over a secret; `None` if every bit is zero, which only a low-order peer key yields.
    pub fn new(bytes: Zeroizing<[u8; SHARED_SECRET_BYTES]>) -> Option<Self> {
        if equal_in_constant_time(&[0; SHARED_SECRET_BYTES], bytes.as_slice()) {
            return None;
        }
        Some(Self(bytes))
    }

    /// Copies a secret out of a library's buffer; `None` if it is not 32 bytes or all zero.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; SHARED_SECRET_BYTES]);
        if bytes.len() != own.len() {
            return None;
        }
        own.copy_from_slice(bytes);
        Self::new(own)
    }

    /// The secret itself, for key derivation.
    pub fn as_bytes(&self) -> &[u8; SHARED_SECRET_BYTES] {
        &self.0
    }
}

/// Why a cryptographic step failed. It never says more than a peer already knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoFault {
    /// No fresh key could be made.
    #[error("no fresh key could be generated")]
    Generation,
    /// The peer's X25519 key is of another length, or of low order.
    #[error("the peer's X25519 public key is not acceptable")]
    PeerKey,
    /// The peer's KEM key is of another length, or not a reduced key.
    #[error("the peer's ML-KEM-768 encapsulation key is not acceptable")]
    KemKey,
    /// The peer's ciphertext is of another length.
    #[error("the peer's ML-KEM-768 ciphertext is not acceptable")]
    KemCiphertext,
    /// No link key could be derived.
    #[error("no link key could be derived")]
    Derivation,
}

impl CryptoFault {
    /// A short constant label, for metrics and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Generation => "generation",
            Self::PeerKey => "peer_key",
            Self::KemKey => "kem_key",
            Self::KemCiphertext => "kem_ciphertext",
            Self::Derivation => "derivation",
        }
    }
}

/// Looks at every byte whatever the earlier ones said. `black_box` keeps the compiler from turning
/// the fold into an early exit.
fn equal_in_constant_time(tag: &[u8; MAC_BYTES], candidate: &[u8]) -> bool {
    if candidate.len() != MAC_BYTES {
        return false;
    }
    let differing = tag
        .iter()
        .zip(candidate)
        .fold(0_u8, |seen, (a, b)| black_box(seen | (a ^ b)));
    black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_equal_only_when_every_byte_is() {
        let tag = [7_u8; MAC_BYTES];
        assert!(equal_in_constant_time(&tag, &tag));
        for position in 0..MAC_BYTES {
            let mut other = tag;
            other[position] ^= 0x80;
            assert!(!equal_in_constant_time(&tag, &other));
        }
        assert!(!equal_in_constant_time(&tag, &tag[..31]));
        assert!(!equal_in_constant_time(&tag, &[7_u8; 33]));
    }

    #[test]
    fn an_all_zero_secret_is_refused() {
        assert!(Secret::from_slice(&[0; 32]).is_none());
        assert!(Secret::from_slice(&[1; 31]).is_none());
        let mut last_bit = [0; 32];
        last_bit[31] = 1;
        assert!(Secret::from_slice(&last_bit).is_some());
    }
}
