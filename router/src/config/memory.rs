//! The most memory the node can need, as a sum with one line and one reason per account.
//!
//! Pools belong to shards and bound what links may use together, so a pool is a line and the
//! per-link maxima inside it are not. What the kernel holds for sockets is outside the process
//! and outside the sum.

use super::limits::{Bound, Limits};
use super::text::show_size;

/// What an idle TLS link costs: rustls, HTTP/2, socket and slot.
pub const LINK_TLS_BYTES: u64 = 64 << 10;
/// What an idle clear-text link costs: HTTP/2, socket and slot.
pub const LINK_CLEAR_BYTES: u64 = 32 << 10;
/// What one message on the way to another shard costs in its ring, without its tail.
pub const MESH_SLOT_BYTES: u64 = 256;
/// Rings from one shard to another: one for messages, one for control.
pub const MESH_LANES: u64 = 2;
/// What one name costs in the RIB.
pub const RIB_NAME_BYTES: u64 = 256;
/// What one subscription costs in the RIB.
pub const RIB_SUBSCRIPTION_BYTES: u64 = 128;
/// What one name costs in each FIB.
pub const FIB_NAME_BYTES: u64 = 200;
/// What one shard costs beside its links: executor, rings, stack, read scratch, and what stuck sockets
/// hold of gathered writes.
pub const SHARD_BYTES: u64 = 32 << 20;
/// What the process costs before its first shard: program, admin surface, log, allocator.
pub const BASE_BYTES: u64 = 64 << 20;
/// The part of the sum the allocator may hold in pages that are not full.
const SLACK_DIVISOR: u64 = 16;

/// The bounds that give way when the cgroup grants less than the defaults need.
const YIELDING: &[&str] = &[
    "links_max",
    "egress_pool_bytes",
    "assembly_pool_bytes",
    "window_pool_bytes",
    "flow_pool_bytes",
    "mesh_slots",
    "names_max",
    "subscriptions_max",
];
/// How often they may be halved; past that a node would be of no use.
const HALVINGS_MAX: u32 = 10;

/// One account of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLine {
    /// Its name.
    pub account: &'static str,
    /// What it may come to, in bytes.
    pub bytes: u64,
    /// How that was reckoned.
    pub sum: String,
    /// Why it may come to that.
    pub reason: &'static str,
}

/// The most memory the node can need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySum {
    /// Its accounts.
    pub lines: Vec<MemoryLine>,
}

/// The node could need more memory than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the worst case needs {} and memory_bytes_max is {}; lower slipring.limits or raise it",
    about(*.needed_bytes),
    about(*.granted_bytes)
)]
#[non_exhaustive]
pub struct OverMemory {
    /// The sum.
    pub needed_bytes: u64,
    /// The bound.
    pub granted_bytes: u64,
}

impl MemorySum {
    /// The sum for `shards` shards within `limits`; `tls` says whether any listener speaks TLS.
    #[must_use]
    pub fn new(limits: &Limits, shards: u16, tls: bool) -> Self {
        let shards = u64::from(shards);
        let mut lines = link_lines(limits, shards, tls);
        lines.extend(shard_lines(limits, shards));
        lines.extend(table_lines(limits, shards));
        let before_slack = total(&lines);
        lines.push(line(
            "reserve",
            &[(SHARD_BYTES, "a shard"), (shards, "shards")],
            "executor, rings, stack, scratch, rests of stuck sockets",
        ));
        lines.push(MemoryLine {
            account: "process",
            bytes: BASE_BYTES.saturating_add(before_slack / SLACK_DIVISOR),
            sum: format!("{} + 1/{SLACK_DIVISOR} of the above", show_size(BASE_BYTES)),
            reason: "program, admin surface, log; pages the allocator has not filled",
        });
        Self { lines }
    }

