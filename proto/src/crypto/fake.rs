//! A deterministic stand-in for tests, simulation and fuzzing. It protects nothing.
//!
//! It keeps the shape of the real thing: key sizes, refusals, a tag that depends on every byte, an
//! agreement that both sides reach and a third key breaks. The same seed gives the same bytes on
//! every host, and one tag costs tens of nanoseconds.

use xxhash_rust::xxh64::{Xxh64, xxh64};
use zeroize::Zeroizing;

use super::{CryptoFault, LinkCrypto, MacKey, Secret};
use crate::limits::{
    ECDH_KEY_BYTES, KEM_CIPHERTEXT_BYTES, KEM_KEY_BYTES, MAC_BYTES, SHARED_SECRET_BYTES,
};

/// Fake cryptography, deterministic from its seed.
#[derive(Clone, Debug)]
pub struct FakeCrypto {
    /// Position in the stream of "random" numbers.
    state: u64,
}

impl FakeCrypto {
    /// A stand-in whose every key follows from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }
}

impl LinkCrypto for FakeCrypto {
    type Key = FakeKey;
    type Ephemeral = FakeEphemeral;
    type KemSecret = FakeKemSecret;

    fn ephemeral(&mut self) -> Result<(Self::Ephemeral, [u8; ECDH_KEY_BYTES]), CryptoFault> {
        let mut public = [0; ECDH_KEY_BYTES];
        expand(self.draw(), &mut public);
        Ok((FakeEphemeral(xxh64(&public, 0)), public))
    }

    fn agree(&mut self, own: Self::Ephemeral, peer: &[u8]) -> Result<Secret, CryptoFault> {
        // The all-zero key stands for every low-order point.
        if peer.len() != ECDH_KEY_BYTES || peer.iter().all(|byte| *byte == 0) {
            return Err(CryptoFault::PeerKey);
        }
        // Addition commutes, so both sides reach the same secret.
        secret(own.0.wrapping_add(xxh64(peer, 0))).ok_or(CryptoFault::PeerKey)
    }

    fn kem_generate(&mut self) -> Result<(Self::KemSecret, Vec<u8>), CryptoFault> {
        let mut public = vec![0; KEM_KEY_BYTES];
        expand(self.draw(), &mut public);
        Ok((FakeKemSecret(xxh64(&public, 0)), public))
    }

    fn kem_encapsulate(&mut self, key: &[u8]) -> Result<(Vec<u8>, Secret), CryptoFault> {
        // All ones is not a reduced ML-KEM key either: the real library refuses it too.
        if key.len() != KEM_KEY_BYTES || key.iter().all(|byte| *byte == 0xff) {
            return Err(CryptoFault::KemKey);
        }
        let mut ciphertext = vec![0; KEM_CIPHERTEXT_BYTES];
        expand(self.draw(), &mut ciphertext);
        let shared = secret(xxh64(&ciphertext, xxh64(key, 0))).ok_or(CryptoFault::KemKey)?;
        Ok((ciphertext, shared))
    }

    fn kem_decapsulate(
        &mut self,
        own: Self::KemSecret,
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoFault> {
        if ciphertext.len() != KEM_CIPHERTEXT_BYTES {
            return Err(CryptoFault::KemCiphertext);
        }
        secret(xxh64(ciphertext, own.0)).ok_or(CryptoFault::KemCiphertext)
    }

    fn derive(&self, salt: &[u8], ikm: &[&[u8]], info: &[u8]) -> Result<Self::Key, CryptoFault> {
        let mut hash = Xxh64::new(xxh64(salt, xxh64(info, 0)));
        for part in ikm {
            hash.update(part);
        }
        Ok(FakeKey::new(hash.digest()))
    }
}

/// A fake private key: the hash of its public key.
pub struct FakeEphemeral(u64);

/// A fake decapsulation key: the hash of its encapsulation key.
pub struct FakeKemSecret(u64);

/// A fake link key: a seeded hash stretched to 32 bytes.
pub struct FakeKey {
    seed: u64,
}

impl FakeKey {
    /// A key from any number.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl MacKey for FakeKey {
    type Context = Xxh64;

    fn begin(&self) -> Self::Context {
        Xxh64::new(self.seed)
    }

    fn update(context: &mut Self::Context, bytes: &[u8]) {
        context.update(bytes);
    }

    fn finish(context: Self::Context) -> [u8; MAC_BYTES] {
        stretched(context.digest())
    }

    fn tag(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        stretched(xxh64(bytes, self.seed))
    }
}

/// Weyl increment of the SplitMix64 generator.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Output function of the SplitMix64 generator.
const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn expand(mut state: u64, out: &mut [u8]) {
    for piece in out.chunks_mut(size_of::<u64>()) {
        state = state.wrapping_add(GOLDEN);
        for (to, from) in piece.iter_mut().zip(mix(state).to_le_bytes()) {
            *to = from;
        }
    }
}

fn stretched(state: u64) -> [u8; MAC_BYTES] {
    let mut out = [0; MAC_BYTES];
    expand(state, &mut out);
    out
}

fn secret(state: u64) -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; SHARED_SECRET_BYTES]);
    expand(state, bytes.as_mut_slice());
    Secret::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_input_is_cut_does_not_matter() {
        let key = FakeKey::new(3);
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let mut context = key.begin();
            FakeKey::update(&mut context, &bytes[..cut]);
            FakeKey::update(&mut context, &bytes[cut..]);
            assert_eq!(FakeKey::finish(context), key.tag(&bytes));
        }
    }

    #[test]
    fn the_seed_decides_every_key() {
        let first = FakeCrypto::new(9).ephemeral().map(|pair| pair.1);
        let again = FakeCrypto::new(9).ephemeral().map(|pair| pair.1);
        let other = FakeCrypto::new(10).ephemeral().map(|pair| pair.1);
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
}
