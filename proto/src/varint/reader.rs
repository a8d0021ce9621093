//! A position moving through a slice, by tags, varints and lengths.

use super::{Tag, WireType, decode};
use crate::error::Malformed;

/// A half-open range of positions in a routed header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First position inside.
    pub start: u32,
    /// First position after.
    pub end: u32,
}

impl Span {
    /// The bytes of `raw` in the span; nothing if `raw` is not what the span was taken from.
    #[inline]
    #[must_use]
    pub fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Bytes in the span.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether no byte is in the span.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A position moving through a slice; positions are absolute, so spans of nested messages are
/// spans of the whole.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads only the inside of `span`, of the same bytes.
    #[inline]
    #[must_use]
    pub fn within(&self, span: Span) -> Self {
        let bytes = self.bytes.get(..span.end as usize).unwrap_or_default();
        Self {
            bytes,
            at: span.start as usize,
        }
    }

    /// Position of the next byte.
    #[inline]
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a message is at most 4 MiB"
    )]
    pub const fn at(&self) -> u32 {
        self.at as u32
    }

    /// Whether every byte is read.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Reads a varint.
    ///
    /// # Errors
    ///
    /// As [`decode`].
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let (value, taken) = decode(self.bytes.get(self.at..).unwrap_or_default())?;
        self.at = self.at.wrapping_add(taken);
        Ok(value)
    }

    /// Reads a varint that must fit 32 bits.
    ///
    /// # Errors
    ///
    /// [`Malformed::ValueRange`] beyond 32 bits, and as [`decode`].
    #[inline]
    pub fn varint_u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint()?).map_err(|_| Malformed::ValueRange)
    }

    /// Reads a varint that must be 0 or 1.
    ///
    /// # Errors
    ///
    /// [`Malformed::ValueRange`] above 1, and as [`decode`].
    #[inline]
    pub fn varint_bool(&mut self) -> Result<bool, Malformed> {
        match self.varint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::ValueRange),
        }
    }

    /// Reads a tag.
    ///
    /// # Errors
    ///
    /// As [`decode`] and [`Tag::from_key`].
    #[inline]
    pub fn tag(&mut self) -> Result<Tag, Malformed> {
        Tag::from_key(self.varint()?)
    }

    /// Reads a length and steps over that many bytes, answering where they are.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`] if fewer bytes are left, and as [`decode`].
    #[inline]
    pub fn block(&mut self) -> Result<Span, Malformed> {
        let length = self.varint()?;
        let start = self.at();
        self.advance(length)?;
        Ok(Span {
            start,
            end: self.at(),
        })
    }

    /// Reads a length-delimited text and checks that it is UTF-8.
    ///
    /// # Errors
    ///
    /// [`Malformed::Text`] if it is not, and as [`Reader::block`].
    #[inline]
    pub fn text(&mut self) -> Result<Span, Malformed> {
        let span = self.block()?;
        match std::str::from_utf8(span.of(self.bytes)) {
            Ok(_) => Ok(span),
            Err(_) => Err(Malformed::Text),
        }
    }

    /// Steps over the content of a field nobody here knows.
    ///
    /// # Errors
    ///
    /// [`Malformed::Group`] and [`Malformed::GroupEnd`] for groups, [`Malformed::Truncated`] if
    /// the content reaches past the end, and as [`decode`].
    pub fn skip(&mut self, tag: Tag) -> Result<(), Malformed> {
        match tag.wire_type {
            WireType::Varint => self.varint().map(|_| ()),
            WireType::Fixed64 => self.advance(8),
            WireType::Length => self.block().map(|_| ()),
            WireType::GroupStart => Err(Malformed::Group),
            WireType::GroupEnd => Err(Malformed::GroupEnd),
            WireType::Fixed32 => self.advance(4),
        }
    }

    #[inline]
    fn advance(&mut self, length: u64) -> Result<(), Malformed> {
        let left = self.bytes.len().saturating_sub(self.at);
        match usize::try_from(length) {
            Ok(length) if length <= left => {
                self.at = self.at.wrapping_add(length);
                Ok(())
            }
            _ => Err(Malformed::Truncated),
        }
    }
}
