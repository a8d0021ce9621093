//! The client side of a link as a pure machine: no socket, no task, no clock.
//!
//! Messages and the time come in; framed bytes and events leave. It negotiates in the dialling
//! role (WIRE §4), signs what it sends (WIRE §5), matches acks to subscriptions, repeats
//! unanswered ones, and remembers what is subscribed so that a new stream can be given all of it
//! again, with the same ids, under the same link id.
//!
//! Time is the [`Duration`] since any fixed moment the caller likes.
//!
//! Invariants:
//! 1. Nothing but the negotiation request leaves before the reply was accepted (WIRE §4.1).
//! 2. A subscription is in the restore list exactly while the router has it or will have it: it
//!    enters with the request and leaves with a refusal or with the request to end it.
//! 3. Own subscription ids are unique per machine and random in their start (WIRE §6.6).

mod pending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use slipring_proto::crypto::LinkCrypto;
use slipring_proto::envelope::{Envelope, Inbound};
use slipring_proto::limits::{MESSAGE_BYTES_MAX, NEGOTIATION_TIMEOUT_MS};
use slipring_proto::link::{ConnectionType, LinkPolicy, LinkTerms, LocalNode, Negotiation};
use slipring_proto::message::{HeaderFields, SealedHeader, WIRE_VERSION, decode_ack, framed};
use slipring_proto::name::{Name, TextName};

use crate::error::{Error, Result};
use crate::link::pending::{Overdue, Pending, Request};

pub use crate::link::pending::{ACK_INTERVAL, ACK_TRIES};

/// How this side of a link presents itself and what it insists on.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// What kind of link to ask for; clients are Edge.
    pub connection_type: ConnectionType,
    /// Text placed in the identity field of every header; empty for none.
    pub identity: String,
    /// Constant over reconnects (WIRE §4.4).
    pub link_id: String,
    /// Limit for the whole negotiation.
    pub negotiation_timeout: Duration,
    /// Name, deployment and version of this node.
    pub node: LocalNode,
    /// Whether a key, and a hybrid one, is required.
    pub policy: LinkPolicy,
    /// Source of every header; each message's own destination when absent.
    pub source: Option<TextName>,
}

impl LinkSettings {
    /// An Edge client that insists on a link key, as published clients do.
    pub fn edge(link_id: &str, node_id: &str) -> Self {
        Self {
            connection_type: ConnectionType::Edge,
            identity: String::new(),
            link_id: link_id.to_owned(),
            negotiation_timeout: Duration::from_millis(NEGOTIATION_TIMEOUT_MS),
            node: LocalNode {
                node_id: node_id.to_owned(),
                deployment_name: String::new(),
                version: WIRE_VERSION.to_owned(),
            },
            policy: LinkPolicy {
                require_header_mac: true,
                enforce_pqc: false,
            },
            source: None,
        }
    }
}

/// The router's answer to a subscription or to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The id of the request.
    pub subscription_id: u64,
    /// Why it was refused; `None` if it was done.
    pub refusal: Option<String>,
}

/// What a message from the router meant.
pub enum Event<K> {
    /// An answer, to a request of ours or to an unknown one (which WIRE §12 wants tolerated).
    Acked(Ack),
    /// Nothing: a late link message or an empty one (WIRE §4.4).
    Ignored,
    /// The link is open under these terms.
    Opened(Arc<LinkTerms<K>>),
    /// A routed message; for a client, a Publish to a name subscribed here.
    Routed(Envelope),
}

/// Written out because a key has no `Debug`.
impl<K> std::fmt::Debug for Event<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acked(ack) => f.debug_tuple("Acked").field(ack).finish(),
            Self::Ignored => f.write_str("Ignored"),
            Self::Opened(terms) => f.debug_tuple("Opened").field(terms).finish(),
            Self::Routed(envelope) => f.debug_tuple("Routed").field(envelope).finish(),
        }
    }
}

/// What a deadline brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// A request went unanswered [`ACK_TRIES`] times. It may yet have been obeyed.
    GivenUp {
        /// The id of the request.
        subscription_id: u64,
    },
    /// The negotiation did not finish in time; the stream is of no use.
    NegotiationTimedOut,
    /// A request went unanswered; send it again.
    Repeat(Bytes),
}

