//! The node that stories speak to.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use slipring_core::{
    Account, CloseReason, ControlCore, ControlEvent, Counters, DropReason, Ending, Handoff, Limits,
    LinkOptions, RefuseReason, ShardCore, ShardOptions, Time,
};
use slipring_fib::RibLimits;
use slipring_proto::{
    crypto::fake::FakeCrypto,
    grpc::Body,
    link::{ConnectionType, LocalNode},
    message::{self, HeaderFields, PublishTail},
};

use super::{
    client::{Client, Dial, Port, Reading},
    names::{fields, tail},
    wire::{Ack, Delivered},
};

/// Seconds, as stories say them.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Milliseconds.
pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What a node is made of.
pub(crate) struct NodeOptions {
    pub(crate) shards: u8,
    pub(crate) limits: Limits,
    pub(crate) rib: RibLimits,
    pub(crate) has_flow_cache: bool,
    /// Handoffs that wait for one shard at most.
    pub(crate) ring_max: usize,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            shards: 1,
            limits: Limits::default(),
            rib: RibLimits {
                names_max: 100_000,
                subscriptions_max: 100_000,
                subscriptions_per_link_max: 100_000,
            },
            has_flow_cache: true,
            ring_max: 4_096,
        }
    }
}

/// A node and everybody connected to it.
pub(crate) struct Node {
    pub(crate) now: Time,
    pub(crate) shards: Vec<ShardCore<FakeCrypto>>,
    pub(crate) control: ControlCore,
    pub(super) crypto: FakeCrypto,
    pub(super) ring_max: usize,
    pub(super) rings: Vec<VecDeque<Box<Handoff>>>,
    pub(super) lanes: Vec<VecDeque<ControlEvent>>,
    /// Shards that read neither their ring nor their lane for the time being.
    pub(super) is_frozen: Vec<bool>,
    pub(super) ports: Vec<Port>,
    pub(super) by_link: BTreeMap<slipring_fib::LinkId, usize>,
    pub(super) next_tick: Time,
    /// Longest time that any input was held.
    pub(crate) longest_pause: Duration,
}

impl Node {
    /// A node of one shard with the bounds of a real one.
    pub(crate) fn new() -> Self {
        Self::build(NodeOptions::default())
    }

    /// The same with `shards` shards.
    pub(crate) fn of(shards: u8) -> Self {
        Self::build(NodeOptions {
            shards,
            ..NodeOptions::default()
        })
    }

    /// One shard with bounds of the story's own.
    pub(crate) fn within(limits: Limits) -> Self {
        Self::build(NodeOptions {
            limits,
            ..NodeOptions::default()
        })
    }

    pub(crate) fn build(options: NodeOptions) -> Self {
        let NodeOptions {
            shards,
            limits,
            rib,
            has_flow_cache,
            ring_max,
        } = options;
        let shard = |shard| {
            let options = ShardOptions {
                shard,
                shards,
                node: LocalNode {
                    node_id: "slipring".to_owned(),
                    deployment_name: "here".to_owned(),
                    version: "3.4.6".to_owned(),
                },
                limits: limits.clone(),
                has_flow_cache,
                hash_seed: 42,
            };
            ShardCore::new(options, FakeCrypto::new(u64::from(shard)))
        };
        let count = usize::from(shards);
        Self {
            now: Time::from_micros(1_000_000),
            shards: (0..shards).map(shard).collect(),
            control: ControlCore::new(shards, rib, 42),
            crypto: FakeCrypto::new(99),
            ring_max,
            rings: (0..count).map(|_| VecDeque::new()).collect(),
            lanes: vec![VecDeque::new(); count],
            is_frozen: vec![false; count],
            ports: Vec::new(),
            by_link: BTreeMap::new(),
            next_tick: Time::from_micros(1_000_000),
            longest_pause: Duration::ZERO,
        }
    }

    /// A stream that has said nothing yet.
    pub(crate) fn open(&mut self, name: &str, dial: Dial) -> Result<Client, RefuseReason> {
        let options = LinkOptions {
            policy: dial.policy(),
            negotiation_timeout: seconds(5),
        };
        self.open_with(name, dial, options)
    }

