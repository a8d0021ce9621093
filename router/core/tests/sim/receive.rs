//! What a client does with what it gets: it believes nothing. Every message must be the one that the
//! model says comes next, and a forwarded one must be what was sent, as the next hop must see it.

use bytes::{Bytes, BytesMut};
use slipring_proto::{
    envelope::{self, Inbound, Kind, Tail},
    grpc::Body,
    header::{NameFields, RoutedHeader},
    mac, message,
    rewrite::{self, Lengths},
};

use crate::client::{Conn, DialMode, FarEnd, Reading};
use crate::dice::mix;
use crate::faults::Fault;
use crate::model::Expected;
use crate::world::World;

impl World {
    /// Bytes may have arrived at a client.
    pub(crate) fn client_turn(&mut self, client: usize) {
        let now = self.now;
        let conn = self.conn(client);
        conn.down_armed = false;
        let quantum = match conn.reading {
            Reading::Never => return,
            Reading::Slow => 300,
            Reading::Always => usize::MAX,
        };
        let mut left = quantum;
        while left > 0 {
            let conn = self.clients[client]
                .conn
                .as_mut()
                .expect("a live connection");
            let Some(chunk) = conn.down.take(left, now, &mut self.faults) else {
                break;
            };
            left -= chunk.len();
            conn.down.release(chunk.len());
            if !matches!(conn.far_end, FarEnd::Closed) {
                conn.inbound.push(chunk);
                self.client_reads(client);
            }
        }
        let conn = self.conn(client);
        let is_slow = conn.reading == Reading::Slow;
        if conn.is_blocked && conn.down.room() > 0 {
            self.arm_write(client);
        }
        let conn = self.conn(client);
        if conn.down.is_over() && conn.down.next_due().is_some_and(|due| due <= now) {
            if !conn.flipped_out && !conn.is_truncated && conn.closed.is_some() {
                let is_whole = conn.inbound.assembling_bytes() == 0;
                assert!(is_whole, "[conservation] a stream ends inside a message");
            }
            self.leave(client);
        } else {
            self.arm_down(client, if is_slow { 5_000 } else { 0 });
        }
    }

    fn client_reads(&mut self, client: usize) {
        loop {
            let conn = self.conn(client);
            if matches!(conn.far_end, FarEnd::Closed) {
                return;
            }
            match conn.inbound.pop() {
                Ok(None) => return,
                Ok(Some(body)) => self.receive(client, body),
                Err(fault) => {
                    assert!(conn.flipped_out, "[content] unreadable frame: {fault}");
                    self.notice_flip(client);
                    return;
                }
            }
        }
    }

    /// A client saw that its stream was damaged, and gives it up.
    fn notice_flip(&mut self, client: usize) {
        self.faults.note(Fault::BitFlipOut);
        self.abandon(client, true);
    }

    fn receive(&mut self, client: usize, body: Body) {
        let conn = self.conn(client);
        let Some(expected) = conn.model.sent.pop_front() else {
            panic!("[ghost] a message that never left the router");
        };
        if conn.flipped_out {
            // One damaged message spoils the rest; what matters is that the client can tell.
            self.notice_flip(client);
            return;
        }
        let copy = body.clone();
        let inbound = match envelope::split(body) {
            Ok(inbound) => inbound,
            Err(fault) => panic!("[content] the router sent a malformed message: {fault}"),
        };
        match (expected, inbound) {
            (Expected::Reply, inbound @ Inbound::Link(_)) => self.receive_reply(client, inbound),
            (Expected::Ack { id, text }, Inbound::Ack(content)) => {
                let ack = message::decode_ack(content).expect("the router's acks decode");
                assert_eq!(ack.subscription_id, id, "[acks] another id");
                assert_eq!(ack.success, text.is_none(), "[acks] another outcome");
                assert_eq!(ack.error, text.unwrap_or_default(), "[acks] another text");
            }
            (Expected::Publish { feed }, Inbound::Routed(envelope)) => {
                assert_eq!(envelope.kind, Kind::Publish, "[content] another kind");
                self.receive_publish(client, feed, &envelope);
                self.relay(client, &envelope.header, &envelope.tail);
            }
            (expected, _) => panic!("[content] {expected:?} was due, {} bytes came", copy.len()),
        }
    }

    fn receive_reply(&mut self, client: usize, inbound: Inbound) {
        let person = &mut self.clients[client];
        let conn = person.conn.as_mut().expect("a live connection");
        match &mut conn.far_end {
            FarEnd::Dialing(machine) => {
                let negotiated = machine
                    .handle(inbound, &mut person.crypto)
                    .expect("an honest reply is accepted");
                assert_eq!(
                    negotiated.terms.key.is_some(),
                    conn.mode != DialMode::Keyless,
                    "[content] a reply without a key"
                );
                conn.terms = Some(negotiated.terms);
            }
            FarEnd::DialingKeyless => {}
            FarEnd::Doomed | FarEnd::Open | FarEnd::Closed => {
                panic!("[content] a reply that was not due");
            }
        }
        conn.far_end = FarEnd::Open;
        let link_id = conn.link_id.clone();
        let node = conn.node;
        let twins = self.clients.iter().filter(|other| {
            other.conn.as_ref().is_some_and(|other| {
                other.node == node && other.is_open() && other.link_id == link_id
            })
        });
        if twins.count() > 1 {
            self.faults.note(Fault::DuplicateLinkId);
        }
    }