    /// The whole sum, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        total(&self.lines)
    }

    /// Whether the node may start.
    ///
    /// # Errors
    /// [`OverMemory`] when the sum is above [`Limits::memory_bytes_max`].
    pub fn allow(&self, limits: &Limits) -> Result<(), OverMemory> {
        let needed_bytes = self.total_bytes();
        match limits.memory_bytes_max {
            Some(granted_bytes) if needed_bytes > granted_bytes => Err(OverMemory {
                needed_bytes,
                granted_bytes,
            }),
            _ => Ok(()),
        }
    }
}

/// Lowers the bounds nobody wrote until the sum is within `granted_bytes`. Returns by how much
/// they were divided, or `None`, changing nothing, when no division helps.
pub(super) fn fit(
    limits: &mut Limits,
    granted_bytes: u64,
    shards: u16,
    tls: bool,
    is_written: impl Fn(&str) -> bool,
) -> Option<u64> {
    for halvings in 0..=HALVINGS_MAX {
        let mut smaller = limits.clone();
        for name in YIELDING.iter().filter(|name| !is_written(name)) {
            let Some(bound) = Bound::named(name) else {
                continue;
            };
            let lowered = (bound.default >> halvings).max(bound.least);
            if !smaller.put(name, lowered) {
                return None;
            }
        }
        if MemorySum::new(&smaller, shards, tls).total_bytes() <= granted_bytes {
            *limits = smaller;
            return Some(1 << halvings);
        }
    }
    None
}

