//! Link cryptography by aws-lc-rs: X25519, ML-KEM-768, HKDF-SHA256 and HMAC-SHA256.
//!
//! Enters and leaves: see [`LinkCrypto`]. Randomness is the operating system's. Nothing here keeps a
//! copy of key material outside the library's own wiped buffers and [`Secret`].

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::kem::{self, Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::{constant_time, hkdf, hmac};
use zeroize::Zeroizing;

use super::{CryptoFault, LinkCrypto, MacKey, Secret};
use crate::limits::{
    ECDH_KEY_BYTES, KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES, LINK_KEY_BYTES, MAC_BYTES,
};

/// The cryptography of a shipped binary. It holds no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsCrypto;

impl LinkCrypto for AwsCrypto {
    type Key = AwsKey;
    type Ephemeral = PrivateKey;
    type KemSecret = DecapsulationKey<kem::AlgorithmId>;

    fn ephemeral(&mut self) -> Result<(Self::Ephemeral, [u8; ECDH_KEY_BYTES]), CryptoFault> {
        let own = PrivateKey::generate(&X25519).map_err(|_| CryptoFault::Generation)?;
        let public = own
            .compute_public_key()
            .map_err(|_| CryptoFault::Generation)?;
        let public = public
            .as_ref()
            .try_into()
            .map_err(|_| CryptoFault::Generation)?;
        Ok((own, public))
    }

    fn agree(&mut self, own: Self::Ephemeral, peer: &[u8]) -> Result<Secret, CryptoFault> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agreement::agree(&own, peer, CryptoFault::PeerKey, |shared| {
            Secret::from_slice(shared).ok_or(CryptoFault::PeerKey)
        })
    }

    fn kem_generate(&mut self) -> Result<(Self::KemSecret, Vec<u8>), CryptoFault> {
        let secret =
            DecapsulationKey::generate(&ML_KEM_768).map_err(|_| CryptoFault::Generation)?;
        let public = secret
            .encapsulation_key()
            .map_err(|_| CryptoFault::Generation)?;
        let public = public.key_bytes().map_err(|_| CryptoFault::Generation)?;
        Ok((secret, public.as_ref().to_vec()))
    }

    fn kem_encapsulate(&mut self, key: &[u8]) -> Result<(Vec<u8>, Secret), CryptoFault> {
        if key.len() != KEM_KEY_BYTES {
            return Err(CryptoFault::KemKey);
        }
        let key = EncapsulationKey::new(&ML_KEM_768, key).map_err(|_| CryptoFault::KemKey)?;
        let (ciphertext, shared) = key.encapsulate().map_err(|_| CryptoFault::KemKey)?;
        let shared = Secret::from_slice(shared.as_ref()).ok_or(CryptoFault::KemKey)?;
        Ok((ciphertext.as_ref().to_vec(), shared))
    }

    fn kem_decapsulate(
        &mut self,
        secret: Self::KemSecret,
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoFault> {
        if ciphertext.len() != KEM_CIPHERTEXT_BYTES {
            return Err(CryptoFault::KemCiphertext);
        }
        let shared = secret
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| CryptoFault::KemCiphertext)?;
        Secret::from_slice(shared.as_ref()).ok_or(CryptoFault::KemCiphertext)
    }

    fn derive(&self, salt: &[u8], ikm: &[&[u8]], info: &[u8]) -> Result<Self::Key, CryptoFault> {
        // Reserved at its full size first, so that no partly filled copy is left behind by growth.
        let mut input = Zeroizing::new(Vec::with_capacity(ikm.iter().map(|part| part.len()).sum()));
        for part in ikm {
            input.extend_from_slice(part);
        }
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&input);
        let mut key = Zeroizing::new([0; LINK_KEY_BYTES]);
        extracted
            .expand(&[info], hkdf::HKDF_SHA256)
            .and_then(|expanded| expanded.fill(key.as_mut_slice()))
            .map_err(|_| CryptoFault::Derivation)?;
        Ok(AwsKey::new(&key))
    }
}

/// An HMAC-SHA256 key whose two inner states are computed once, when the link is made.
pub struct AwsKey(hmac::Key);

impl AwsKey {
    /// A key from its 32 bytes; for tests and tools, a negotiation derives its own.
    pub fn new(bytes: &[u8; LINK_KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl MacKey for AwsKey {
    type Context = hmac::Context;

    fn begin(&self) -> Self::Context {
        hmac::Context::with_key(&self.0)
    }

    fn update(context: &mut Self::Context, bytes: &[u8]) {
        context.update(bytes);
    }

    fn finish(context: Self::Context) -> [u8; MAC_BYTES] {
        let mut tag = [0; MAC_BYTES];
        // HMAC-SHA256 always yields 32 bytes; zip cannot run short.
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }

    fn equal(tag: &[u8; MAC_BYTES], candidate: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(tag, candidate).is_ok()
    }
}
