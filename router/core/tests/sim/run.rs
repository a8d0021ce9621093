//! Runs one seed and says, if it fails, at which step and how to see it again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::knobs::Variant;
use crate::world::{Report, World};

/// What a check said, and where.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) message: String,
    /// Whether the defect of the world had struck by then.
    pub(crate) has_struck: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            seed,
            step,
            message,
            ..
        } = self;
        write!(
            f,
            "seed {seed} fails at step {step}: {message}\n\
             replay: SIM_SEED={seed} cargo test -p slipring-core --profile sim --test sim"
        )
    }
}

/// Runs `seed` for `steps` steps.
pub(crate) fn run(seed: u64, steps: u64, variant: Variant) -> Result<Report, Failure> {
    run_world(World::new(seed, variant), steps)
}

/// Runs a world that was made already.
pub(crate) fn run_world(mut world: World, steps: u64) -> Result<Report, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run(steps)));
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned().or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        Failure {
            seed: world.seed,
            step: world.step,
            message: text.unwrap_or_default(),
            has_struck: world.has_struck,
        }
    })
}
