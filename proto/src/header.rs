//! The routed header (`SLIMHeader`): the only part of a routed message a node reads.
//!
//! In comes the header's encoding, contiguous; out comes a flat, copyable view: integers by value,
//! everything else as spans into the same bytes. `raw` in every method below means exactly the
//! bytes that were parsed.
//!
//! Strict: whatever is accepted means the same to every protobuf decoder, whichever of two
//! duplicates it would take, because there are none. Unknown fields are skipped, and the next hop
//! does not see them. WIRE §2.3.

mod name;
mod preimage;

pub use name::{EncodedFields, NameFields};
pub use preimage::Steering;

pub use crate::varint::Span;

use crate::envelope::Kind;
use crate::error::{Invalid, Malformed};
use crate::name::Name;
use crate::varint::{Reader, Tag, WireType};

/// Field numbers of `SLIMHeader`. WIRE §2.1.
pub(crate) mod number {
    pub(crate) const SOURCE: u32 = 1;
    pub(crate) const DESTINATION: u32 = 2;
    pub(crate) const IDENTITY: u32 = 3;
    pub(crate) const FANOUT: u32 = 4;
    pub(crate) const VERSION: u32 = 5;
    pub(crate) const TTL: u32 = 6;
    pub(crate) const RECV_FROM: u32 = 7;
    pub(crate) const FORWARD_TO: u32 = 8;
    pub(crate) const INCOMING_CONN: u32 = 9;
    pub(crate) const ERROR: u32 = 10;
    pub(crate) const HEADER_MAC: u32 = 11;
    pub(crate) const E2E_HEADER_SIG: u32 = 12;
}

/// Where a field is; both spans are empty if it is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The field with its tag, as the next hop gets it.
    pub whole: Span,
    /// Its content alone.
    pub content: Span,
}

impl Field {
    /// Whether the field stands in the header at all.
    #[inline]
    #[must_use]
    pub const fn is_present(&self) -> bool {
        !self.whole.is_empty()
    }
}

/// A parsed routed header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutedHeader {
    /// Who sent the message.
    pub source: Option<NameFields>,
    /// Where it goes.
    pub destination: Option<NameFields>,
    /// Identity token of the application; a node does not read it.
    pub identity: Field,
    /// 1: exactly one receiver; anything else: all. WIRE §7.3.
    pub fanout: u32,
    /// SLIM version of the application; not covered by the MAC.
    pub version: Field,
    /// Hops left, as received.
    pub ttl: u32,
    /// A link index of whoever sent this; never obeyed, never sent on. WIRE §2.3.
    pub recv_from: Option<u64>,
    /// As `recv_from`.
    pub forward_to: Option<u64>,
    /// A link index again; overwritten by each node of the reference, cleared by us.
    pub incoming_conn: Field,
    /// Flag of the session layer.
    pub error: Option<bool>,
    /// The `error` field as received.
    pub error_field: Field,
    /// The MAC of the hop the message came over.
    pub header_mac: Field,
    /// Signature of the application; not covered by the MAC.
    pub e2e_header_sig: Field,
    /// Position after the last of the fields 1 to 5, if all of them that are present stand first
    /// and in order: then the next hop's header begins with the same bytes.
    pub(crate) prefix_end: Option<u32>,
}

/// The names of a header that begins with them, as every known writer writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadingNames {
    source: NameFields,
    destination: NameFields,
}

impl LeadingNames {
    /// Their bytes in the header they were read from.
    #[inline]
    #[must_use]
    pub fn of<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        let end = self.destination.field.end;
        Span { start: 0, end }.of(raw)
    }
}

/// What a message is routed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who sent it.
    pub source: Name,
    /// Where it goes.
    pub destination: Name,
}

