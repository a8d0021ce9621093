//! The far ends: clients that dial, subscribe, publish, read or do not, and what they write.
//!
//! A client has at most one connection. The connection holds both ends of its wire, what the shell
//! beside the core keeps for it, and the model of its link.

use bytes::Bytes;
use slipring_core::{CloseReason, Time};
use slipring_fib::LinkId;
use slipring_proto::{
    crypto::fake::{FakeCrypto, FakeKey},
    generated::SessionHeader,
    grpc::Deframer,
    limits::MESSAGE_BYTES_MAX,
    link::{ConnectionType, LinkPolicy, LinkTerms, LocalNode, Negotiation},
    message::{self, HeaderFields, PublishTail, SealedHeader},
    name::{ANY_ID, Name, TextName},
};

use crate::dice::{Dice, Salt};
use crate::knobs::ClientShape;
use crate::model::LinkModel;
use crate::wire::Pipe;

/// Prefixes and ids of the names that worlds talk about.
const PREFIXES: u64 = 4;
const IDS: u64 = 4;

/// The names that worlds talk about; the last of each prefix is its any-id.
pub(crate) fn universe() -> Vec<TextName> {
    let mut names = Vec::new();
    for prefix in 0..PREFIXES {
        for id in 0..IDS {
            let id = if id + 1 == IDS {
                ANY_ID
            } else {
                u128::from(id)
            };
            let text = format!("service-{prefix}");
            let name = TextName::new(["org", "ns", &text], id);
            names.push(name.expect("three plain words are a name"));
        }
    }
    names
}

/// How a client opens its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialMode {
    Honest,
    /// With a post-quantum key.
    Hybrid,
    /// Without any key.
    Keyless,
    /// Says nothing at all.
    Silent,
    /// Sends a request that no router accepts.
    BadRequest,
    /// Asks to be a peer node.
    Peer,
}

/// Where the client's own state machine stands.
pub(crate) enum FarEnd {
    Dialing(Box<Negotiation<FakeCrypto>>),
    /// Waits for an answer that it will believe without a key.
    DialingKeyless,
    /// Expects to be refused.
    Doomed,
    Open,
    Closed,
}

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Always,
    /// A few bytes now and then.
    Slow,
    Never,
}

/// Both ends of one link.
pub(crate) struct Conn {
    pub(crate) generation: u32,
    pub(crate) node: usize,
    pub(crate) shard: usize,
    pub(crate) link: LinkId,
    pub(crate) mode: DialMode,
    pub(crate) link_id: String,
    pub(crate) dice: Dice,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,

    // The shell's side.
    pub(crate) deframer: Deframer,
    /// The core said `Pause`, and not `Resume` since.
    pub(crate) is_paused: bool,
    /// Since when everything that it sends goes to congested links.
    pub(crate) stalled_at: Option<Time>,
    /// The core takes nothing more from this link.
    pub(crate) is_deaf: bool,
    /// There is no room for more of an unfinished message.
    pub(crate) is_withheld: bool,
    /// The writer waits for room on the wire.
    pub(crate) is_blocked: bool,
    /// The core ended the link.
    pub(crate) closed: Option<CloseReason>,
    pub(crate) up_armed: bool,
    pub(crate) write_armed: bool,
    pub(crate) down_armed: bool,

    // The client's side.
    pub(crate) far_end: FarEnd,
    pub(crate) inbound: Deframer,
    pub(crate) terms: Option<LinkTerms<FakeKey>>,
    pub(crate) reading: Reading,
    /// Subscriptions asked for and not taken back: id and name.
    pub(crate) subscriptions: Vec<(u64, Name)>,
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) last_recipe: Option<Recipe>,
    /// The last publish as it went out, and its destination if it is for one.
    pub(crate) last_publish: Option<(Bytes, Option<Name>)>,
    /// A bit was flipped on the way in and its effect not seen yet.
    pub(crate) flipped_in: bool,
    /// A length was damaged on the way in: the router may wait for ever for the rest of a message.
    pub(crate) is_misframed: bool,
    /// A bit was flipped on the way out.
    pub(crate) flipped_out: bool,
    /// The stream is cut behind what is under way.
    pub(crate) is_truncated: bool,
    /// It ended its side itself.
    pub(crate) has_ended: bool,

    pub(crate) model: LinkModel,
}

impl Conn {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.far_end, FarEnd::Open) && !self.has_ended && self.closed.is_none()
    }

    /// Whether both ends are done with it.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() && matches!(self.far_end, FarEnd::Closed)
    }

    pub(crate) fn new_deframer() -> Deframer {
        Deframer::new(MESSAGE_BYTES_MAX)
    }
}

/// A header that was signed before, to be used again.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    recipe: Recipe,
    header: SealedHeader,
}

/// What goes into the header of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) destination: usize,
    pub(crate) fanout: u32,
    pub(crate) ttl: u32,
    pub(crate) tricks: Tricks,
}

/// What a header has beyond the plain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tricks {
    /// Steering fields, signed like everything else.
    pub(crate) steering: bool,
    /// An index that only its own node can mean.
    pub(crate) incoming_conn: bool,
    /// A fresh identity token.
    pub(crate) identity: u32,
    /// The error flag and an end-to-end signature.
    pub(crate) error: bool,
}

/// One client.
pub(crate) struct Client {
    pub(crate) shape: ClientShape,
    pub(crate) generation: u32,
    pub(crate) conn: Option<Box<Conn>>,
    pub(crate) crypto: FakeCrypto,
    pub(crate) name: TextName,
    pub(crate) next_message: u32,
    pub(crate) next_subscription: u64,
    /// What was delivered to it so far, in order, folded.
    pub(crate) delivered_fold: u64,
    pub(crate) delivered: u64,
}

