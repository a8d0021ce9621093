//! Leaving in order: accepting, then draining until a deadline, then stopped.
//!
//! Links are told one after the other, spread over time, so that their owners do not all reconnect at
//! once. A link that is told withdraws its routes first; when no shard can find it any more and its
//! queue is empty, its stream ends with status 0. Until then what it publishes is forwarded, and what it
//! subscribes is not. Nothing that was queued before is lost, unless the deadline passes.

use std::collections::VecDeque;

use core::time::Duration;

use slipring_fib::LinkId;
use slipring_proto::crypto::LinkCrypto;

use crate::{
    event::{ControlRequest, Output},
    links::Phase,
    reason::CloseReason,
    shard::ShardCore,
    time::Time,
};

/// How far the drain is.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    deadline: Option<Time>,
    /// Whether the deadline has passed and every link is closed.
    is_over: bool,
    /// Links that have not been told, and when each will be.
    due: VecDeque<(LinkId, Time)>,
}

impl Drain {
    pub(crate) fn is_draining(&self) -> bool {
        self.deadline.is_some()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        if self.is_over {
            return None;
        }
        let due = self.due.front().map(|(_, time)| *time);
        [due, self.deadline].into_iter().flatten().min()
    }
}

impl<C: LinkCrypto> ShardCore<C> {
    /// Starts to drain: links are told over `spread`, and what is left at `deadline` is closed.
    ///
    /// Links that have not finished negotiation are closed at once: their peers will try elsewhere.
    pub fn begin_drain(&mut self, spread: Duration, deadline: Duration, now: Time) {
        if self.drain.is_draining() {
            return;
        }
        self.drain.deadline = Some(now.after(deadline));
        let unfinished: Vec<LinkId> = self.unfinished.iter().map(|(id, _)| *id).collect();
        for id in unfinished {
            self.close(id, CloseReason::Drained, now);
        }
        let ids: Vec<LinkId> = self.links.iter().map(|link| link.id).collect();
        let steps = u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1);
        let step = spread.checked_div(steps).unwrap_or_default();
        self.drain.due = (0_u32..)
            .zip(ids)
            .map(|(index, id)| (id, now.after(step.saturating_mul(index))))
            .collect();
        self.drain_due(now);
    }

    /// Whether a drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// When whatever is left of a drain is closed; `None` while there is no drain.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Time> {
        self.drain.deadline
    }

    /// Links that are left.
    #[must_use]
    pub fn links_open(&self) -> u32 {
        self.links.count()
    }

    /// Ends every link at once and takes no more, whether or not a drain has begun.
    pub fn stop(&mut self, now: Time) {
        self.drain.deadline.get_or_insert(now);
        self.drain.due.clear();
        self.drain.is_over = true;
        self.close_all(CloseReason::Stopped, now);
    }

    pub(crate) fn drain_due(&mut self, now: Time) {
        while let Some((id, _)) = self
            .drain
            .due
            .front()
            .copied()
            .filter(|(_, due)| *due <= now)
        {
            self.drain.due.pop_front();
            self.leave(id, now);
        }
        if self.drain.deadline.is_some_and(|deadline| deadline <= now) {
            self.close_all(CloseReason::DrainDeadline, now);
            self.drain.is_over = true;
        }
    }

    fn leave(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        if !matches!(link.phase, Phase::Open) {
            return;
        }
        link.phase = Phase::Leaving;
        self.outputs.push_back(Output::Announce(id));
        if link.has_requested {
            link.pending = link.pending.saturating_add(1);
            self.outputs
                .push_back(Output::Request(ControlRequest::LinkGone { link: id }));
        } else {
            self.finish_if_flushed(id, now);
        }
    }

    fn close_all(&mut self, reason: CloseReason, now: Time) {
        let ids: Vec<LinkId> = self.links.iter().map(|link| link.id).collect();
        for id in ids {
            self.close(id, reason, now);
        }
    }
}
