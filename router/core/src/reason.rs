//! Why something was lost, ended or declined.
//!
//! Three families that are never mixed: a *drop* loses one message (or one delivery of it), a *close*
//! ends a link, a *refusal* declines to create something. Every variant is one metric label, one row in
//! `router/docs/OPERATIONS.md` and at least one test; `router/tests/tidy.rs` checks all three.

/// Declares a reason enum together with its label and the list of all variants.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every reason, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The metric label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// Position in [`Self::ALL`], for counters kept in arrays.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

reasons! {
    /// Why a message, or one delivery of it, was lost.
    DropReason {
        /// The oldest waiting message of a slow link passed its age bound.
        EgressAge = "egress_age",
        /// The egress queue of the link, or the shard's egress pool, was full.
        EgressFull = "egress_full",
        /// The message decodes but breaks WIRE §2.2, or has no content at all.
        Invalid = "invalid",
        /// The receiving link ended while the message waited or was on its way; or the sending link had
        /// ended, or was leaving and asked for a subscription.
        LinkGone = "link_gone",
        /// The header MAC is wrong, or of a wrong length (WIRE §5.4).
        MacInvalid = "mac_invalid",
        /// The header MAC is missing where the link demands one (WIRE §5.4).
        MacMissing = "mac_missing",
        /// A tag was sent on a link that has no key to check it with (WIRE §5.4).
        MacUnexpected = "mac_unexpected",
        /// The message is ambiguous: a duplicate field or a varint that is not minimal.
        Malformed = "malformed",
        /// The ring to another shard was full.
        MeshFull = "mesh_full",
        /// Nobody but the sender subscribes to the name (WIRE §7.7).
        NoMatch = "no_match",
        /// The next hop's message would pass 4 MiB (WIRE §1.2).
        Oversize = "oversize",
        /// The hop budget is spent (WIRE §7.6).
        TtlExpired = "ttl_expired",
    }
}

reasons! {
    /// Why a link ended.
    CloseReason {
        /// The drain deadline passed while messages still waited.
        DrainDeadline = "drain_deadline",
        /// The link was drained.
        Drained = "drained",
        /// Too many ambiguous messages.
        Malformed = "malformed",
        /// The peer broke the rules of link negotiation (WIRE §4.2).
        NegotiationFailed = "negotiation_failed",
        /// No negotiation request arrived in time (WIRE §4.1).
        NegotiationTimeout = "negotiation_timeout",
        /// A message longer than 4 MiB, or a frame that announces compression (WIRE §1.2).
        Oversize = "oversize",
        /// The peer asked to be a peer node, and peering is not configured.
        PeeringUnconfigured = "peering_unconfigured",
        /// The peer ended its side of the stream.
        PeerEnded = "peer_ended",
        /// The peer reset the stream.
        PeerReset = "peer_reset",
        /// The shard shed the link because it ran out of memory it may use.
        Pressure = "pressure",
        /// The peer accepted no byte for the write deadline although messages waited.
        SlowConsumer = "slow_consumer",
        /// The process was told to stop at once.
        Stopped = "stopped",
        /// The transport below the link was lost.
        TransportLost = "transport_lost",
        /// A message that is not protobuf.
        Undecodable = "undecodable",
    }
}

reasons! {
    /// Why a connection, a stream or a subscription was declined.
    RefuseReason {
        /// One address holds as many connections as it may.
        AddressMax = "address_max",
        /// `grpc-encoding` asks for compression (WIRE §1.2).
        Compressed = "compressed",
        /// The process has no file descriptor left.
        Descriptors = "descriptors",
        /// The router is draining.
        Draining = "draining",
        /// The HTTP/2 preface or settings did not arrive in time, or were not HTTP/2.
        Http2 = "http2",
        /// The shard holds as many links as it may.
        LinksMax = "links_max",
        /// The RIB holds as many names as it may.
        NamesMax = "names_max",
        /// The path names no method of ours (WIRE §1.2).
        Path = "path",
        /// The shard is short of memory.
        Pressure = "pressure",
        /// No stream was opened in time on a transport.
        StreamTimeout = "stream_timeout",
        /// The RIB holds as many subscriptions as it may.
        SubscriptionsMax = "subscriptions_max",
        /// The link holds as many subscriptions as it may.
        SubscriptionsPerLink = "subscriptions_per_link",
        /// The TLS handshake failed or did not finish in time.
        Tls = "tls",
        /// Too many links of the shard have not finished negotiation.
        UnfinishedMax = "unfinished_max",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_its_own_variant() {
        for reason in DropReason::ALL {
            assert_eq!(DropReason::ALL.get(reason.index()), Some(reason));
        }
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::ALL.get(reason.index()), Some(reason));
        }
        for reason in RefuseReason::ALL {
            assert_eq!(RefuseReason::ALL.get(reason.index()), Some(reason));
        }
    }
}
