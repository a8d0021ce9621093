//! Routed headers built from fields, signed or forged, and the messages around them.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;

use super::tail::PublishTail;
use super::{HeaderFields, WIRE_VERSION, put_varint_field};
use crate::crypto::MacKey;
use crate::envelope::Kind;
use crate::error::{Malformed, TooLong};
use crate::generated::{EncodedName, Name as WireName, NameId, StringName};
use crate::header::RoutedHeader;
use crate::limits::{FANOUT_ONE, TTL_ORIGIN};
use crate::mac;
use crate::name::{Name, TextName};
use crate::rewrite::{Lengths, put_head};

/// A name as it stands in a header: ids and text. WIRE §2.2: a Subscribe always carries the text.
pub fn wire_name(name: &TextName) -> WireName {
    let [first, second, third] = name.parts();
    WireName {
        str_name: Some(StringName {
            str_component_0: first.to_owned(),
            str_component_1: second.to_owned(),
            str_component_2: third.to_owned(),
        }),
        ..WireName::from(name.name())
    }
}

/// A name by its ids alone. The any-id is written out, as every published client does.
impl From<Name> for WireName {
    fn from(name: Name) -> Self {
        let [component_0, component_1, component_2] = name.prefix.0;
        let (id_0, id_1) = halves(name.id);
        Self {
            name: Some(EncodedName {
                component_0,
                component_1,
                component_2,
                name_id: Some(NameId { id_0, id_1 }),
            }),
            str_name: None,
        }
    }
}

impl HeaderFields {
    /// The header a client sends from `source` to `destination`: both names in full, fanout 1,
    /// ttl 8, our version, no identity, nothing else.
    pub fn between(source: &TextName, destination: &TextName) -> Self {
        Self {
            source: Some(wire_name(source)),
            destination: Some(wire_name(destination)),
            fanout: FANOUT_ONE,
            version: WIRE_VERSION.to_owned(),
            ttl: TTL_ORIGIN,
            ..Self::default()
        }
    }

    /// The same for `fanout` receivers: 1 is one of the matches, every other value all of them.
    #[must_use]
    pub fn with_fanout(mut self, fanout: u32) -> Self {
        self.fanout = fanout;
        self
    }

    /// The same with an identity token.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Sets `header_mac` to the tag of the fields as they are, steering fields included, for the
    /// link that `key` and `link_id` belong to. Fields changed afterwards break the tag.
    ///
    /// # Errors
    /// [`Malformed`] if a field is too long to be a header at all.
    pub fn sign<K: MacKey>(mut self, key: &K, link_id: &str) -> Result<Self, Malformed> {
        self.header_mac = None;
        let raw = self.encode_to_vec();
        let header = RoutedHeader::parse(&raw)?;
        let tag = mac::sign_as_received(key, &header, &raw, link_id.as_bytes(), &mut Vec::new());
        self.header_mac = Some(Bytes::copy_from_slice(&tag));
        Ok(self)
    }

    /// The encoded header, to build any number of messages from. Unless [`Self::sign`] was called
    /// or `header_mac` set, they are unsigned.
    pub fn seal(&self) -> SealedHeader {
        SealedHeader {
            raw: Bytes::from(self.encode_to_vec()),
        }
    }
}

/// An encoded routed header. The MAC covers the header only, so one signature serves every message
/// of one link between the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    raw: Bytes,
}

impl SealedHeader {
    /// Any bytes as a header, well-formed or not.
    pub const fn from_raw(raw: Bytes) -> Self {
        Self { raw }
    }

    /// The encoded `SLIMHeader`.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// A framed Subscribe. An id of 0 asks for no acknowledgement; others should be random.
    ///
    /// # Errors
    /// [`TooLong`] if the header does not fit a message.
    pub fn subscribe(&self, subscription_id: u64) -> Result<Bytes, TooLong> {
        self.registration(Kind::Subscribe, subscription_id)
    }

    /// A framed Unsubscribe; the id is that of the Subscribe.
    ///
    /// # Errors
    /// [`TooLong`] if the header does not fit a message.
    pub fn unsubscribe(&self, subscription_id: u64) -> Result<Bytes, TooLong> {
        self.registration(Kind::Unsubscribe, subscription_id)
    }

    /// A framed Publish.
    ///
    /// # Errors
    /// [`TooLong`] if it does not fit a message.
    pub fn publish(&self, tail: &PublishTail) -> Result<Bytes, TooLong> {
        let mut out = BytesMut::new();
        self.put_publish(tail.inner(), tail.outer(), &mut out)?;
        Ok(out.freeze())
    }

    /// Appends a framed Publish whose tail is already encoded: `inner` holds the fields of Publish
    /// after the header, `outer` the fields of Message after the Publish. The way of a load
    /// generator: no allocation but `out`'s.
    ///
    /// # Errors
    /// [`TooLong`] if it does not fit a message; then `out` is unchanged.
    pub fn put_publish(
        &self,
        inner: &[u8],
        outer: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), TooLong> {
        self.put(Kind::Publish, inner, outer, out)
    }

    fn registration(&self, kind: Kind, subscription_id: u64) -> Result<Bytes, TooLong> {
        let mut id = BytesMut::new();
        put_varint_field(2, subscription_id, &mut id);
        let mut out = BytesMut::new();
        self.put(kind, &id, &[], &mut out)?;
        Ok(out.freeze())
    }

    fn put(
        &self,
        kind: Kind,
        inner: &[u8],
        outer: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), TooLong> {
        let lengths = Lengths {
            header: self.raw.len(),
            tail_inner: inner.len(),
            tail_outer: outer.len(),
        };
        put_head(kind, lengths, out)?;
        out.put_slice(&self.raw);
        out.put_slice(inner);
        out.put_slice(outer);
        Ok(())
    }
}

/// An instance id as its two wire fields.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the id is cut into its two halves"
)]
const fn halves(id: u128) -> (u64, u64) {
    ((id >> 64) as u64, id as u64)
}
