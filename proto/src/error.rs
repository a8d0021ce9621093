//! What can be wrong with bytes from a peer: two families, both small and free of text.
//!
//! `Malformed` is about the encoding: the bytes cannot be decoded, or two decoders could read them
//! differently. `Invalid` is about the meaning: the message decodes, but WIRE §2.2 says it names
//! too little to be routed. Each variant has a stable label (`reason`) and names its clause.

use thiserror::Error;

/// Bytes that are not, or not unambiguously, a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The gRPC prefix announces a compressed message; no link negotiates compression.
    #[error("compressed gRPC message")]
    Compressed,
    /// The header, the subscription id or a field of the routed header stands twice. Decoders
    /// merge or take the last; a router that took the first would be led astray.
    #[error("field stands twice")]
    DuplicateField,
    /// Two of the alternatives subscribe, unsubscribe, publish, link and ack, or one of them twice.
    #[error("message has two kinds")]
    DuplicateKind,
    /// A field of an unknown number is a group. Protobuf deprecated groups before SLIM existed.
    #[error("group")]
    Group,
    /// A group ends that never began.
    #[error("end of a group that never began")]
    GroupEnd,
    /// The gRPC prefix announces more than a message may have.
    #[error("message longer than the bound")]
    MessageTooLong,
    /// A metadata entry with a wire type of its own. Some decoders take it for one all the same,
    /// some for an unknown field, and they disagree about where it ends.
    #[error("metadata of the wrong wire type")]
    MetadataWireType,
    /// A tag with field number 0, with an undefined wire type, or beyond 32 bits.
    #[error("tag of no field")]
    Tag,
    /// A text field is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
    /// A field reaches past the end of what holds it.
    #[error("field cut short")]
    Truncated,
    /// A `uint32` above 32 bits or a `bool` above 1. Decoders cut such values, each in its own way.
    #[error("value out of the field's range")]
    ValueRange,
    /// A varint in more bytes than it needs. Legal, but no encoder writes it, and it gives one
    /// message many spellings.
    #[error("varint longer than its value")]
    VarintPadded,
    /// A varint of more than 64 bits.
    #[error("varint beyond 64 bits")]
    VarintTooLong,
    /// A known field with the wire type of another kind of field.
    #[error("field of the wrong wire type")]
    WireType,
}

impl Malformed {
    /// Every variant, for tables of counters and for tests.
    pub const ALL: [Self; 14] = [
        Self::Compressed,
        Self::DuplicateField,
        Self::DuplicateKind,
        Self::Group,
        Self::GroupEnd,
        Self::MessageTooLong,
        Self::MetadataWireType,
        Self::Tag,
        Self::Text,
        Self::Truncated,
        Self::ValueRange,
        Self::VarintPadded,
        Self::VarintTooLong,
        Self::WireType,
    ];

    /// Whether a published peer could not decode the bytes either. WIRE §10: then the stream ends
    /// with status 0. Otherwise they are merely ambiguous: the message is dropped, and the link
    /// closes when its peer insists.
    #[must_use]
    pub const fn is_undecodable(self) -> bool {
        match self {
            Self::Compressed
            | Self::GroupEnd
            | Self::MessageTooLong
            | Self::Tag
            | Self::Text
            | Self::Truncated
            | Self::VarintTooLong
            | Self::WireType => true,
            Self::DuplicateField
            | Self::DuplicateKind
            | Self::Group
            | Self::MetadataWireType
            | Self::ValueRange
            | Self::VarintPadded => false,
        }
    }

    /// Stable label for metrics and logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Compressed => "compressed",
            Self::DuplicateField => "duplicate_field",
            Self::DuplicateKind => "duplicate_kind",
            Self::Group => "group",
            Self::GroupEnd => "group_end",
            Self::MessageTooLong => "message_too_long",
            Self::MetadataWireType => "metadata_wire_type",
            Self::Tag => "tag",
            Self::Text => "text",
            Self::Truncated => "truncated",
            Self::ValueRange => "value_range",
            Self::VarintPadded => "varint_padded",
            Self::VarintTooLong => "varint_too_long",
            Self::WireType => "wire_type",
        }
    }

    /// The clause of the wire contract that the bytes break.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Compressed | Self::MessageTooLong => "1.2",
            Self::DuplicateField
            | Self::DuplicateKind
            | Self::Group
            | Self::GroupEnd
            | Self::MetadataWireType
            | Self::Tag
            | Self::Text
            | Self::Truncated
            | Self::ValueRange
            | Self::VarintPadded
            | Self::VarintTooLong
            | Self::WireType => "2.1",
        }
    }
}

/// A message that decodes but lacks what WIRE §2.2 asks of it. It is dropped in silence and the
/// link stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// No destination in the routed header, or no routed header at all.
    #[error("no destination")]
    DestinationMissing,
    /// A destination in text only.
    #[error("destination without ids")]
    DestinationNotEncoded,
    /// A Publish without a session header; an empty one would do.
    #[error("publish without session header")]
    SessionMissing,
    /// No source in the routed header, or no routed header at all.
    #[error("no source")]
    SourceMissing,
    /// A source in text only.
    #[error("source without ids")]
    SourceNotEncoded,
}

impl Invalid {
    /// Every variant, for tables of counters and for tests.
    pub const ALL: [Self; 5] = [
        Self::DestinationMissing,
        Self::DestinationNotEncoded,
        Self::SessionMissing,
        Self::SourceMissing,
        Self::SourceNotEncoded,
    ];

    /// Stable label for metrics and logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::DestinationMissing => "destination_missing",
            Self::DestinationNotEncoded => "destination_not_encoded",
            Self::SessionMissing => "session_missing",
            Self::SourceMissing => "source_missing",
            Self::SourceNotEncoded => "source_not_encoded",
        }
    }

    /// The clause of the wire contract that the message breaks.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        "2.2"
    }
}

/// A message that would leave with more bytes than any receiver takes. WIRE §1.2: it is dropped
/// and the link stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("message of {message_bytes} bytes is longer than the wire carries")]
pub struct TooLong {
    /// Length the protobuf message would have had.
    pub message_bytes: usize,
}
