//! The one reader of time.

use std::time::Instant;

use slipring_core::Time;

/// A monotonic clock whose origin is the moment it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now. One is made for the whole process, so that shards agree on time.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the origin.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
