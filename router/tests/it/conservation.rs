//! Every message is accounted for, exactly: what clients sent against what the router counted, and
//! what it counted as sent against what clients received (C-01).

use slipring_proto::envelope::Kind;
use slipring_proto::message::{HeaderFields, framed};

use crate::harness::{Client, Heard, Setup, fields, text};

/// What one client did and heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    publishes: u64,
    subscribes: u64,
    unsubscribes: u64,
    empties: u64,
    bytes: u64,
    received: u64,
    acks: u64,
}

impl Books {
    fn add(&mut self, other: Self) {
        self.publishes += other.publishes;
        self.subscribes += other.subscribes;
        self.unsubscribes += other.unsubscribes;
        self.empties += other.empties;
        self.bytes += other.bytes;
        self.received += other.received;
        self.acks += other.acks;
    }
}

struct Busy {
    client: Client,
    number: u64,
    books: Books,
}

impl Busy {
    /// Sends one framed message and notes its size.
    async fn sends(&mut self, message: &[u8]) {
        self.books.bytes += (message.len() - 5) as u64;
        self.client.sends(message).await;
    }

    async fn registers(&mut self, kind: Kind, to: &str, id: u64) {
        let header = self.client.sign(fields(to)).seal();
        let message = match kind {
            Kind::Subscribe => header.subscribe(id),
            Kind::Publish | Kind::Unsubscribe => header.unsubscribe(id),
        };
        match kind {
            Kind::Subscribe => self.books.subscribes += 1,
            Kind::Publish | Kind::Unsubscribe => self.books.unsubscribes += 1,
        }
        self.sends(&message.unwrap()).await;
    }

    async fn publishes(&mut self, header: HeaderFields, words: &str) {
        let message = header.seal().publish(&text(words)).unwrap();
        self.books.publishes += 1;
        self.sends(&message).await;
    }

    /// One round of everything that a client may do, and some of what it may not.
    async fn round(&mut self, round: u64) {
        let own = format!("org/ns/client-{}", self.number);
        let next = format!("org/ns/client-{}", (self.number + 1) % CLIENTS);
        let id = 1_000 + round;
        self.registers(Kind::Subscribe, &own, id).await;
        self.registers(Kind::Subscribe, "org/ns/all", 0).await;
        let to_next = self.client.sign(fields(&next));
        self.publishes(to_next, "to the next").await;
        let to_all = self.client.sign(fields("org/ns/all").with_fanout(7));
        self.publishes(to_all, &"to all ".repeat(500)).await;
        let to_nobody = self.client.sign(fields("org/ns/nobody"));
        self.publishes(to_nobody, "to nobody").await;
        self.publishes(fields(&next), "unsigned").await;
        let spent = HeaderFields {
            ttl: 1,
            ..fields(&next)
        };
        let spent = self.client.sign(spent);
        self.publishes(spent, "spent").await;
        self.books.empties += 1;
        self.sends(&framed(b"").unwrap()).await;
        if round % 2 == 1 {
            self.registers(Kind::Unsubscribe, &own, id - 1).await;
            self.registers(Kind::Unsubscribe, "org/ns/all", 4_711).await;
        }
    }

    /// Reads until the answer to a last question is there, which comes after everything else that
    /// this link was owed for its own requests.
    async fn settle(&mut self, router_is_quiet: impl AsyncFn() -> bool) {
        while !router_is_quiet().await {
            tokio::task::yield_now().await;
        }
        self.registers(Kind::Subscribe, "org/ns/last", 9).await;
        loop {
            match self.client.hears().await {
                Heard::Publish(_) => self.books.received += 1,
                Heard::Ack(ack) => {
                    self.books.acks += 1;
                    if ack.subscription_id == 9 {
                        return;
                    }
                }
            }
        }
    }
}

const CLIENTS: u64 = 6;
const ROUNDS: u64 = 20;