    /// WIRE §2.3: what a node changes, clears and leaves alone; WIRE §5: the tag of this hop.
    fn receive_publish(&mut self, client: usize, feed: usize, envelope: &envelope::Envelope) {
        let is_steered = self.feeds[feed].routed.has_forged_steering();
        let conn = self.clients[client]
            .conn
            .as_ref()
            .expect("a live connection");
        let sent = &self.feeds[feed].routed;
        let raw = &envelope.header;
        if !same_bytes(&envelope.tail.body, &sent.tail.body) {
            let is_later = conn.model.sent.iter().any(|sent| match sent {
                Expected::Publish { feed } => {
                    same_bytes(&envelope.tail.body, &self.feeds[*feed].routed.tail.body)
                }
                Expected::Reply | Expected::Ack { .. } => false,
            });
            assert!(!is_later, "[order] a message came before its turn");
            panic!("[tail] bytes that no router reads were changed");
        }
        let header = match RoutedHeader::parse(raw) {
            Ok(header) => header,
            Err(fault) => panic!("[content] the router sent a malformed header: {fault}"),
        };
        assert!(
            header.recv_from.is_none()
                && header.forward_to.is_none()
                && !header.incoming_conn.is_present(),
            "[steering] an index of another process left the router"
        );
        assert_eq!(header.ttl, sent.header.ttl - 1, "[ttl] the hop budget");
        check_tag(conn, raw, &header);
        let same_name = |own: Option<NameFields>, other: Option<NameFields>| {
            own.map(|name| name.field.of(raw).to_vec())
                == other.map(|name| name.field.of(&sent.raw).to_vec())
        };
        assert!(
            same_name(header.source, sent.header.source)
                && same_name(header.destination, sent.header.destination)
                && header.identity.content.of(raw) == sent.header.identity.content.of(&sent.raw)
                && header.version.content.of(raw) == sent.header.version.content.of(&sent.raw)
                && header.e2e_header_sig.content.of(raw)
                    == sent.header.e2e_header_sig.content.of(&sent.raw)
                && header.fanout == sent.header.fanout
                && header.error == sent.header.error,
            "[content] a field that passes unchanged was changed"
        );
        assert_eq!(
            envelope.tail.inner_len, sent.tail.inner_len,
            "[tail] the border between message and metadata"
        );
        if is_steered {
            self.faults.note(Fault::ForgedSteering);
        }
        self.note_delivery(client, feed);
    }

    /// Order and number: each link gets a message at most once, and in the order of its ingress.
    fn note_delivery(&mut self, client: usize, feed: usize) {
        let fed = &mut self.feeds[feed];
        fed.taken += 1;
        assert!(
            !fed.is_one || fed.taken == 1,
            "[duplicate] more than one receiver of a message for one"
        );
        let ingress = fed.ingress;
        let conn = self.clients[client]
            .conn
            .as_mut()
            .expect("a live connection");
        assert_ne!(
            ingress, conn.link,
            "[ghost] a message came back to its ingress"
        );
        let last_from = &mut conn.model.last_from;
        match last_from.iter_mut().find(|(link, _)| *link == ingress) {
            Some((_, last)) => {
                assert_ne!(
                    *last, feed,
                    "[duplicate] the same message twice on one link"
                );
                assert!(*last < feed, "[order] an earlier message after a later one");
                *last = feed;
            }
            None => last_from.push((ingress, feed)),
        }
        let person = &mut self.clients[client];
        person.delivered += 1;
        person.delivered_fold = mix(person.delivered_fold ^ feed as u64);
        self.fold((client as u64) << 32 ^ feed as u64);
    }

    /// A relay sends on what it received, as a node in between would: the hop budget as it came, a
    /// tag for its own link.
    fn relay(&mut self, client: usize, raw: &Bytes, tail: &Tail) {
        let Some(partner) = self.clients[client].shape.relay else {
            return;
        };
        if self.is_calm {
            return;
        }
        let Some(conn) = self.clients[partner]
            .conn
            .as_ref()
            .filter(|conn| conn.is_open())
        else {
            return;
        };
        let header = RoutedHeader::parse(raw).expect("it was parsed before");
        let to_itself = header.fanout == 1
            && header
                .destination
                .and_then(|name| name.name())
                .is_some_and(|name| self.would_pass_itself(partner, name));
        if to_itself {
            return;
        }
        let tag = conn.terms.as_ref().and_then(|terms| {
            let id = terms.link_id.as_bytes();
            let key = terms.key.as_ref()?;
            Some(mac::sign(
                key,
                &header,
                raw,
                id,
                header.ttl,
                &mut Vec::new(),
            ))
        });
        let mut own = BytesMut::new();
        rewrite::rewrite_header(&header, raw, header.ttl, tag.as_ref(), &mut own);
        let mut out = BytesMut::new();
        let lengths = Lengths {
            header: own.len(),
            tail_inner: tail.inner_len,
            tail_outer: tail.outer_len(),
        };
        if rewrite::put_head(Kind::Publish, lengths, &mut out).is_err() {
            return;
        }
        out.extend_from_slice(&own);
        tail.body.copy_to(&mut out);
        if conn.up.room() >= out.len() {
            self.client_writes(partner, out.freeze());
        }
    }
}

fn check_tag(conn: &Conn, raw: &[u8], header: &RoutedHeader) {
    let key = conn
        .terms
        .as_ref()
        .and_then(|terms| Some((terms.key.as_ref()?, terms.link_id.as_bytes())));
    match key {
        Some((key, link_id)) => assert!(
            mac::verify(key, header, raw, link_id, &mut Vec::new()),
            "[mac] the tag is not that of this link"
        ),
        None => assert!(header.mac(raw).is_none(), "[mac] a tag without a key"),
    }
}

fn same_bytes(own: &Body, other: &Body) -> bool {
    own.len() == other.len() && own.chunks().flatten().eq(other.chunks().flatten())
}
