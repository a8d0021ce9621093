//! One line on a terminal that says how a run goes; nothing where nobody would see it.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::report::{grouped, rounded, time};
use crate::stage::Stage;

/// How often the line changes.
const EVERY: Duration = Duration::from_secs(1);
/// Back to the first column, and nothing behind it.
const CLEAR: &str = "\r\x1b[K";

/// The line.
#[derive(Debug)]
pub(crate) struct Progress {
    is_shown: bool,
    /// When it was written last, and the deliveries then.
    last: (Duration, u64),
}

impl Progress {
    /// A line on standard error, if that is a terminal.
    pub(crate) fn new() -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            last: (Duration::ZERO, 0),
        }
    }

    /// Says what is being done, once.
    pub(crate) fn say(&self, what: &str) {
        if self.is_shown {
            write(&format!("{CLEAR}{what}"));
        }
    }

    /// Once a second: what is being done, how long it will take yet, deliveries per second.
    pub(crate) fn tick(&mut self, stage: &Stage, what: &str, left: Duration) {
        let now = stage.clock.elapsed();
        if !self.is_shown || now.saturating_sub(self.last.0) < EVERY {
            return;
        }
        let delivered = stage.delivered();
        write(&self.line(now, delivered, what, left));
        self.last = (now, delivered);
    }

    fn line(&self, now: Duration, delivered: u64, what: &str, left: Duration) -> String {
        let seconds = now.saturating_sub(self.last.0).as_secs_f64().max(1e-9);
        let rate = delivered.saturating_sub(self.last.1) as f64 / seconds;
        format!(
            "{CLEAR}{what}, {} left: {} deliveries per second, {} in all",
            time(left),
            grouped(rounded(rate)),
            grouped(delivered)
        )
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.is_shown {
            write(CLEAR);
        }
    }
}

/// A terminal that went away is no failure.
fn write(text: &str) {
    let mut terminal = std::io::stderr();
    terminal.write_all(text.as_bytes()).unwrap_or_default();
    terminal.flush().unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_the_rate_since_the_last() {
        let progress = Progress {
            is_shown: true,
            last: (Duration::from_secs(4), 1_000),
        };
        let left = Duration::from_secs(5);
        let line = progress.line(Duration::from_secs(6), 5_000, "measuring", left);
        let expected = "measuring, 5.000 s left: 2,000 deliveries per second, 5,000 in all";
        assert_eq!(line.strip_prefix(CLEAR), Some(expected));
    }
}
