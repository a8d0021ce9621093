//! What leaves a queue: by being pulled, from the front and whole, or by growing too old.

use bytes::Bytes;
use slipring_core::DropReason;

use crate::dice::mix;
use crate::faults::Fault;
use crate::world::World;

impl World {
    /// What a writer pulled must be what was queued, from the front.
    pub(crate) fn expect_batch(&mut self, client: usize, bytes: &Bytes, bytes_max: usize) {
        let conn = self.clients[client]
            .conn
            .as_mut()
            .expect("a live connection");
        let (node, shard, link) = (conn.node, conn.shard, conn.link);
        let mut rest: &[u8] = bytes;
        let mut count = 0;
        while let Some((prefix, content)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
            let Some(after) = content.get(length as usize..) else {
                panic!("[content] a batch ends inside a message");
            };
            rest = after;
            count += 1;
            assert!(conn.model.pull(), "[ghost] a message that was never queued");
        }
        assert!(rest.is_empty(), "[content] a batch ends inside a prefix");
        let is_acks = conn.model.sent.iter().any(|sent| !sent.is_publish());
        assert!(
            count <= 1 || bytes.len() <= bytes_max || is_acks,
            "[bounds] a batch of {} bytes where {bytes_max} were wanted",
            bytes.len()
        );
        let fold = bytes.chunks(64).fold(count, |fold, chunk| {
            mix(fold ^ u64::from(chunk[0]) << 8 ^ u64::from(chunk[chunk.len() - 1]))
        });
        self.fold(fold ^ bytes.len() as u64);
        let left = self.waiting_bytes(node, shard, link);
        let conn = self.conn(client);
        conn.model.bytes = left;
        assert_eq!(
            left == 0,
            conn.model.queue.is_empty(),
            "[conservation] {left} bytes wait as {} messages",
            conn.model.queue.len()
        );
    }

    /// Messages that grew too old in the queues of slow readers.
    pub(crate) fn expect_age_drops(&mut self, node: usize, shard: usize) {
        let dropped = self.dropped_out(node, shard, DropReason::EgressAge);
        if dropped == 0 {
            return;
        }
        self.faults.note(Fault::EgressAge);
        self.note_jump();
        let age_max = self.shape.limits.egress_age_max;
        let now = self.now;
        let links = self.links_of(node, shard);
        let mut found = 0;
        for link in links {
            let bytes = self.waiting_bytes(node, shard, link);
            let Some(conn) = self.conn_of(node, link) else {
                continue;
            };
            let before = conn.model.queue.len();
            conn.model.queue.retain(|entry| {
                !entry.expected.is_publish() || now.since(entry.queued_at) <= age_max
            });
            let gone = (before - conn.model.queue.len()) as u64;
            conn.model.publishes -= gone;
            found += gone;
            conn.model.bytes = bytes;
        }
        assert_eq!(dropped, found, "[age] messages dropped for their age");
    }
}
