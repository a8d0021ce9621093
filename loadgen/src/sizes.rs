//! How large payloads are: all alike, or a mix drawn by weight from a seed.
//!
//! The draw depends on seed, flow and sequence number alone, so that a run can be repeated message
//! by message and nothing has to be remembered.

use std::ops::RangeInclusive;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Sizes told apart in one mix.
const PARTS_MAX: usize = 64;
/// Largest weight, so that sums stay far from overflow.
const WEIGHT_MAX: u64 = 1_000_000_000;

/// Payload sizes and how often each occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Size, and the sum of the weights up to and with it.
    parts: Vec<(usize, u64)>,
}

impl Sizes {
    /// Every payload has so many bytes.
    pub(crate) fn one(bytes: usize) -> Self {
        Self {
            parts: vec![(bytes, 1)],
        }
    }

    /// Reads `256:80,1024:15,16384:5`: sizes within `bounds`, each with its weight.
    pub(crate) fn parse(text: &str, bounds: &RangeInclusive<usize>) -> Result<Self, String> {
        let (mut parts, mut sum) = (Vec::new(), 0);
        for part in text.split(',') {
            let example = "write sizes with weights, as in 256:80,1024:15,16384:5";
            let (bytes, weight) = part.split_once(':').ok_or(example)?;
            let bytes: usize = bytes.trim().parse().map_err(|_| example)?;
            let weight: u64 = weight.trim().parse().map_err(|_| example)?;
            if !bounds.contains(&bytes) {
                let (least, most) = (bounds.start(), bounds.end());
                return Err(format!("{bytes} bytes are not within {least} and {most}"));
            }
            if weight == 0 || weight > WEIGHT_MAX {
                return Err(format!("a weight is from 1 to {WEIGHT_MAX}"));
            }
            sum += weight;
            parts.push((bytes, sum));
        }
        if parts.len() > PARTS_MAX {
            return Err(format!("more than {PARTS_MAX} sizes"));
        }
        Ok(Self { parts })
    }

    /// The sizes, in the order given.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|(bytes, _)| *bytes)
    }

    /// Mean size of a payload.
    pub(crate) fn mean_bytes(&self) -> f64 {
        let mut before = 0;
        let mut total = 0.0;
        for &(bytes, sum) in &self.parts {
            total += bytes as f64 * (sum - before) as f64;
            before = sum;
        }
        total / before.max(1) as f64
    }

    /// For people: one size with its unit, or the mix.
    pub(crate) fn brief(&self) -> String {
        match self.parts[..] {
            [(bytes, _)] => format!("{bytes} B"),
            _ => format!("{self} B"),
        }
    }

    /// Which of [`Sizes::bytes`] message `sequence` of `flow` has.
    #[inline]
    pub(crate) fn choose(&self, seed: u64, flow: u32, sequence: u64) -> usize {
        let [_, .., (_, total)] = self.parts[..] else {
            return 0;
        };
        let at = draw(seed, flow, sequence) % total;
        self.parts.partition_point(|(_, sum)| *sum <= at)
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = 0;
        for (index, &(bytes, sum)) in self.parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{bytes}:{}", sum - before)?;
            before = sum;
        }
        Ok(())
    }
}

/// A number that looks random and is the same whenever it is asked for.
#[inline]
pub(crate) fn draw(seed: u64, flow: u32, sequence: u64) -> u64 {
    let mut place = [0; 12];
    place[..4].copy_from_slice(&flow.to_le_bytes());
    place[4..].copy_from_slice(&sequence.to_le_bytes());
    xxh3_64_with_seed(&place, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: RangeInclusive<usize> = 32..=100_000;

    #[test]
    fn a_mix_is_drawn_by_weight_and_always_alike() {
        let sizes = Sizes::parse("256:80, 1024:15,16384:5", &BOUNDS).unwrap();
        let mut counts = [0_u32; 3];
        for sequence in 0..100_000 {
            let at = sizes.choose(7, 3, sequence);
            assert_eq!(at, sizes.choose(7, 3, sequence));
            counts[at] += 1;
        }
        for (count, expected) in counts.into_iter().zip([80_000, 15_000, 5_000]) {
            assert!(count.abs_diff(expected) < expected / 20, "{counts:?}");
        }
        let other_seed = (0..100).any(|n| sizes.choose(7, 3, n) != sizes.choose(8, 3, n));
        let other_flow = (0..100).any(|n| sizes.choose(7, 3, n) != sizes.choose(7, 4, n));
        assert!(other_seed && other_flow);
        assert_eq!(sizes.to_string(), "256:80,1024:15,16384:5");
        assert!((sizes.mean_bytes() - 1_177.6).abs() < 1e-9);
    }

    #[test]
    fn one_size_is_always_chosen() {
        let sizes = Sizes::one(64);
        assert_eq!((sizes.choose(1, 2, 3), sizes.bytes().count()), (0, 1));
        assert!((sizes.mean_bytes() - 64.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        let many = vec!["64:1"; 65].join(",");
        for text in [
            "", "256", "256:", ":3", "8:1", "256:0", "256:x", "200000:1", &many,
        ] {
            assert!(Sizes::parse(text, &BOUNDS).is_err(), "{text}");
        }
    }
}
