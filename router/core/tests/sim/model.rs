//! What the world knows by itself: who is subscribed, which shard has heard of it, and what waits for
//! each link in which order. It is written to be plain rather than fast, and shares no code with the
//! rooms that it watches.

use std::collections::VecDeque;

use slipring_core::{DropReason, Time};
use slipring_fib::{Change, LinkClass, LinkId};
use slipring_proto::name::{IdText, Name};

use crate::oracle::Judgement;
use crate::rotation::Rotations;

/// What must come out of a link next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The answer to the negotiation request.
    Reply,
    /// The answer to a subscribe or unsubscribe; with a text if it was refused.
    Ack { id: u64, text: Option<String> },
    /// A message, by its place in the list of all that were fed.
    Publish { feed: usize },
}

impl Expected {
    pub(crate) const fn is_publish(&self) -> bool {
        matches!(self, Self::Publish { .. })
    }
}

/// One waiting message of a link.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) expected: Expected,
    pub(crate) queued_at: Time,
}

/// What is known of one link.
#[derive(Debug)]
pub(crate) struct LinkModel {
    pub(crate) class: LinkClass,
    /// Waits in the core.
    pub(crate) queue: VecDeque<Entry>,
    /// Left the core, and is on the wire or with the client.
    pub(crate) sent: VecDeque<Expected>,
    /// Publishes among what waits.
    pub(crate) publishes: u64,
    /// Bytes that the core said wait, when last asked.
    pub(crate) bytes: u64,
    /// Requests that have not been answered.
    pub(crate) pending: u32,
    /// A publish that waits for them.
    pub(crate) held: Option<Judgement>,
    pub(crate) malformed: u8,
    pub(crate) is_negotiated: bool,
    /// Its node drains, and takes nothing more from it.
    pub(crate) is_leaving: bool,
    pub(crate) opened_at: Time,
    /// Since when something waits that the far end has no room for.
    pub(crate) waits_since: Option<Time>,
    /// The last message that arrived here from each other link.
    pub(crate) last_from: Vec<(LinkId, usize)>,
}

impl LinkModel {
    pub(crate) fn new(class: LinkClass, now: Time) -> Self {
        Self {
            class,
            queue: VecDeque::new(),
            sent: VecDeque::new(),
            publishes: 0,
            bytes: 0,
            pending: 0,
            held: None,
            malformed: 0,
            is_negotiated: false,
            is_leaving: false,
            opened_at: now,
            waits_since: None,
            last_from: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, expected: Expected, now: Time) {
        self.waits_since.get_or_insert(now);
        self.publishes += u64::from(expected.is_publish());
        self.queue.push_back(Entry {
            expected,
            queued_at: now,
        });
    }

    /// The next message leaves; says whether there was one.
    pub(crate) fn pull(&mut self) -> bool {
        let Some(entry) = self.queue.pop_front() else {
            return false;
        };
        self.publishes -= u64::from(entry.expected.is_publish());
        self.sent.push_back(entry.expected);
        true
    }

    /// Everything that waits is lost; says how many publishes that were.
    pub(crate) fn clear(&mut self) -> u64 {
        self.queue.clear();
        self.held = None;
        self.bytes = 0;
        std::mem::take(&mut self.publishes)
    }
}

/// One subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) link: LinkId,
    pub(crate) id: u64,
    pub(crate) name: Name,
}

/// One (name, link) pair of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) name: Name,
    pub(crate) link: LinkId,
    pub(crate) class: LinkClass,
}

/// A request that the control shard has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Begin(Record),
    End(Record),
    Forget,
}

/// An answer that waits until its sequence is committed.
#[derive(Clone, Debug)]
pub(crate) struct WaitingAnswer {
    pub(crate) seq: u64,
    pub(crate) link: LinkId,
    pub(crate) id: u64,
    pub(crate) text: Option<String>,
    pub(crate) asked: Asked,
}

/// What one shard has heard of.
#[derive(Debug, Default)]
pub(crate) struct ShardModel {
    pub(crate) replica: Vec<Route>,
    pub(crate) applied: u64,
    pub(crate) committed: u64,
    pub(crate) waiting: VecDeque<WaitingAnswer>,
    /// What the replies that are on their way answer.
    pub(crate) asked: VecDeque<Asked>,
    /// Who had how many turns since the last delta.
    pub(crate) rotations: Rotations,
}

impl ShardModel {
    pub(crate) fn apply(&mut self, seq: u64, change: Change) {
        self.applied = seq;
        self.rotations.clear();
        match change {
            Change::Add { name, link, class } => self.replica.push(Route { name, link, class }),
            Change::Remove { name, link } => self
                .replica
                .retain(|route| route.name != name || route.link != link),
        }
    }

    /// Links that a message from `ingress` may go to, each once, and their classes (WIRE §7.2).
    pub(crate) fn eligible(&self, destination: Name, ingress: LinkId) -> Vec<(LinkId, LinkClass)> {
        let mut found: Vec<(LinkId, LinkClass)> = Vec::new();
        for route in &self.replica {
            let is_new = || found.iter().all(|(link, _)| *link != route.link);
            if matches(destination, route.name) && route.link != ingress && is_new() {
                found.push((route.link, route.class));
            }
        }
        found
    }
}

