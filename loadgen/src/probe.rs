//! What travels inside a payload to prove its delivery, and the receiver that judges it.
//!
//! Every payload opens with 32 bytes: a mark, the run, the flow (one publisher towards its
//! subscribers), a sequence number counted from 0, the intended send time, and a tag over the whole
//! payload in one message of [`TAG_EVERY`]. A [`Tally`] per (flow, receiver) turns sequence numbers
//! into loss, duplicates and reordering, exactly, whatever the order of arrival.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a payload that the probe needs; no payload is shorter.
pub(crate) const PROBE_BYTES: usize = 32;
/// One message in so many carries a tag that is checked.
pub(crate) const TAG_EVERY: u64 = 64;
/// Gaps remembered per tally; beyond, late messages count as duplicates.
const GAPS_MAX: usize = 4_096;

const MARK: u32 = 0x534c_5052;
const AT_RUN: usize = 4;
const AT_FLOW: usize = 8;
const AT_SEQUENCE: usize = 12;
const AT_STAMP: usize = 20;
const AT_TAG: usize = 28;

/// The fields of one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Which run: left-overs of an earlier run are told apart.
    pub(crate) run: u32,
    /// Which publisher.
    pub(crate) flow: u32,
    /// Position in the flow, from 0.
    pub(crate) sequence: u64,
    /// Intended send time, nanoseconds on the run's clock.
    pub(crate) stamp_ns: u64,
}

impl Probe {
    /// Writes the probe over the first bytes of `payload`, tag included where it is due.
    ///
    /// `payload` must have at least [`PROBE_BYTES`]; the plan checks sizes before a run.
    pub(crate) fn write(&self, payload: &mut [u8]) {
        let tag = if self.is_tagged() {
            tag(self.sequence, &payload[PROBE_BYTES..])
        } else {
            0
        };
        payload[..AT_RUN].copy_from_slice(&MARK.to_le_bytes());
        payload[AT_RUN..AT_FLOW].copy_from_slice(&self.run.to_le_bytes());
        payload[AT_FLOW..AT_SEQUENCE].copy_from_slice(&self.flow.to_le_bytes());
        payload[AT_SEQUENCE..AT_STAMP].copy_from_slice(&self.sequence.to_le_bytes());
        payload[AT_STAMP..AT_TAG].copy_from_slice(&self.stamp_ns.to_le_bytes());
        payload[AT_TAG..PROBE_BYTES].copy_from_slice(&tag.to_le_bytes());
    }

    /// Reads a probe; `None` if the payload is not one of ours.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let head: &[u8; PROBE_BYTES] = payload.first_chunk()?;
        if u32_at(head, 0..AT_RUN) != MARK {
            return None;
        }
        Some(Self {
            run: u32_at(head, AT_RUN..AT_FLOW),
            flow: u32_at(head, AT_FLOW..AT_SEQUENCE),
            sequence: u64_at(head, AT_SEQUENCE..AT_STAMP),
            stamp_ns: u64_at(head, AT_STAMP..AT_TAG),
        })
    }

    /// Whether this message carries a tag to check.
    pub(crate) fn is_tagged(&self) -> bool {
        self.sequence.is_multiple_of(TAG_EVERY)
    }

    /// Whether the tag matches the payload; true for messages without one.
    pub(crate) fn is_intact(&self, payload: &[u8]) -> bool {
        if !self.is_tagged() {
            return true;
        }
        let (Some(head), Some(rest)) =
            (payload.get(AT_TAG..PROBE_BYTES), payload.get(PROBE_BYTES..))
        else {
            return false;
        };
        head == tag(self.sequence, rest).to_le_bytes()
    }
}

fn u32_at(head: &[u8; PROBE_BYTES], at: Range<usize>) -> u32 {
    head.get(at)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(head: &[u8; PROBE_BYTES], at: Range<usize>) -> u64 {
    head.get(at)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// Four bytes over what follows the probe, bound to the position in the flow.
fn tag(sequence: u64, rest: &[u8]) -> u32 {
    let hash = xxh3_64_with_seed(rest, sequence);
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// What one receiver saw of one flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// The sequence number expected next.
    next: u64,
    /// Numbers below `next` not seen yet, as disjoint ranges.
    gaps: Vec<Range<u64>>,
    /// Messages counted once each.
    pub(crate) received: u64,
    /// Messages that came a second time.
    pub(crate) duplicates: u64,
    /// Messages that came after a later one.
    pub(crate) reordered: u64,
    /// Messages whose tag did not match.
    pub(crate) corrupted: u64,
}

impl Tally {
    /// Counts one arrival.
    #[inline]
    pub(crate) fn observe(&mut self, sequence: u64) {
        if sequence == self.next {
            self.next += 1;
            self.received += 1;
        } else {
            self.observe_out_of_turn(sequence);
        }
    }

    #[cold]
    fn observe_out_of_turn(&mut self, sequence: u64) {
        if sequence > self.next {
            if self.gaps.len() < GAPS_MAX {
                self.gaps.push(self.next..sequence);
            }
            self.next = sequence + 1;
            self.received += 1;
            return;
        }
        let Some(at) = self.gaps.iter().position(|gap| gap.contains(&sequence)) else {
            self.duplicates += 1;
            return;
        };
        self.received += 1;
        self.reordered += 1;
        let gap = self.gaps.swap_remove(at);
        let halves = [gap.start..sequence, sequence + 1..gap.end];
        self.gaps
            .extend(halves.into_iter().filter(|half| !half.is_empty()));
    }

    /// Messages of a flow of `sent` that never came.
    pub(crate) fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(arrivals: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for &sequence in arrivals {
            tally.observe(sequence);
        }
        tally
    }

    #[test]
    fn a_probe_reads_back_and_its_tag_guards_the_rest() {
        let mut payload = vec![7; 100];
        let probe = Probe {
            run: 3,
            flow: 9,
            sequence: 128,
            stamp_ns: u64::MAX - 1,
        };
        probe.write(&mut payload);
        assert_eq!(Probe::read(&payload), Some(probe));
        assert!(probe.is_intact(&payload));
        payload[99] ^= 1;
        assert!(!probe.is_intact(&payload));
    }

    #[test]
    fn a_foreign_payload_is_no_probe() {
        assert_eq!(Probe::read(&[0; 64]), None);
        assert_eq!(Probe::read(b"short"), None);
    }

    #[test]
    fn in_order_is_clean() {
        let seen = tally(&[0, 1, 2, 3]);
        assert_eq!((seen.lost(4), seen.duplicates, seen.reordered), (0, 0, 0));
    }

    #[test]
    fn loss_in_the_middle_and_at_the_end_is_counted() {
        let seen = tally(&[0, 1, 4, 5]);
        assert_eq!((seen.lost(8), seen.duplicates, seen.reordered), (4, 0, 0));
    }

    #[test]
    fn a_late_message_is_reordered_and_its_repetition_a_duplicate() {
        let seen = tally(&[0, 3, 1, 1, 2, 3]);
        assert_eq!((seen.lost(4), seen.duplicates, seen.reordered), (0, 2, 2));
    }

    #[test]
    fn a_permutation_loses_nothing() {
        let seen = tally(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!((seen.lost(10), seen.duplicates, seen.reordered), (0, 0, 9));
    }
}
