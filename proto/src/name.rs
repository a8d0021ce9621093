//! Names: what a message is routed on. Three hashed components and a 128-bit instance id.
//!
//! `Name` is the routed form, plain integers; `TextName` is the readable form a person or an
//! application writes, from which the routed form follows. Hashing is one way: a node never needs
//! the text of a name to route to it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_128_with_seed;
use xxhash_rust::xxh64::Xxh64;

use crate::limits::INSTANCE_IDS_RESERVED;

/// The instance id that means "any instance". WIRE §3.2: an absent id means the same.
pub const ANY_ID: u128 = u128::MAX;

/// How the any-id is written. WIRE §3.2.
const ANY_ID_TEXT: &str = "NULL_COMPONENT";

/// First id that no instance may take.
const RESERVED_FROM: u128 = u128::MAX - INSTANCE_IDS_RESERVED + 1;

/// Where a UUID text has its dashes.
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// A name without its instance id: the hashes of its three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(pub [u64; 3]);

/// What a message is routed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The three component hashes.
    pub prefix: Prefix,
    /// The instance, or [`ANY_ID`].
    pub id: u128,
}

impl Name {
    /// Joins a prefix and an instance id.
    #[must_use]
    pub const fn new(prefix: Prefix, id: u128) -> Self {
        Self { prefix, id }
    }

    /// Whether the name means any instance.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.id == ANY_ID
    }
}

/// As error texts of published nodes show a name, for example
/// `[873e580376ea963b, eef9769a4c6990d1, 49ae1b437ae573c4, NULL_COMPONENT]`. WIRE §7.7.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prefix([first, second, third]) = self.prefix;
        write!(f, "[{first:x}, {second:x}, {third:x}, {}]", IdText(self.id))
    }
}

/// An instance id that prints and parses as text: a UUID, or `NULL_COMPONENT` for any. WIRE §3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdText(pub u128);

impl fmt::Display for IdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ANY_ID {
            return f.write_str(ANY_ID_TEXT);
        }
        let [a, b, c, d, e, g, h, i, tail @ ..] = self.0.to_be_bytes();
        for byte in [a, b, c, d] {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "-{e:02x}{g:02x}-{h:02x}{i:02x}-")?;
        for (index, byte) in tail.iter().enumerate() {
            let dash = if index == 2 { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for IdText {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == ANY_ID_TEXT {
            return Ok(Self(ANY_ID));
        }
        if text.len() != 36 {
            return Err(NameError::Id);
        }
        let mut id = 0u128;
        for (index, character) in text.chars().enumerate() {
            if UUID_DASHES.contains(&index) {
                if character != '-' {
                    return Err(NameError::Id);
                }
                continue;
            }
            let digit = character.to_digit(16).ok_or(NameError::Id)?;
            id = id << 4 | u128::from(digit);
        }
        Ok(Self(id))
    }
}

/// A readable name: `organization/namespace/service`, and an instance id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextName {
    parts: [String; 3],
    name: Name,
}

impl TextName {
    /// Builds a name of three parts. An id of [`ANY_ID`] means any instance.
    ///
    /// # Errors
    ///
    /// [`NameError::Part`] if a part is empty, holds a `/` or has space around it: such a name
    /// could not be read back.
    pub fn new(parts: [&str; 3], id: u128) -> Result<Self, NameError> {
        if parts
            .iter()
            .any(|part| part.is_empty() || part.contains('/') || part.trim() != *part)
        {
            return Err(NameError::Part);
        }
        let name = Name::new(Prefix(parts.map(component_hash)), id);
        Ok(Self {
            parts: parts.map(str::to_owned),
            name,
        })
    }

    /// The routed form.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The three readable parts.
    #[must_use]
    pub fn parts(&self) -> [&str; 3] {
        self.parts.each_ref().map(String::as_str)
    }

    /// The same text with another instance id.
    #[must_use]
    pub fn with_id(mut self, id: u128) -> Self {
        self.name.id = id;
        self
    }
}

