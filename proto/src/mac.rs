//! The header MAC: sign for the next hop, verify from the last one (WIRE §5).
//!
//! Enters: a parsed routed header with its raw bytes, a link's key and id. Leaves: a 32-byte tag, or
//! whether the header's own tag is right. The preimage is written by
//! [`RoutedHeader::preimage`] into the caller's scratch buffer, so that nothing is allocated per
//! message once the buffer has grown.
//!
//! Two ways lead to the same tag. [`sign`] and [`verify`] hash everything. A caller that sees the
//! same names again and again on one link keeps [`names_context`] and finishes with [`sign_rest`]
//! or [`verify_rest`]: only identity, fanout, ttl and flags are hashed then.
//!
//! The MAC has no nonce: a replayed header verifies (WIRE §5.1). It covers neither version,
//! `incoming_conn`, the end-to-end signature nor anything behind the header.

use crate::crypto::MacKey;
use crate::header::{RoutedHeader, Steering};
use crate::limits::MAC_BYTES;

/// The tag under which the header leaves on a link: with `ttl`, steering fields cleared
/// (WIRE §2.3).
pub fn sign<K: MacKey>(
    key: &K,
    header: &RoutedHeader,
    raw: &[u8],
    link_id: &[u8],
    ttl: u32,
    scratch: &mut Vec<u8>,
) -> [u8; MAC_BYTES] {
    scratch.clear();
    header.preimage(raw, link_id, ttl, Steering::Cleared, scratch);
    key.tag(scratch)
}

/// The tag that [`verify`] expects on the header as it stands: its own ttl, steering fields as
/// received. An origin signs with it.
pub fn sign_as_received<K: MacKey>(
    key: &K,
    header: &RoutedHeader,
    raw: &[u8],
    link_id: &[u8],
    scratch: &mut Vec<u8>,
) -> [u8; MAC_BYTES] {
    scratch.clear();
    header.preimage(raw, link_id, header.ttl, Steering::AsReceived, scratch);
    key.tag(scratch)
}

/// Whether the header carries the right tag for this link, in constant time. A header without a
/// tag, or with one of another length than 32, is refused (WIRE §5.1).
pub fn verify<K: MacKey>(
    key: &K,
    header: &RoutedHeader,
    raw: &[u8],
    link_id: &[u8],
    scratch: &mut Vec<u8>,
) -> bool {
    match header.mac(raw) {
        Some(tag) if tag.len() == MAC_BYTES => {
            K::equal(&sign_as_received(key, header, raw, link_id, scratch), tag)
        }
        _ => false,
    }
}

/// A tag in progress that has absorbed domain, link id and both names. It serves every header with
/// these very names (same ids, same text, same presence) on this link.
pub fn names_context<K: MacKey>(
    key: &K,
    header: &RoutedHeader,
    raw: &[u8],
    link_id: &[u8],
    scratch: &mut Vec<u8>,
) -> K::Context {
    scratch.clear();
    header.preimage_names(raw, link_id, scratch);
    let mut context = key.begin();
    K::update(&mut context, scratch);
    context
}

/// The tag that [`sign`] would yield, from a context that has absorbed the header's names.
pub fn sign_rest<K: MacKey>(
    names: &K::Context,
    header: &RoutedHeader,
    raw: &[u8],
    ttl: u32,
    scratch: &mut Vec<u8>,
) -> [u8; MAC_BYTES] {
    finish_rest::<K>(names, header, raw, ttl, Steering::Cleared, scratch)
}

/// What [`verify`] would answer, from a context that has absorbed the header's names.
pub fn verify_rest<K: MacKey>(
    names: &K::Context,
    header: &RoutedHeader,
    raw: &[u8],
    scratch: &mut Vec<u8>,
) -> bool {
    match header.mac(raw) {
        Some(tag) if tag.len() == MAC_BYTES => {
            let steering = Steering::AsReceived;
            K::equal(
                &finish_rest::<K>(names, header, raw, header.ttl, steering, scratch),
                tag,
            )
        }
        _ => false,
    }
}

fn finish_rest<K: MacKey>(
    names: &K::Context,
    header: &RoutedHeader,
    raw: &[u8],
    ttl: u32,
    steering: Steering,
    scratch: &mut Vec<u8>,
) -> [u8; MAC_BYTES] {
    scratch.clear();
    header.preimage_rest(raw, ttl, steering, scratch);
    let mut context = names.clone();
    K::update(&mut context, scratch);
    K::finish(context)
}
