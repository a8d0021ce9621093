//! `ShardCore`: everything one shard knows, and the calls by which it learns more.
//!
//! The rooms beside this one add their part of the behaviour; here are the fields, the life of a link,
//! and the writer's side. See the crate documentation for the order of calls.

use std::collections::{HashSet, VecDeque};

use ahash::RandomState;
use slipring_fib::{Fib, LinkClass, LinkId};
use slipring_proto::{
    crypto::LinkCrypto,
    envelope::Inbound,
    link::{ConnectionType, LinkPolicy, LocalNode, Negotiation},
    message,
    outgoing::Batch,
};

use crate::{
    counters::{Counters, MessageKind},
    drain::Drain,
    event::{ControlRequest, Ending, Handoff, Output},
    flow::FlowNumbers,
    forward::Scratch,
    ingress::Intake,
    ledger::{Account, Ledger},
    limits::Limits,
    links::{Link, Links, Phase},
    reason::{CloseReason, DropReason, RefuseReason},
    stall::Stalled,
    subscribe::Waiting,
    time::Time,
};

/// What a shard is made of.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// This shard's number.
    pub shard: u8,
    /// How many shards the process has.
    pub shards: u8,
    /// What this node says of itself in link negotiation.
    pub node: LocalNode,
    /// Every bound.
    pub limits: Limits,
    /// Whether headers are remembered. Off, every message takes the long way and means the same.
    pub has_flow_cache: bool,
    /// Seed of the hash tables; unpredictable in production, chosen in simulation.
    pub hash_seed: u64,
}

/// How a stream's link is to be negotiated; the listener decides.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// What negotiation demands.
    pub policy: LinkPolicy,
    /// How long the peer may take for its request.
    pub negotiation_timeout: core::time::Duration,
}

/// One shard, without its sockets.
pub struct ShardCore<C: LinkCrypto> {
    pub(crate) shard: u8,
    pub(crate) shards: u8,
    pub(crate) node: LocalNode,
    pub(crate) limits: Limits,
    pub(crate) crypto: C,
    pub(crate) links: Links<C>,
    pub(crate) fib: Fib,
    pub(crate) ledger: Ledger,
    pub(crate) counters: Counters,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) scratch: Scratch,
    pub(crate) targets: Vec<LinkId>,
    /// The choice that the last plan made for its own message.
    pub(crate) rotated: Option<LinkId>,
    pub(crate) has_flow_cache: bool,
    pub(crate) flow_numbers: FlowNumbers,
    /// Answers that wait for a commit, in sequence order.
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) committed: u64,
    /// Links of other shards that are congested.
    pub(crate) congested_elsewhere: HashSet<LinkId, RandomState>,
    /// Publishers held for a congested target, the first to be let go first.
    pub(crate) stalled: VecDeque<Stalled>,
    /// Links whose negotiation must end by the given time, in that order.
    pub(crate) unfinished: VecDeque<(LinkId, Time)>,
    /// Links whose queue was not empty when last looked at.
    pub(crate) watched: Vec<LinkId>,
    pub(crate) next_watch: Option<Time>,
    pub(crate) drain: Drain,
}

impl<C: LinkCrypto> ShardCore<C> {
    /// A shard without links.
    #[must_use]
    pub fn new(options: ShardOptions, crypto: C) -> Self {
        let ShardOptions {
            shard,
            shards,
            node,
            limits,
            has_flow_cache,
            hash_seed,
        } = options;
        let hasher = RandomState::with_seeds(hash_seed, hash_seed.rotate_left(17), 0, 1);
        Self {
            shard,
            shards,
            node,
            crypto,
            links: Links::new(shard),
            fib: Fib::new(limits.fib, hash_seed),
            ledger: Ledger::new(&limits),
            limits,
            counters: Counters::default(),
            outputs: VecDeque::new(),
            scratch: Scratch::default(),
            targets: Vec::new(),
            rotated: None,
            has_flow_cache,
            flow_numbers: FlowNumbers::new(shard),
            waiting: VecDeque::new(),
            committed: 0,
            congested_elsewhere: HashSet::with_hasher(hasher),
            stalled: VecDeque::new(),
            unfinished: VecDeque::new(),
            watched: Vec::new(),
            next_watch: None,
            drain: Drain::default(),
        }
    }

