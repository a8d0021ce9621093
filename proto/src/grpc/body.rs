//! The bytes of one message as the transport delivered them: refcounted chunks, never joined
//! unless somebody asks for it.
//!
//! Invariants: no chunk is empty, except that the first of an empty body is; `len` is the sum.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes, BytesMut};

/// A chain of byte slices. One chunk in the common case, which costs no heap allocation; a clone
/// costs a reference count per chunk.
#[derive(Clone, Debug, Default)]
pub struct Body {
    first: Bytes,
    rest: Rest,
    len: usize,
}

/// Chunks after the first. A message that straddles two DATA frames is still free of allocation.
#[derive(Clone, Debug, Default)]
enum Rest {
    #[default]
    None,
    One(Bytes),
    Many(VecDeque<Bytes>),
}

impl Body {
    /// A body without bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: Bytes::new(),
            rest: Rest::None,
            len: 0,
        }
    }

    /// Bytes in all chunks.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of the first chunk; none of an empty body.
    #[inline]
    #[must_use]
    pub fn first(&self) -> &[u8] {
        &self.first
    }

    /// The chunks in order.
    #[inline]
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> + Clone + use<'_> {
        let first = if self.len == 0 {
            None
        } else {
            Some(&self.first)
        };
        let (front, back): (&[Bytes], &[Bytes]) = match &self.rest {
            Rest::None => (&[], &[]),
            Rest::One(chunk) => (std::slice::from_ref(chunk), &[]),
            Rest::Many(chunks) => chunks.as_slices(),
        };
        first.into_iter().chain(front).chain(back)
    }

    /// The chunks in order, without cloning any.
    pub fn into_chunks(mut self) -> impl Iterator<Item = Bytes> {
        std::iter::from_fn(move || self.pop())
    }

    /// Appends a chunk by reference.
    #[inline]
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let added = chunk.len();
        if self.len == 0 {
            self.first = chunk;
        } else {
            match mem::take(&mut self.rest) {
                Rest::None => self.rest = Rest::One(chunk),
                Rest::One(second) => self.rest = Rest::Many(VecDeque::from([second, chunk])),
                Rest::Many(mut chunks) => {
                    chunks.push_back(chunk);
                    self.rest = Rest::Many(chunks);
                }
            }
        }
        self.len = self.len.saturating_add(added);
    }

    /// Appends every chunk of `other` by reference.
    pub fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            other.into_chunks().for_each(|chunk| self.push(chunk));
        }
    }

    /// Takes the first `count` bytes away, or all there are, by reference.
    #[inline]
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        if count >= self.len {
            return mem::take(self);
        }
        let mut head = Self::new();
        loop {
            let wanted = count.saturating_sub(head.len);
            if wanted < self.first.len() {
                self.len = self.len.saturating_sub(wanted);
                head.push(self.first.split_to(wanted));
                return head;
            }
            match self.pop() {
                Some(chunk) => head.push(chunk),
                None => return head,
            }
        }
    }

    /// The bytes from `start` to before `end`, by reference; what is out of bounds is left out.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let mut wanted = self.clone();
        let _before = wanted.split_to(start);
        wanted.split_to(end.saturating_sub(start))
    }

    /// The whole in one slice; copies only if there is more than one chunk.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if let Rest::None = self.rest {
            return self.first;
        }
        let mut joined = BytesMut::with_capacity(self.len);
        self.copy_to(&mut joined);
        joined.freeze()
    }

    /// Appends a copy of every byte to `out`.
    pub fn copy_to(&self, out: &mut BytesMut) {
        for chunk in self.chunks() {
            out.extend_from_slice(chunk);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        if self.len == 0 {
            return None;
        }
        let next = match &mut self.rest {
            Rest::None => Bytes::new(),
            Rest::One(second) => {
                let second = mem::take(second);
                self.rest = Rest::None;
                second
            }
            Rest::Many(chunks) => {
                let next = chunks.pop_front().unwrap_or_default();
                if chunks.is_empty() {
                    self.rest = Rest::None;
                }
                next
            }
        };
        let chunk = mem::replace(&mut self.first, next);
        self.len = self.len.saturating_sub(chunk.len());
        Some(chunk)
    }
}

impl From<Bytes> for Body {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self {
            len: bytes.len(),
            first: bytes,
            rest: Rest::None,
        }
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from(Bytes::from_static(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

/// So that whoever may look inside decodes without joining the chunks first.
impl Buf for Body {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn advance(&mut self, count: usize) {
        let _read = self.split_to(count);
    }
}

/// Equal if the bytes are, however they are cut.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .chunks()
                .flat_map(|c| c.iter())
                .eq(other.chunks().flat_map(|c| c.iter()))
    }
}

impl Eq for Body {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` in chunks of `size` bytes.
    fn body(text: &'static str, size: usize) -> Body {
        let mut body = Body::new();
        for chunk in text.as_bytes().chunks(size) {
            body.push(Bytes::from_static(chunk));
        }
        body
    }

    #[test]
    fn every_cut_of_every_chunking() {
        let text = "abcdefghijkl";
        for size in 1..=text.len() {
            for cut in 0..=text.len() + 1 {
                let mut tail = body(text, size);
                let head = tail.split_to(cut);
                let at = cut.min(text.len());
                assert_eq!((head.len(), tail.len()), (at, text.len() - at));
                assert_eq!(head.clone().into_bytes(), &text[..at]);
                assert_eq!(tail.clone().into_bytes(), &text[at..]);
                assert!(
                    head.chunks()
                        .chain(tail.chunks())
                        .all(|chunk| !chunk.is_empty())
                );
                for end in cut..=text.len() {
                    assert_eq!(
                        body(text, size).slice(cut, end).into_bytes(),
                        &text[cut..end]
                    );
                }
                let mut whole = head;
                whole.append(tail);
                assert_eq!(whole, body(text, 5));
            }
        }
    }

    #[test]
    fn as_a_buffer_it_reads_across_chunks() {
        let mut body = body("abcdefgh", 3);
        assert_eq!(body.get_u32(), u32::from_be_bytes(*b"abcd"));
        assert_eq!(body.copy_to_bytes(4), "efgh");
        assert!(!body.has_remaining());
    }

    #[test]
    fn one_chunk_is_handed_out_without_a_copy() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let at = bytes.as_ptr();
        assert_eq!(Body::from(bytes).into_bytes().as_ptr(), at);
    }
}
