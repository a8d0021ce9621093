//! From a verified publish to queues: the lookup, the plan, and one signed copy of the head for each
//! target. Tails are shared, never copied here.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use slipring_fib::{ClassSet, LinkClass, LinkId};
use slipring_proto::{
    crypto::LinkCrypto,
    envelope::{Kind, Tail},
    header::RoutedHeader,
    link::LinkTerms,
    mac, rewrite,
};

use crate::{
    egress::{COPY_BYTES_MAX, HEAD_MARGIN_BYTES},
    event::{Handoff, Output, Targets},
    flow::{ContextCache, FlowId, Plan},
    ledger::{Account, Ledger},
    links::Link,
    reason::DropReason,
    shard::ShardCore,
    time::Time,
};

/// How many links of one class are asked for in the place of one that is gone. More can be gone at once
/// only until their routes are withdrawn.
const MATCHES_MAX: usize = 8;

/// A publish that passed every check of its ingress link.
pub(crate) struct Verified<'a> {
    pub(crate) ingress: LinkId,
    /// The header's number, if it is remembered.
    pub(crate) flow: FlowId,
    /// The number of its names, if they were seen before and the header was not.
    pub(crate) names: FlowId,
    pub(crate) raw: &'a Bytes,
    pub(crate) header: &'a RoutedHeader,
    /// What the next hop receives.
    pub(crate) ttl: u32,
    pub(crate) tail: &'a Tail,
}

/// What became of one delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// Its publisher may go on.
    Settled,
    /// Queued or dropped at a link that is congested.
    Congested,
    /// Neither queued nor counted: its link takes nothing any more.
    Gone,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// At least this target can take more.
    Flowing(LinkId),
    /// Every target is congested; this is one of them.
    Congested(LinkId),
    /// There was no target.
    Nobody,
}

impl<C: LinkCrypto> ShardCore<C> {
    /// Finds the targets of `message` (WIRE §7.2–7.4).
    pub(crate) fn plan(&mut self, ingress: LinkId, header: &RoutedHeader) -> Plan {
        let Some(destination) = header.destination.as_ref().and_then(|name| name.name()) else {
            return Plan::Nobody;
        };
        // WIRE §7.3: one target for a fanout of exactly one, all of them for every other value.
        if header.fanout == 1 {
            return match self.fib.one(destination, ingress, ClassSet::ALL) {
                None => Plan::Nobody,
                Some(choice) if choice.sole => Plan::Sole(choice.link),
                Some(choice) => {
                    self.rotated = Some(choice.link);
                    Plan::Rotating
                }
            };
        }
        self.targets.clear();
        self.fib
            .all(destination, ingress, ClassSet::ALL, &mut self.targets);
        match self.targets.as_slice() {
            [] => Plan::Nobody,
            [link] => Plan::Sole(*link),
            links => Plan::Many(Arc::from(links)),
        }
    }

    /// Carries out `plan` for one message.
    pub(crate) fn carry_out(
        &mut self,
        plan: &Plan,
        message: &Verified<'_>,
        now: Time,
    ) -> Forwarded {
        match plan {
            Plan::Nobody => {
                self.counters.drop_in(DropReason::NoMatch);
                Forwarded::Nobody
            }
            Plan::Sole(link) => self.deliver(&[*link], message, now),
            Plan::Many(links) => self.deliver(links, message, now),
            Plan::Rotating => {
                let next = self.rotated.take().or_else(|| {
                    let destination = message.header.destination.as_ref()?.name()?;
                    let choice = self.fib.one(destination, message.ingress, ClassSet::ALL)?;
                    Some(choice.link)
                });
                match next {
                    Some(link) => self.deliver(&[link], message, now),
                    None => self.carry_out(&Plan::Nobody, message, now),
                }
            }
        }
    }

    fn deliver(&mut self, links: &[LinkId], message: &Verified<'_>, now: Time) -> Forwarded {
        self.counters.routed = self.counters.routed.saturating_add(1);
        let count = links.len() as u64;
        self.counters.deliveries = self.counters.deliveries.saturating_add(count);
        self.send_to(links, message, now)
    }