    /// Makes a link for a stream that was just opened.
    ///
    /// # Errors
    ///
    /// The reason, already counted, if the shard must not take another link now.
    pub fn open_link(&mut self, options: LinkOptions, now: Time) -> Result<LinkId, RefuseReason> {
        let admitted = self.admission().and_then(|()| {
            let has_room = self.unfinished.len() < self.limits.unfinished_max as usize;
            if has_room {
                Ok(())
            } else {
                Err(RefuseReason::UnfinishedMax)
            }
        });
        if let Err(reason) = admitted {
            self.counters.refuse(reason);
            return Err(reason);
        }
        let negotiation = Negotiation::accept(self.node.clone(), options.policy);
        let id = self.links.insert(negotiation, self.limits.egress_edge, now);
        self.ledger.charge(Account::Links, 1);
        // Listeners differ in their patience, and the front of the list is the next to end.
        let due = now.after(options.negotiation_timeout);
        let place = self.unfinished.partition_point(|(_, other)| *other <= due);
        self.unfinished.insert(place, (id, due));
        Ok(id)
    }

    /// The first message of a link (WIRE §4).
    pub(crate) fn negotiate(&mut self, id: LinkId, inbound: Inbound, now: Time) -> Intake {
        self.count_in(MessageKind::Link);
        let Some(link) = self.links.find_mut(id) else {
            return Intake::Gone;
        };
        let Phase::Negotiating(negotiation) = &mut link.phase else {
            return Intake::Gone;
        };
        let Ok(negotiated) = negotiation.handle(inbound, &mut self.crypto) else {
            self.close(id, CloseReason::NegotiationFailed, now);
            return Intake::Gone;
        };
        self.unfinished.retain(|(waiting, _)| *waiting != id);
        let connection_type = negotiated.terms.connection_type;
        link.class = match connection_type {
            ConnectionType::Remote => LinkClass::Remote,
            ConnectionType::Peer => LinkClass::Peer,
            ConnectionType::Edge => LinkClass::Edge,
        };
        if link.class != LinkClass::Edge {
            link.egress.set_bounds(self.limits.egress_node);
        }
        link.terms = Some(negotiated.terms);
        link.phase = match connection_type {
            // The type is echoed first, so that the peer knows what was refused.
            ConnectionType::Peer => Phase::Ending(CloseReason::PeeringUnconfigured),
            ConnectionType::Remote | ConnectionType::Edge => Phase::Open,
        };
        if let Some(reply) = negotiated
            .reply
            .and_then(|reply| message::framed(&reply).ok())
        {
            self.reserve(id, &reply, MessageKind::Link, now);
        }
        if connection_type == ConnectionType::Peer {
            return Intake::Gone;
        }
        self.counters.links_opened = self.counters.links_opened.saturating_add(1);
        Intake::Next
    }

    /// Ends a link for a reason that the shell saw: the peer ended, reset, or was lost.
    pub fn end_link(&mut self, id: LinkId, reason: CloseReason, now: Time) {
        self.close(id, reason, now);
    }

    /// Ends a link now: what waits for it is lost and counted, its routes are withdrawn.
    pub(crate) fn close(&mut self, id: LinkId, reason: CloseReason, _now: Time) {
        let Some(mut link) = self.links.remove(id) else {
            return;
        };
        let was_crowded = link.egress.is_crowded();
        for account in [Account::Egress, Account::Assembly, Account::Flows] {
            self.ledger.release(account, link.debt(account));
        }
        let dropped = link.egress.clear();
        self.counters
            .drop_out(DropReason::LinkGone, dropped.messages);
        if link.held.is_some() {
            self.counters.drop_in(DropReason::LinkGone);
        }
        self.ledger.release(Account::Links, 1);
        if matches!(link.phase, Phase::Negotiating(_)) {
            self.unfinished.retain(|(waiting, _)| *waiting != id);
        }
        if link.has_requested && !matches!(link.phase, Phase::Leaving) {
            self.outputs
                .push_back(Output::Request(ControlRequest::LinkGone { link: id }));
        }
        self.tell_crowding(id, was_crowded, false);
        self.counters.closed.add(reason.index(), 1);
        self.outputs
            .push_back(Output::Close(Ending::new(id, reason)));
    }

