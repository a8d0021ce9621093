//! Every bound the node keeps, each with its default, its range and its reason.
//!
//! One table (`limits!` below) makes the struct, the defaults, the keys of `slipring.limits` and
//! the rows that the man page and `slipring config` print, so that none of them can disagree.
//! The unit is in the name or the type: `_bytes` are bytes, [`Duration`]s are time, the rest
//! are counts.

use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The largest flow-control window HTTP/2 knows, and hence the largest we can lend.
const WINDOW_BYTES_MAX: u64 = (1 << 31) - 1;
/// One hour, in milliseconds: no stage of a link's life waits longer.
const HOUR: u64 = 3_600_000;

/// Makes [`Limits`] and [`LIMITS`] from one table. A row is: the reason (which is also the
/// field's documentation), the name, the unit, the default and the range. Time is in milliseconds.
macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $unit:ident
        = $default:expr, $least:expr, $most:expr;)+) => {
        /// Every bound; [`LIMITS`] holds their names, ranges and reasons.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $reason])+ pub $name: limits!(@type $unit),)+
            /// The most memory the node may need at its worst, in bytes: configured, else what
            /// the cgroup grants, else `None`; the node does not start if its sum is larger.
            pub memory_bytes_max: Option<u64>,
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: limits!(@default $unit $default),)+ memory_bytes_max: None }
            }
        }

        /// One row per bound with a default, in the order of the fields of [`Limits`].
        pub const LIMITS: &[Bound] = &[
            $(Bound {
                name: stringify!($name),
                unit: Unit::$unit,
                default: $default,
                least: $least,
                most: $most,
                reason: concat!($($reason),+),
            },)+
        ];

        impl Limits {
            /// The value of the bound called `name`, in its own unit (milliseconds for time).
            #[must_use]
            pub fn find(&self, name: &str) -> Option<u64> {
                $(if name == stringify!($name) {
                    return Some(limits!(@read $unit self.$name));
                })+
                None
            }

            /// Sets the bound called `name`, in its own unit (milliseconds for time). Returns
            /// false and changes nothing when there is no such bound or its type cannot hold
            /// `value`; the range is the caller's to check.
            #[must_use]
            pub fn put(&mut self, name: &str, value: u64) -> bool {
                $(if name == stringify!($name) {
                    let Some(value) = limits!(@write $unit value) else { return false };
                    self.$name = value;
                    return true;
                })+
                false
            }
        }
    };
    (@type Time) => { Duration };
    (@type Bytes) => { u64 };
    (@type Count) => { u32 };
    (@default Time $value:expr) => { Duration::from_millis($value) };
    (@default $unit:ident $value:expr) => { $value };
    (@read Time $value:expr) => { u64::try_from($value.as_millis()).unwrap_or(u64::MAX) };
    (@read Bytes $value:expr) => { $value };
    (@read Count $value:expr) => { u64::from($value) };
    (@write Time $value:expr) => { Some(Duration::from_millis($value)) };
    (@write Bytes $value:expr) => { Some($value) };
    (@write Count $value:expr) => { u32::try_from($value).ok() };
}