    fn send_to(&mut self, links: &[LinkId], message: &Verified<'_>, now: Time) -> Forwarded {
        let (mut flowing, mut crowded) = (None, None);
        let mut remote = 0_usize;
        for link in links {
            let congested = if link.shard() == self.shard {
                let delivery = self.enqueue(*link, message, now);
                if delivery == Delivery::Gone {
                    if message.header.fanout == 1
                        && let Some(other) = self.match_again(message)
                    {
                        return self.send_to(&[other], message, now);
                    }
                    self.counters.drop_out(DropReason::LinkGone, 1);
                }
                delivery == Delivery::Congested
            } else {
                remote = remote.saturating_add(1);
                self.congested_elsewhere.contains(link)
            };
            if congested {
                crowded = Some(*link);
            } else {
                flowing = Some(*link);
            }
        }
        if remote > 0 {
            self.hand_off(links, message);
        }
        let flowing = flowing.map(Forwarded::Flowing);
        let crowded = crowded.map(Forwarded::Congested);
        flowing.or(crowded).unwrap_or(Forwarded::Nobody)
    }

    /// Another target for a message for one whose first turned out to be gone, while this shard has not
    /// heard that its route is (WIRE §7.4): the next in turn that is not known to be gone as well.
    fn match_again(&mut self, message: &Verified<'_>) -> Option<LinkId> {
        let destination = message.header.destination.as_ref()?.name()?;
        for class in LinkClass::ALL {
            let only = ClassSet::NONE.with(class);
            for _ in 0..MATCHES_MAX {
                let Some(choice) = self.fib.one(destination, message.ingress, only) else {
                    break;
                };
                if !self.is_gone(choice.link) {
                    return Some(choice.link);
                }
                if choice.sole {
                    break;
                }
            }
        }
        None
    }

    /// Whether `link` is one of this shard's and takes nothing any more.
    fn is_gone(&self, link: LinkId) -> bool {
        let accepts = |link: &Link<C>| link.accepts();
        link.shard() == self.shard && !self.links.find(link).is_some_and(accepts)
    }

    /// Delivers a message that another shard planned.
    pub(crate) fn accept_handoff(&mut self, handoff: &Handoff, now: Time) {
        let message = Verified {
            ingress: LinkId::from_u64(u64::MAX),
            flow: handoff.flow,
            names: handoff.names,
            raw: &handoff.raw,
            header: &handoff.header,
            ttl: handoff.ttl,
            tail: &handoff.tail,
        };
        for link in handoff.targets.as_slice() {
            if self.enqueue(*link, &message, now) == Delivery::Gone {
                self.counters.drop_out(DropReason::LinkGone, 1);
            }
        }
    }

    /// One handoff for each shard that owns targets.
    fn hand_off(&mut self, links: &[LinkId], message: &Verified<'_>) {
        let mut rest: &[LinkId] = links;
        let mut seen = [0_u64; 4];
        while let Some((first, more)) = rest.split_first() {
            rest = more;
            let shard = first.shard();
            if shard == self.shard || !mark(&mut seen, shard) {
                continue;
            }
            let targets = if links.len() == 1 {
                Targets::One([*first])
            } else {
                Targets::Many(
                    links
                        .iter()
                        .copied()
                        .filter(|link| link.shard() == shard)
                        .collect(),
                )
            };
            let deliveries = targets.as_slice().len() as u64;
            self.counters.handoffs = self.counters.handoffs.saturating_add(deliveries);
            let handoff = Box::new(Handoff {
                flow: message.flow,
                names: message.names,
                raw: message.raw.clone(),
                header: *message.header,
                ttl: message.ttl,
                tail: message.tail.clone(),
                targets,
            });
            self.outputs.push_back(Output::Handoff { shard, handoff });
        }
    }

    /// Queues one delivery at a link of this shard.
    fn enqueue(&mut self, target: LinkId, message: &Verified<'_>, now: Time) -> Delivery {
        let Some(link) = self.links.find_mut(target).filter(|link| link.accepts()) else {
            return Delivery::Gone;
        };
        let tail_bytes = message.tail.body.len();
        let worst = (message
            .raw
            .len()
            .saturating_add(tail_bytes)
            .saturating_add(HEAD_MARGIN_BYTES)) as u64;
        let admitted = link.egress.admits(worst) && self.ledger.fits(Account::Egress, worst);
        if !admitted {
            link.counters.dropped = link.counters.dropped.saturating_add(1);
            self.counters.drop_out(DropReason::EgressFull, 1);
            return if link.egress.is_given_up() {
                Delivery::Settled
            } else {
                Delivery::Congested
            };
        }
        let was_empty = link.egress.is_empty();
        let was_crowded = link.egress.is_crowded();
        let Some(head_bytes) = write_head(link, message, &mut self.scratch, &mut self.ledger)
        else {
            link.counters.dropped = link.counters.dropped.saturating_add(1);
            self.counters.drop_out(DropReason::Oversize, 1);
            return Delivery::Settled;
        };
        let charged = link.egress.commit(head_bytes, &message.tail.body, now);
        self.ledger.charge(Account::Egress, charged);
        let congested = link.egress.is_congested();
        if was_empty {
            self.outputs.push_back(Output::Wake(target));
            if !std::mem::replace(&mut link.is_watched, true) {
                self.watched.push(target);
            }
        }
        let is_crowded = link.egress.is_crowded();
        self.tell_crowding(target, was_crowded, is_crowded);
        if congested {
            Delivery::Congested
        } else {
            Delivery::Settled
        }
    }
}

