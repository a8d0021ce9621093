//! One shard with its clients, without sockets: what is forwarded in the benches and the gates.
//!
//! Chunks as a transport delivers them enter by [`Node::take`]; batches as a transport gets them leave
//! by [`Node::pull`]. Between the two stands everything that the router does for a message outside its
//! shell: deframing, parsing, verification, lookup, rewriting, signing, queueing.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use slipring_core::{
    ControlCore, Intake, Limits, LinkOptions, MessageKind, Output, ShardCore, ShardOptions, Time,
};
use slipring_fib::{LinkId, RibLimits};
use slipring_proto::{
    crypto::LinkCrypto,
    envelope,
    generated::SessionHeader,
    grpc::{Body, Deframer},
    limits::MESSAGE_BYTES_MAX,
    link::{ConnectionType, LinkPolicy, LinkTerms, LocalNode, Negotiation},
    message::{self, HeaderFields, PublishTail},
    name::TextName,
    outgoing::Batch,
};

/// What the writer of a link asks for at a time.
const BATCH_BYTES_MAX: usize = 512 << 10;

/// The same tables in every run.
const HASH_SEED: u64 = 1;

/// The end of a link that a client holds.
#[derive(Debug)]
pub struct Client<K> {
    /// The link, as the shard calls it.
    pub link: LinkId,
    /// What was negotiated.
    pub terms: LinkTerms<K>,
    /// The service that it sends from and may subscribe to.
    pub service: String,
}

/// Messages of one kind, as many as one turn brings.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Bytes of one payload.
    pub payload_bytes: usize,
    /// Messages that arrive and leave together.
    pub turn_messages: usize,
    /// Chunks are cut at this many bytes.
    pub frame_bytes: usize,
    /// 1: one receiver; anything else: all.
    pub fanout: u32,
    /// Whether every message carries an identity token of 235 bytes of its own, as shared-secret clients
    /// send it. Then no header is like another.
    pub has_fresh_identity: bool,
}

impl Traffic {
    /// Turn number `turn` of it from `client` to the service `to`, as the transport delivers it.
    pub fn frames<K: slipring_proto::crypto::MacKey>(
        &self,
        client: &Client<K>,
        to: &str,
        turn: usize,
    ) -> Vec<Bytes> {
        let tail = PublishTail::new(&SessionHeader::default())
            .app_payload("", &vec![7; self.payload_bytes]);
        let sealed = |identity: &str| client.header(to, self.fanout, identity).seal();
        let same = sealed("");
        let mut stream = BytesMut::new();
        for index in 0..self.turn_messages {
            let header = if self.has_fresh_identity {
                sealed(&format!("{:0235}", turn * self.turn_messages + index))
            } else {
                same.clone()
            };
            header
                .put_publish(tail.inner(), tail.outer(), &mut stream)
                .expect("short enough");
        }
        let stream = stream.freeze();
        let cuts = (0..stream.len()).step_by(self.frame_bytes);
        cuts.map(|at| stream.slice(at..stream.len().min(at + self.frame_bytes)))
            .collect()
    }
}

impl<K: slipring_proto::crypto::MacKey> Client<K> {
    /// A signed header from this client to the service `to`.
    fn header(&self, to: &str, fanout: u32, identity: &str) -> HeaderFields {
        let key = self.terms.key.as_ref().expect("strict links have a key");
        HeaderFields::between(&name(&self.service), &name(to))
            .with_fanout(fanout)
            .with_identity(identity)
            .sign(key, &self.terms.link_id)
            .expect("a header")
    }
}

/// A shard, its control core and a stream that is being cut.
pub struct Node<C: LinkCrypto> {
    /// The shard.
    pub shard: ShardCore<C>,
    /// What it is now.
    pub now: Time,
    control: ControlCore,
    deframer: Deframer,
    crypto: C,
}

impl<C: LinkCrypto> Node<C> {
    /// A node without links, with the cryptography of the shard and that of its clients.
    pub fn new([of_shard, crypto]: [C; 2]) -> Self {
        let options = ShardOptions {
            shard: 0,
            shards: 1,
            node: local("slipring"),
            limits: Limits {
                // A stalled link is looked at for longer than it would live.
                write_deadline: Duration::from_secs(1_000),
                ..Limits::default()
            },
            has_flow_cache: true,
            hash_seed: HASH_SEED,
        };
        let rib = RibLimits {
            names_max: 4_096,
            subscriptions_max: 4_096,
            subscriptions_per_link_max: 16,
        };
        Self {
            shard: ShardCore::new(options, of_shard),
            now: Time::from_micros(1),
            control: ControlCore::new(1, rib, HASH_SEED),
            deframer: Deframer::new(MESSAGE_BYTES_MAX),
            crypto,
        }
    }