    pub(crate) fn open_with(
        &mut self,
        name: &str,
        dial: Dial,
        options: LinkOptions,
    ) -> Result<Client, RefuseReason> {
        let link = self.shards[dial.shard].open_link(options, self.now)?;
        self.by_link.insert(link, self.ports.len());
        self.ports.push(Port::new(name, link, dial.shard));
        self.settle();
        Ok(Client(self.ports.len() - 1))
    }

    /// A client that has opened a stream and asks to negotiate.
    pub(crate) fn dial(&mut self, name: &str, dial: Dial) -> Client {
        let client = self.open(name, dial).expect("room for a link");
        self.negotiate(client, dial);
        client
    }

    /// Says the first message on a stream that is open.
    pub(crate) fn negotiate(&mut self, client: Client, dial: Dial) {
        let request = self.ports[client.0].dial(dial, &mut self.crypto);
        self.say(client, message::framed(&request).expect("short"));
    }

    /// A published client on `shard`, ready to talk.
    pub(crate) fn connect(&mut self, name: &str, shard: usize) -> Client {
        let client = self.dial(name, Dial::edge(shard));
        let terms = self.ports[client.0].terms.as_ref().expect("a reply");
        assert_eq!(terms.connection_type, ConnectionType::Edge);
        client
    }

    /// Many of them, spread over the shards.
    pub(crate) fn connect_many(&mut self, name: &str, count: usize) -> Vec<Client> {
        (0..count)
            .map(|index| self.connect(&format!("{name}-{index}"), index % self.shards.len()))
            .collect()
    }

    /// The client is gone without a word.
    pub(crate) fn vanish(&mut self, client: Client) {
        let (link, shard) = (self.link(client), self.ports[client.0].shard);
        self.shards[shard].end_link(link, CloseReason::TransportLost, self.now);
        self.settle();
    }

    /// Every shard begins to drain.
    pub(crate) fn drain(&mut self, spread: Duration, deadline: Duration) {
        for shard in &mut self.shards {
            shard.begin_drain(spread, deadline, self.now);
        }
        self.settle();
    }

    /// Sends framed messages in one piece, which the node reads in one turn.
    pub(crate) fn say(&mut self, client: Client, framed: impl Into<Bytes>) {
        self.write(client, framed.into());
        self.settle();
    }

    /// Subscribes and insists on success.
    pub(crate) fn subscribe(&mut self, client: Client, name: &str) {
        self.ask_subscribe(client, name, 1);
        assert_eq!(self.acks(client), [(1, Ok(()))], "subscribe {name}");
    }

    pub(crate) fn ask_subscribe(&mut self, client: Client, name: &str, id: u64) {
        let header = self.signed(client, fields("own", name)).seal();
        self.say(client, header.subscribe(id).expect("short"));
    }

    pub(crate) fn ask_unsubscribe(&mut self, client: Client, name: &str, id: u64) {
        let header = self.signed(client, fields("own", name)).seal();
        self.say(client, header.unsubscribe(id).expect("short"));
    }

    /// Publishes to one of the matches.
    pub(crate) fn publish(&mut self, client: Client, to: &str, text: &str) {
        self.send(client, fields("own", to), &tail(text.as_bytes()));
    }

    /// Publishes to all of the matches.
    pub(crate) fn publish_all(&mut self, client: Client, to: &str, text: &str) {
        let header = fields("own", to).with_fanout(256);
        self.send(client, header, &tail(text.as_bytes()));
    }

    /// Publishes with these very fields, signed.
    pub(crate) fn send(&mut self, client: Client, fields: HeaderFields, tail: &PublishTail) {
        let header = self.signed(client, fields).seal();
        self.say(client, header.publish(tail).expect("short enough"));
    }

    /// Publishes many in one write.
    pub(crate) fn publish_many<T: AsRef<[u8]>>(
        &mut self,
        client: Client,
        to: &str,
        payloads: impl IntoIterator<Item = T>,
    ) {
        let header = self.signed(client, fields("own", to)).seal();
        for payload in payloads {
            let framed = header.publish(&tail(payload.as_ref())).expect("short");
            self.write(client, framed);
        }
        self.settle();
    }

    /// Publishes to a reader that does not read, one message at a time, until the publisher is held.
    pub(crate) fn congest(&mut self, publisher: Client, reader: Client, name: &str) -> usize {
        self.set_reading(reader, Reading::Never);
        for count in 1..10_000 {
            self.send(publisher, fields("own", name), &tail(&[b'x'; 1_000]));
            if self.is_paused(publisher) {
                return count;
            }
        }
        panic!("the publisher is never held");
    }

