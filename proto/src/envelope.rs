//! Splits a message into what the router reads and what it must not look into.
//!
//! In comes one message as chunks; out comes its kind, the bytes of its routed header and its
//! tail. The walk sees tags and lengths of `Message` and of the routed kinds only: session header,
//! content and metadata are stepped over, whatever is in them.
//!
//! A message written canonically, header first, is cut in two by reference. Any other legal order
//! gives the same envelope: header taken out, the rest of the kind first, then what stood beside
//! it. Either way, writing kind, header and tail one after another is the same message again.

mod cursor;

use bytes::{Buf, Bytes};

use crate::error::Malformed;
use crate::grpc::Body;
use crate::varint::{Reader, Span, WireType, once};
use cursor::{Block, Cursor};

/// Fields of `Message`. WIRE §2.1.
pub(crate) mod number {
    pub(crate) const SUBSCRIBE: u32 = 1;
    pub(crate) const UNSUBSCRIBE: u32 = 2;
    pub(crate) const PUBLISH: u32 = 3;
    pub(crate) const METADATA: u32 = 4;
    pub(crate) const LINK: u32 = 5;
    pub(crate) const SUBSCRIPTION_ACK: u32 = 6;
    /// The routed header, in each of the three routed kinds.
    pub(crate) const HEADER: u32 = 1;
    /// In Subscribe and Unsubscribe.
    pub(crate) const SUBSCRIPTION_ID: u32 = 2;
    /// In Publish.
    pub(crate) const SESSION: u32 = 2;
    /// In Publish.
    pub(crate) const CONTENT: u32 = 3;
}

/// The kinds of message that carry a routed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Goes where its destination is subscribed.
    Publish,
    /// Asks for what goes to its destination.
    Subscribe,
    /// Takes a Subscribe back.
    Unsubscribe,
}

impl Kind {
    /// Field number in `Message`.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Publish => number::PUBLISH,
            Self::Subscribe => number::SUBSCRIBE,
            Self::Unsubscribe => number::UNSUBSCRIBE,
        }
    }
}

/// A routed message, cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Which kind of message it is.
    pub kind: Kind,
    /// The encoding of the routed header, contiguous; empty if there is none.
    pub header: Bytes,
    /// Of Subscribe and Unsubscribe: what the ack repeats, 0 for no ack. It also stays in the
    /// tail, where the next hop finds it.
    pub subscription_id: u64,
    /// Everything else.
    pub tail: Tail,
    /// Whether a Publish has a session header, however empty.
    pub has_session: bool,
}

/// The part of a message that passes unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The fields of the kind but for the header, then the fields beside the kind.
    pub body: Body,
    /// How many bytes of `body` belong inside the kind.
    pub inner_len: usize,
}

impl Tail {
    /// How many bytes of `body` belong beside the kind.
    #[inline]
    #[must_use]
    pub const fn outer_len(&self) -> usize {
        self.body.len().saturating_sub(self.inner_len)
    }
}

/// What a message is to the link it arrived on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// To be routed, or to change what is routed here.
    Routed(Envelope),
    /// The content of a `Link` message.
    Link(Body),
    /// The content of a `SubscriptionAck`.
    Ack(Body),
    /// No kind at all, as in a message of no bytes. WIRE §2.2: invalid, dropped, never fatal.
    Empty,
}

/// Cuts a message.
///
/// # Errors
///
/// [`Malformed`] if a decoder would refuse the part that is walked or if two decoders could take
/// it differently: a second kind, header or subscription id, a padded varint, a group.
#[inline]
pub fn split(body: Body) -> Result<Inbound, Malformed> {
    match Plain::find(&body) {
        Some(plain) => Ok(Inbound::Routed(plain.cut(body))),
        None => walk(body),
    }
}

/// A Publish in one chunk as every known writer writes it: its header first, then session and content,
/// and nothing beside it. Nearly every message is one, and is found without the walk.
struct Plain {
    header: Span,
    has_session: bool,
}

impl Plain {
    /// `None` says nothing of the message but that it must be walked.
    #[inline]
    fn find(body: &Body) -> Option<Self> {
        let bytes = body.first();
        if bytes.len() != body.len() {
            return None;
        }
        let block = |reader: &mut Reader<'_>| {
            let tag = reader.tag().ok()?;
            let span = reader.block().ok()?;
            (tag.wire_type == WireType::Length).then_some((tag.number, span))
        };
        let mut reader = Reader::new(bytes);
        let (kind, publish) = block(&mut reader)?;
        if kind != number::PUBLISH || !reader.is_empty() {
            return None;
        }
        let mut inside = reader.within(publish);
        let (number::HEADER, header) = block(&mut inside)? else {
            return None;
        };
        let mut has_session = false;
        while !inside.is_empty() {
            match block(&mut inside)? {
                (number::SESSION, _) => has_session = true,
                (number::CONTENT, _) => {}
                _ => return None,
            }
        }
        Some(Self {
            header,
            has_session,
        })
    }

    #[inline]
    fn cut(self, body: Body) -> Envelope {
        let mut rest = body.into_bytes();
        let mut header = rest.split_to(self.header.end as usize);
        header.advance(self.header.start as usize);
        Envelope {
            kind: Kind::Publish,
            header,
            subscription_id: 0,
            tail: Tail {
                inner_len: rest.len(),
                body: Body::from(rest),
            },
            has_session: self.has_session,
        }
    }
}

