//! Protobuf's base layer over a slice: varints, tags, lengths. No panic, no allocation.
//!
//! Strict where protobuf is lax, so that a message has one spelling: a varint takes exactly the
//! bytes its value needs, and groups are refused. Everything accepted here means the same to any
//! other decoder.

mod reader;

use bytes::BytesMut;

pub use reader::{Reader, Span};

use crate::error::Malformed;
use crate::limits::VARINT_BYTES_MAX;

/// Continuation bit of each of eight bytes.
const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// How a field's content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A varint.
    Varint,
    /// Eight bytes.
    Fixed64,
    /// A varint length and that many bytes.
    Length,
    /// Start of a group.
    GroupStart,
    /// End of a group.
    GroupEnd,
    /// Four bytes.
    Fixed32,
}

/// What stands before each field's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Field number, at least 1.
    pub number: u32,
    /// How the content is delimited.
    pub wire_type: WireType,
}

impl Tag {
    /// Reads the tag that a varint stands for.
    ///
    /// # Errors
    ///
    /// [`Malformed::Tag`] beyond 32 bits, for field number 0 and for an undefined wire type.
    #[inline]
    pub fn from_key(key: u64) -> Result<Self, Malformed> {
        let Ok(key) = u32::try_from(key) else {
            return Err(Malformed::Tag);
        };
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::GroupStart,
            4 => WireType::GroupEnd,
            5 => WireType::Fixed32,
            _ => return Err(Malformed::Tag),
        };
        match key >> 3 {
            0 => Err(Malformed::Tag),
            number => Ok(Self { number, wire_type }),
        }
    }

    /// Refuses a known field in a foreign dress.
    ///
    /// # Errors
    ///
    /// [`Malformed::WireType`] unless the wire type is `expected`.
    #[inline]
    pub fn expect(self, expected: WireType) -> Result<(), Malformed> {
        if self.wire_type == expected {
            Ok(())
        } else {
            Err(Malformed::WireType)
        }
    }
}

/// Decodes the varint at the front of `bytes` and tells how many bytes it took.
///
/// # Errors
///
/// [`Malformed::Truncated`] if the bytes end first, [`Malformed::VarintTooLong`] beyond 64 bits,
/// [`Malformed::VarintPadded`] if a shorter encoding exists.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), 1)),
        Some(_) => decode_long(bytes),
        None => Err(Malformed::Truncated),
    }
}

/// Two bytes and more: eight at a time where they are, since name components take nine or ten.
fn decode_long(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    let Some((word, rest)) = bytes.split_first_chunk::<8>() else {
        return decode_short(bytes);
    };
    let word = u64::from_le_bytes(*word);
    let ends = !word & CONTINUES;
    if ends != 0 {
        // The lowest bit of `ends` closes the last byte of the varint: keep the bits up to it.
        let kept = word & (ends ^ ends.wrapping_sub(1));
        let taken = ends.trailing_zeros().wrapping_add(1) / 8;
        // Only a zero in the last byte leaves nothing there.
        if kept >> taken.wrapping_sub(1).wrapping_mul(8) == 0 {
            return Err(Malformed::VarintPadded);
        }
        return Ok((squeeze(kept), taken as usize));
    }
    let low = squeeze(word);
    let Some(&ninth) = rest.first() else {
        return Err(Malformed::Truncated);
    };
    let value = low | u64::from(ninth & 0x7f) << 56;
    if ninth < 0x80 {
        return if ninth == 0 {
            Err(Malformed::VarintPadded)
        } else {
            Ok((value, 9))
        };
    }
    // The tenth byte holds bit 63 and nothing else.
    match rest.get(1) {
        Some(1) => Ok((value | 1 << 63, 10)),
        Some(0) => Err(Malformed::VarintPadded),
        Some(_) => Err(Malformed::VarintTooLong),
        None => Err(Malformed::Truncated),
    }
}

/// Fewer than eight bytes are left, so the value cannot overflow.
fn decode_short(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    let mut value = 0u64;
    let mut shift = 0u32;
    for (index, &byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let padded = byte == 0 && index > 0;
            let taken = index.wrapping_add(1);
            return if padded {
                Err(Malformed::VarintPadded)
            } else {
                Ok((value, taken))
            };
        }
        shift = shift.wrapping_add(7);
    }
    Err(Malformed::Truncated)
}

/// Closes the gaps between the seven-bit groups of eight bytes.
#[inline]
const fn squeeze(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    (fours & 0x0000_0000_0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4
}

/// Bytes that [`put`] writes for `value`: 1 to 10.
#[inline]
#[must_use]
pub const fn encoded_len(value: u64) -> usize {
    let bits = 64u32.wrapping_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// Appends `value`.
#[inline]
pub fn put(mut value: u64, out: &mut BytesMut) {
    let mut bytes = [0u8; VARINT_BYTES_MAX];
    let mut taken = 0usize;
    for byte in &mut bytes {
        taken = taken.wrapping_add(1);
        let group = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            *byte = group;
            break;
        }
        *byte = group | 0x80;
    }
    out.extend_from_slice(bytes.get(..taken).unwrap_or_default());
}

/// Fills a field that may stand only once.
#[inline]
pub(crate) fn once<T>(field: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::DuplicateField),
    }
}

#[cfg(test)]
mod tests;
