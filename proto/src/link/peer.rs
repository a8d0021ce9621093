//! Who a node says it is, and whether a Peer link to such a node makes sense (WIRE §4.6).
//!
//! Nothing here is authenticated; the check protects against mistakes of deployment, not against
//! attackers.

/// What this side tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    /// Distinguishes the replicas of a deployment, and clients from one another.
    pub node_id: String,
    /// Shared by the replicas of a deployment; empty for clients.
    pub deployment_name: String,
    /// A SemVer 2.0 version. Peers refuse anything else.
    pub version: String,
}

/// What the other side tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// A SemVer 2.0 version.
    pub version: String,
    /// Any text, possibly empty.
    pub node_id: String,
    /// Any text, possibly empty.
    pub deployment_name: String,
}

/// Why a node is not a peer of this one. The text is sent with `grpc-status 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerRejection {
    /// The node dialled itself.
    #[error("self-connection rejected: same node_id")]
    SameNode,
    /// The node belongs to another deployment, or names none.
    #[error("deployment_name mismatch")]
    DeploymentMismatch,
}

impl PeerRejection {
    /// A short constant label, for metrics and logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SameNode => "same_node",
            Self::DeploymentMismatch => "deployment_mismatch",
        }
    }

    /// The clause of the wire contract that the peer breaks.
    pub const fn clause(self) -> &'static str {
        "4.6"
    }
}

/// Both sides of a Peer link make this check on the other's payload, after the reply (WIRE §4.6).
///
/// # Errors
/// The first rule broken. An own deployment name that is empty fits every deployment.
pub fn check_peer(local: &LocalNode, peer: &PeerIdentity) -> Result<(), PeerRejection> {
    if peer.node_id == local.node_id {
        return Err(PeerRejection::SameNode);
    }
    if !local.deployment_name.is_empty() && local.deployment_name != peer.deployment_name {
        return Err(PeerRejection::DeploymentMismatch);
    }
    Ok(())
}