/// Cuts any message.
fn walk(body: Body) -> Result<Inbound, Malformed> {
    let mut cursor = Cursor::new(&body);
    let mut found: Option<(Alternative, Block, Routed)> = None;
    while !cursor.is_at(body.len()) {
        let start = cursor.at();
        let tag = cursor.tag()?;
        let Some(alternative) = Alternative::of(tag.number) else {
            if tag.number == number::METADATA && tag.wire_type != WireType::Length {
                return Err(Malformed::MetadataWireType);
            }
            cursor.skip(tag, body.len())?;
            continue;
        };
        tag.expect(WireType::Length)?;
        let block = cursor.enter(start, body.len())?;
        if found.is_some() {
            return Err(Malformed::DuplicateKind);
        }
        let routed = match alternative {
            Alternative::Routed(kind) => Routed::read(kind, block, &mut cursor)?,
            Alternative::Link | Alternative::Ack => Routed::default(),
        };
        cursor.leave(block)?;
        found = Some((alternative, block, routed));
    }
    let Some((alternative, block, routed)) = found else {
        return Ok(Inbound::Empty);
    };
    Ok(match alternative {
        Alternative::Routed(kind) => Inbound::Routed(routed.cut(kind, block, body)),
        Alternative::Link => Inbound::Link(body.slice(block.content, block.end)),
        Alternative::Ack => Inbound::Ack(body.slice(block.content, block.end)),
    })
}

/// The fields of `Message` of which one stands in it.
#[derive(Clone, Copy)]
enum Alternative {
    Routed(Kind),
    Link,
    Ack,
}

impl Alternative {
    #[inline]
    const fn of(number: u32) -> Option<Self> {
        match number {
            number::SUBSCRIBE => Some(Self::Routed(Kind::Subscribe)),
            number::UNSUBSCRIBE => Some(Self::Routed(Kind::Unsubscribe)),
            number::PUBLISH => Some(Self::Routed(Kind::Publish)),
            number::LINK => Some(Self::Link),
            number::SUBSCRIPTION_ACK => Some(Self::Ack),
            _ => None,
        }
    }
}

/// What the walk finds inside a routed kind.
#[derive(Clone, Copy, Default)]
struct Routed {
    header: Option<Block>,
    subscription_id: Option<u64>,
    has_session: bool,
}

impl Routed {
    fn read(kind: Kind, block: Block, cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut routed = Self::default();
        let is_publish = kind == Kind::Publish;
        while !cursor.is_at(block.end) {
            let start = cursor.at();
            let tag = cursor.tag()?;
            match tag.number {
                number::HEADER => {
                    tag.expect(WireType::Length)?;
                    let header = cursor.enter(start, block.end)?;
                    cursor.leave(header)?;
                    once(&mut routed.header, header)?;
                }
                number::SUBSCRIPTION_ID if !is_publish => {
                    tag.expect(WireType::Varint)?;
                    once(&mut routed.subscription_id, cursor.varint(block.end)?)?;
                }
                number::SESSION | number::CONTENT if is_publish => {
                    tag.expect(WireType::Length)?;
                    cursor.skip(tag, block.end)?;
                    routed.has_session |= tag.number == number::SESSION;
                }
                _ => cursor.skip(tag, block.end)?,
            }
        }
        Ok(routed)
    }

    /// Takes the header out of the message; `block` is where the kind is.
    fn cut(self, kind: Kind, block: Block, body: Body) -> Envelope {
        let (header, tail) = match self.header {
            Some(header) if block.start == 0 && header.start == block.content => {
                cut_in_two(header, block, body)
            }
            Some(header) => splice(header, block, &body),
            // Without a header, nothing is taken out: an empty one ends where it begins.
            None => {
                let at = block.content;
                splice(
                    Block {
                        start: at,
                        content: at,
                        end: at,
                    },
                    block,
                    &body,
                )
            }
        };
        Envelope {
            kind,
            header,
            subscription_id: self.subscription_id.unwrap_or_default(),
            tail,
            has_session: self.has_session,
        }
    }
}

/// The canonical order: everything after the header is the tail, in the right order already.
#[inline]
fn cut_in_two(header: Block, block: Block, mut body: Body) -> (Bytes, Tail) {
    let mut head = body.split_to(header.end);
    let _tags = head.split_to(header.content);
    let inner_len = block.end.saturating_sub(header.end);
    (head.into_bytes(), Tail { body, inner_len })
}

/// Any other order: up to four pieces, by reference.
fn splice(header: Block, block: Block, body: &Body) -> (Bytes, Tail) {
    let mut tail = body.slice(block.content, header.start);
    tail.append(body.slice(header.end, block.end));
    let inner_len = tail.len();
    tail.append(body.slice(0, block.start));
    tail.append(body.slice(block.end, body.len()));
    (
        body.slice(header.content, header.end).into_bytes(),
        Tail {
            body: tail,
            inner_len,
        },
    )
}

#[cfg(test)]
mod tests;
