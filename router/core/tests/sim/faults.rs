//! What can go wrong in a world, and a tally of what demonstrably did.
//!
//! A fault counts only when its effect was seen: a reset when the router closed the link for it, a
//! flipped bit when the message that arrived was not the one that was sent.

/// Declares the kinds together with their labels and a list of all.
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $label:literal,)+) => {
        /// One way in which a world can be unkind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$doc])* $variant,)+
        }

        impl Fault {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub(crate) const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

faults! {
    /// A shard had no room for unfinished messages and withheld window.
    AssemblySpent = "assembly_spent",
    /// A flipped bit on the way to the router changed what a message meant.
    BitFlipIn = "bit_flip_in",
    /// A flipped bit on the way to a client was noticed by it.
    BitFlipOut = "bit_flip_out",
    /// A chunk waited for bandwidth.
    Bandwidth = "bandwidth",
    /// The clock jumped and a deadline passed by it.
    ClockJump = "clock_jump",
    /// A stream of frames announced compression or a message past the bound.
    BadFrame = "bad_frame",
    /// A stream was refused.
    ConnectRefused = "connect_refused",
    /// Two live links of one node carried the same link id.
    DuplicateLinkId = "duplicate_link_id",
    /// A node drained and a link was ended by it.
    Drain = "drain",
    /// The drain deadline cut a link.
    DrainDeadline = "drain_deadline",
    /// Messages grew too old in the queue of a slow reader.
    EgressAge = "egress_age",
    /// The queue of a slow reader was full.
    EgressFull = "egress_full",
    /// Steering fields from the wire reached a shard and had no effect.
    ForgedSteering = "forged_steering",
    /// A wrong, missing or unexpected MAC was dropped.
    ForgedMac = "forged_mac",
    /// Garbage ended a link.
    Garbage = "garbage",
    /// A client ended its side of the stream.
    HalfClose = "half_close",
    /// A publish was held for a subscription before it.
    Held = "held",
    /// A chunk took much longer than the one before.
    Jitter = "jitter",
    /// A link was ended for ambiguous messages.
    Malformed = "malformed",
    /// A ring between shards was full.
    MeshFull = "mesh_full",
    /// The request of a negotiation was refused.
    NegotiationFailed = "negotiation_failed",
    /// A client dialled and said nothing.
    NegotiationTimeout = "negotiation_timeout",
    /// A client never read and was closed for it.
    NeverReads = "never_reads",
    /// A forwarded message would have been too long.
    Oversize = "oversize",
    /// A link to a peer node was refused.
    Peering = "peering",
    /// A shard was short of memory and shed a link.
    Pressure = "pressure",
    /// A node lost everything and came back.
    Restart = "restart",
    /// A client reset its stream.
    Reset = "reset",
    /// A limit of the RIB refused a subscription.
    SubscriptionRefused = "subscription_refused",
    /// A shard did nothing for a while although work waited.
    ShardStall = "shard_stall",
    /// A slow reader left the writer without room.
    SlowReader = "slow_reader",
    /// A message arrived in several chunks.
    SplitMessage = "split_message",
    /// A publisher was held because everything it sent went to congested links.
    StalledPublisher = "stalled_publisher",
    /// A client asked without reading answers and was held.
    UnreadAcks = "unread_acks",
    /// A node stopped at once.
    Stop = "stop",
    /// A transport was lost.
    TransportLost = "transport_lost",
    /// A stream was cut inside a message.
    Truncated = "truncated",
    /// A message ran out of hops.
    TtlExpired = "ttl_expired",
    /// A wire delivered nothing for a while although bytes waited.
    WireStall = "wire_stall",
}

/// How often each fault showed its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    pub(crate) const fn new() -> Self {
        Self([0; Fault::ALL.len()])
    }

    pub(crate) fn note(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }
}
