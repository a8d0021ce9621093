//! What must hold after every input, every now and then, and at rest.

use slipring_core::{Account, Counters, DropReason, MessageKind};
use slipring_fib::{LinkClass, LinkId};

use crate::client::FarEnd;
use crate::world::World;

impl World {
    /// After every input: the touched shard in full.
    pub(crate) fn check_input(&mut self, node: usize, shard: usize) {
        let core = &self.nodes[node].shards[shard].core;
        if let Err(broken) = core.check_invariants() {
            panic!("[invariants] {broken}");
        }
        assert!(
            self.expected_handoffs.is_empty(),
            "[delivery] a handoff that did not leave"
        );
        let gone = DropReason::LinkGone.index();
        assert_eq!(
            self.added(node, shard, |counters| counters.dropped_out.at(gone)),
            self.expected_gone,
            "[conservation] deliveries to links that are gone"
        );
        assert!(
            core.links_open() <= self.shape.limits.links_max,
            "[bounds] more links than allowed"
        );
        let counters = core.counters();
        let word = counters.routed ^ counters.deliveries << 20 ^ counters.dropped_out.sum() << 40;
        self.fold(word ^ counters.dropped_in.sum() << 52);
    }

    /// A link that was just given a message holds no more than it may.
    pub(crate) fn check_bounds(&mut self, node: usize, link: LinkId) {
        let limits = &self.shape.limits;
        let bounds = [limits.egress_edge, limits.egress_node];
        let Some(conn) = self.conn_of(node, link) else {
            return;
        };
        let bounds = bounds[usize::from(conn.model.class != LinkClass::Edge)];
        assert!(
            conn.model.publishes <= 1
                || (conn.model.bytes <= bounds.bytes_max
                    && conn.model.publishes <= u64::from(bounds.messages_max)),
            "[bounds] a queue holds {} messages in {} bytes",
            conn.model.publishes,
            conn.model.bytes
        );
    }

    /// A message was dropped because a queue was full: one must have been.
    pub(crate) fn check_full(
        &mut self,
        node: usize,
        shard: usize,
        feed: usize,
        candidates: &[LinkId],
    ) {
        let routed = &self.feeds[feed].routed;
        let worst = (routed.raw.len() + routed.tail.body.len() + 64) as u64;
        let now = self.now;
        let limits = self.shape.limits.clone();
        let used = self.nodes[node].shards[shard].core.view(now).accounts[Account::Egress.index()];
        if used + worst > limits.egress_pool_bytes {
            // Which of several links still finds room in the pool depends on their order.
            self.soft_choices += u64::from(candidates.len() > 1);
            return;
        }
        let is_full = candidates.iter().any(|link| {
            self.conn_of(node, *link).is_some_and(|conn| {
                let bounds = match conn.model.class {
                    LinkClass::Edge => limits.egress_edge,
                    LinkClass::App | LinkClass::Remote | LinkClass::Peer => limits.egress_node,
                };
                let is_over = conn.model.bytes + worst > bounds.bytes_max
                    || conn.model.publishes >= u64::from(bounds.messages_max);
                conn.model.publishes > 0 && is_over
            })
        });
        assert!(is_full, "[bounds] dropped although no queue was full");
    }

    /// Every so many steps: all shards, and what can be seen from outside of them.
    pub(crate) fn check_world(&mut self) {
        let now = self.now;
        let limits = self.shape.limits.clone();
        let rib_max = self.shape.rib.names_max;
        for node in &mut self.nodes {
            let rib = node.control.rib();
            let (seq, digest) = (rib.seq(), rib.digest());
            assert!(rib.names() <= rib_max, "[bounds] names in the RIB");
            for shard in &mut node.shards {
                if let Err(broken) = shard.core.check_invariants() {
                    panic!("[invariants] {broken}");
                }
                let view = shard.core.view(now);
                assert!(view.fib_seq <= seq, "[replicas] ahead of the truth");
                assert!(
                    view.fib_seq < seq || view.fib_digest == digest,
                    "[replicas] another digest at the same sequence"
                );
                assert!(
                    view.fib_entries <= limits.fib.entries_max,
                    "[bounds] entries of a replica"
                );
                let flows = view.accounts[Account::Flows.index()];
                assert!(
                    flows <= limits.flow_pool_bytes + (64 << 10),
                    "[bounds] {flows} bytes of remembered headers"
                );
                let shards = 0..node.truth.shards.len();
                for to in shards {
                    let ring = shard.rings[to].len();
                    assert!(ring <= self.shape.ring_max, "[bounds] a ring");
                }
            }
        }
    }

