//! What the core tells its shell to do, and what shards tell each other.
//!
//! After every input the shell drains [`crate::ShardCore::poll_output`] until it is empty and obeys;
//! nothing else carries an effect out of the core.

use std::sync::Arc;

use bytes::Bytes;
use slipring_fib::{ApplyError, Delta, LinkClass, LinkId};
use slipring_proto::{envelope::Tail, grpc::Status, header::RoutedHeader, name::Name};

use crate::{control::SubscriptionError, flow::FlowId, reason::CloseReason};

/// What the shell must do.
#[derive(Debug)]
pub enum Output {
    /// The link has something to pull; sent when its queue stops being empty.
    Wake(LinkId),
    /// The link's input may be fed again.
    Resume(LinkId),
    /// Announce on the link's transport that no new stream is welcome (HTTP/2 GOAWAY).
    Announce(LinkId),
    /// End the link's stream: what was pulled goes out first, then the status.
    Close(Ending),
    /// Carry a message to another shard; if its ring is full, call
    /// [`crate::ShardCore::refuse_handoff`].
    Handoff {
        /// The shard that owns the targets.
        shard: u8,
        /// The message.
        handoff: Box<Handoff>,
    },
    /// Carry a request to the control shard.
    Request(ControlRequest),
    /// Tell the control shard that every delta up to this sequence has been applied.
    Applied(u64),
    /// A delta did not fit this shard's replica, which no input can cause. The shard's routes are wrong
    /// from here on, and it will never confirm the delta: end the process.
    Diverged(ApplyError),
    /// Tell every other shard that a link became congested or stopped being it.
    Congestion {
        /// The link.
        link: LinkId,
        /// Whether it is congested now.
        congested: bool,
    },
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The link that ended; its slot is free already.
    pub link: LinkId,
    /// Why.
    pub reason: CloseReason,
    /// The gRPC status of the trailers.
    pub status: Status,
    /// The `grpc-message` of the trailers, empty for none.
    pub message: &'static str,
}

impl Ending {
    /// How the peer is told (WIRE §10): status 0, except where only a refusal keeps it from coming
    /// back.
    pub(crate) fn new(link: LinkId, reason: CloseReason) -> Self {
        match reason {
            CloseReason::PeeringUnconfigured => Self {
                link,
                reason,
                status: Status::PermissionDenied,
                message: "peering is not configured",
            },
            CloseReason::DrainDeadline
            | CloseReason::Drained
            | CloseReason::Malformed
            | CloseReason::NegotiationFailed
            | CloseReason::NegotiationTimeout
            | CloseReason::Oversize
            | CloseReason::PeerEnded
            | CloseReason::PeerReset
            | CloseReason::Pressure
            | CloseReason::SlowConsumer
            | CloseReason::Stopped
            | CloseReason::TransportLost
            | CloseReason::Undecodable => Self {
                link,
                reason,
                status: Status::Ok,
                message: "",
            },
        }
    }
}

/// A planned message on its way to the shard that owns its targets.
#[derive(Debug)]
pub struct Handoff {
    pub(crate) flow: FlowId,
    pub(crate) names: FlowId,
    pub(crate) raw: Bytes,
    pub(crate) header: RoutedHeader,
    pub(crate) ttl: u32,
    pub(crate) tail: Tail,
    pub(crate) targets: Targets,
}

impl Handoff {
    /// Deliveries that this handoff stands for.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.targets.as_slice().len()
    }
}

/// The links of one shard that a message goes to.
#[derive(Clone, Debug)]
pub(crate) enum Targets {
    One([LinkId; 1]),
    Many(Arc<[LinkId]>),
}

impl Targets {
    pub(crate) fn as_slice(&self) -> &[LinkId] {
        match self {
            Self::One(link) => link,
            Self::Many(links) => links,
        }
    }
}

/// What a shard asks of the control shard, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRequest {
    /// Record that the link subscribes to the name.
    Subscribe {
        /// The subscriber.
        link: LinkId,
        /// Its class.
        class: LinkClass,
        /// The subscriber's own number for the subscription; zero asks for no acknowledgement.
        subscription_id: u64,
        /// The name.
        name: Name,
    },
    /// Undo one subscription.
    Unsubscribe {
        /// The subscriber.
        link: LinkId,
        /// The number that the subscription was made with.
        subscription_id: u64,
        /// The name.
        name: Name,
    },
    /// Forget everything about a link that ended or is about to.
    LinkGone {
        /// The link.
        link: LinkId,
    },
}

/// What the control shard tells the others, in order.
///
/// A shard that takes such events out of the mesh must first handle every handoff that was in its
/// rings when it took them: the sender of a handoff may have reported a delta as applied after it
/// planned the message, and the acknowledgement that follows must not overtake the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlEvent {
    /// Apply this change to the replica.
    Delta(Delta),
    /// The answer to a request of this shard.
    Reply {
        /// The link that asked.
        link: LinkId,
        /// The number it asked with; zero if no acknowledgement is wanted.
        subscription_id: u64,
        /// The sequence that every shard must have applied before the link is told, or what was wrong.
        outcome: Result<u64, SubscriptionError>,
    },
    /// Every shard has applied every delta up to this sequence.
    Committed(u64),
    /// A link of another shard became congested or stopped being it.
    Congestion {
        /// The link.
        link: LinkId,
        /// Whether it is congested now.
        congested: bool,
    },
}
