//! Subscriptions: requests to the control shard, and acknowledgements that wait until every shard has
//! applied what they promise (WIRE §6).

use slipring_fib::{Delta, LinkId, Refused};
use slipring_proto::{
    crypto::LinkCrypto,
    envelope::{Envelope, Kind},
    message,
};

use crate::{
    control::SubscriptionError,
    counters::MessageKind,
    event::{ControlEvent, ControlRequest, Output},
    ingress::{Intake, Rejected, held_bytes},
    ledger::Account,
    links::Phase,
    reason::{DropReason, RefuseReason},
    shard::ShardCore,
    time::Time,
};

/// An answer that waits for its sequence to be committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    seq: u64,
    link: LinkId,
    subscription_id: u64,
    outcome: Result<u64, SubscriptionError>,
}

impl<C: LinkCrypto> ShardCore<C> {
    /// Takes one subscribe or unsubscribe.
    pub(crate) fn handle_subscription(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        now: Time,
    ) -> Intake {
        let header = match self.verify(id, envelope) {
            Ok(header) => header,
            Err(Rejected::Malformed(malformed)) => {
                return self.refuse_malformed(id, malformed, now);
            }
            // WIRE §6.2: so are spent hops, without an acknowledgement.
            Err(Rejected::Dropped(reason)) => return self.lose(reason),
        };
        let Some(name) = header.destination.as_ref().and_then(|name| name.name()) else {
            return self.lose(DropReason::Invalid);
        };
        let Some(link) = self.links.find_mut(id) else {
            return Intake::Gone;
        };
        if matches!(link.phase, Phase::Leaving) {
            // Its routes are withdrawn already, and nothing would withdraw this one.
            return self.lose(DropReason::LinkGone);
        }
        link.pending = link.pending.saturating_add(1);
        link.has_requested = true;
        self.counters.requests = self.counters.requests.saturating_add(1);
        let subscription_id = envelope.subscription_id;
        let request = if envelope.kind == Kind::Subscribe {
            ControlRequest::Subscribe {
                link: id,
                class: link.class,
                subscription_id,
                name,
            }
        } else {
            ControlRequest::Unsubscribe {
                link: id,
                subscription_id,
                name,
            }
        };
        self.outputs.push_back(Output::Request(request));
        if link.is_reserve_full(self.limits.reserve_bytes_max) {
            // A peer that asks without reading the answers waits until it has read some, and one that
            // asks faster than the control shard answers until it was answered.
            return self.pause(id);
        }
        self.within_turn(id)
    }

    /// Takes one event of the control shard.
    pub fn handle_control(&mut self, event: ControlEvent, now: Time) {
        match event {
            ControlEvent::Delta(delta) => self.apply(&delta),
            ControlEvent::Reply {
                link,
                subscription_id,
                outcome,
            } => {
                let seq = outcome.unwrap_or(0);
                let waiting = Waiting {
                    seq,
                    link,
                    subscription_id,
                    outcome,
                };
                self.waiting.push_back(waiting);
                self.answer_committed(now);
            }
            ControlEvent::Committed(seq) => {
                self.committed = self.committed.max(seq);
                self.answer_committed(now);
            }
            ControlEvent::Congestion {
                link,
                congested: true,
            } => {
                self.congested_elsewhere.insert(link);
            }
            ControlEvent::Congestion {
                link,
                congested: false,
            } => {
                self.congested_elsewhere.remove(&link);
                self.resume_stalled(link);
            }
        }
    }

    fn apply(&mut self, delta: &Delta) {
        // One writer numbers the deltas and every lane keeps their order, so each fits. If one did not,
        // saying that it is in force would acknowledge subscriptions that this shard cannot find.
        self.outputs.push_back(match self.fib.apply(delta) {
            Ok(()) => {
                self.counters.fib_deltas = self.counters.fib_deltas.saturating_add(1);
                Output::Applied(self.fib.seq())
            }
            Err(error) => Output::Diverged(error),
        });
    }

    /// Answers, in order, everything whose sequence is committed.
    ///
    /// Replies arrive in sequence order, so the first that must wait holds back only later ones.
    fn answer_committed(&mut self, now: Time) {
        while let Some(waiting) = self.waiting.front().copied() {
            if waiting.seq > self.committed {
                break;
            }
            self.waiting.pop_front();
            self.answer(waiting, now);
        }
    }

    fn answer(&mut self, waiting: Waiting, now: Time) {
        if let Err(SubscriptionError::Refused(refused)) = waiting.outcome {
            self.counters.refuse(refusal(refused));
        }
        let Some(link) = self.links.find_mut(waiting.link) else {
            return;
        };
        let was_full = link.is_reserve_full(self.limits.reserve_bytes_max);
        link.pending = link.pending.saturating_sub(1);
        // WIRE §6.1: a subscription id of zero asks for no acknowledgement.
        if waiting.subscription_id != 0 {
            let text = waiting.outcome.err().map(|error| error.to_string());
            let outcome = text.as_deref().map_or(Ok(()), Err);
            if let Ok(ack) = message::subscription_ack(waiting.subscription_id, outcome) {
                self.reserve(waiting.link, &ack, MessageKind::Ack, now);
            }
        }
        if was_full {
            self.resume(waiting.link);
        }
        self.release_held(waiting.link, now);
        self.finish_if_flushed(waiting.link, now);
    }

    /// Forwards the publish that waited for subscriptions, once none is outstanding.
    fn release_held(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.find_mut(id).filter(|link| link.pending == 0) else {
            return;
        };
        if let Some(envelope) = link.held.take() {
            link.is_paused = false;
            self.ledger
                .release(Account::Assembly, held_bytes(&envelope));
            if self.publish(id, &envelope, now) == Intake::Next {
                self.outputs.push_back(Output::Resume(id));
            }
        }
    }
}

fn refusal(refused: Refused) -> RefuseReason {
    match refused {
        Refused::NamesMax { .. } => RefuseReason::NamesMax,
        Refused::SubscriptionsPerLinkMax { .. } => RefuseReason::SubscriptionsPerLink,
        Refused::SubscriptionsMax { .. } | _ => RefuseReason::SubscriptionsMax,
    }
}
