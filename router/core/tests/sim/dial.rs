//! A client dials: the shell asks the core for a link, and both ends of a wire come into being.

use slipring_core::{LinkOptions, Time};
use slipring_fib::{LinkClass, LinkId};
use slipring_proto::link::LinkPolicy;

use crate::client::{Conn, DialMode, FarEnd, Reading};
use crate::dice::{Dice, Salt};
use crate::faults::Fault;
use crate::model::LinkModel;
use crate::wire::{Pipe, WireOptions};
use crate::world::World;

impl World {
    /// A client opens a stream and sends its request.
    pub(crate) fn dial(&mut self, client: usize, mode: DialMode, link_id: String) {
        let node = self.clients[client].shape.node;
        if self.clients[client].conn.is_some() || self.nodes[node].is_down {
            return;
        }
        let policy = LinkPolicy {
            require_header_mac: self.shape.strict,
            enforce_pqc: false,
        };
        let owner = (client as u64) << 32 | u64::from(self.clients[client].generation);
        let mut dice = Dice::new(self.seed, Salt::Wire, owner);
        let shard = dice.index(self.nodes[node].shards.len());
        let options = LinkOptions {
            policy,
            negotiation_timeout: self.shape.negotiation_timeout,
        };
        let opened = self.input(node, shard, |core, now| core.open_link(options, now));
        self.obey(node, shard);
        let Ok(link) = opened else {
            self.faults.note(Fault::ConnectRefused);
            return;
        };
        let level = self.shape.wire_level;
        let up = WireOptions::draw(&mut dice, level);
        let down = WireOptions::draw(&mut dice, level);
        let person = &mut self.clients[client];
        person.generation += 1;
        let class = if person.shape.is_remote {
            LinkClass::Remote
        } else {
            LinkClass::Edge
        };
        let (far_end, request) = person.dial(mode, &link_id);
        let pipe = |options, way: u64| {
            Pipe::new(options, Dice::new(self.seed, Salt::Wire, owner ^ way << 62))
        };
        let mut conn = Conn::new(link, node, dice, pipe(up, 1), pipe(down, 2), self.now);
        conn.generation = person.generation;
        conn.mode = mode;
        conn.link_id = link_id;
        conn.far_end = far_end;
        conn.model.class = class;
        person.conn = Some(Box::new(conn));
        self.nodes[node].owners.insert(link, client);
        if let Some(request) = request {
            let framed = slipring_proto::message::framed(&request).expect("a request is short");
            self.client_writes(client, framed);
        }
    }
}

impl Conn {
    /// A connection whose stream was just opened.
    fn new(link: LinkId, node: usize, dice: Dice, up: Pipe, down: Pipe, now: Time) -> Self {
        Self {
            generation: 0,
            node,
            shard: usize::from(link.shard()),
            link,
            mode: DialMode::Honest,
            link_id: String::new(),
            dice,
            up,
            down,
            deframer: Self::new_deframer(),
            is_paused: false,
            stalled_at: None,
            is_deaf: false,
            is_withheld: false,
            is_blocked: false,
            closed: None,
            up_armed: false,
            write_armed: false,
            down_armed: false,
            far_end: FarEnd::Doomed,
            inbound: Self::new_deframer(),
            terms: None,
            reading: Reading::Always,
            subscriptions: Vec::new(),
            sealed: Vec::new(),
            last_recipe: None,
            last_publish: None,
            flipped_in: false,
            is_misframed: false,
            flipped_out: false,
            is_truncated: false,
            has_ended: false,
            model: LinkModel::new(LinkClass::Edge, now),
        }
    }
}
