//! The signals that mean something to a node; the default of each would be its sudden end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a node watches for.
pub(super) struct Signals {
    /// The first drains, the next stops.
    pub(super) term: Signal,
    /// As `term`, from a terminal.
    pub(super) int: Signal,
    /// Reads certificates again.
    pub(super) hup: Signal,
}

impl Signals {
    /// Watches from here on. Called within a runtime.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }
}
