//! A position moving through a chain of chunks, by tags and lengths.
//!
//! Positions are absolute. A field is checked against the end of what holds it as soon as it is
//! read, so the position never lies behind an end it was checked against.

use crate::error::Malformed;
use crate::grpc::Body;
use crate::limits::VARINT_BYTES_MAX;
use crate::varint::{self, Tag, WireType};

/// Where a length-delimited field is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Position of its tag.
    pub(super) start: usize,
    /// Position of its content.
    pub(super) content: usize,
    /// Position after it.
    pub(super) end: usize,
}

/// Reads tags and lengths of a body.
pub(super) struct Cursor<'a> {
    body: &'a Body,
    /// The chunk the position is in, and how many come before it.
    chunk: &'a [u8],
    index: usize,
    /// Position of the first byte of `chunk`, and how far into it we are.
    base: usize,
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a Body) -> Self {
        Self {
            body,
            chunk: body.first(),
            index: 0,
            base: 0,
            offset: 0,
        }
    }

    #[inline]
    pub(super) const fn at(&self) -> usize {
        self.base.saturating_add(self.offset)
    }

    #[inline]
    pub(super) const fn is_at(&self, end: usize) -> bool {
        self.at() >= end
    }

    /// Reads a tag. Whoever reads the content checks that it lies within its message.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<Tag, Malformed> {
        Tag::from_key(self.varint(self.body.len())?)
    }

    /// Reads a varint that ends at `end` or before.
    #[inline]
    pub(super) fn varint(&mut self, end: usize) -> Result<u64, Malformed> {
        let rest = self.chunk.get(self.offset..).unwrap_or_default();
        let (value, taken) = match varint::decode(rest) {
            Err(Malformed::Truncated) if self.at() < self.body.len() => self.varint_across()?,
            decoded => decoded?,
        };
        self.advance(taken, end)?;
        Ok(value)
    }

    /// Reads a length at the front of the content that began at `start`, and stays there.
    #[inline]
    pub(super) fn enter(&mut self, start: usize, end: usize) -> Result<Block, Malformed> {
        let length = self.varint(end)?;
        let content = self.at();
        let left = end.saturating_sub(content);
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(Block {
                start,
                content,
                end: content.saturating_add(length),
            }),
            _ => Err(Malformed::Truncated),
        }
    }

    /// Goes to the end of a block.
    #[inline]
    pub(super) fn leave(&mut self, block: Block) -> Result<(), Malformed> {
        self.advance(block.end.saturating_sub(self.at()), block.end)
    }

    /// Steps over the content of a field that nobody reads.
    #[inline]
    pub(super) fn skip(&mut self, tag: Tag, end: usize) -> Result<(), Malformed> {
        match tag.wire_type {
            WireType::Varint => self.varint(end).map(|_| ()),
            WireType::Fixed64 => self.advance(8, end),
            WireType::Length => {
                let block = self.enter(self.at(), end)?;
                self.leave(block)
            }
            WireType::GroupStart => Err(Malformed::Group),
            WireType::GroupEnd => Err(Malformed::GroupEnd),
            WireType::Fixed32 => self.advance(4, end),
        }
    }

    #[inline]
    fn advance(&mut self, count: usize, end: usize) -> Result<(), Malformed> {
        if count > end.saturating_sub(self.at()) {
            return Err(Malformed::Truncated);
        }
        self.offset = self.offset.saturating_add(count);
        if self.offset >= self.chunk.len() {
            self.change_chunk();
        }
        Ok(())
    }

    /// Goes on to the chunk the position has moved into; stays at the end of the last one.
    fn change_chunk(&mut self) {
        for chunk in self.body.chunks().skip(self.index.saturating_add(1)) {
            if self.offset < self.chunk.len() {
                return;
            }
            self.offset = self.offset.saturating_sub(self.chunk.len());
            self.base = self.base.saturating_add(self.chunk.len());
            self.index = self.index.saturating_add(1);
            self.chunk = chunk;
        }
    }

    /// Decodes a varint whose bytes lie in several chunks.
    #[cold]
    fn varint_across(&self) -> Result<(u64, usize), Malformed> {
        let mut bytes = [0u8; VARINT_BYTES_MAX];
        let rest = self.chunk.iter().skip(self.offset);
        let later = self
            .body
            .chunks()
            .skip(self.index.saturating_add(1))
            .flat_map(|chunk| chunk.iter());
        let mut taken = 0usize;
        for (to, from) in bytes.iter_mut().zip(rest.chain(later)) {
            *to = *from;
            taken = taken.saturating_add(1);
        }
        varint::decode(bytes.get(..taken).unwrap_or_default())
    }
}
