//! Every metric: its name, its type, its labels, and what it says.
//!
//! `router/tests/tidy.rs` holds this table against `router/docs/OPERATIONS.md`, and a test beside the
//! renderer holds it against what a scrape returns, so that a name cannot exist in one place only.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts spans in buckets.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The labels of its samples.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// Makes one constant per metric and the list of all. A row is: constant, type, name, labels, help.
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: concat!("slipring_", $name),
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// Every metric, in the order of a scrape.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    BUILD_INFO = Gauge "build_info" ["version", "commit", "slim_version", "io"]
        "Always 1; the labels say what runs.";
    UPTIME_SECONDS = Gauge "uptime_seconds" []
        "Time since the admin surface came up.";
    READY = Gauge "ready" []
        "1 while new connections are welcome, as /readyz says.";
    SHARDS = Gauge "shards" []
        "Shards that answered this scrape.";
    PRESSURE = Gauge "pressure" ["shard"]
        "Overload level of a shard, 0 to 3.";
    LINKS = Gauge "links" ["class"]
        "Negotiated links.";
    SHARD_LINKS = Gauge "shard_links" ["shard"]
        "Negotiated links of a shard.";
    LINKS_NEGOTIATING = Gauge "links_negotiating" []
        "Streams whose link is not negotiated yet.";
    TRANSPORTS = Gauge "transports" []
        "Open transports.";
    SOCKETS_UNFINISHED = Gauge "sockets_unfinished" []
        "Accepted sockets that carry no link yet.";
    LINKS_OPENED_TOTAL = Counter "links_opened_total" []
        "Links that finished negotiation.";
    LINKS_CLOSED_TOTAL = Counter "links_closed_total" ["reason"]
        "Links that ended.";
    REFUSED_TOTAL = Counter "refused_total" ["reason"]
        "Connections, streams and subscriptions that were declined.";
    NEGOTIATION_SECONDS = Histogram "negotiation_seconds" []
        "From an opened stream to a negotiated link.";
    TLS_HANDSHAKE_SECONDS = Histogram "tls_handshake_seconds" []
        "From accept to a finished TLS handshake.";
    MESSAGES_IN_TOTAL = Counter "messages_in_total" ["kind"]
        "Messages received.";
    MESSAGES_OUT_TOTAL = Counter "messages_out_total" ["kind"]
        "Messages handed to a transport.";
    BYTES_IN_TOTAL = Counter "bytes_in_total" []
        "Protobuf bytes received.";
    BYTES_OUT_TOTAL = Counter "bytes_out_total" []
        "Bytes of messages handed to a transport.";
    MESSAGES_ROUTED_TOTAL = Counter "messages_routed_total" []
        "Publishes for which a target was found.";
    REQUESTS_TOTAL = Counter "requests_total" []
        "Subscribes and unsubscribes handed to the control shard.";
    DELIVERIES_TOTAL = Counter "deliveries_total" []
        "Deliveries planned: one for each target of each routed publish.";
    MESSAGES_DROPPED_TOTAL = Counter "messages_dropped_total" ["reason"]
        "Messages lost on the way in and deliveries lost on the way out.";
    DELIVERIES_DROPPED_TOTAL = Counter "deliveries_dropped_total" []
        "The part of messages_dropped_total that was lost on the way out.";
    HANDOFFS_TOTAL = Counter "handoffs_total" []
        "Deliveries handed to another shard.";
    MESH_MESSAGES = Gauge "mesh_messages" []
        "Handoffs that wait in the rings between shards.";
    MESH_HOLDS_TOTAL = Counter "mesh_holds_total" []
        "Turns after which input was held because a ring was full.";
    EGRESS_BYTES = Gauge "egress_bytes" []
        "Bytes that wait for slow links.";
    EGRESS_MESSAGES = Gauge "egress_messages" []
        "Messages that wait for slow links.";
    EGRESS_OLDEST_SECONDS = Gauge "egress_oldest_seconds" []
        "Age of the oldest message that waits for a link.";
    MESSAGES_HELD = Gauge "messages_held" []
        "Publishes held until the subscriptions sent before them are in force.";
    STALLS_TOTAL = Counter "stalls_total" []
        "Turns after which a publisher was held because all its targets were congested.";
    NAMES = Gauge "names" []
        "Distinct names in the RIB.";
    SUBSCRIPTIONS = Gauge "subscriptions" []
        "Subscriptions in the RIB.";
    FIB_ENTRIES = Gauge "fib_entries" ["shard"]
        "Entries of a shard's FIB replica.";
    FIB_DELTAS_TOTAL = Counter "fib_deltas_total" ["shard"]
        "Deltas applied to a shard's FIB replica.";
    FIB_APPLY_SECONDS = Histogram "fib_apply_seconds" []
        "One run of deltas applied to a replica.";
    FLOW_HITS_TOTAL = Counter "flow_hits_total" ["level"]
        "Publishes whose header was found in the flow cache.";
    TURN_SECONDS = Histogram "turn_seconds" []
        "One turn of a shard.";
    SHARD_BUSY_SECONDS_TOTAL = Counter "shard_busy_seconds_total" ["shard"]
        "Time a shard spent in its turns.";
    MEMORY_BYTES = Gauge "memory_bytes" ["account"]
        "Memory charged to an account; resident is the whole process as the kernel counts it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_end_in_their_unit() {
        for (index, metric) in ALL.iter().enumerate() {
            let later = ALL.get(index + 1..).unwrap_or_default();
            assert!(
                later.iter().all(|other| other.name != metric.name),
                "{}",
                metric.name
            );
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            let is_span = metric.name.ends_with("_seconds");
            assert!(is_span || metric.kind != Kind::Histogram, "{}", metric.name);
            assert!(
                metric.help.ends_with('.') && !metric.help.contains('\n'),
                "{}",
                metric.name
            );
        }
    }
}
