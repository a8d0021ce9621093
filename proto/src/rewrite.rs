//! Writes what the next hop gets in front of the tail: framing, kind and routed header.
//!
//! A message leaves as head, header and tail, one after another: [`put_head`], then the bytes of
//! [`rewrite_header`], then the tail untouched. The fields of the header come in the order of
//! their numbers, each that passes unchanged as the very bytes that arrived. WIRE §2.3.

use bytes::BytesMut;

use crate::envelope::{self, Kind};
use crate::error::TooLong;
use crate::grpc;
use crate::header::{RoutedHeader, number};
use crate::limits::{MAC_BYTES, MESSAGE_BYTES_MAX};
use crate::varint;

/// Wire type 0 and 2, in a tag.
const VARINT: u32 = 0;
const LENGTH: u32 = 2;

/// Appends the next hop's routed header. `raw` is what `header` was parsed from.
///
/// Changed: `ttl`, and the MAC, which becomes `tag` or nothing: the MAC of the last hop never
/// passes. Cleared: `recv_from`, `forward_to` and `incoming_conn`, which are indexes of this
/// process only.
#[inline]
pub fn rewrite_header(
    header: &RoutedHeader,
    raw: &[u8],
    ttl: u32,
    tag: Option<&[u8; MAC_BYTES]>,
    out: &mut BytesMut,
) {
    match header.prefix_end {
        Some(end) => out.extend_from_slice(raw.get(..end as usize).unwrap_or_default()),
        None => put_unchanged(header, raw, out),
    }
    put_uint32(number::TTL, ttl, out);
    out.extend_from_slice(header.error_field.whole.of(raw));
    if let Some(tag) = tag {
        put_length_tag(number::HEADER_MAC, MAC_BYTES, out);
        out.extend_from_slice(tag);
    }
    out.extend_from_slice(header.e2e_header_sig.whole.of(raw));
}

/// The fields 1 to 5 of a header that holds them in another order.
fn put_unchanged(header: &RoutedHeader, raw: &[u8], out: &mut BytesMut) {
    for name in [&header.source, &header.destination].into_iter().flatten() {
        out.extend_from_slice(name.field.of(raw));
    }
    out.extend_from_slice(header.identity.whole.of(raw));
    put_uint32(number::FANOUT, header.fanout, out);
    out.extend_from_slice(header.version.whole.of(raw));
}

/// Lengths in bytes of what follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The routed header.
    pub header: usize,
    /// The part of the tail inside the kind ([`envelope::Tail::inner_len`]).
    pub tail_inner: usize,
    /// The part of the tail beside the kind ([`envelope::Tail::outer_len`]).
    pub tail_outer: usize,
}

/// Appends everything that stands before the routed header: the gRPC prefix, tag and length of the
/// kind, tag and length of the header. Followed by header and tail it is a complete gRPC message.
///
/// # Errors
///
/// [`TooLong`] if the message would exceed what receivers take (WIRE §1.2); nothing is appended.
#[inline]
pub fn put_head(kind: Kind, lengths: Lengths, out: &mut BytesMut) -> Result<(), TooLong> {
    let header = field_len(lengths.header);
    let inner = header.saturating_add(lengths.tail_inner);
    let message_bytes = field_len(inner).saturating_add(lengths.tail_outer);
    let length = match u32::try_from(message_bytes) {
        Ok(length) if length <= MESSAGE_BYTES_MAX => length,
        _ => return Err(TooLong { message_bytes }),
    };
    grpc::put_prefix(length, out);
    put_length_tag(kind.number(), inner, out);
    put_length_tag(envelope::number::HEADER, lengths.header, out);
    Ok(())
}

/// Bytes of a length-delimited field with a number below 16.
const fn field_len(content: usize) -> usize {
    varint::encoded_len(content as u64)
        .saturating_add(1)
        .saturating_add(content)
}

fn put_length_tag(number: u32, content: usize, out: &mut BytesMut) {
    varint::put(u64::from(number << 3 | LENGTH), out);
    varint::put(content as u64, out);
}

/// As proto3 has it: zero is written by leaving the field out.
fn put_uint32(number: u32, value: u32, out: &mut BytesMut) {
    if value != 0 {
        varint::put(u64::from(number << 3 | VARINT), out);
        varint::put(u64::from(value), out);
    }
}
