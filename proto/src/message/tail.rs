//! The part of a Publish that no router reads: session header, content, metadata.

use bytes::BytesMut;

use super::{block_len, field, put_block, put_block_head, put_varint_field, varint_field_len};
use crate::generated::SessionHeader;

/// The tail of a Publish, encoded as it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishTail {
    inner: BytesMut,
    outer: BytesMut,
}

impl PublishTail {
    /// A tail with nothing in it, not even the session header. Routers drop such a Publish
    /// (WIRE §2.2).
    pub fn empty() -> Self {
        Self::default()
    }

    /// A tail with a session header, possibly an empty one.
    pub fn new(session: &SessionHeader) -> Self {
        let mut tail = Self::default();
        put_session(session, &mut tail.inner);
        tail
    }

    /// Adds an application payload.
    #[must_use]
    pub fn app_payload(mut self, payload_type: &str, blob: &[u8]) -> Self {
        put_app_payload(payload_type, blob, &mut self.inner);
        self
    }

    /// Adds an encoded command instead of an application payload.
    #[must_use]
    pub fn command_payload(mut self, command: &[u8]) -> Self {
        put_command_payload(command, &mut self.inner);
        self
    }

    /// Adds one metadata entry.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        put_metadata(key, value, &mut self.outer);
        self
    }

    /// The fields of Publish that follow the header.
    pub fn inner(&self) -> &[u8] {
        &self.inner
    }

    /// The fields of Message that follow the Publish.
    pub fn outer(&self) -> &[u8] {
        &self.outer
    }
}

/// Appends the session header of a Publish, present even if all its fields are zero.
pub fn put_session(session: &SessionHeader, out: &mut BytesMut) {
    // An enum is an int32 on the wire: negative values are sign-extended to 64 bits.
    let fields = [
        sign_extended(session.session_type),
        sign_extended(session.session_message_type),
        u64::from(session.session_id),
        u64::from(session.message_id),
    ];
    let length = fields.iter().fold(0_usize, |sum, value| {
        sum.saturating_add(varint_field_len(*value))
    });
    put_block_head(2, length, out);
    for (number, value) in (1..).zip(fields) {
        put_varint_field(number, value, out);
    }
}

/// Appends the content of a Publish: an application payload.
pub fn put_app_payload(payload_type: &str, blob: &[u8], out: &mut BytesMut) {
    let type_length = optional_block_len(payload_type.as_bytes());
    let payload_length = type_length.saturating_add(optional_block_len(blob));
    put_block_head(3, block_len(payload_length), out);
    put_block_head(1, payload_length, out);
    put_optional_block(1, payload_type.as_bytes(), out);
    put_optional_block(2, blob, out);
}

/// Appends the content of a Publish: an encoded command.
pub fn put_command_payload(command: &[u8], out: &mut BytesMut) {
    put_block_head(3, block_len(command.len()), out);
    put_block(2, command, out);
}

/// Appends one metadata entry of a message.
pub fn put_metadata(key: &str, value: &str, out: &mut BytesMut) {
    let length =
        optional_block_len(key.as_bytes()).saturating_add(optional_block_len(value.as_bytes()));
    put_block_head(field::METADATA, length, out);
    put_optional_block(1, key.as_bytes(), out);
    put_optional_block(2, value.as_bytes(), out);
}

/// Proto3 omits empty text and bytes.
fn put_optional_block(number: u32, content: &[u8], out: &mut BytesMut) {
    if !content.is_empty() {
        put_block(number, content, out);
    }
}

fn optional_block_len(content: &[u8]) -> usize {
    if content.is_empty() {
        0
    } else {
        block_len(content.len())
    }
}

#[allow(
    clippy::cast_sign_loss,
    reason = "protobuf encodes the two's complement"
)]
const fn sign_extended(value: i32) -> u64 {
    value as i64 as u64
}
