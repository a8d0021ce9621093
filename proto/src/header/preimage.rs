//! What the header MAC is computed over. WIRE §5.2.
//!
//! The order puts what changes least first: domain and link, then the names, then the rest. A MAC
//! context that has absorbed the first part can be kept for as long as link and names stay.

use super::{NameFields, RoutedHeader};

/// First bytes of every preimage: they tell this MAC from any other use of the link key.
const DOMAIN: &[u8] = b"SLIM-DP-HDR-v1\0";

/// Whether the steering fields `recv_from` and `forward_to` count as they arrived or as the next
/// hop gets them, which is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// To verify: the sender signed them.
    AsReceived,
    /// To sign: they are cleared first. WIRE §2.3.
    Cleared,
}

impl RoutedHeader {
    /// Appends the whole preimage to `out`. `ttl` is the value that stands in the header on this
    /// hop: as received to verify, decremented to sign.
    pub fn preimage(
        &self,
        raw: &[u8],
        link_id: &[u8],
        ttl: u32,
        steering: Steering,
        out: &mut Vec<u8>,
    ) {
        self.preimage_names(raw, link_id, out);
        self.preimage_rest(raw, ttl, steering, out);
    }

    /// Appends the first part of the preimage: domain, link id, source and destination.
    pub fn preimage_names(&self, raw: &[u8], link_id: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(DOMAIN);
        put_bytes(link_id, out);
        put_name(self.source.as_ref(), raw, out);
        put_name(self.destination.as_ref(), raw, out);
    }

    /// Appends the second part of the preimage: identity, fanout, steering, error and ttl.
    pub fn preimage_rest(&self, raw: &[u8], ttl: u32, steering: Steering, out: &mut Vec<u8>) {
        put_bytes(self.identity.content.of(raw), out);
        out.extend_from_slice(&self.fanout.to_le_bytes());
        let (recv_from, forward_to) = match steering {
            Steering::AsReceived => (self.recv_from, self.forward_to),
            Steering::Cleared => (None, None),
        };
        put_optional_u64(recv_from, out);
        put_optional_u64(forward_to, out);
        match self.error {
            None => out.push(0),
            Some(error) => out.extend_from_slice(&[1, u8::from(error)]),
        }
        out.extend_from_slice(&ttl.to_le_bytes());
    }
}

fn put_name(name: Option<&NameFields>, raw: &[u8], out: &mut Vec<u8>) {
    let Some(name) = name else {
        out.push(0);
        return;
    };
    out.push(1);
    match &name.encoded {
        None => out.push(0),
        Some(encoded) => {
            out.push(1);
            for component in encoded.components {
                out.extend_from_slice(&component.to_le_bytes());
            }
            match encoded.id {
                None => out.push(0),
                Some((high, low)) => {
                    out.push(1);
                    out.extend_from_slice(&high.to_le_bytes());
                    out.extend_from_slice(&low.to_le_bytes());
                }
            }
        }
    }
    match &name.text {
        None => out.push(0),
        Some(components) => {
            out.push(1);
            for component in components {
                put_bytes(component.of(raw), out);
            }
        }
    }
}

fn put_optional_u64(value: Option<u64>, out: &mut Vec<u8>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// A length of four bytes, then the bytes. Nothing on the wire is longer than that can say.
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}