limits! {
    /// Links of the whole process; one more is refused right after accept, because every open
    /// link costs memory whether it speaks or not.
    links_max: Count = 65_536, 1, 16_777_215;
    /// Links from one address; one more is refused, so that one host cannot use up `links_max`.
    links_per_address_max: Count = 16_384, 1, 16_777_215;
    /// Accepted sockets of one shard that are not links yet; one more is refused, so that
    /// half-open connections cannot crowd out links.
    unfinished_per_shard_max: Count = 256, 1, 65_536;
    /// Streams one transport may have open; a client needs one, and each may become a link.
    streams_per_transport: Count = 16, 1, 1_024;
    /// How long a TLS handshake may take from accept; a slow one holds a socket for nothing.
    tls_timeout: Time = 5_000, 10, HOUR;
    /// How long the HTTP/2 preface may take after the handshake.
    preface_timeout: Time = 3_000, 10, HOUR;
    /// How long the first stream may take after the preface.
    stream_timeout: Time = 5_000, 10, HOUR;
    /// Bytes queued for one edge link; a message that would pass it is dropped for that link
    /// alone, unless the queue is empty.
    egress_bytes_max: Bytes = MIB, 4 * KIB, GIB;
    /// Bytes queued for one peer or remote link, which carries the traffic of many.
    egress_node_bytes_max: Bytes = 8 * MIB, 4 * KIB, GIB;
    /// Messages queued for one link; small messages cost more than their bytes.
    egress_messages_max: Count = 4_096, 1, 1_048_576;
    /// How long the oldest message may wait in a queue; an older one is dropped, because its
    /// sender has given it up by then.
    egress_age_max: Time = 5_000, 10, HOUR;
    /// How long a link may take no byte while messages wait for it; then it is closed.
    write_deadline: Time = 10_000, 10, HOUR;
    /// Bytes of one shard queued for links or granted to their transports, all together; the
    /// slowest links compete for it.
    egress_pool_bytes: Bytes = 256 * MIB, 8 * MIB, 1_024 * GIB;
    /// Bytes of one shard in messages that have not arrived in full; when spent, window is
    /// withheld.
    assembly_pool_bytes: Bytes = 64 * MIB, 8 * MIB, 1_024 * GIB;
    /// Receive window of an idle link: what a peer may send unasked.
    window_idle_bytes: Bytes = 64 * KIB, 64 * KIB, WINDOW_BYTES_MAX;
    /// Receive window of an active stream; a small one caps the rate and the batch of its sender.
    window_stream_bytes: Bytes = MIB, 64 * KIB, WINDOW_BYTES_MAX;
    /// Receive window of an active transport, shared by its streams.
    window_connection_bytes: Bytes = 2 * MIB, 64 * KIB, WINDOW_BYTES_MAX;
    /// Bytes of window one shard lends beyond the idle ones; when spent, windows stay small.
    window_pool_bytes: Bytes = 256 * MIB, 0, 1_024 * GIB;
    /// Bytes of one shard in verified headers and signed heads kept for the next message alike.
    flow_pool_bytes: Bytes = 32 * MIB, 0, 1_024 * GIB;
    /// Messages one shard may have on the way to another; one more holds back its sender.
    mesh_slots: Count = 4_096, 16, 65_536;
    /// Distinct names anybody is subscribed to; one more is refused.
    names_max: Count = 1_000_000, 1, 100_000_000;
    /// Subscriptions of all links; one more is refused.
    subscriptions_max: Count = 1_000_000, 1, 100_000_000;
    /// Subscriptions of one link, so that one client cannot use up `subscriptions_max`.
    subscriptions_per_link_max: Count = 100_000, 1, 100_000_000;
}

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes; written as a number or as text such as `64KiB`.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds; written as text such as `5s`.
    Time,
}

/// One row of the table of bounds. `default`, `least` and `most` are in the row's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The field of [`Limits`] and the key in `slipring.limits`.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its value unless configured.
    pub default: u64,
    /// The smallest value accepted.
    pub least: u64,
    /// The largest value accepted.
    pub most: u64,
    /// Why there is a bound and what happens at it, as documentation lines joined.
    pub reason: &'static str,
}

impl Bound {
    /// The row of the bound called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        LIMITS.iter().find(|bound| bound.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_in_its_range_and_every_row_reads_back() {
        let mut limits = Limits::default();
        for bound in LIMITS {
            assert!(
                bound.least <= bound.default && bound.default <= bound.most,
                "{}",
                bound.name
            );
            assert_eq!(
                limits.find(bound.name),
                Some(bound.default),
                "{}",
                bound.name
            );
            for value in [bound.least, bound.most] {
                assert!(
                    limits.put(bound.name, value),
                    "{} takes {value}",
                    bound.name
                );
                assert_eq!(limits.find(bound.name), Some(value), "{}", bound.name);
            }
        }
    }

    #[test]
    fn a_count_too_large_for_its_field_is_refused_and_changes_nothing() {
        let mut limits = Limits::default();
        assert!(!limits.put("links_max", u64::from(u32::MAX) + 1));
        assert!(!limits.put("no_such_bound", 1));
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn every_reason_is_one_sentence_and_every_byte_bound_says_so() {
        for bound in LIMITS {
            let reason = bound.reason.trim();
            assert!(reason.ends_with('.'), "{}", bound.name);
            assert!(
                !reason.trim_end_matches('.').contains(". "),
                "{}",
                bound.name
            );
            let named_bytes = bound.name.contains("bytes");
            assert_eq!(named_bytes, bound.unit == Unit::Bytes, "{}", bound.name);
        }
    }
}