    /// Opens and negotiates a link that demands the header MAC.
    pub fn connect(&mut self, service: &str) -> Client<C::Key> {
        let policy = LinkPolicy {
            require_header_mac: true,
            enforce_pqc: false,
        };
        let options = LinkOptions {
            policy,
            negotiation_timeout: Duration::from_secs(5),
        };
        let link = self.shard.open_link(options, self.now).expect("room");
        let (mut negotiation, request) = Negotiation::dial(
            local(service),
            policy,
            format!("link-{service}"),
            ConnectionType::Edge,
            &mut self.crypto,
        )
        .expect("a request");
        self.feed(link, Body::from(request));
        let reply = self.pull_bytes(link);
        let reply = envelope::split(Body::from(message::unframed(&reply))).expect("a reply");
        let negotiated = negotiation.handle(reply, &mut self.crypto);
        Client {
            link,
            terms: negotiated.expect("terms").terms,
            service: service.to_owned(),
        }
    }

    /// Subscribes `client` to the service `to` and takes the acknowledgement.
    pub fn subscribe(&mut self, client: &Client<C::Key>, to: &str) {
        let subscribe = client.header(to, 1, "").seal().subscribe(1).expect("short");
        self.feed(client.link, Body::from(message::unframed(&subscribe)));
        assert!(
            !self.pull_bytes(client.link).is_empty(),
            "a subscription is acknowledged"
        );
    }

    /// A shard with a publisher and one subscriber, `bob`.
    pub fn pair(crypto: [C; 2]) -> (Self, Client<C::Key>, LinkId) {
        let mut node = Self::new(crypto);
        let alice = node.connect("alice");
        let bob = node.connect("bob");
        node.subscribe(&bob, "bob");
        (node, alice, bob.link)
    }

    /// A shard with a publisher and so many subscribers of `room`.
    pub fn room(crypto: [C; 2], subscribers: usize) -> (Self, Client<C::Key>, Vec<LinkId>) {
        let mut node = Self::new(crypto);
        let alice = node.connect("alice");
        let subscribe = |number| {
            let client = node.connect(&format!("member-{number}"));
            node.subscribe(&client, "room");
            client.link
        };
        let links = (0..subscribers).map(subscribe).collect();
        (node, alice, links)
    }

    /// One turn: cuts the chunks, handles their messages, and pulls what waits for `targets`. Answers
    /// how many messages left.
    pub fn forward(&mut self, from: LinkId, frames: Vec<Bytes>, targets: &[LinkId]) -> u64 {
        for frame in frames {
            self.take(from, frame);
        }
        self.shard.end_turn(from);
        while self.shard.poll_output().is_some() {}
        targets.iter().map(|link| self.pull(*link)).sum()
    }

    /// Cuts a chunk into messages and handles each.
    pub fn take(&mut self, from: LinkId, frame: Bytes) {
        self.deframer.push(frame);
        while let Some(body) = self.deframer.pop().expect("well framed") {
            let intake = self.shard.handle_message(from, body, self.now);
            assert_eq!(intake, Intake::Next, "nobody is held");
        }
    }

    /// Pulls what waits for a link, as its writer does. Answers how many data messages there were.
    pub fn pull(&mut self, link: LinkId) -> u64 {
        let before = self.messages_out();
        let batch = self.pull_batch(link);
        self.shard.note_sent(link, batch.len() as u64, self.now);
        self.messages_out() - before
    }

    fn pull_batch(&mut self, link: LinkId) -> Batch {
        let mut batch = Batch::new();
        while self
            .shard
            .poll_batch(link, BATCH_BYTES_MAX, &mut batch, self.now)
        {}
        batch
    }

    fn pull_bytes(&mut self, link: LinkId) -> Bytes {
        let mut batch = self.pull_batch(link);
        let bytes = batch.len();
        self.shard.note_sent(link, bytes as u64, self.now);
        batch.copy_to_bytes(bytes)
    }

    fn messages_out(&self) -> u64 {
        let publish = MessageKind::Publish.index();
        self.shard.counters().messages_out.at(publish)
    }

    /// Handles a message that is no data and obeys what follows.
    fn feed(&mut self, link: LinkId, body: Body) {
        let intake = self.shard.handle_message(link, body, self.now);
        assert_eq!(intake, Intake::Next, "the message is good");
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Request(request) => self.control.handle_request(0, request),
                Output::Applied(seq) => self.control.handle_applied(0, seq),
                Output::Announce(_)
                | Output::Close(_)
                | Output::Congestion { .. }
                | Output::Diverged(_)
                | Output::Handoff { .. }
                | Output::Resume(_)
                | Output::Wake(_) => {}
            }
            while let Some((_, event)) = self.control.poll_event() {
                self.shard.handle_control(event, self.now);
            }
        }
    }
}

/// What a side says of itself in negotiation.
#[must_use]
pub fn local(node_id: &str) -> LocalNode {
    LocalNode {
        node_id: node_id.to_owned(),
        deployment_name: String::new(),
        version: "3.4.6".to_owned(),
    }
}

/// An instance of a service.
#[must_use]
pub fn name(service: &str) -> TextName {
    TextName::new(["org", "ns", service], 1).expect("a name")
}
