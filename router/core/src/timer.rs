//! What happens because time passed: four kinds of deadline, and the earliest of them.
//!
//! | kind | set by | effect |
//! |---|---|---|
//! | negotiation | a stream opens | the link ends (WIRE §4.1) |
//! | stall | a publisher sent only to congested links | its input goes on |
//! | watch | a queue stops being empty, or memory is short | age drops, write deadline, compaction, shedding |
//! | drain | the drain begins | the next link is told; at the end all are closed |

use core::time::Duration;

use slipring_fib::{LinkClass, LinkId};
use slipring_proto::crypto::LinkCrypto;

use crate::{
    ledger::Account,
    links::Phase,
    reason::{CloseReason, DropReason},
    shard::ShardCore,
    stall::PATIENCE,
    time::Time,
};

/// How often waiting queues are looked at.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Pressure at which links are shed.
const SHED_LEVEL: u8 = 3;

/// Accounts that closing a link relieves.
const SHEDDABLE: [Account; 2] = [Account::Egress, Account::Assembly];

impl<C: LinkCrypto> ShardCore<C> {
    /// When [`Self::handle_timeout`] must be called next, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let negotiation = self.unfinished.front().map(|(_, deadline)| *deadline);
        let stall = self.stalled.front().map(|stalled| stalled.due);
        let is_needed =
            !self.watched.is_empty() || SHEDDABLE.iter().any(|a| self.ledger.is_short(*a));
        let watch = is_needed.then(|| self.next_watch.unwrap_or(Time::ZERO));
        [negotiation, stall, watch, self.drain.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((id, _)) = self
            .unfinished
            .front()
            .copied()
            .filter(|(_, due)| *due <= now)
        {
            self.unfinished.pop_front();
            let is_waiting = self
                .links
                .find(id)
                .is_some_and(|link| matches!(link.phase, Phase::Negotiating(_)));
            if is_waiting {
                self.close(id, CloseReason::NegotiationTimeout, now);
            }
        }
        while let Some(stalled) = self.stalled.front().copied().filter(|s| s.due <= now) {
            self.stalled.pop_front();
            self.resume(stalled.publisher);
        }
        if self.next_watch.is_none_or(|due| due <= now) {
            self.watch_queues(now);
            self.next_watch = Some(now.after(WATCH_INTERVAL));
        }
        self.drain_due(now);
    }

    /// Looks at every queue that was not empty: old messages go, stuck links go, and when memory is
    /// short the largest debtors go.
    fn watch_queues(&mut self, now: Time) {
        let mut watched = std::mem::take(&mut self.watched);
        watched.retain(|id| self.watch_queue(*id, now));
        watched.append(&mut self.watched);
        self.watched = watched;
        for account in SHEDDABLE {
            if self.ledger.pressure() >= SHED_LEVEL && self.ledger.is_short(account) {
                self.shed(account, now);
            }
        }
    }

    /// Closes the links that hold most of `account`, clients before other nodes, until it is relieved.
    fn shed(&mut self, account: Account, now: Time) {
        let mut debtors: Vec<_> = self
            .iter_links()
            .map(|link| (link.class == LinkClass::Edge, link.debt(account), link.id))
            .filter(|(_, debt, _)| *debt > 0)
            .collect();
        debtors.sort_unstable();
        while self.ledger.is_short(account)
            && let Some((.., id)) = debtors.pop()
        {
            self.close(id, CloseReason::Pressure, now);
        }
    }

    /// Whether the link still has a queue to watch.
    fn watch_queue(&mut self, id: LinkId, now: Time) -> bool {
        let Some(link) = self.links.find_mut(id) else {
            return false;
        };
        let was_crowded = link.egress.is_crowded();
        let age_max = self.limits.egress_age_max;
        if let Some(oldest) = link.egress.oldest()
            && now.since(oldest) > age_max
        {
            let horizon = Time::from_micros(
                now.as_micros()
                    .saturating_sub(u64::try_from(age_max.as_micros()).unwrap_or(u64::MAX)),
            );
            let dropped = link.egress.drop_older(horizon);
            link.counters.dropped = link.counters.dropped.saturating_add(dropped.messages);
            self.counters
                .drop_out(DropReason::EgressAge, dropped.messages);
            self.ledger.release(Account::Egress, dropped.bytes);
        }
        // Progress is bytes that left: a link that reads, however slowly, is never closed.
        let waits = link.egress.waiting_since();
        let waits = waits.map_or(Duration::ZERO, |since| now.since(since));
        let is_stuck = waits >= self.limits.write_deadline;
        if waits >= PATIENCE {
            link.egress.give_up();
        }
        link.egress.compact();
        let is_waiting = link.egress.waiting_since().is_some();
        let is_crowded = link.egress.is_crowded();
        link.is_watched = is_waiting;
        if !is_waiting {
            link.egress.trim();
        }
        self.tell_crowding(id, was_crowded, is_crowded);
        // A link that is leaving waits for nothing once its last message grew too old.
        self.finish_if_flushed(id, now);
        if is_stuck {
            self.close(id, CloseReason::SlowConsumer, now);
            return false;
        }
        is_waiting
    }
}