/// Buffers that every message reuses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) preimage: Vec<u8>,
    header: BytesMut,
}

/// Appends the next hop's head to the link's queue; `None` if the message would be too long.
///
/// The header is the one that was signed for this link before, or is signed here: keys do not leave
/// the slot of their link.
fn write_head<C: LinkCrypto>(
    link: &mut Link<C>,
    message: &Verified<'_>,
    scratch: &mut Scratch,
    ledger: &mut Ledger,
) -> Option<u32> {
    let known = link.signed.find(message.flow);
    if known.is_none() {
        scratch.header.clear();
        // WIRE §5.4: nothing is signed for peer links.
        let terms = link.terms.as_ref();
        let terms = terms.filter(|_| link.class != LinkClass::Peer);
        let tag = terms.and_then(|terms| {
            let contexts = &mut link.contexts;
            sign(terms, contexts, message, &mut scratch.preimage, ledger)
        });
        rewrite::rewrite_header(
            message.header,
            message.raw,
            message.ttl,
            tag.as_ref(),
            &mut scratch.header,
        );
    }
    let header: &[u8] = known.unwrap_or(&scratch.header);
    let tail_bytes = message.tail.body.len();
    let copied_bytes = if tail_bytes <= COPY_BYTES_MAX {
        tail_bytes
    } else {
        0
    };
    let room = link.egress.head_room(
        header
            .len()
            .saturating_add(HEAD_MARGIN_BYTES)
            .saturating_add(copied_bytes),
    );
    let before = room.len();
    let written = rewrite::put_head(
        Kind::Publish,
        rewrite::Lengths {
            header: header.len(),
            tail_inner: message.tail.inner_len,
            tail_outer: message.tail.outer_len(),
        },
        room,
    );
    if written.is_err() {
        let excess = room.len().saturating_sub(before);
        link.egress.rollback(excess);
        return None;
    }
    room.extend_from_slice(header);
    let head_bytes = u32::try_from(room.len().saturating_sub(before)).ok()?;
    if known.is_none()
        && ledger.fits(
            Account::Flows,
            link.signed.growth(message.flow, &scratch.header),
        )
    {
        let grown = link.signed.put(message.flow, &scratch.header);
        ledger.charge(Account::Flows, grown);
    }
    Some(head_bytes)
}

/// The tag for the next hop, if that link has one (WIRE §5.4).
fn sign<C: LinkCrypto>(
    terms: &LinkTerms<C::Key>,
    contexts: &mut ContextCache<C>,
    message: &Verified<'_>,
    scratch: &mut Vec<u8>,
    ledger: &mut Ledger,
) -> Option<[u8; 32]> {
    let key = terms.key.as_ref()?;
    let id = terms.link_id.as_bytes();
    let Verified {
        header, raw, ttl, ..
    } = *message;
    if message.names == FlowId::NONE {
        return Some(mac::sign(key, header, raw, id, ttl, scratch));
    }
    if let Some(context) = contexts.find(message.names) {
        return Some(mac::sign_rest::<C::Key>(context, header, raw, ttl, scratch));
    }
    let context = mac::names_context(key, header, raw, id, scratch);
    let tag = mac::sign_rest::<C::Key>(&context, header, raw, ttl, scratch);
    if ledger.try_charge(Account::Flows, contexts.growth(message.names)) {
        contexts.put(message.names, context);
    }
    Some(tag)
}

/// Marks `shard` in a bit set; says whether it was unmarked.
fn mark(seen: &mut [u64; 4], shard: u8) -> bool {
    let Some(word) = seen.get_mut(usize::from(shard >> 6)) else {
        return false;
    };
    let bit = 1_u64 << (shard & 63);
    let is_new = *word & bit == 0;
    *word |= bit;
    is_new
}
