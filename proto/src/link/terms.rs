//! What a link is for, what this side insists on, and what both sides end up with.

use core::fmt;

use bytes::Bytes;

use super::PeerIdentity;
use crate::generated::LinkConnectionType;

/// What a link is for. The dialler proposes, the acceptor echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// Between deployments, made by a control plane. Also every value this version does not know.
    Remote = 0,
    /// Between replicas of one deployment.
    Peer = 1,
    /// Between a client and its node.
    Edge = 2,
}

impl ConnectionType {
    /// WIRE §4.2: an unknown value means Remote.
    pub const fn from_wire(value: i32) -> Self {
        match value {
            1 => Self::Peer,
            2 => Self::Edge,
            _ => Self::Remote,
        }
    }

    pub(super) const fn to_wire(self) -> i32 {
        match self {
            Self::Remote => LinkConnectionType::Remote as i32,
            Self::Peer => LinkConnectionType::Peer as i32,
            Self::Edge => LinkConnectionType::Edge as i32,
        }
    }
}

/// What this side insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPolicy {
    /// Strict (WIRE §5.3): no link without a key, no routed message without a MAC.
    pub require_header_mac: bool,
    /// Only hybrid keys. A dialler sends a KEM key exactly when this is set.
    pub enforce_pqc: bool,
}

/// What both sides agreed on.
pub struct LinkTerms<K> {
    /// Chosen by the dialler, constant over its reconnects, not unique among live links.
    pub link_id: String,
    /// The acceptor's echo of what the dialler asked for.
    pub connection_type: ConnectionType,
    /// The MAC key of both directions; `None` only on links that are not strict.
    pub key: Option<K>,
    /// Whether unsigned routed messages are dropped.
    pub strict: bool,
    /// Whether an ML-KEM secret went into the key.
    pub hybrid: bool,
    /// What the peer says of itself; nothing here is authenticated.
    pub peer: PeerIdentity,
}

impl<K> LinkTerms<K> {
    /// The key that routed messages are signed and verified with. WIRE §5.4: Peer links carry
    /// none, although they negotiate a key.
    pub fn mac_key(&self) -> Option<&K> {
        match self.connection_type {
            ConnectionType::Peer => None,
            ConnectionType::Remote | ConnectionType::Edge => self.key.as_ref(),
        }
    }
}

/// Shows whether there is a key, never the key.
impl<K> fmt::Debug for LinkTerms<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkTerms")
            .field("link_id", &self.link_id)
            .field("connection_type", &self.connection_type)
            .field("keyed", &self.key.is_some())
            .field("strict", &self.strict)
            .field("hybrid", &self.hybrid)
            .field("peer", &self.peer)
            .finish()
    }
}

/// A finished negotiation.
#[derive(Debug)]
pub struct Negotiated<K> {
    /// The acceptor's answer, a protobuf `Message` without gRPC prefix; a dialler has none.
    pub reply: Option<Bytes>,
    /// What was agreed on.
    pub terms: LinkTerms<K>,
}
