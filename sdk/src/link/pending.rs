//! Requests that wait for their ack, and when to repeat them.
//!
//! Every request waits the same time, so a queue in order of sending is a queue in order of
//! deadlines. Entries of requests answered meanwhile are skipped when their turn comes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use slipring_proto::name::Name;

/// How long an ack may take before its request is repeated.
pub const ACK_INTERVAL: Duration = Duration::from_secs(5);
/// How often a request is sent in all.
pub const ACK_TRIES: u32 = 4;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe,
    Unsubscribe,
}

/// One unanswered request.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) name: Name,
    /// The framed message, to send again as it is.
    pub(super) framed: Bytes,
    sent_at: Duration,
    tries: u32,
}

/// What a deadline brought.
#[derive(Debug)]
pub(super) enum Overdue {
    Repeat(Bytes),
    GivenUp(u64),
}

/// All unanswered requests of a link.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: HashMap<u64, Waiting>,
    order: VecDeque<(Duration, u64)>,
}

impl Pending {
    pub(super) fn insert(
        &mut self,
        id: u64,
        request: Request,
        name: Name,
        framed: Bytes,
        now: Duration,
    ) {
        self.waiting.insert(
            id,
            Waiting {
                request,
                name,
                framed,
                sent_at: now,
                tries: 1,
            },
        );
        self.order.push_back((now, id));
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Waiting> {
        self.waiting.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The time at which [`Pending::overdue`] has something to say.
    pub(super) fn deadline(&mut self) -> Option<Duration> {
        while let Some(&(sent_at, id)) = self.order.front() {
            if self.is_current(sent_at, id) {
                return Some(sent_at.saturating_add(ACK_INTERVAL));
            }
            self.order.pop_front();
        }
        None
    }

    /// The next request whose time has come; `None` when there is none.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<Overdue> {
        if self.deadline()? > now {
            return None;
        }
        let (_, id) = self.order.pop_front()?;
        let waiting = self.waiting.get_mut(&id)?;
        if waiting.tries >= ACK_TRIES {
            return self.waiting.remove(&id).map(|_| Overdue::GivenUp(id));
        }
        waiting.tries += 1;
        waiting.sent_at = now;
        self.order.push_back((now, id));
        Some(Overdue::Repeat(waiting.framed.clone()))
    }

    fn is_current(&self, sent_at: Duration, id: u64) -> bool {
        self.waiting
            .get(&id)
            .is_some_and(|waiting| waiting.sent_at == sent_at)
    }
}
