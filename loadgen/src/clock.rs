//! The one reader of time: nanoseconds since the run's clock was made.

use std::time::{Duration, Instant};

/// A monotonic clock. Copies agree with each other, whatever thread they are on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts at zero.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where the load generator reads time"
    )]
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Nanoseconds since the start; enough for 584 years.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        nanoseconds(self.elapsed())
    }
}

/// A duration as nanoseconds; saturates.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
