//! What the halves of a link share: the backlog, the machine, and who waits for which ack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slipring_proto::crypto::aws::{AwsCrypto, AwsKey};
use slipring_proto::link::LinkTerms;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{Error, Result, StreamEnd};
use crate::io::outbox::Outbox;
use crate::link::{ACK_INTERVAL, ACK_TRIES, Ack, Due, LinkMachine};

/// What both halves share.
pub(super) struct Shared {
    pub(super) outbox: Outbox,
    pub(super) terms: Arc<LinkTerms<AwsKey>>,
    state: Mutex<State>,
    /// Zero on the machine's clock.
    pub(super) origin: Instant,
}

pub(super) struct State {
    pub(super) machine: LinkMachine<AwsCrypto>,
    pub(super) waiting: HashMap<u64, oneshot::Sender<Result<Ack>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.outbox.abandon();
    }
}

impl Shared {
    pub(super) fn new(
        outbox: Outbox,
        terms: Arc<LinkTerms<AwsKey>>,
        machine: LinkMachine<AwsCrypto>,
    ) -> Self {
        let state = Mutex::new(State {
            machine,
            waiting: HashMap::new(),
        });
        Self {
            outbox,
            terms,
            state,
            origin: Instant::now(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Tells everyone waiting that the stream is over.
    pub(super) fn end(&self, end: &StreamEnd) {
        self.outbox.close(end.clone());
        let mut state = self.state();
        state.machine.lost();
        for (_, waiting) in state.waiting.drain() {
            // Whoever stopped waiting does not need the answer.
            waiting
                .send(Err(Error::Ended(end.clone())))
                .unwrap_or_default();
        }
    }

    /// Repeats requests whose time has come and gives up on those that went unanswered.
    pub(super) fn serve_deadlines(&self) -> Result<Option<Duration>> {
        let mut state = self.state();
        let now = self.now();
        while let Some(due) = state.machine.due(now) {
            match due {
                Due::Repeat(bytes) => self.outbox.append(|out| out.extend_from_slice(&bytes))?,
                Due::GivenUp { subscription_id } => {
                    let limit = ACK_INTERVAL * ACK_TRIES;
                    let timeout = Error::Timeout {
                        waiting_for: "acknowledgement",
                        limit,
                    };
                    if let Some(waiting) = state.waiting.remove(&subscription_id) {
                        waiting.send(Err(timeout)).unwrap_or_default();
                    }
                }
                Due::NegotiationTimedOut => return Err(Error::NotOpen),
            }
        }
        Ok(state.machine.deadline())
    }
}
