//! What this side says itself: builders for every message a router, a client, a load generator or
//! a test originates, and readers of the two messages that are meant for the node itself.
//!
//! Enters: names, ids, a link key. Leaves: complete messages. Link messages leave as plain
//! protobuf, since the negotiation does not know the transport; everything else with the 5-byte
//! gRPC prefix. [`framed`] and [`unframed`] convert. Forwarded messages never come through here:
//! they are rewritten, not rebuilt.
//!
//! Invariants: encodings are canonical (fields ascending, defaults omitted, header first), and
//! nothing longer than [`MESSAGE_BYTES_MAX`] is ever produced.

mod header;
mod tail;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;

pub use self::header::{SealedHeader, wire_name};
pub use self::tail::{
    PublishTail, put_app_payload, put_command_payload, put_metadata, put_session,
};
use crate::error::TooLong;
use crate::generated::link::LinkType;
use crate::generated::message::Kind;
use crate::generated::{Link, LinkNegotiationPayload, Message, SubscriptionAck};
use crate::grpc::Body;
use crate::limits::{GRPC_PREFIX_BYTES, MESSAGE_BYTES_MAX};
use crate::varint;

/// The fields of a routed header, each of which can be set at will: start with
/// [`HeaderFields::between`], change what a case needs, [`HeaderFields::sign`],
/// [`HeaderFields::seal`].
pub use crate::generated::SlimHeader as HeaderFields;

/// The version that this crate's messages announce: the release whose wire it speaks.
pub const WIRE_VERSION: &str = "3.4.6";

/// A message meant for this node that does not decode. A published peer would end the stream too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("link or acknowledgement message does not decode")]
pub struct Undecodable;

/// A link message around `payload`, as plain protobuf.
pub fn link(payload: LinkNegotiationPayload) -> Bytes {
    let link = Link {
        link_type: Some(LinkType::LinkNegotiation(payload)),
    };
    Bytes::from(
        Message {
            kind: Some(Kind::Link(link)),
            ..Message::default()
        }
        .encode_to_vec(),
    )
}

/// The negotiation payload in a link message; `None` if it holds none (WIRE §2.2: invalid).
///
/// # Errors
/// [`Undecodable`] if it is not the encoding of a link message.
pub fn decode_link(body: Body) -> Result<Option<LinkNegotiationPayload>, Undecodable> {
    let link = Link::decode(body.into_bytes()).map_err(|_| Undecodable)?;
    Ok(link
        .link_type
        .map(|LinkType::LinkNegotiation(payload)| payload))
}

/// The subscription acknowledgement in `body`. On success its text is empty by convention only.
///
/// # Errors
/// [`Undecodable`] if it is not the encoding of one.
pub fn decode_ack(body: Body) -> Result<SubscriptionAck, Undecodable> {
    SubscriptionAck::decode(body.into_bytes()).map_err(|_| Undecodable)
}

/// Appends a framed acknowledgement of `subscription_id`: success, or the text of a refusal
/// (WIRE §6.2). Every ack of a router passes here, so it is written without detours.
///
/// # Errors
/// [`TooLong`] if the text does not fit a message.
pub fn put_subscription_ack(
    subscription_id: u64,
    outcome: Result<(), &str>,
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let text = outcome.err().unwrap_or_default();
    let content_length = varint_field_len(subscription_id)
        .saturating_add(if outcome.is_ok() { 2 } else { 0 })
        .saturating_add(if text.is_empty() {
            0
        } else {
            block_len(text.len())
        });
    put_frame(block_len(content_length), out)?;
    put_block_head(field::SUBSCRIPTION_ACK, content_length, out);
    put_varint_field(1, subscription_id, out);
    if outcome.is_ok() {
        put_varint_field(2, 1, out);
    }
    if !text.is_empty() {
        put_block(3, text.as_bytes(), out);
    }
    Ok(())
}

/// One framed acknowledgement on its own; see [`put_subscription_ack`].
///
/// # Errors
/// [`TooLong`] if the text does not fit a message.
pub fn subscription_ack(subscription_id: u64, outcome: Result<(), &str>) -> Result<Bytes, TooLong> {
    let mut out = BytesMut::new();
    put_subscription_ack(subscription_id, outcome, &mut out)?;
    Ok(out.freeze())
}

/// `plain` behind its gRPC prefix.
///
/// # Errors
/// [`TooLong`] if a gRPC link cannot carry it.
pub fn framed(plain: &[u8]) -> Result<Bytes, TooLong> {
    let mut out = BytesMut::with_capacity(plain.len().saturating_add(GRPC_PREFIX_BYTES));
    put_frame(plain.len(), &mut out)?;
    out.put_slice(plain);
    Ok(out.freeze())
}

/// The protobuf bytes of one framed message: what a WebSocket link carries.
pub fn unframed(framed: &Bytes) -> Bytes {
    framed.slice(GRPC_PREFIX_BYTES.min(framed.len())..)
}

/// Field numbers of `Message` that are written here (WIRE §2.1).
mod field {
    pub(super) const METADATA: u32 = 4;
    pub(super) const SUBSCRIPTION_ACK: u32 = 6;
}

fn put_frame(message_bytes: usize, out: &mut BytesMut) -> Result<(), TooLong> {
    match u32::try_from(message_bytes) {
        Ok(length) if length <= MESSAGE_BYTES_MAX => {
            crate::grpc::put_prefix(length, out);
            Ok(())
        }
        _ => Err(TooLong { message_bytes }),
    }
}

/// Every field number of the schema is below 16, so its tag is one byte.
const TAG_LEN: usize = 1;

fn key(number: u32, wire_type: u32) -> u64 {
    u64::from((number << 3) | wire_type)
}

/// Appends an integer field; proto3 omits zero.
fn put_varint_field(number: u32, value: u64, out: &mut BytesMut) {
    if value != 0 {
        varint::put(key(number, 0), out);
        varint::put(value, out);
    }
}

fn varint_field_len(value: u64) -> usize {
    if value == 0 {
        0
    } else {
        TAG_LEN.saturating_add(varint::encoded_len(value))
    }
}

fn put_block_head(number: u32, content_length: usize, out: &mut BytesMut) {
    varint::put(key(number, 2), out);
    varint::put(content_length as u64, out);
}

/// Appends a length-delimited field, even if empty.
fn put_block(number: u32, content: &[u8], out: &mut BytesMut) {
    put_block_head(number, content.len(), out);
    out.put_slice(content);
}

/// Encoded length of a length-delimited field.
fn block_len(content_length: usize) -> usize {
    TAG_LEN
        .saturating_add(varint::encoded_len(content_length as u64))
        .saturating_add(content_length)
}

#[cfg(test)]
mod tests;