/// A size for people: three digits and a unit, rounded up so that no bound looks met when it
/// is not.
#[must_use]
pub fn about(bytes: u64) -> String {
    let mut unit_bytes: u64 = 1;
    let mut name = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if bytes / unit_bytes < 1_000 {
            break;
        }
        unit_bytes <<= 10;
        name = larger;
    }
    let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(unit_bytes));
    if unit_bytes == 1 || tenths >= 1_000 {
        format!("{} {name}", tenths.div_ceil(10))
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

fn link_lines(limits: &Limits, shards: u64, tls: bool) -> Vec<MemoryLine> {
    let links = u64::from(limits.links_max);
    let unfinished = u64::from(limits.unfinished_per_shard_max);
    let (link_bytes, reason) = if tls {
        (LINK_TLS_BYTES, "TLS, HTTP/2 and slot of an idle link")
    } else {
        (
            LINK_CLEAR_BYTES,
            "HTTP/2 and slot of an idle clear-text link",
        )
    };
    vec![
        line("links", &[(links, "links"), (link_bytes, "")], reason),
        line(
            "idle windows",
            &[(links, "links"), (limits.window_idle_bytes, "")],
            "what every peer may have sent before its shard takes it",
        ),
        line(
            "unfinished",
            &[
                (unfinished, "sockets"),
                (link_bytes.saturating_add(limits.window_idle_bytes), ""),
                (shards, "shards"),
            ],
            "sockets accepted and not yet links",
        ),
    ]
}

fn shard_lines(limits: &Limits, shards: u64) -> Vec<MemoryLine> {
    let pool = |account, bytes, reason| line(account, &[(bytes, ""), (shards, "shards")], reason);
    vec![
        pool(
            "egress",
            limits.egress_pool_bytes,
            "messages queued for links or granted to their transports",
        ),
        pool(
            "assembly",
            limits.assembly_pool_bytes,
            "messages that have not arrived in full",
        ),
        pool(
            "windows",
            limits.window_pool_bytes,
            "receive windows lent to active links beyond the idle ones",
        ),
        pool(
            "flows",
            limits.flow_pool_bytes,
            "verified headers and signed heads kept for the next message",
        ),
        line(
            "mesh",
            &[
                (shards.saturating_mul(shards.saturating_sub(1)), "pairs"),
                (MESH_LANES, "lanes"),
                (u64::from(limits.mesh_slots), "slots"),
                (MESH_SLOT_BYTES, ""),
            ],
            "rings between shards; their tails are in the egress account",
        ),
    ]
}

fn table_lines(limits: &Limits, shards: u64) -> Vec<MemoryLine> {
    let names = u64::from(limits.names_max);
    let subscriptions = u64::from(limits.subscriptions_max);
    vec![
        line(
            "RIB names",
            &[(names, "names"), (RIB_NAME_BYTES, "")],
            "the truth about names, on the control shard",
        ),
        line(
            "RIB entries",
            &[
                (subscriptions, "subscriptions"),
                (RIB_SUBSCRIPTION_BYTES, ""),
            ],
            "who subscribed to them",
        ),
        line(
            "FIB",
            &[
                (names.max(subscriptions), "entries"),
                (FIB_NAME_BYTES, ""),
                (shards, "shards"),
            ],
            "a replica of the forwarding table on each shard",
        ),
    ]
}

/// One account: the product of `factors`, a factor without a unit being bytes.
fn line(account: &'static str, factors: &[(u64, &str)], reason: &'static str) -> MemoryLine {
    let shown: Vec<String> = factors
        .iter()
        .map(|(factor, unit)| {
            if unit.is_empty() || *unit == "a shard" {
                show_size(*factor)
            } else {
                format!("{factor} {unit}")
            }
        })
        .collect();
    MemoryLine {
        account,
        bytes: factors.iter().fold(1, |product: u64, (factor, _)| {
            product.saturating_mul(*factor)
        }),
        sum: shown.join(" x "),
        reason,
    }
}

fn total(lines: &[MemoryLine]) -> u64 {
    lines
        .iter()
        .fold(0, |sum: u64, line| sum.saturating_add(line.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_total_is_the_sum_of_its_lines_and_every_line_has_a_reason() {
        let sum = MemorySum::new(&Limits::default(), 2, true);
        let added: u64 = sum.lines.iter().map(|line| line.bytes).sum();
        assert_eq!(sum.total_bytes(), added);
        assert!(sum.lines.iter().all(|line| !line.reason.is_empty()));
        let links = sum.lines.iter().find(|line| line.account == "links");
        assert_eq!(links.map(|line| line.bytes), Some(65_536 * LINK_TLS_BYTES));
    }

    #[test]
    fn more_of_anything_never_needs_less() {
        let base = MemorySum::new(&Limits::default(), 2, false).total_bytes();
        assert!(MemorySum::new(&Limits::default(), 2, true).total_bytes() > base);
        assert!(MemorySum::new(&Limits::default(), 3, false).total_bytes() > base);
        for name in YIELDING {
            let mut limits = Limits::default();
            let bound = Bound::named(name).unwrap();
            assert!(limits.put(name, bound.default * 2));
            let more = MemorySum::new(&limits, 2, false).total_bytes();
            assert!(more > base, "{name}");
        }
    }

    #[test]
    fn bounds_nobody_wrote_give_way_to_the_cgroup_and_written_ones_do_not() {
        let mut limits = Limits::default();
        assert_eq!(fit(&mut limits, 1_000 * GIB, 2, true, |_| false), Some(1));
        assert_eq!(limits, Limits::default());

        let divisor = fit(&mut limits, GIB, 2, true, |_| false).unwrap();
        assert!(divisor > 1);
        assert!(MemorySum::new(&limits, 2, true).total_bytes() <= GIB);
        assert_eq!(u64::from(limits.links_max), 65_536 / divisor);

        let mut written = Limits::default();
        assert_eq!(
            fit(&mut written, GIB, 2, true, |name| name == "links_max"),
            None
        );
        assert_eq!(written, Limits::default());
    }

    #[test]
    fn a_sum_above_its_bound_is_refused() {
        let sum = MemorySum::new(&Limits::default(), 1, false);
        let mut limits = Limits::default();
        assert_eq!(sum.allow(&limits), Ok(()));
        limits.memory_bytes_max = Some(sum.total_bytes());
        assert_eq!(sum.allow(&limits), Ok(()));
        limits.memory_bytes_max = Some(sum.total_bytes() - 1);
        assert_eq!(
            sum.allow(&limits).unwrap_err().needed_bytes,
            sum.total_bytes()
        );
    }

    #[test]
    fn sizes_for_people_are_never_too_small() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (1_024, "1.0 KiB"),
            (1_025, "1.1 KiB"),
            (640 << 20, "640 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(about(bytes), expected);
        }
    }
}
