//! One publish, from its ingress link to the plan: by what is known of its header, or of its names, or by
//! all checks (design, flow cache).

use slipring_fib::LinkId;
use slipring_proto::{crypto::LinkCrypto, envelope::Envelope, header::RoutedHeader};

use crate::{
    flow::{Flow, FlowId, HEADER_BYTES_MAX, Names},
    forward::{Forwarded, Verified},
    ingress::{Intake, Rejected},
    ledger::Account,
    reason::DropReason,
    shard::ShardCore,
    time::Time,
};

impl<C: LinkCrypto> ShardCore<C> {
    /// Forwards a publish whose turn has come.
    pub(crate) fn publish(&mut self, id: LinkId, envelope: &Envelope, now: Time) -> Intake {
        let known = match self.links.find_mut(id) {
            Some(link) => link.flows.take(&envelope.header),
            None => return Intake::Gone,
        };
        let forwarded = match known {
            Some(flow) => self.publish_known(id, envelope, flow, now),
            None => self.publish_new(id, envelope, now),
        };
        match forwarded {
            Ok(forwarded) => self.after_publish(id, forwarded, now),
            Err(Rejected::Malformed(malformed)) => self.refuse_malformed(id, malformed, now),
            Err(Rejected::Dropped(reason)) => self.lose(reason),
        }
    }

    /// The very header was seen before.
    fn publish_known(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        mut flow: Box<Flow>,
        now: Time,
    ) -> Result<Forwarded, Rejected> {
        self.counters.flow_hits = self.counters.flow_hits.saturating_add(1);
        let before = flow.bytes();
        if !envelope.has_session {
            // The header was valid before; only what lies outside of it can be missing.
            self.put_flow(id, flow, before);
            return Err(Rejected::Dropped(DropReason::Invalid));
        }
        let seq = self.fib.seq();
        let plan = match flow.plan.take() {
            Some((made_at, plan)) if made_at == seq => plan,
            _ => self.plan(id, &flow.header),
        };
        let message = Verified::of(id, envelope, &flow.header);
        let forwarded = self.carry_out(&plan, &message.in_flow(flow.id), now);
        flow.plan = Some((seq, plan));
        self.put_flow(id, flow, before);
        Ok(forwarded)
    }

    /// The header was not seen before, or is not remembered; its names may be.
    fn publish_new(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        now: Time,
    ) -> Result<Forwarded, Rejected> {
        let raw = &envelope.header;
        let link = self.links.find_mut(id);
        if let Some(mut names) = link.and_then(|link| link.names.take(raw)) {
            let before = names.bytes();
            let forwarded = self.publish_named(id, envelope, &mut names, now);
            self.put_names(id, names, before);
            return forwarded;
        }
        let header = RoutedHeader::parse(raw).map_err(Rejected::Malformed)?;
        self.check(id, envelope, &header, None)?;
        let forwarded = self.forward_new(id, envelope, header, now);
        self.remember_names(id, &header, raw);
        Ok(forwarded)
    }

    /// The names were seen before.
    fn publish_named(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        names: &mut Names<C>,
        now: Time,
    ) -> Result<Forwarded, Rejected> {
        let raw = &envelope.header;
        let header =
            RoutedHeader::parse_behind(&names.leading, raw).map_err(Rejected::Malformed)?;
        self.check(id, envelope, &header, Some(names))?;
        self.counters.names_hits = self.counters.names_hits.saturating_add(1);
        if names.is_repeated(&header, raw) {
            return Ok(self.forward_new(id, envelope, header, now));
        }
        let seq = self.fib.seq();
        let known = names.take_plan(seq, header.fanout);
        let plan = known.unwrap_or_else(|| self.plan(id, &header));
        let message = Verified::of(id, envelope, &header);
        let forwarded = self.carry_out(&plan, &message.with_names(names.id), now);
        names.put_plan(seq, header.fanout, plan);
        names.note(&header, raw);
        Ok(forwarded)
    }

    /// Forwards a publish that was just verified and remembers its header.
    fn forward_new(
        &mut self,
        id: LinkId,
        envelope: &Envelope,
        header: RoutedHeader,
        now: Time,
    ) -> Forwarded {
        let raw = &envelope.header;
        let seq = self.fib.seq();
        let plan = self.plan(id, &header);
        let Some(link) = self.links.find_mut(id) else {
            return Forwarded::Nobody;
        };
        // Of a full pool every link keeps the places it has, for whatever header comes next.
        let has_room = self.ledger.fits(Account::Flows, link.flows.growth(raw));
        if !self.has_flow_cache || !has_room || raw.len() > HEADER_BYTES_MAX {
            return self.carry_out(&plan, &Verified::of(id, envelope, &header), now);
        }
        let flow_id = self.flow_numbers.next();
        let (mut flow, before) = link.flows.refill(raw, flow_id, header);
        let message = Verified::of(id, envelope, &flow.header);
        let forwarded = self.carry_out(&plan, &message.in_flow(flow_id), now);
        flow.plan = Some((seq, plan));
        self.put_flow(id, flow, before);
        forwarded
    }

    /// Remembers the names of a header that was just verified, for headers that differ in the rest.
    fn remember_names(&mut self, id: LinkId, header: &RoutedHeader, raw: &[u8]) {
        // Without a tag there is nothing to compute that could be spared.
        if !self.has_flow_cache || raw.len() > HEADER_BYTES_MAX || header.mac(raw).is_none() {
            return;
        }
        let (Some(leading), Some(link)) = (header.leading_names(), self.links.find_mut(id)) else {
            return;
        };
        let growth = link.names.growth(leading.of(raw).len());
        if !self.ledger.fits(Account::Flows, growth) {
            return;
        }
        let number = self.flow_numbers.next();
        let (mut names, before) = link.names.refill(leading, raw, number);
        names.note(header, raw);
        self.put_names(id, names, before);
    }

    /// Remembers a flow for which `before` bytes are charged, as far as the pool has room.
    fn put_flow(&mut self, id: LinkId, mut flow: Box<Flow>, before: u64) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        self.ledger.release(Account::Flows, before);
        if !self.ledger.fits(Account::Flows, flow.bytes()) {
            // A plan for many links is made again faster than its messages are queued.
            flow.plan = None;
        }
        if self.ledger.try_charge(Account::Flows, flow.bytes()) {
            link.flows.put(flow);
        }
    }

    /// As [`Self::put_flow`], for names.
    fn put_names(&mut self, id: LinkId, mut names: Box<Names<C>>, before: u64) {
        let Some(link) = self.links.find_mut(id) else {
            return;
        };
        self.ledger.release(Account::Flows, before);
        if !self.ledger.fits(Account::Flows, names.bytes()) {
            names.forget_plan();
        }
        if self.ledger.try_charge(Account::Flows, names.bytes()) {
            link.names.put(names);
        }
    }
}

impl<'a> Verified<'a> {
    /// A publish that passed every check, of which nothing is known from before.
    fn of(ingress: LinkId, envelope: &'a Envelope, header: &'a RoutedHeader) -> Self {
        Self {
            ingress,
            flow: FlowId::NONE,
            names: FlowId::NONE,
            raw: &envelope.header,
            header,
            // WIRE §7.6: one hop less; the check let nothing through that would have none left.
            ttl: header.ttl.saturating_sub(1),
            tail: &envelope.tail,
        }
    }

    fn in_flow(self, flow: FlowId) -> Self {
        Self { flow, ..self }
    }

    fn with_names(self, names: FlowId) -> Self {
        Self { names, ..self }
    }
}