#[tokio::test]
async fn what_clients_count_is_what_the_router_counts() {
    for shards in [1, 2, 4] {
        let router = Setup::new().shards(shards).start().await;
        let mut clients = Vec::new();
        let mut negotiation = 0;
        for number in 0..CLIENTS {
            let client = Client::of(&router).await;
            clients.push(Busy {
                client,
                number,
                books: Books::default(),
            });
        }
        negotiation += router.at_rest().await.value("bytes_in_total");
        for round in 0..ROUNDS {
            for busy in &mut clients {
                busy.round(round).await;
            }
        }
        let sent = clients.iter().map(|busy| busy.books.publishes).sum::<u64>();
        let is_quiet = async || {
            let scrape = router.scrape().await;
            scrape.messages_in("publish") == sent
                && scrape.value("messages_held") == 0
                && scrape.value("mesh_messages") == 0
        };
        let mut books = Books::default();
        for busy in &mut clients {
            busy.settle(is_quiet).await;
            books.add(busy.books);
        }
        let scrape = router.at_rest().await;
        assert_eq!(scrape.messages_in("publish"), books.publishes);
        assert_eq!(scrape.messages_in("subscribe"), books.subscribes);
        assert_eq!(scrape.messages_in("unsubscribe"), books.unsubscribes);
        assert_eq!(scrape.messages_in("unknown"), books.empties);
        assert_eq!(scrape.messages_in("link"), CLIENTS);
        assert_eq!(scrape.value("bytes_in_total"), negotiation + books.bytes);
        assert_eq!(scrape.messages_out("publish"), books.received);
        assert_eq!(scrape.messages_out("ack"), books.acks);
        let each = CLIENTS * ROUNDS;
        assert_eq!(scrape.dropped("mac_missing"), each);
        assert_eq!(scrape.dropped("ttl_expired"), each);
        assert_eq!(scrape.dropped("invalid"), each);
        assert!(scrape.dropped("no_match") >= each);
        let named = ["mac_missing", "ttl_expired", "invalid", "no_match"];
        let named: u64 = named.map(|reason| scrape.dropped(reason)).iter().sum();
        assert_eq!(scrape.sum("messages_dropped_total"), named);
    }
}

#[tokio::test]
async fn the_books_balance_while_links_come_and_go() {
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        let sender = Client::of(&router).await;
        for round in 0..10 {
            let mut staying = Client::of(&router).await;
            staying.subscribes("org/ns/all").await;
            let leaving = Client::stalled(&router, "org/ns/all").await;
            let header = sender.sign(fields("org/ns/all").with_fanout(0));
            for _ in 0..20 {
                sender
                    .publishes_as(&header, &text(&"x".repeat(10_000)))
                    .await;
            }
            drop(leaving);
            for _ in 0..20 {
                staying.receives().await;
            }
            drop(staying);
            let scrape = router.at_rest().await;
            assert_eq!(scrape.messages_in("publish"), 20 * (round + 1));
        }
        let gone = |scrape: &crate::harness::Scrape| scrape.value("links{class=\"edge\"}") == 1;
        router.scrape_when("all links to go", gone).await;
        let scrape = router.at_rest().await;
        assert_eq!(scrape.value("egress_bytes"), 0);
        assert_eq!(scrape.value("memory_bytes{account=\"egress\"}"), 0);
        assert_eq!(scrape.value("memory_bytes{account=\"assembly\"}"), 0);
    }
}

/// What is sent and followed by the end of the connection has been sent all the same.
#[tokio::test]
async fn what_a_client_sent_before_it_vanished_is_delivered() {
    let router = Setup::new().start().await;
    let mut staying = Client::of(&router).await;
    staying.subscribes("org/ns/staying").await;
    for _ in 0..20 {
        let vanishing = Client::of(&router).await;
        vanishing.fills("org/ns/staying", 200, 100).await;
        drop(vanishing);
        for _ in 0..100 {
            staying.receives().await;
        }
    }
    assert_eq!(router.at_rest().await.messages_in("publish"), 2_000);
}

#[tokio::test]
async fn what_arrived_behind_the_end_of_a_link_is_counted() {
    let router = Setup::new().start().await;
    let mut client = Client::of(&router).await;
    let ambiguous = framed(&[0x1a, 4, 0x0a, 0, 0x0a, 0]).unwrap();
    let valid = client.sign(fields("org/ns/nobody")).seal();
    let valid = valid.publish(&text("too late")).unwrap();
    let mut bytes = ambiguous.repeat(3);
    bytes.extend_from_slice(&valid.repeat(50));
    client.sends(&bytes).await;
    client.ends_with_status(0).await;
    let scrape = router.at_rest().await;
    assert_eq!(scrape.dropped("malformed"), 3);
    assert_eq!(scrape.dropped("link_gone"), 50);
}