/// The machine. `C` is the cryptography of the link key.
pub struct LinkMachine<C: LinkCrypto> {
    settings: LinkSettings,
    phase: Phase<C>,
    /// The restore list, by name and id.
    held: BTreeMap<(Name, u64), TextName>,
    pending: Pending,
    next_id: u64,
}

enum Phase<C: LinkCrypto> {
    Closed,
    Negotiating {
        negotiation: Box<Negotiation<C>>,
        deadline: Duration,
    },
    Open(Arc<LinkTerms<C::Key>>),
}

impl<C: LinkCrypto> LinkMachine<C> {
    /// A machine without a stream. `first_id` must be random: ids of different clients must not
    /// meet (WIRE §6.6).
    pub fn new(settings: LinkSettings, first_id: u64) -> Self {
        let next_id = first_id.max(1);
        let (held, pending) = (BTreeMap::new(), Pending::default());
        Self {
            settings,
            phase: Phase::Closed,
            held,
            pending,
            next_id,
        }
    }

    /// A machine on a stream that was negotiated by other means.
    pub fn opened(settings: LinkSettings, first_id: u64, terms: Arc<LinkTerms<C::Key>>) -> Self {
        Self {
            phase: Phase::Open(terms),
            ..Self::new(settings, first_id)
        }
    }

    /// A stream is there: the framed negotiation request to send on it. Fresh keys every time,
    /// the same link id (WIRE §8.6).
    ///
    /// # Errors
    /// [`Error::Negotiation`] if the settings cannot be negotiated with.
    pub fn open(&mut self, crypto: &mut C, now: Duration) -> Result<Bytes> {
        let LinkSettings {
            node,
            policy,
            link_id,
            connection_type,
            ..
        } = self.settings.clone();
        let (negotiation, request) =
            Negotiation::dial(node, policy, link_id, connection_type, crypto)?;
        let deadline = now.saturating_add(self.settings.negotiation_timeout);
        self.phase = Phase::Negotiating {
            negotiation: Box::new(negotiation),
            deadline,
        };
        framed(&request).map_err(too_long)
    }

    /// A message has arrived.
    ///
    /// # Errors
    /// [`Error::Negotiation`] if it was to be the reply and is not; the stream is of no use then.
    /// [`Error::Undecodable`] for an ack that does not decode.
    pub fn handle(&mut self, inbound: Inbound, crypto: &mut C) -> Result<Event<C::Key>> {
        if let Phase::Negotiating { negotiation, .. } = &mut self.phase {
            let negotiated = negotiation.handle(inbound, crypto);
            self.phase = Phase::Closed;
            let terms = Arc::new(negotiated?.terms);
            self.phase = Phase::Open(Arc::clone(&terms));
            return Ok(Event::Opened(terms));
        }
        match inbound {
            Inbound::Routed(envelope) => Ok(Event::Routed(envelope)),
            Inbound::Ack(body) => {
                let ack = decode_ack(body)?;
                let refusal = (!ack.success).then_some(ack.error);
                let ack = Ack {
                    subscription_id: ack.subscription_id,
                    refusal,
                };
                self.settle(&ack);
                Ok(Event::Acked(ack))
            }
            Inbound::Link(_) | Inbound::Empty => Ok(Event::Ignored),
        }
    }

    fn settle(&mut self, ack: &Ack) {
        let Some(waiting) = self.pending.remove(ack.subscription_id) else {
            return;
        };
        if ack.refusal.is_some() && waiting.request == Request::Subscribe {
            self.held.remove(&(waiting.name, ack.subscription_id));
        }
    }

    /// Subscribes to `name` under a fresh id: the id, and the framed request to send.
    ///
    /// # Errors
    /// [`Error::NotOpen`] before the negotiation is over.
    pub fn subscribe(&mut self, name: &TextName, now: Duration) -> Result<(u64, Bytes)> {
        let id = self.next_id;
        // Zero means "no ack" (WIRE §6.1).
        self.next_id = id.wrapping_add(1).max(1);
        Ok((id, self.subscribe_as(name, id, now)?))
    }

    /// Subscribes under an id of the caller's choice; with 0 no ack will come.
    ///
    /// # Errors
    /// As [`LinkMachine::subscribe`].
    pub fn subscribe_as(&mut self, name: &TextName, id: u64, now: Duration) -> Result<Bytes> {
        let request = self.header(name, 1)?.subscribe(id).map_err(too_long)?;
        self.held.insert((name.name(), id), name.clone());
        if id != 0 {
            self.pending
                .insert(id, Request::Subscribe, name.name(), request.clone(), now);
        }
        Ok(request)
    }