impl fmt::Display for TextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = &self.parts;
        write!(f, "{first}/{second}/{third}/{}", IdText(self.name.id))
    }
}

/// Reads `a/b/c` as any instance, and `a/b/c/<id>` as it is displayed. WIRE §3.1.
impl FromStr for TextName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('/').map(str::trim);
        let mut next = || parts.next().ok_or(NameError::PartCount);
        let three = [next()?, next()?, next()?];
        let id = match next() {
            Ok(id) => id.parse::<IdText>()?.0,
            Err(_) => ANY_ID,
        };
        if next().is_ok() {
            return Err(NameError::PartCount);
        }
        Self::new(three, id)
    }
}

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// The instance id is neither a UUID nor `NULL_COMPONENT`.
    #[error("instance id is neither a UUID nor NULL_COMPONENT")]
    Id,
    /// A part is empty, holds a `/` or has space around it.
    #[error("a part of the name is empty or holds a slash or outer space")]
    Part,
    /// Not three parts and at most an id.
    #[error("a name has three parts separated by slashes, and may have an id as the fourth")]
    PartCount,
}

/// Hash of one name component. WIRE §3.1: XXH64, seed 0, of the text and one byte 0xFF.
#[must_use]
pub fn component_hash(text: &str) -> u64 {
    let mut hash = Xxh64::new(0);
    hash.update(text.as_bytes());
    hash.update(&[0xff]);
    hash.digest()
}

/// Instance id of an application, from the subject of its identity. WIRE §3.2.
#[must_use]
pub fn instance_id(subject: &str) -> u128 {
    instance_id_seeded(subject, 0)
}

/// [`instance_id`] with a seed, as group channels count it up to avoid a taken id. WIRE §3.2.
#[must_use]
pub fn instance_id_seeded(subject: &str, seed: u64) -> u128 {
    let id = xxh3_128_with_seed(subject.as_bytes(), seed);
    // Reserved ids fold to the lowest ones.
    if id >= RESERVED_FROM {
        id.wrapping_sub(RESERVED_FROM)
    } else {
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_range_is_what_the_contract_says() {
        assert_eq!(RESERVED_FROM, u128::MAX - 50);
    }

    #[test]
    fn text_survives_both_ways() {
        for text in [
            "org/ns/bob/NULL_COMPONENT",
            "a/b/c/48b1da60-0caa-b75f-a73e-4fe334bf1482",
        ] {
            let name: TextName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        let upper: IdText = "48B1DA60-0CAA-B75F-A73E-4FE334BF1482".parse().unwrap();
        assert_eq!(upper, IdText(0x48b1_da60_0caa_b75f_a73e_4fe3_34bf_1482));
    }

    #[test]
    fn parts_are_trimmed_and_an_absent_id_is_any() {
        let name: TextName = " org / ns/bob ".parse().unwrap();
        assert_eq!(name.parts(), ["org", "ns", "bob"]);
        assert!(name.name().is_any());
        assert_eq!(
            name.with_id(7).to_string(),
            "org/ns/bob/00000000-0000-0000-0000-000000000007"
        );
    }

    #[test]
    fn what_is_no_name() {
        for (text, error) in [
            ("", NameError::PartCount),
            ("a/b", NameError::PartCount),
            ("a/b/c/NULL_COMPONENT/", NameError::PartCount),
            ("a//c", NameError::Part),
            ("a/ /c", NameError::Part),
            ("a/b/c/", NameError::Id),
            ("a/b/c/null_component", NameError::Id),
            ("a/b/c/48b1da600caab75fa73e4fe334bf1482aaaa", NameError::Id),
            ("a/b/c/48b1da60-0caa-b75f-a73e-4fe334bf148", NameError::Id),
            ("a/b/c/48b1da60-0caa-b75f-a73e-4fe334bf14é", NameError::Id),
        ] {
            assert_eq!(text.parse::<TextName>(), Err(error), "{text}");
        }
        assert_eq!(TextName::new(["a", "b/c", "d"], 0), Err(NameError::Part));
    }
}
