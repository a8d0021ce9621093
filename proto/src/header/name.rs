//! A name inside a routed header: its ids by value, its text as spans. WIRE §2.1, §3.

use super::Span;
use crate::error::Malformed;
use crate::name::{ANY_ID, Name, Prefix};
use crate::varint::{Reader, Tag, WireType, once};

/// One `Name` of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameFields {
    /// The ids, which are routed on.
    pub encoded: Option<EncodedFields>,
    /// The three readable components, which are not.
    pub text: Option<[Span; 3]>,
    /// The whole field with its tag. It goes to the next hop bit for bit, because the end-to-end
    /// signature covers it.
    pub field: Span,
}

/// An `EncodedName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedFields {
    /// The three component hashes.
    pub components: [u64; 3],
    /// High and low half of the instance id. Absent means any instance, as the highest id does;
    /// the MAC tells the two apart.
    pub id: Option<(u64, u64)>,
}

impl NameFields {
    /// What to route on; `None` if there are no ids.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        let encoded = self.encoded?;
        let id = encoded.id.map_or(ANY_ID, |(high, low)| {
            u128::from(high) << 64 | u128::from(low)
        });
        Some(Name::new(Prefix(encoded.components), id))
    }

    /// Reads the name behind `tag`, which began at `start`.
    pub(super) fn read(tag: Tag, start: u32, outer: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut inside = message(tag, outer)?;
        let mut name = Self {
            encoded: None,
            text: None,
            field: Span {
                start,
                end: outer.at(),
            },
        };
        while !inside.is_empty() {
            let tag = inside.tag()?;
            match tag.number {
                1 => once(&mut name.encoded, EncodedFields::read(tag, &mut inside)?)?,
                2 => once(&mut name.text, read_text(tag, &mut inside)?)?,
                _ => inside.skip(tag)?,
            }
        }
        Ok(name)
    }
}

impl EncodedFields {
    fn read(tag: Tag, outer: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut inside = message(tag, outer)?;
        let mut components = [None; 3];
        let mut id = None;
        while !inside.is_empty() {
            let tag = inside.tag()?;
            match (tag.number, &mut components) {
                (1, [component, _, _]) | (2, [_, component, _]) | (3, [_, _, component]) => {
                    tag.expect(WireType::Varint)?;
                    once(component, inside.varint()?)?;
                }
                (4, _) => once(&mut id, read_id(tag, &mut inside)?)?,
                _ => inside.skip(tag)?,
            }
        }
        Ok(Self {
            components: components.map(Option::unwrap_or_default),
            id,
        })
    }
}

fn read_id(tag: Tag, outer: &mut Reader<'_>) -> Result<(u64, u64), Malformed> {
    let mut inside = message(tag, outer)?;
    let (mut high, mut low) = (None, None);
    while !inside.is_empty() {
        let tag = inside.tag()?;
        let half = match tag.number {
            1 => &mut high,
            2 => &mut low,
            _ => {
                inside.skip(tag)?;
                continue;
            }
        };
        tag.expect(WireType::Varint)?;
        once(half, inside.varint()?)?;
    }
    // WIRE §3.2: an id that is present but empty is id 0.
    Ok((high.unwrap_or_default(), low.unwrap_or_default()))
}

fn read_text(tag: Tag, outer: &mut Reader<'_>) -> Result<[Span; 3], Malformed> {
    let mut inside = message(tag, outer)?;
    let mut components = [None; 3];
    while !inside.is_empty() {
        let tag = inside.tag()?;
        match (tag.number, &mut components) {
            (1, [component, _, _]) | (2, [_, component, _]) | (3, [_, _, component]) => {
                tag.expect(WireType::Length)?;
                once(component, inside.text()?)?;
            }
            _ => inside.skip(tag)?,
        }
    }
    Ok(components.map(Option::unwrap_or_default))
}

/// A reader for the inside of the nested message behind `tag`.
#[inline]
fn message<'a>(tag: Tag, outer: &mut Reader<'a>) -> Result<Reader<'a>, Malformed> {
    tag.expect(WireType::Length)?;
    let span = outer.block()?;
    Ok(outer.within(span))
}