impl RoutedHeader {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if a decoder would refuse the bytes or if two decoders could differ.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        let mut header = Self {
            prefix_end: Some(0),
            ..Self::default()
        };
        header.read(Reader::new(raw), 0)?;
        Ok(header)
    }

    /// As [`Self::parse`], of a header that begins with the very bytes that `names` were read from.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_behind(names: &LeadingNames, raw: &[u8]) -> Result<Self, Malformed> {
        let end = names.destination.field.end;
        let mut header = Self {
            source: Some(names.source),
            destination: Some(names.destination),
            prefix_end: Some(end),
            ..Self::default()
        };
        let reader = Reader::new(raw).within(Span {
            start: end,
            end: u32::try_from(raw.len()).unwrap_or(u32::MAX),
        });
        header.read(reader, number::DESTINATION)?;
        Ok(header)
    }

    /// The names, if both stand first and in order.
    #[must_use]
    pub fn leading_names(&self) -> Option<LeadingNames> {
        let (source, destination) = (self.source?, self.destination?);
        let are_first = source.field.start == 0 && destination.field.start == source.field.end;
        are_first.then_some(LeadingNames {
            source,
            destination,
        })
    }

    /// Reads the fields behind those up to number `last`, which stand in order.
    fn read(&mut self, mut reader: Reader<'_>, mut last: u32) -> Result<(), Malformed> {
        // Of the fields that are known, one bit each from 1 to `last`.
        let mut seen = (2_u32 << last).wrapping_sub(2);
        while !reader.is_empty() {
            let start = reader.at();
            let tag = reader.tag()?;
            // Unknown fields cannot stand twice: nobody reads them.
            let bit = if tag.number <= number::E2E_HEADER_SIG {
                1u32 << tag.number
            } else {
                0
            };
            if seen & bit != 0 {
                return Err(Malformed::DuplicateField);
            }
            seen |= bit;
            self.read_field(tag, start, &mut reader)?;
            if tag.number <= number::VERSION {
                let in_order = self.prefix_end.is_some() && tag.number > last;
                self.prefix_end = in_order.then(|| reader.at());
            }
            last = tag.number;
        }
        Ok(())
    }

    /// What to route the message by. WIRE §2.2: both names need their ids, and a Publish a session
    /// header.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names what is missing; such a message is dropped in silence.
    #[inline]
    pub fn routing(&self, kind: Kind, has_session: bool) -> Result<Route, Invalid> {
        let source = self.source.as_ref().ok_or(Invalid::SourceMissing)?;
        let destination = self
            .destination
            .as_ref()
            .ok_or(Invalid::DestinationMissing)?;
        let route = Route {
            source: source.name().ok_or(Invalid::SourceNotEncoded)?,
            destination: destination.name().ok_or(Invalid::DestinationNotEncoded)?,
        };
        if kind == Kind::Publish && !has_session {
            return Err(Invalid::SessionMissing);
        }
        Ok(route)
    }

    /// The MAC as received, of whatever length; `None` if the field is absent.
    #[inline]
    #[must_use]
    pub fn mac<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        self.header_mac
            .is_present()
            .then(|| self.header_mac.content.of(raw))
    }

    #[inline]
    fn read_field(
        &mut self,
        tag: Tag,
        start: u32,
        reader: &mut Reader<'_>,
    ) -> Result<(), Malformed> {
        match tag.number {
            number::SOURCE => self.source = Some(NameFields::read(tag, start, reader)?),
            number::DESTINATION => self.destination = Some(NameFields::read(tag, start, reader)?),
            number::IDENTITY => self.identity = text(tag, start, reader)?,
            number::FANOUT => self.fanout = varint(tag, reader)?.varint_u32()?,
            number::VERSION => self.version = text(tag, start, reader)?,
            number::TTL => self.ttl = varint(tag, reader)?.varint_u32()?,
            number::RECV_FROM => self.recv_from = Some(varint(tag, reader)?.varint()?),
            number::FORWARD_TO => self.forward_to = Some(varint(tag, reader)?.varint()?),
            number::INCOMING_CONN => {
                let content_start = reader.at();
                varint(tag, reader)?.varint()?;
                self.incoming_conn = field(start, content_start, reader);
            }
            number::ERROR => {
                let content_start = reader.at();
                self.error = Some(varint(tag, reader)?.varint_bool()?);
                self.error_field = field(start, content_start, reader);
            }
            number::HEADER_MAC => self.header_mac = bytes(tag, start, reader)?,
            number::E2E_HEADER_SIG => self.e2e_header_sig = bytes(tag, start, reader)?,
            _ => reader.skip(tag)?,
        }
        Ok(())
    }
}

/// The reader again, if `tag` announces a varint.
#[inline]
fn varint<'r, 'a>(tag: Tag, reader: &'r mut Reader<'a>) -> Result<&'r mut Reader<'a>, Malformed> {
    tag.expect(WireType::Varint)?;
    Ok(reader)
}

#[inline]
fn text(tag: Tag, start: u32, reader: &mut Reader<'_>) -> Result<Field, Malformed> {
    tag.expect(WireType::Length)?;
    let content = reader.text()?;
    Ok(Field {
        whole: Span {
            start,
            end: content.end,
        },
        content,
    })
}

#[inline]
fn bytes(tag: Tag, start: u32, reader: &mut Reader<'_>) -> Result<Field, Malformed> {
    tag.expect(WireType::Length)?;
    let content = reader.block()?;
    Ok(Field {
        whole: Span {
            start,
            end: content.end,
        },
        content,
    })
}

#[inline]
const fn field(start: u32, content_start: u32, reader: &Reader<'_>) -> Field {
    let end = reader.at();
    Field {
        whole: Span { start, end },
        content: Span {
            start: content_start,
            end,
        },
    }
}

#[cfg(test)]
mod tests;