/// Whether a message for `destination` is for subscribers of `name` (WIRE §7.2).
pub(crate) fn matches(destination: Name, name: Name) -> bool {
    if destination.is_any() {
        destination.prefix == name.prefix
    } else {
        destination == name
    }
}

/// The truth of one node, kept apart from its RIB.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) records: Vec<Record>,
    pub(crate) shards: Vec<ShardModel>,
    /// Subscriptions whose success was sent to their link.
    pub(crate) acked: Vec<Record>,
    /// Names whose end was acknowledged to a link, and that it has not asked for again.
    pub(crate) ended: Vec<(LinkId, Name)>,
}

/// What a request must lead to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Names that begin or end to lead to the link.
    pub(crate) begun: Vec<Name>,
    pub(crate) finished: Vec<Name>,
    /// Why nothing was recorded: the text, if the clause fixes it (WIRE §6.2).
    pub(crate) refusal: Option<Option<String>>,
}

impl Truth {
    pub(crate) fn new(shards: u8) -> Self {
        Self {
            shards: (0..shards).map(|_| ShardModel::default()).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn has_route(&self, link: LinkId, name: Name) -> bool {
        self.records
            .iter()
            .any(|record| record.link == link && record.name == name)
    }

    pub(crate) fn names(&self) -> usize {
        let mut names: Vec<Name> = self.records.iter().map(|record| record.name).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    pub(crate) fn routes(&self) -> usize {
        let mut pairs: Vec<(Name, LinkId)> = self
            .records
            .iter()
            .map(|record| (record.name, record.link))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.len()
    }

    /// Records a subscription, unless `limits` refuse it.
    pub(crate) fn subscribe(
        &mut self,
        record: Record,
        limits: &slipring_fib::RibLimits,
    ) -> Outcome {
        let mut outcome = Outcome::nothing();
        if self.records.contains(&record) {
            return outcome;
        }
        let of_link = self
            .records
            .iter()
            .filter(|known| known.link == record.link)
            .count();
        let is_known_name = self.records.iter().any(|known| known.name == record.name);
        if self.records.len() >= limits.subscriptions_max
            || of_link >= limits.subscriptions_per_link_max
            || (!is_known_name && self.names() >= limits.names_max)
        {
            outcome.refusal = Some(None);
            return outcome;
        }
        if !self.has_route(record.link, record.name) {
            outcome.begun.push(record.name);
        }
        self.records.push(record);
        outcome
    }

    /// Takes a subscription back (WIRE §6.2, the deviation for id 0 included).
    pub(crate) fn unsubscribe(&mut self, record: Record) -> Outcome {
        let mut outcome = Outcome::nothing();
        let name = record.name;
        if self
            .records
            .iter()
            .all(|known| known.name.prefix != name.prefix)
        {
            outcome.refusal = Some(Some("subscription not found".to_owned()));
        } else if self.records.iter().all(|known| known.name != name) {
            outcome.refusal = Some(Some(format!("id not found: {}", IdText(name.id))));
        } else {
            let fallback = Record { id: 0, ..record };
            let place = [record, fallback]
                .into_iter()
                .find_map(|wanted| self.records.iter().position(|known| *known == wanted));
            match place {
                None => {
                    let text = format!("subscription id not found: {}", record.id);
                    outcome.refusal = Some(Some(text));
                }
                Some(place) => {
                    let removed = self.records.remove(place);
                    self.acked.retain(|acked| *acked != removed);
                    if !self.has_route(record.link, name) {
                        outcome.finished.push(name);
                    }
                }
            }
        }
        outcome
    }

    /// The success of a request was sent to its link: from now on it must hold on every shard, unless
    /// the link has asked for something else about the name meanwhile.
    pub(crate) fn promise(&mut self, shard: usize, asked: Asked) {
        let (Asked::Begin(record) | Asked::End(record)) = asked else {
            return;
        };
        let model = &self.shards[shard];
        let is_same = |other: &Asked| match other {
            Asked::Begin(other) | Asked::End(other) => {
                other.link == record.link && other.name == record.name
            }
            Asked::Forget => false,
        };
        let is_overtaken = model.asked.iter().any(is_same)
            || model.waiting.iter().any(|answer| is_same(&answer.asked));
        if is_overtaken {
            return;
        }
        match asked {
            Asked::Begin(_) if self.records.contains(&record) => self.acked.push(record),
            Asked::End(_) if !self.has_route(record.link, record.name) => {
                self.ended.push((record.link, record.name));
            }
            Asked::Begin(_) | Asked::End(_) | Asked::Forget => {}
        }
    }

    /// Forgets a link.
    pub(crate) fn forget(&mut self, link: LinkId) -> Outcome {
        let mut outcome = Outcome::nothing();
        for record in &self.records {
            if record.link == link && !outcome.finished.contains(&record.name) {
                outcome.finished.push(record.name);
            }
        }
        self.records.retain(|record| record.link != link);
        self.acked.retain(|record| record.link != link);
        self.ended.retain(|(ended, _)| *ended != link);
        outcome
    }
}

impl Outcome {
    fn nothing() -> Self {
        Self {
            begun: Vec::new(),
            finished: Vec::new(),
            refusal: None,
        }
    }
}

/// Reasons for which a delivery that was planned may not happen.
pub(crate) const LOSSES: [DropReason; 4] = [
    DropReason::EgressFull,
    DropReason::LinkGone,
    DropReason::MeshFull,
    DropReason::Oversize,
];
