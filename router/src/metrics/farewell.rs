//! What a shard says when its last link has ended, because nobody can ask a process that is gone.

use std::fmt;

use slipring_core::{CloseReason, Counters, DropReason};

/// The counters that are not zero, as `label=count` with commas between; `none` if all are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums(Vec<(&'static str, u64)>);

impl Sums {
    /// Links by the reason for which they ended.
    #[must_use]
    pub fn of_closed(counters: &Counters) -> Self {
        let count = |reason: &CloseReason| (reason.label(), counters.closed.at(reason.index()));
        Self::of(CloseReason::ALL.iter().map(count))
    }

    /// Messages and deliveries by the reason for which they were lost.
    #[must_use]
    pub fn of_dropped(counters: &Counters) -> Self {
        let count = |reason: &DropReason| {
            let index = reason.index();
            let lost = counters.dropped_in.at(index) + counters.dropped_out.at(index);
            (reason.label(), lost)
        };
        Self::of(DropReason::ALL.iter().map(count))
    }

    fn of(counts: impl Iterator<Item = (&'static str, u64)>) -> Self {
        Self(counts.filter(|(_, count)| *count > 0).collect())
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, (label, count)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{label}={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_told() {
        let mut counters = Counters::default();
        assert_eq!(Sums::of_closed(&counters).to_string(), "none");
        counters.closed.add(CloseReason::Stopped.index(), 2);
        counters.closed.add(CloseReason::Drained.index(), 1);
        counters.drop_in(DropReason::NoMatch);
        counters.drop_out(DropReason::NoMatch, 3);
        assert_eq!(
            Sums::of_closed(&counters).to_string(),
            "drained=1,stopped=2"
        );
        assert_eq!(Sums::of_dropped(&counters).to_string(), "no_match=4");
    }
}