impl Client {
    pub(crate) fn new(index: usize, shape: ClientShape, seed: u64) -> Self {
        let mut dice = Dice::new(seed, Salt::Keys, index as u64);
        let text = format!("client-{index}");
        let name = TextName::new(["org", "ns", &text], index as u128);
        Self {
            shape,
            generation: 0,
            conn: None,
            crypto: FakeCrypto::new(dice.next()),
            name: name.expect("three plain words are a name"),
            next_message: 0,
            next_subscription: 1 + dice.below(1 << 40),
            delivered_fold: 0,
            delivered: 0,
        }
    }

    /// The client's first message and the machine that waits for the answer.
    pub(crate) fn dial(&mut self, mode: DialMode, link_id: &str) -> (FarEnd, Option<Bytes>) {
        let connection_type = match mode {
            DialMode::Peer => ConnectionType::Peer,
            DialMode::Honest
            | DialMode::Hybrid
            | DialMode::Keyless
            | DialMode::Silent
            | DialMode::BadRequest
                if self.shape.is_remote =>
            {
                ConnectionType::Remote
            }
            DialMode::Honest
            | DialMode::Hybrid
            | DialMode::Keyless
            | DialMode::Silent
            | DialMode::BadRequest => ConnectionType::Edge,
        };
        let policy = LinkPolicy {
            require_header_mac: true,
            enforce_pqc: mode == DialMode::Hybrid,
        };
        let local = LocalNode {
            node_id: format!("client-{}", self.generation),
            deployment_name: String::new(),
            version: message::WIRE_VERSION.to_owned(),
        };
        match mode {
            DialMode::Silent => (FarEnd::Doomed, None),
            DialMode::BadRequest | DialMode::Keyless => {
                let payload = slipring_proto::generated::LinkNegotiationPayload {
                    link_id: link_id.to_owned(),
                    slim_version: message::WIRE_VERSION.to_owned(),
                    is_reply: mode == DialMode::BadRequest,
                    connection_type: if self.shape.is_remote { 0 } else { 2 },
                    ..Default::default()
                };
                let far_end = if mode == DialMode::BadRequest {
                    FarEnd::Doomed
                } else {
                    FarEnd::DialingKeyless
                };
                (far_end, Some(message::link(payload)))
            }
            DialMode::Honest | DialMode::Hybrid | DialMode::Peer => {
                let (machine, request) = Negotiation::dial(
                    local,
                    policy,
                    link_id.to_owned(),
                    connection_type,
                    &mut self.crypto,
                )
                .expect("a short link id can be dialled with");
                (FarEnd::Dialing(Box::new(machine)), Some(request))
            }
        }
    }

    /// A signed header for a registration of `name`.
    pub(crate) fn registration(&self, name: &TextName, ttl: u32) -> SealedHeader {
        let mut fields = HeaderFields::between(&self.name, name);
        fields.ttl = ttl;
        self.sealed_with_key(fields)
    }

    /// The header of a publish: a known one if there is one and `reuse`, else a new one.
    pub(crate) fn publish_header(
        &mut self,
        recipe: Recipe,
        names: &[TextName],
        reuse: bool,
    ) -> SealedHeader {
        let known = self.conn.as_ref().and_then(|conn| {
            conn.sealed
                .iter()
                .find(|sealed| reuse && sealed.recipe == recipe)
                .map(|sealed| sealed.header.clone())
        });
        if let Some(header) = known {
            return header;
        }
        let mut fields = HeaderFields::between(&self.name, &names[recipe.destination])
            .with_fanout(recipe.fanout);
        fields.ttl = recipe.ttl;
        if recipe.tricks.steering {
            fields.recv_from = Some(u64::from(recipe.ttl));
            fields.forward_to = Some(3);
        }
        if recipe.tricks.incoming_conn {
            fields.incoming_conn = Some(77);
        }
        if recipe.tricks.identity > 0 {
            fields = fields.with_identity(format!("token-{}", recipe.tricks.identity));
        }
        if recipe.tricks.error {
            fields.error = Some(true);
            fields.e2e_header_sig = Some(Bytes::from_static(b"signature"));
        }
        let header = self.sealed_with_key(fields);
        if let Some(conn) = &mut self.conn {
            if conn.sealed.len() >= 12 {
                conn.sealed.remove(0);
            }
            conn.sealed.push(Sealed {
                recipe,
                header: header.clone(),
            });
        }
        header
    }

    pub(crate) fn sealed_with_key(&self, fields: HeaderFields) -> SealedHeader {
        let terms = self.conn.as_ref().and_then(|conn| conn.terms.as_ref());
        let key = terms.and_then(|terms| Some((terms.key.as_ref()?, &terms.link_id)));
        match key {
            Some((key, link_id)) => fields
                .sign(key, link_id)
                .expect("a short header can be signed")
                .seal(),
            None => fields.seal(),
        }
    }

    /// The tail of the client's next message, which no other message shares.
    pub(crate) fn next_tail(
        &mut self,
        index: usize,
        payload: usize,
        metadata: bool,
    ) -> PublishTail {
        self.next_message += 1;
        let session = SessionHeader {
            session_type: 1,
            session_message_type: 1,
            session_id: u32::try_from(index).unwrap_or(0) + 1,
            message_id: self.next_message,
        };
        let tail = PublishTail::new(&session).app_payload("text", &vec![0xa5; payload]);
        if metadata {
            tail.metadata("traceparent", "00-1")
        } else {
            tail
        }
    }
}
