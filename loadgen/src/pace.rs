//! When to send: the open-loop schedule, and the closed-loop window.
//!
//! Open loop: message `n` of a flow is due at `start + n · interval`, whether or not the ones
//! before it could leave in time. Its latency counts from that moment, so a stall of the target
//! shows in every message it delayed (no coordinated omission). Closed loop: a flow has at most
//! `window` messages on their way, and a message's latency counts from its sending.
//!
//! A stream gathers the messages of an open loop into bursts: the mean rate stays, each burst has a
//! beat of its own.
//!
//! Times are nanoseconds on the run's clock; nothing here reads a clock.

/// How a flow offers its load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// At most so many messages under way per flow.
    Closed {
        /// Messages.
        window: u64,
    },
    /// So many messages per second over all flows.
    Open {
        /// Messages per second.
        rate: f64,
    },
}

/// Messages that belong together, as the tokens of one answer do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stream {
    /// Messages per burst.
    pub(crate) tokens: u64,
    /// From one to the next within a burst, in an open loop; 0 is at once.
    pub(crate) interval_ns: f64,
}

/// The schedule of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Send while fewer than `window` are on their way.
    Closed {
        /// Messages.
        window: u64,
    },
    /// Send when due.
    Open {
        /// When message 0 is due.
        start_ns: u64,
        /// Nanoseconds from one burst to the next.
        interval_ns: f64,
        /// The bursts; one message each if the plan has none.
        stream: Stream,
    },
}

impl Pace {
    /// The schedule of flow `index` of `flows`, beginning at `start_ns`. Flows of an open loop are
    /// staggered so that they do not fire together. A burst must be over when the next one begins;
    /// the command line sees to that.
    pub(crate) fn new(
        load: Load,
        stream: Option<Stream>,
        index: usize,
        flows: usize,
        start_ns: u64,
    ) -> Self {
        match load {
            Load::Closed { window } => Self::Closed { window },
            Load::Open { rate } => {
                let stream = stream.unwrap_or(Stream {
                    tokens: 1,
                    interval_ns: 0.0,
                });
                let flows = flows.max(1) as f64;
                let interval_ns = 1e9 * flows * stream.tokens as f64 / rate;
                let offset_ns = round_ns(interval_ns * index as f64 / flows);
                Self::Open {
                    start_ns: start_ns.saturating_add(offset_ns),
                    interval_ns,
                    stream,
                }
            }
        }
    }

    /// How many messages may be sent now, given those sent and those that arrived.
    pub(crate) fn allowed(&self, now_ns: u64, sent: u64, arrived: u64) -> u64 {
        match *self {
            Self::Closed { window } => window.saturating_sub(sent.saturating_sub(arrived)),
            Self::Open {
                start_ns,
                interval_ns,
                stream,
            } => {
                let Some(elapsed) = now_ns.checked_sub(start_ns) else {
                    return 0;
                };
                let bursts = floor(elapsed as f64 / interval_ns);
                let within_ns = elapsed as f64 - bursts as f64 * interval_ns;
                let tokens = match stream.interval_ns {
                    interval_ns if interval_ns > 0.0 => floor(within_ns / interval_ns) + 1,
                    _ => stream.tokens,
                };
                let due = bursts * stream.tokens + tokens.clamp(1, stream.tokens);
                // Rounding may count one that is not due yet, or miss one that is.
                let due = if self.due_ns(due - 1, now_ns) > now_ns {
                    due - 1
                } else {
                    due + u64::from(self.due_ns(due, now_ns) <= now_ns)
                };
                due.saturating_sub(sent)
            }
        }
    }

    /// The moment from which the latency of message `sequence` counts.
    #[inline]
    pub(crate) fn due_ns(&self, sequence: u64, now_ns: u64) -> u64 {
        match *self {
            Self::Closed { .. } => now_ns,
            Self::Open {
                start_ns,
                interval_ns,
                stream,
            } => {
                let (burst, token) = (sequence / stream.tokens, sequence % stream.tokens);
                let offset_ns = interval_ns * burst as f64 + stream.interval_ns * token as f64;
                start_ns.saturating_add(round_ns(offset_ns))
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, which is what is wanted"
)]
fn floor(value: f64) -> u64 {
    value as u64
}

/// Rounds a non-negative float to nanoseconds; saturates.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, which is what is wanted"
)]
fn round_ns(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_is_not_on_its_way() {
        let pace = Pace::new(Load::Closed { window: 10 }, None, 0, 1, 0);
        assert_eq!(pace.allowed(0, 0, 0), 10);
        assert_eq!(pace.allowed(0, 10, 0), 0);
        assert_eq!(pace.allowed(0, 10, 4), 4);
        assert_eq!(pace.due_ns(3, 77), 77);
    }

    #[test]
    fn an_open_loop_falls_due_by_the_clock_alone() {
        // 1,000 per second over two flows: one per 2 ms each, the second 1 ms later.
        let first = Pace::new(Load::Open { rate: 1_000.0 }, None, 0, 2, 5_000_000);
        let second = Pace::new(Load::Open { rate: 1_000.0 }, None, 1, 2, 5_000_000);
        assert_eq!(first.allowed(4_999_999, 0, 0), 0);
        assert_eq!(first.allowed(5_000_000, 0, 0), 1);
        assert_eq!(first.allowed(6_999_999, 1, 0), 0);
        assert_eq!(first.allowed(7_000_000, 1, 0), 1);
        assert_eq!(second.allowed(5_999_999, 0, 0), 0);
        assert_eq!(second.allowed(6_000_000, 0, 0), 1);
    }

    #[test]
    fn after_a_stall_everything_missed_is_due_with_its_own_time() {
        let pace = Pace::new(Load::Open { rate: 1_000_000.0 }, None, 0, 1, 0);
        assert_eq!(pace.allowed(1_000_000_000, 0, 0), 1_000_001);
        assert_eq!(pace.due_ns(500_000, 1_000_000_000), 500_000_000);
    }

    #[test]
    fn bursts_keep_the_mean_rate_and_have_a_beat_of_their_own() {
        // 4 tokens, 1 ms apart, a burst every 8 ms.
        let stream = Some(Stream {
            tokens: 4,
            interval_ns: 1e6,
        });
        let pace = Pace::new(Load::Open { rate: 500.0 }, stream, 0, 1, 0);
        let due_ms: Vec<_> = (0..9).map(|n| pace.due_ns(n, 0) / 1_000_000).collect();
        assert_eq!(due_ms, [0, 1, 2, 3, 8, 9, 10, 11, 16]);
        for (now_ns, due) in [
            (0, 1),
            (999_999, 1),
            (1_000_000, 2),
            (3_000_000, 4),
            (7_999_999, 4),
            (8_000_000, 5),
            (16_000_000, 9),
        ] {
            assert_eq!(pace.allowed(now_ns, 0, 0), due, "{now_ns}");
        }
    }

    #[test]
    fn what_is_due_agrees_with_the_schedule_at_every_moment() {
        let stream = Some(Stream {
            tokens: 64,
            interval_ns: 1e9 / 300.0,
        });
        for (rate, stream) in [(7_777.7, None), (123.4, stream), (300.0, stream)] {
            let pace = Pace::new(Load::Open { rate }, stream, 0, 1, 17);
            for sequence in 0..2_000 {
                let at_ns = pace.due_ns(sequence, 0);
                assert_eq!(pace.allowed(at_ns, sequence, 0), 1, "{rate} {sequence}");
                assert_eq!(pace.allowed(at_ns - 1, sequence, 0), 0, "{rate} {sequence}");
            }
        }
    }
}
