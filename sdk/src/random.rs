//! Numbers nobody can guess: link ids, node ids, where subscription ids start.
//!
//! The standard library seeds its hashers from the operating system; that is randomness enough for
//! identifiers. Nothing here is fit for keys.

use std::hash::{BuildHasher, Hasher};

/// A number nobody can guess; the standard library seeds its hashers from the system.
pub fn random_u64() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// A UUID of version 4, as published clients choose for link ids.
pub fn random_uuid() -> String {
    let (high, low) = (random_u64(), random_u64());
    let version = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let variant = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    let text = format!("{version:016x}{variant:016x}");
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_shape_and_differs_from_the_next() {
        let uuid = random_uuid();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert_ne!(uuid, random_uuid());
    }
}