    pub(crate) fn signed(&self, client: Client, fields: HeaderFields) -> HeaderFields {
        self.ports[client.0].signed(fields)
    }

    /// Texts delivered since the last look.
    pub(crate) fn received(&mut self, client: Client) -> Vec<String> {
        self.delivered(client).iter().map(Delivered::text).collect()
    }

    pub(crate) fn delivered(&mut self, client: Client) -> Vec<Delivered> {
        std::mem::take(&mut self.ports[client.0].delivered)
    }

    /// Acknowledgements since the last look.
    pub(crate) fn acks(&mut self, client: Client) -> Vec<Ack> {
        std::mem::take(&mut self.ports[client.0].acks)
    }

    pub(crate) fn ended(&self, client: Client) -> Option<CloseReason> {
        self.ending(client).map(|ending| ending.reason)
    }

    /// How the stream ended, as its peer sees it.
    pub(crate) fn ending(&self, client: Client) -> Option<&Ending> {
        self.ports[client.0]
            .ended
            .as_ref()
            .map(|(ending, _)| ending)
    }

    pub(crate) fn ended_at(&self, client: Client) -> Option<Time> {
        self.ports[client.0].ended.as_ref().map(|(_, at)| *at)
    }

    pub(crate) fn is_paused(&self, client: Client) -> bool {
        self.ports[client.0].is_paused
    }

    pub(crate) fn is_announced(&self, client: Client) -> bool {
        self.ports[client.0].is_announced
    }

    /// Messages that the client wrote and the node has not taken yet.
    pub(crate) fn unread(&self, client: Client) -> usize {
        self.ports[client.0].input.len()
    }

    pub(crate) fn link(&self, client: Client) -> slipring_fib::LinkId {
        self.ports[client.0].link
    }

    pub(crate) fn set_reading(&mut self, client: Client, reading: Reading) {
        self.ports[client.0].reading = reading;
        self.ports[client.0].is_woken = true;
        self.settle();
    }

    /// The sum of all shards.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in &self.shards {
            sum.merge(shard.counters());
        }
        sum
    }

    /// Messages and deliveries lost for `reason`.
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        let counters = self.counters();
        counters.dropped_in.at(reason.index()) + counters.dropped_out.at(reason.index())
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> u64 {
        self.counters().closed.at(reason.index())
    }

    /// What a shard holds under `account`.
    pub(crate) fn account(&mut self, shard: usize, account: Account) -> u64 {
        self.shards[shard].view(self.now).accounts[account.index()]
    }

    /// Every client vanishes, and nothing of any of them stays behind.
    pub(crate) fn leave_nothing_behind(&mut self) {
        for client in (0..self.ports.len()).map(Client) {
            if self.ended(client).is_none() {
                self.vanish(client);
            }
        }
        self.advance(seconds(1));
        for shard in &mut self.shards {
            let view = shard.view(self.now);
            assert_eq!(view.accounts, [0; Account::ALL.len()]);
            assert_eq!((view.fib_entries, view.held, view.pressure), (0, 0, 0));
            assert_eq!(view.fib_digest, self.control.rib().digest());
        }
        assert_eq!(self.control.rib().subscriptions(), 0);
    }

    /// Nothing was lost, for any reason.
    pub(crate) fn assert_nothing_dropped(&self) {
        let counters = self.counters();
        assert_eq!(counters.dropped_in.sum(), 0, "{:?}", counters.dropped_in);
        assert_eq!(counters.dropped_out.sum(), 0, "{:?}", counters.dropped_out);
    }

    fn write(&mut self, client: Client, bytes: Bytes) {
        let mut deframer = slipring_proto::grpc::Deframer::new(u32::MAX);
        deframer.push(bytes);
        let port = &mut self.ports[client.0];
        while let Some(body) = deframer.pop().expect("stories frame well") {
            port.input.push_back(body);
        }
    }

    /// Feeds one protobuf message as it is.
    pub(crate) fn say_plain(&mut self, client: Client, plain: impl Into<Bytes>) {
        let body = Body::from(plain.into());
        self.ports[client.0].input.push_back(body);
        self.settle();
    }
}
