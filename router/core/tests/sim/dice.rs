//! Where every choice of a run comes from: a small generator, or a script of bytes.
//!
//! A run has several streams, each salted with its purpose and its owner, so that a choice more in one
//! place moves nothing elsewhere: what the workload does, how the schedule interleaves, and what each
//! wire does to its bytes are drawn apart.

/// What a stream decides; its number goes into the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Salt {
    /// The shape of the world: nodes, limits, which faults are on.
    Shape = 1,
    /// What clients do, and when.
    Workload = 2,
    /// How turns of shards interleave.
    Schedule = 3,
    /// What wires do to bytes.
    Wire = 4,
    /// Keys and ids.
    Keys = 5,
}

/// A stream of choices.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
    script: Option<Script>,
}

/// Bytes that decide instead, for as long as they last.
#[derive(Clone, Debug)]
struct Script {
    bytes: Vec<u8>,
    at: usize,
}

impl Dice {
    /// The stream of `salt` for one `owner` in the run of `seed`.
    pub(crate) fn new(seed: u64, salt: Salt, owner: u64) -> Self {
        let mixed = mix(seed ^ mix((salt as u64) << 56 ^ owner));
        Self {
            state: mixed,
            script: None,
        }
    }

    /// A stream that follows `bytes`.
    pub(crate) fn scripted(bytes: &[u8]) -> Self {
        Self {
            state: 0,
            script: Some(Script {
                bytes: bytes.to_vec(),
                at: 0,
            }),
        }
    }

    /// Whether a script has been used up. A generator never is.
    pub(crate) fn is_spent(&self) -> bool {
        self.script
            .as_ref()
            .is_some_and(|script| script.at >= script.bytes.len())
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        if self.script.is_some() {
            return (0..8).fold(0, |word, _| word << 8 | self.byte());
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if self.script.is_some() {
            let wide = if bound > 256 {
                self.byte() << 8 | self.byte()
            } else {
                self.byte()
            };
            return wide % bound.max(1);
        }
        let wide = u128::from(self.next()) * u128::from(bound.max(1));
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A place in a list of `len` entries, which is not empty.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number in `low..=high`.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `permille` times in a thousand.
    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        permille > 0 && self.below(1_000) < permille
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A span around `mean` with a long tail, in the same unit.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        let first = self.below(mean.max(1) * 2 + 1);
        if self.below(16) == 0 {
            first * 8
        } else {
            first
        }
    }

    fn byte(&mut self) -> u64 {
        let Some(script) = &mut self.script else {
            return 0;
        };
        let byte = script.bytes.get(script.at).copied().unwrap_or(0);
        script.at += 1;
        u64::from(byte)
    }
}

/// Output function of SplitMix64; also how traces are folded.
pub(crate) const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