    /// Queues a message of the router's own, which is never dropped.
    pub(crate) fn reserve(&mut self, id: LinkId, message: &[u8], kind: MessageKind, now: Time) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        let was_empty = link.egress.is_empty();
        let charged = link.egress.reserve(message, now);
        self.ledger.charge(Account::Egress, charged);
        self.counters.messages_out.add(kind.index(), 1);
        if was_empty {
            self.outputs.push_back(Output::Wake(id));
            self.watch(id);
        }
    }

    /// Moves waiting messages of `id` into `batch`, at least one if any waits, else up to `bytes_max`
    /// bytes. Says whether more wait.
    pub fn poll_batch(
        &mut self,
        id: LinkId,
        bytes_max: usize,
        batch: &mut Batch,
        now: Time,
    ) -> bool {
        let Some(link) = self.links.find_mut(id) else {
            return false;
        };
        if link.egress.is_empty() {
            link.egress.note_room();
            self.finish_if_flushed(id, now);
            return false;
        }
        let was_crowded = link.egress.is_crowded();
        let was_full = link.is_reserve_full(self.limits.reserve_bytes_max);
        let pulled = link.egress.pull(bytes_max, batch);
        link.counters.messages_out = link.counters.messages_out.saturating_add(pulled.messages);
        link.counters.bytes_out = link.counters.bytes_out.saturating_add(pulled.bytes);
        let is_crowded = link.egress.is_crowded();
        let is_empty = link.egress.is_empty();
        self.counters
            .messages_out
            .add(MessageKind::Publish.index(), pulled.messages);
        self.counters.bytes_out = self.counters.bytes_out.saturating_add(pulled.bytes);
        self.tell_crowding(id, was_crowded, is_crowded);
        if was_full {
            self.resume(id);
        }
        if is_empty {
            self.finish_if_flushed(id, now);
        }
        !is_empty
    }

    /// Notes that the transport of `id` has taken `bytes` bytes of what [`Self::poll_batch`] gave it: they
    /// are charged until then, and a peer that takes none for the write deadline is closed.
    pub fn note_sent(&mut self, id: LinkId, bytes: u64, now: Time) {
        // What a link that is gone had left is charged to nobody.
        if let Some(link) = self.links.find_mut(id) {
            link.egress.note_sent(bytes, now);
            self.ledger.release(Account::Egress, bytes);
        }
    }

    /// Bytes that wait for the writer of `id`; `None` if it has nothing to ask for. Zero means that
    /// what waited was dropped for its age, and the writer still asks whether the peer has room.
    #[must_use]
    pub fn waiting_bytes(&self, id: LinkId) -> Option<u64> {
        let egress = &self.links.find(id)?.egress;
        egress.wants_writer().then(|| egress.bytes())
    }

    /// Whether a new connection is welcome; for the listener, which declines before it spends anything.
    ///
    /// # Errors
    ///
    /// The reason, not counted.
    pub fn admission(&mut self) -> Result<(), RefuseReason> {
        if self.drain.is_draining() {
            Err(RefuseReason::Draining)
        } else if self.links.count() >= self.limits.links_max {
            Err(RefuseReason::LinksMax)
        } else if self.ledger.pressure() >= 2 {
            Err(RefuseReason::Pressure)
        } else {
            Ok(())
        }
    }

    /// The next thing the shell must do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes a message that another shard planned for links of this one.
    pub fn handle_handoff(&mut self, handoff: &Handoff, now: Time) {
        self.accept_handoff(handoff, now);
    }

    /// Counts a handoff that found its ring full.
    pub fn refuse_handoff(&mut self, handoff: &Handoff) {
        self.counters
            .drop_out(DropReason::MeshFull, handoff.deliveries() as u64);
    }

    /// Counts a refusal that the shell decided.
    pub fn count_refusal(&mut self, reason: RefuseReason) {
        self.counters.refuse(reason);
    }

    /// Charges the bytes of a message that has begun and not finished to arrive on `id`. Says whether
    /// the shard has room for more of it; without room the shell withholds window.
    pub fn charge_assembly(&mut self, id: LinkId, bytes: u64) -> bool {
        let Some(link) = self.links.find_mut(id) else {
            return false;
        };
        let before = std::mem::replace(&mut link.assembling, bytes);
        self.ledger.release(Account::Assembly, before);
        self.ledger.charge(Account::Assembly, bytes);
        bytes == 0 || self.ledger.used(Account::Assembly) < self.ledger.bound(Account::Assembly)
    }

    /// Lends `bytes` of receive window beyond the idle window, if the account has them.
    pub fn lend_window(&mut self, bytes: u64) -> bool {
        self.ledger.try_charge(Account::Windows, bytes)
    }

    /// Takes lent receive window back.
    pub fn return_window(&mut self, bytes: u64) {
        self.ledger.release(Account::Windows, bytes);
    }

    pub(crate) fn watch(&mut self, id: LinkId) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        if !std::mem::replace(&mut link.is_watched, true) {
            self.watched.push(id);
        }
    }

    /// Ends a link that only waited for its queue to empty.
    pub(crate) fn finish_if_flushed(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.find(id).filter(|link| link.egress.is_empty()) else {
            return;
        };
        match link.phase {
            Phase::Ending(reason) => self.close(id, reason, now),
            Phase::Leaving if link.pending == 0 => self.close(id, CloseReason::Drained, now),
            Phase::Leaving | Phase::Negotiating(_) | Phase::Open => {}
        }
    }

    /// The link, for the rooms that only look.
    pub(crate) fn iter_links(&self) -> impl Iterator<Item = &Link<C>> {
        self.links.iter()
    }
}
