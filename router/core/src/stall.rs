//! Who must wait: the input of a link is held, for a while or until something has happened.
//!
//! Three things hold it: everything that the publisher sent in its turn went to congested links (until
//! one of them is not, and ten milliseconds at most), a publish waits for the subscriptions before it, or
//! acknowledgements wait for the peer to read them. The shell is told to go on exactly once, when none
//! of them holds.

use core::time::Duration;

use slipring_fib::LinkId;
use slipring_proto::crypto::LinkCrypto;

use crate::{event::Output, forward::Forwarded, ingress::Intake, shard::ShardCore, time::Time};

/// A reader that took nothing for so long is not waited for: holding its publishers would not save one
/// message, and cost everybody else they send to. A process that only pauses, to collect its garbage
/// or for want of a CPU, is back sooner.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A publisher whose input is held because of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalled {
    pub(crate) publisher: LinkId,
    /// Of several congested targets, one: the others cannot end the wait before its time.
    target: LinkId,
    /// When it may go on at the latest.
    pub(crate) due: Time,
}

impl<C: LinkCrypto> ShardCore<C> {
    /// Decides whether the publisher may go on: it is held only if everything that it sent in this
    /// turn went to links that are congested now.
    pub(crate) fn after_publish(&mut self, id: LinkId, forwarded: Forwarded, now: Time) -> Intake {
        let Some(link) = self.links.find_mut(id) else {
            return Intake::Gone;
        };
        let turn = &mut link.turn;
        let target = match forwarded {
            Forwarded::Nobody => return self.within_turn(id),
            Forwarded::Flowing(target) => {
                turn.is_mixed |= turn.flowing.is_some_and(|other| other != target);
                turn.flowing = Some(target);
                return self.within_turn(id);
            }
            Forwarded::Congested(target) => target,
        };
        // The turn that fills a queue began while there was room.
        let turn = *turn;
        if turn.is_mixed
            || turn
                .flowing
                .is_some_and(|target| !self.is_congested(target))
        {
            return self.within_turn(id);
        }
        self.counters.stalls = self.counters.stalls.saturating_add(1);
        self.stalled.push_back(Stalled {
            publisher: id,
            target,
            due: now.after(self.limits.stall_max),
        });
        self.pause(id)
    }

    /// Whether `target`, on whatever shard, is known to be congested.
    fn is_congested(&self, target: LinkId) -> bool {
        if target.shard() == self.shard {
            let link = self.links.find(target);
            link.is_some_and(|link| link.egress.is_congested())
        } else {
            self.congested_elsewhere.contains(&target)
        }
    }

    /// Whether the turn has room for another message.
    pub(crate) fn within_turn(&self, id: LinkId) -> Intake {
        match self.links.find(id) {
            None => Intake::Gone,
            Some(link) if link.is_paused => Intake::Pause,
            Some(_) => Intake::Next,
        }
    }

    /// Stops the input of `id` until [`Output::Resume`].
    pub(crate) fn pause(&mut self, id: LinkId) -> Intake {
        match self.links.find_mut(id) {
            None => Intake::Gone,
            Some(link) => {
                link.is_paused = true;
                Intake::Pause
            }
        }
    }

    /// Lets the input of `id` go on, unless something else still holds it.
    pub(crate) fn resume(&mut self, id: LinkId) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        let is_full = link.is_reserve_full(self.limits.reserve_bytes_max);
        if link.is_paused && link.held.is_none() && !is_full {
            link.is_paused = false;
            link.turn = crate::links::Turn::default();
            self.outputs.push_back(Output::Resume(id));
        }
    }

    /// Lets the publishers that wait for `target` try again. Those of other targets would only find
    /// their own as full as before.
    pub(crate) fn resume_stalled(&mut self, target: LinkId) {
        let mut stalled = std::mem::take(&mut self.stalled);
        stalled.retain(|waiting| {
            let is_over = waiting.target == target;
            if is_over {
                self.resume(waiting.publisher);
            }
            !is_over
        });
        self.stalled = stalled;
    }

    /// Tells everyone what has changed about publishers having to wait for `id`.
    pub(crate) fn tell_crowding(&mut self, id: LinkId, was: bool, is: bool) {
        if was == is {
            return;
        }
        if self.shards > 1 {
            self.outputs.push_back(Output::Congestion {
                link: id,
                congested: is,
            });
        }
        if !is {
            self.resume_stalled(id);
        }
    }
}