    /// At rest: nothing is on its way, all replicas are the truth, and the books balance exactly.
    pub(crate) fn check_rest(&mut self) {
        self.check_world();
        for client in 0..self.clients.len() {
            self.check_link_at_rest(client);
        }
        for node in 0..self.nodes.len() {
            self.check_node_at_rest(node);
        }
    }

    fn check_link_at_rest(&self, client: usize) {
        let Some(conn) = self.clients[client].conn.as_ref() else {
            return;
        };
        assert!(
            conn.closed.is_none(),
            "[liveness] an ended link of which its client does not hear"
        );
        assert!(
            matches!(conn.far_end, FarEnd::Open),
            "[liveness] a link that neither opens nor ends"
        );
        let model = &conn.model;
        assert!(
            model.queue.is_empty() && conn.down.next_due().is_none(),
            "[liveness] {} messages wait for a client that reads",
            model.queue.len()
        );
        assert!(
            model.sent.is_empty(),
            "[conservation] {} messages were sent and did not arrive",
            model.sent.len()
        );
        assert!(
            model.pending == 0 && model.held.is_none(),
            "[liveness] a request without an answer"
        );
        assert!(
            !conn.is_paused,
            "[liveness] a publisher that is never let go"
        );
        assert!(
            conn.up.next_due().is_none(),
            "[liveness] bytes that the router does not read"
        );
        let core = &self.nodes[conn.node].shards[conn.shard].core;
        assert_eq!(
            core.waiting_bytes(conn.link),
            None,
            "[liveness] a writer with nothing to write is still wanted"
        );
    }

    fn check_node_at_rest(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        assert!(node.is_quiet(), "[liveness] something is left in the mesh");
        let rib = node.control.rib();
        let (seq, digest) = (rib.seq(), rib.digest());
        assert_eq!(
            (rib.names(), rib.subscriptions()),
            (node.truth.names(), node.truth.records.len()),
            "[replicas] the RIB is not the truth"
        );
        assert_eq!(node.control.committed(), seq, "[replicas] not committed");
        let is_live = |link: LinkId| node.owners.contains_key(&link);
        assert!(
            node.truth.records.iter().all(|record| is_live(record.link)),
            "[ghost] a subscription of a link that is gone"
        );
        let routes = node.truth.routes();
        let names = node.truth.names();
        let mut sum = Counters::default();
        let (mut waiting, mut held, mut links) = (0, 0, 0);
        for (shard, model) in node.shards.iter_mut().zip(&node.truth.shards) {
            let view = shard.core.view(now);
            assert_eq!(
                (view.fib_seq, view.fib_digest, view.fib_entries),
                (seq, digest, names),
                "[replicas] a replica is not the truth"
            );
            assert_eq!(model.replica.len(), routes, "[replicas] routes");
            sum.merge(&view.counters);
            waiting += view.egress_messages;
            held += view.held;
            links += shard.core.links_open() as usize;
        }
        assert_eq!(links, node.owners.len(), "[conservation] links");
        check_sums(&sum, waiting, held);
    }
}

/// Both sums of `Counters`, exactly.
pub(crate) fn check_sums(sum: &Counters, waiting: u64, held: u64) {
    let received = sum.messages_in.sum();
    let aside = sum.messages_in.at(MessageKind::Ack.index())
        + sum.messages_in.at(MessageKind::Link.index());
    assert_eq!(
        received - aside,
        sum.routed + sum.requests + sum.dropped_in.sum() + held,
        "[conservation] messages in"
    );
    assert_eq!(
        sum.deliveries,
        sum.messages_out.at(MessageKind::Publish.index()) + waiting + sum.dropped_out.sum(),
        "[conservation] deliveries"
    );
}