    /// Ends the subscription to `name` made first: its id, and the framed request to send.
    ///
    /// # Errors
    /// [`Error::NotSubscribed`] if there is none; [`Error::NotOpen`].
    pub fn unsubscribe(&mut self, name: &TextName, now: Duration) -> Result<(u64, Bytes)> {
        let all_of_name = (name.name(), 0)..=(name.name(), u64::MAX);
        let Some((&(_, id), _)) = self.held.range(all_of_name).next() else {
            return Err(Error::NotSubscribed {
                name: name.to_string(),
            });
        };
        Ok((id, self.unsubscribe_as(name, id, now)?))
    }

    /// Ends a subscription by name and id, whether or not this machine knows of it.
    ///
    /// # Errors
    /// [`Error::NotOpen`].
    pub fn unsubscribe_as(&mut self, name: &TextName, id: u64, now: Duration) -> Result<Bytes> {
        let request = self.header(name, 1)?.unsubscribe(id).map_err(too_long)?;
        self.held.remove(&(name.name(), id));
        if id != 0 {
            self.pending
                .insert(id, Request::Unsubscribe, name.name(), request.clone(), now);
        }
        Ok(request)
    }

    /// The signed header of messages to `destination`; `fanout` 1 is one receiver, anything else
    /// all of them. One header serves any number of messages on this stream.
    ///
    /// # Errors
    /// [`Error::NotOpen`] before the negotiation is over.
    pub fn header(&self, destination: &TextName, fanout: u32) -> Result<SealedHeader> {
        let Phase::Open(terms) = &self.phase else {
            return Err(Error::NotOpen);
        };
        let source = self.settings.source.as_ref().unwrap_or(destination);
        let fields = HeaderFields::between(source, destination)
            .with_fanout(fanout)
            .with_identity(self.settings.identity.as_str());
        let fields = match terms.mac_key() {
            Some(key) => fields.sign(key, &terms.link_id)?,
            None => fields,
        };
        Ok(fields.seal())
    }

    /// The stream is gone. Subscriptions are kept for [`LinkMachine::restore`].
    pub fn lost(&mut self) {
        self.phase = Phase::Closed;
        self.pending = Pending::default();
    }

    /// After a reconnect: framed requests for everything held, with the ids it had, so that a
    /// later end of a subscription finds it.
    ///
    /// # Errors
    /// [`Error::NotOpen`] before the negotiation is over.
    pub fn restore(&mut self, now: Duration) -> Result<Vec<Bytes>> {
        let held: Vec<_> = self
            .held
            .iter()
            .map(|(&(_, id), name)| (id, name.clone()))
            .collect();
        held.iter()
            .map(|(id, name)| self.subscribe_as(name, *id, now))
            .collect()
    }

    /// When [`LinkMachine::due`] will have something to say, as far as is known now.
    pub fn deadline(&mut self) -> Option<Duration> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Negotiating { deadline, .. } => Some(*deadline),
            Phase::Open(_) => self.pending.deadline(),
        }
    }

    /// What has become due by `now`; ask until `None`.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Negotiating { deadline, .. } if *deadline <= now => {
                self.phase = Phase::Closed;
                Some(Due::NegotiationTimedOut)
            }
            Phase::Negotiating { .. } => None,
            Phase::Open(_) => self.pending.overdue(now).map(|overdue| match overdue {
                Overdue::Repeat(framed) => Due::Repeat(framed),
                Overdue::GivenUp(subscription_id) => Due::GivenUp { subscription_id },
            }),
        }
    }

    /// The terms of the open link.
    pub fn terms(&self) -> Option<&Arc<LinkTerms<C::Key>>> {
        if let Phase::Open(terms) = &self.phase {
            Some(terms)
        } else {
            None
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// Subscriptions that a restore would make again.
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Requests without an ack so far.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }
}

/// The bound of the wire as an error of this crate.
pub(crate) fn too_long(error: slipring_proto::error::TooLong) -> Error {
    Error::TooLong {
        bytes: error.message_bytes,
        bytes_max: MESSAGE_BYTES_MAX as usize,
    }
}
