//! What an operator may see: copies, taken on demand, that change nothing.

use core::time::Duration;

use slipring_fib::{LinkClass, LinkId};
use slipring_proto::crypto::LinkCrypto;

use crate::{
    counters::Counters,
    ledger::Account,
    links::{LinkCounters, Phase},
    shard::ShardCore,
    time::Time,
};

/// One link, as `/links` shows it.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The link.
    pub id: LinkId,
    /// Its class.
    pub class: LinkClass,
    /// `negotiating`, `open`, `leaving` or `ending`.
    pub phase: &'static str,
    /// The id that the dialler chose, empty before negotiation.
    pub link_id: String,
    /// What the peer calls itself.
    pub node_id: String,
    /// The peer's SLIM version.
    pub version: String,
    /// How long the link has been there.
    pub age: Duration,
    /// What it did so far.
    pub counters: LinkCounters,
    /// Bytes that wait for it.
    pub egress_bytes: u64,
    /// Messages that wait for it.
    pub egress_messages: u32,
    /// Age of the oldest waiting message.
    pub egress_oldest: Duration,
    /// For how long the peer has accepted nothing of what waits; it is closed at the write deadline.
    pub stuck: Duration,
    /// Whether publishers wait for it: from when its queue passed the high mark until it has fallen to
    /// the low mark, unless the peer took nothing for so long that it is not waited for any more.
    pub is_congested: bool,
    /// Whether its input is held.
    pub is_paused: bool,
}

/// The numbers of one shard.
#[derive(Clone, Debug)]
pub struct ShardView {
    /// The shard.
    pub shard: u8,
    /// Everything counted.
    pub counters: Counters,
    /// Links by class, in the order of [`CLASSES`]; links that still negotiate are not among them.
    pub links: [u32; 4],
    /// Links that still negotiate.
    pub links_unfinished: u32,
    /// Bytes, messages and the age of the oldest message in egress queues.
    pub egress_bytes: u64,
    /// Messages in egress queues.
    pub egress_messages: u64,
    /// Age of the oldest message in any egress queue.
    pub egress_oldest: Duration,
    /// Publishes held until subscriptions are in force.
    pub held: u64,
    /// Entries of the FIB replica.
    pub fib_entries: usize,
    /// The last delta applied.
    pub fib_seq: u64,
    /// Fingerprint of the replica.
    pub fib_digest: u64,
    /// Pressure, 0 to 3.
    pub pressure: u8,
    /// What each [`Account`] holds.
    pub accounts: [u64; Account::ALL.len()],
}

/// Slots that one call of [`ShardCore::view_links`] looks at.
pub const LINKS_PER_PAGE: u32 = 512;

/// Link classes in the order of [`ShardView::links`].
pub const CLASSES: [(LinkClass, &str); 4] = [
    (LinkClass::App, "app"),
    (LinkClass::Remote, "remote"),
    (LinkClass::Peer, "peer"),
    (LinkClass::Edge, "edge"),
];

impl<C: LinkCrypto> ShardCore<C> {
    /// The numbers of this shard at `now`.
    pub fn view(&self, now: Time) -> ShardView {
        let mut links = [0_u32; 4];
        let (mut messages, mut oldest, mut held) = (0_u64, Duration::ZERO, 0_u64);
        for link in self.links.iter() {
            messages = messages.saturating_add(u64::from(link.egress.messages()));
            oldest = oldest.max(
                link.egress
                    .oldest()
                    .map_or(Duration::ZERO, |at| now.since(at)),
            );
            held = held.saturating_add(u64::from(link.held.is_some()));
            let place = CLASSES.iter().position(|(class, _)| *class == link.class);
            let is_finished = !matches!(link.phase, Phase::Negotiating(_));
            if let Some(count) = place.and_then(|place| links.get_mut(place))
                && is_finished
            {
                *count = count.saturating_add(1);
            }
        }
        let pressure = self.ledger.pressure_seen();
        ShardView {
            shard: self.shard,
            counters: self.counters,
            links,
            links_unfinished: u32::try_from(self.unfinished.len()).unwrap_or(u32::MAX),
            egress_bytes: self.ledger.used(Account::Egress),
            egress_messages: messages,
            egress_oldest: oldest,
            held,
            fib_entries: self.fib.entries(),
            fib_seq: self.fib.seq(),
            fib_digest: self.fib.digest(),
            pressure,
            accounts: core::array::from_fn(|index| {
                Account::ALL
                    .get(index)
                    .map_or(0, |account| self.ledger.used(*account))
            }),
        }
    }

    /// The links in [`LINKS_PER_PAGE`] slots from `first` on, in slot order, and the slot to go on with
    /// if there are more: a turn is spent on no more of them.
    #[must_use]
    pub fn view_links(&self, first: u32, now: Time) -> (Vec<LinkView>, Option<u32>) {
        let mut views = Vec::new();
        let (page, next) = self.links.page(first, LINKS_PER_PAGE);
        for link in page {
            let terms = link.terms.as_ref();
            views.push(LinkView {
                id: link.id,
                class: link.class,
                phase: match link.phase {
                    Phase::Negotiating(_) => "negotiating",
                    Phase::Open => "open",
                    Phase::Leaving => "leaving",
                    Phase::Ending(_) => "ending",
                },
                link_id: terms.map(|terms| terms.link_id.clone()).unwrap_or_default(),
                node_id: terms
                    .map(|terms| terms.peer.node_id.clone())
                    .unwrap_or_default(),
                version: terms
                    .map(|terms| terms.peer.version.clone())
                    .unwrap_or_default(),
                age: now.since(link.opened_at),
                counters: link.counters,
                egress_bytes: link.egress.bytes(),
                egress_messages: link.egress.messages(),
                egress_oldest: link
                    .egress
                    .oldest()
                    .map_or(Duration::ZERO, |at| now.since(at)),
                stuck: link
                    .egress
                    .waiting_since()
                    .map_or(Duration::ZERO, |since| now.since(since)),
                is_congested: link.egress.is_congested(),
                is_paused: link.is_paused,
            });
        }
        (views, next)
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
