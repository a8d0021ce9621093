//! The control shard's part: the one writer of truth.
//!
//! Requests of all shards enter in order; numbered deltas, replies and commits leave in order, each
//! addressed to a shard. A delta counts as committed when every shard has reported that it applied it;
//! only then does an acknowledgement that depends on it leave, so that an acknowledged subscription is
//! one that no shard misses.
//!
//! Invariants:
//! 1. The committed sequence is the least that any shard applied, and never falls.
//! 2. Every shard is sent every delta, in order, before any reply that names its sequence.

use std::collections::VecDeque;

use slipring_fib::{Delta, LinkId, Refused, Rib, RibLimits, Unknown};
use thiserror::Error;

use crate::event::{ControlEvent, ControlRequest};

/// Why a subscription or its end was not recorded; the text goes into the acknowledgement.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SubscriptionError {
    /// A limit said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is nothing to undo (WIRE §6.2).
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// Which shard an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// One shard.
    Shard(u8),
    /// Every shard.
    All,
}

/// What one shard applied and was told.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    applied: u64,
    /// The last sequence that one of its replies waits for.
    awaited: u64,
    /// The last commit that it was told.
    told: u64,
}

/// The RIB, the numbering of deltas, and who has applied what.
#[derive(Debug)]
pub struct ControlCore {
    rib: Rib,
    shards: Vec<Progress>,
    committed: u64,
    outbox: VecDeque<(Recipient, ControlEvent)>,
}

impl ControlCore {
    /// An empty RIB for `shards` shards.
    #[must_use]
    pub fn new(shards: u8, limits: RibLimits, hash_seed: u64) -> Self {
        Self {
            rib: Rib::new(limits, hash_seed),
            shards: vec![Progress::default(); usize::from(shards)],
            committed: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Takes one request of `shard`; its effects wait in [`Self::poll_event`].
    pub fn handle_request(&mut self, shard: u8, request: ControlRequest) {
        match request {
            ControlRequest::Subscribe {
                link,
                class,
                subscription_id,
                name,
            } => {
                let outcome = self.rib.subscribe(link, class, subscription_id, name);
                self.reply(
                    shard,
                    link,
                    subscription_id,
                    outcome.map_err(SubscriptionError::from),
                );
            }
            ControlRequest::Unsubscribe {
                link,
                subscription_id,
                name,
            } => {
                let outcome = self.rib.unsubscribe(link, subscription_id, name);
                self.reply(
                    shard,
                    link,
                    subscription_id,
                    outcome.map_err(SubscriptionError::from),
                );
            }
            ControlRequest::LinkGone { link } => {
                let seq = self.rib.remove_link(link);
                self.reply(shard, link, 0, Ok(seq));
            }
        }
    }

    /// Notes that `shard` has applied every delta up to `seq`.
    pub fn handle_applied(&mut self, shard: u8, seq: u64) {
        let Some(progress) = self.shards.get_mut(usize::from(shard)) else {
            return;
        };
        progress.applied = progress.applied.max(seq);
        self.committed = self
            .shards
            .iter()
            .map(|shard| shard.applied)
            .min()
            .unwrap_or(0);
        for shard in (0_u8..).take(self.shards.len()) {
            self.tell_committed(shard);
        }
    }

    /// The next event to deliver, in order.
    pub fn poll_event(&mut self) -> Option<(Recipient, ControlEvent)> {
        self.outbox.pop_front()
    }

    /// The truth.
    #[must_use]
    pub fn rib(&self) -> &Rib {
        &self.rib
    }

    /// The sequence that every shard has applied.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    fn reply(
        &mut self,
        shard: u8,
        link: LinkId,
        subscription_id: u64,
        outcome: Result<u64, SubscriptionError>,
    ) {
        self.publish_deltas();
        if let (Ok(seq), Some(progress)) = (outcome, self.shards.get_mut(usize::from(shard))) {
            progress.awaited = progress.awaited.max(seq);
        }
        let event = ControlEvent::Reply {
            link,
            subscription_id,
            outcome,
        };
        self.outbox.push_back((Recipient::Shard(shard), event));
        // A repeated request changes nothing, so no shard will report anything after it.
        self.tell_committed(shard);
    }

    /// Tells `shard` what is committed, if one of its replies waits for more than it was told.
    fn tell_committed(&mut self, shard: u8) {
        let committed = self.committed;
        let Some(progress) = self.shards.get_mut(usize::from(shard)) else {
            return;
        };
        if progress.awaited > progress.told && committed > progress.told {
            progress.told = committed;
            let event = ControlEvent::Committed(committed);
            self.outbox.push_back((Recipient::Shard(shard), event));
        }
    }

    fn publish_deltas(&mut self) {
        while let Some(delta) = self.rib.poll_delta() {
            let delta: Delta = delta;
            self.outbox
                .push_back((Recipient::All, ControlEvent::Delta(delta)));
        }
    }
}

#[cfg(test)]
mod tests {
    use slipring_fib::LinkClass;
    use slipring_proto::name::{Name, Prefix};

