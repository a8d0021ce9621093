//! The bounds that the core enforces, as plain values: the shell parses and checks them once.

use core::time::Duration;

use slipring_fib::FibLimits;
use slipring_proto::limits::MESSAGE_BYTES_MAX;

use crate::egress::Bounds;

/// Every bound of one shard.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Links that this shard holds at most.
    pub links_max: u32,
    /// Links of this shard that have not finished negotiation, at most.
    pub unfinished_max: u32,
    /// What may wait for one edge link.
    pub egress_edge: Bounds,
    /// What may wait for one link to another node.
    pub egress_node: Bounds,
    /// Age of the oldest waiting message, past which it is dropped.
    pub egress_age_max: Duration,
    /// Bytes waiting in all egress queues of the shard.
    pub egress_pool_bytes: u64,
    /// Bytes of unfinished messages being assembled on the shard.
    pub assembly_pool_bytes: u64,
    /// Receive window lent to the peers of the shard, in bytes.
    pub window_pool_bytes: u64,
    /// How long a link with waiting messages may accept no byte before it is closed.
    pub write_deadline: Duration,
    /// How long a publisher that sends only to congested links is held, per turn.
    pub stall_max: Duration,
    /// Bytes of acknowledgements that may wait for one link, or will be due to it when its requests are
    /// answered, before its input is held.
    pub reserve_bytes_max: u32,
    /// Ambiguous messages tolerated on one link before it is closed.
    pub malformed_max: u8,
    /// Bytes of remembered headers; when they are used up, new headers are not remembered.
    pub flow_pool_bytes: u64,
    /// Entries and routes of the FIB replica.
    pub fib: FibLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links_max: 65_536,
            unfinished_max: 256,
            egress_edge: Bounds {
                bytes_max: 1 << 20,
                messages_max: 4_096,
            },
            egress_node: Bounds {
                bytes_max: 8 << 20,
                messages_max: 4_096,
            },
            egress_age_max: Duration::from_secs(5),
            egress_pool_bytes: 256 << 20,
            assembly_pool_bytes: 64 << 20,
            window_pool_bytes: 512 << 20,
            write_deadline: Duration::from_secs(10),
            stall_max: Duration::from_millis(10),
            reserve_bytes_max: 64 << 10,
            malformed_max: 3,
            flow_pool_bytes: 32 << 20,
            fib: FibLimits {
                entries_max: 1_000_000,
                routes_max: 1_000_000,
            },
        }
    }
}

/// An empty queue takes any message, so the books of one entry must be able to hold the largest.
const _: () = assert!(MESSAGE_BYTES_MAX < u32::MAX);