    use super::*;

    const NAME: Name = Name::new(Prefix([1, 2, 3]), 4);

    fn control(shards: u8) -> ControlCore {
        let limits = RibLimits {
            names_max: 9,
            subscriptions_max: 9,
            subscriptions_per_link_max: 9,
        };
        ControlCore::new(shards, limits, 1)
    }

    fn subscribe(shard: u8, subscription_id: u64) -> ControlRequest {
        ControlRequest::Subscribe {
            link: LinkId::new(shard, 0, 1),
            class: LinkClass::Edge,
            subscription_id,
            name: NAME,
        }
    }

    fn commits(control: &mut ControlCore) -> Vec<(Recipient, u64)> {
        let events = core::iter::from_fn(|| control.poll_event());
        events
            .filter_map(|(recipient, event)| match event {
                ControlEvent::Committed(seq) => Some((recipient, seq)),
                ControlEvent::Congestion { .. }
                | ControlEvent::Delta(_)
                | ControlEvent::Reply { .. } => None,
            })
            .collect()
    }

    #[test]
    fn the_slowest_shard_decides_what_is_committed() {
        let mut control = control(3);
        control.handle_request(1, subscribe(1, 7));
        for shard in [0, 2] {
            control.handle_applied(shard, 1);
            assert_eq!((control.committed(), commits(&mut control)), (0, vec![]));
        }
        control.handle_applied(1, 1);
        assert_eq!(control.committed(), 1);
        assert_eq!(commits(&mut control), [(Recipient::Shard(1), 1)]);
        control.handle_applied(1, 0);
        assert_eq!(control.committed(), 1, "it never falls");
        assert_eq!(commits(&mut control), []);
    }

    #[test]
    fn a_shard_that_waits_for_nothing_is_told_nothing() {
        let mut control = control(2);
        for request in [subscribe(0, 1), subscribe(1, 1)] {
            control.handle_request(0, request);
        }
        for shard in [0, 1] {
            control.handle_applied(shard, 2);
        }
        assert_eq!(commits(&mut control), [(Recipient::Shard(0), 2)]);
    }

    #[test]
    fn a_request_that_changes_nothing_is_committed_at_once() {
        let mut control = control(2);
        control.handle_request(0, subscribe(0, 1));
        for shard in [0, 1] {
            control.handle_applied(shard, 1);
        }
        assert_eq!(commits(&mut control), [(Recipient::Shard(0), 1)]);
        let link = LinkId::new(1, 5, 5);
        control.handle_request(1, ControlRequest::LinkGone { link });
        assert_eq!(commits(&mut control), [(Recipient::Shard(1), 1)]);
    }

    #[test]
    fn an_unknown_shard_is_ignored() {
        let mut control = control(1);
        control.handle_applied(9, 5);
        assert_eq!((control.committed(), commits(&mut control)), (0, vec![]));
    }
}
