//! Bounds and the ladder: what is refused, what is shed, and how it ends (reliability, section 2.1).

mod harness;

use harness::{Client, Dial, Node, Reading, millis, seconds};
use slipring_core::{
    Account, CloseReason, Intake, Limits, LinkOptions, RefuseReason, ShardCore, ShardOptions, Time,
};
use slipring_proto::{
    crypto::fake::FakeCrypto,
    grpc::Body,
    link::{ConnectionType, LinkPolicy, LocalNode, Negotiation},
    outgoing::Batch,
};

/// A node whose egress pool is `pool` bytes, a publisher, and readers that do not read.
fn debtors(pool: u64, kilobytes: &[usize]) -> (Node, Client, Vec<Client>) {
    let mut node = Node::within(Limits {
        egress_pool_bytes: pool,
        ..Limits::default()
    });
    let alice = node.connect("alice", 0);
    let readers = node.connect_many("reader", kilobytes.len());
    for (index, reader) in readers.iter().enumerate() {
        let name = format!("reader/{index}");
        node.subscribe(*reader, &name);
        node.set_reading(*reader, Reading::Never);
        // A message is a little more than its payload.
        node.publish_many(alice, &name, (0..kilobytes[index]).map(|_| [b'x'; 780]));
    }
    (node, alice, readers)
}

fn pressure(node: &mut Node) -> u8 {
    let now = node.now;
    node.shards[0].view(now).pressure
}

#[test]
fn new_links_are_refused_while_memory_is_short_and_welcome_afterwards() {
    let (mut node, _, readers) = debtors(1_000_000, &[450, 430]);
    assert_eq!(pressure(&mut node), 2);
    let refused = node.open("new", Dial::edge(0));
    assert_eq!(refused, Err(RefuseReason::Pressure));
    assert_eq!(
        node.counters().refused.at(RefuseReason::Pressure.index()),
        1
    );
    node.set_reading(readers[0], Reading::Freely);
    assert_eq!(pressure(&mut node), 0);
    node.connect("welcome", 0);
}

#[test]
fn a_level_is_left_ten_points_below_its_entry() {
    let (mut node, _, readers) = debtors(1_000_000, &[50, 700]);
    assert_eq!(pressure(&mut node), 1);
    // Looking at it changes nothing; the level is taken when queues are watched.
    node.advance(millis(200));
    node.set_reading(readers[0], Reading::Freely);
    let used = node.account(0, Account::Egress);
    assert!((600_000..700_000).contains(&used), "{used}");
    assert_eq!(pressure(&mut node), 1, "not below 60 % yet");
    node.set_reading(readers[1], Reading::Freely);
    assert_eq!(pressure(&mut node), 0);
}

#[test]
fn at_the_last_level_the_largest_debtors_go_until_there_is_room() {
    let (mut node, alice, readers) = debtors(1_000_000, &[90, 310, 40, 330, 190]);
    assert_eq!(pressure(&mut node), 3);
    node.advance(millis(200));
    let ended = |node: &Node| {
        readers
            .iter()
            .map(|reader| node.ended(*reader))
            .collect::<Vec<_>>()
    };
    let gone = Some(CloseReason::Pressure);
    assert_eq!(ended(&node), [None, None, None, gone, None]);
    assert!(node.account(0, Account::Egress) < 850_000);
    assert_eq!(node.ended(alice), None);
    node.advance(seconds(2));
    assert_eq!(node.closed(CloseReason::Pressure), 1, "and then it stops");
    node.leave_nothing_behind();
}

#[test]
fn the_pool_holds_whatever_readers_do_not_read() {
    let mut node = Node::within(Limits {
        egress_pool_bytes: 3_000_000,
        ..Limits::default()
    });
    let publishers = node.connect_many("publisher", 8);
    let readers = node.connect_many("reader", 30);
    for (index, reader) in readers.iter().enumerate() {
        node.subscribe(*reader, &format!("reader/{index}"));
        node.set_reading(*reader, Reading::Never);
    }
    for round in 0..10 {
        for (index, publisher) in publishers.iter().enumerate() {
            let name = format!("reader/{}", (round * 8 + index) % 30);
            node.publish_many(*publisher, &name, (0..200).map(|_| [b'x'; 1_000]));
        }
        // The invariants bound the pool at every step.
        node.advance(millis(100));
    }
    assert!(node.closed(CloseReason::Pressure) > 0);
    for publisher in publishers {
        assert_eq!(node.ended(publisher), None);
    }
    node.leave_nothing_behind();
}

#[test]
fn without_room_for_unfinished_messages_window_is_withheld() {
    let mut node = Node::within(Limits {
        assembly_pool_bytes: 1_000_000,
        ..Limits::default()
    });
    let clients = node.connect_many("client", 3);
    let links: Vec<_> = clients.iter().map(|client| node.link(*client)).collect();
    let core = &mut node.shards[0];
    assert!(core.charge_assembly(links[0], 400_000));
    assert!(core.charge_assembly(links[1], 599_999));
    assert!(!core.charge_assembly(links[2], 1), "the pool is spent");
    assert!(
        core.charge_assembly(links[0], 0),
        "a finished message needs nothing"
    );
    assert!(core.charge_assembly(links[2], 5), "and leaves room");
    node.vanish(clients[1]);
    assert_eq!(node.account(0, Account::Assembly), 5);
    node.leave_nothing_behind();
}

#[test]
fn lent_windows_come_out_of_one_account() {
    let mut node = Node::within(Limits {
        window_pool_bytes: 1_000,
        ..Limits::default()
    });
    let core = &mut node.shards[0];
    assert!(core.lend_window(700));
    assert!(!core.lend_window(400));
    core.return_window(200);
    assert!(core.lend_window(400));
    core.return_window(900);
    assert_eq!(node.account(0, Account::Windows), 0);
}

#[test]
fn so_many_links_and_no_more() {
    let mut node = Node::within(Limits {
        links_max: 3,
        ..Limits::default()
    });
    let clients = node.connect_many("client", 3);
    assert_eq!(
        node.open("fourth", Dial::edge(0)),
        Err(RefuseReason::LinksMax)
    );
    node.vanish(clients[1]);
    node.connect("in its place", 0);
    assert_eq!(
        node.counters().refused.at(RefuseReason::LinksMax.index()),
        1
    );
}

#[test]
fn streams_that_say_nothing_take_their_places_for_five_seconds() {
    let mut node = Node::new();
    let began = node.now;
    let silent: Vec<_> = (0..256)
        .map(|index| {
            node.open(&format!("silent-{index}"), Dial::edge(0))
                .expect("room")
        })
        .collect();
    let one_more = node.open("one more", Dial::edge(0));
    assert_eq!(one_more, Err(RefuseReason::UnfinishedMax));
    node.negotiate(silent[0], Dial::edge(0));
    node.open("in its place", Dial::edge(0))
        .expect("one has finished");
    node.advance(seconds(5));
    assert_eq!(node.closed(CloseReason::NegotiationTimeout), 256);
    assert_eq!(
        node.ended_at(silent[1]).expect("ended").since(began),
        seconds(5)
    );
    assert_eq!(node.ended(silent[0]), None);
    node.leave_nothing_behind();
}

#[test]
fn sixty_five_thousand_links_on_one_shard() {
    let limits = Limits::default();
    let links_max = limits.links_max;
    let local = |node_id: &str| LocalNode {
        node_id: node_id.to_owned(),
        deployment_name: String::new(),
        version: "3.4.6".to_owned(),
    };
    let options = ShardOptions {
        shard: 0,
        shards: 1,
        node: local("slipring"),
        limits,
        has_flow_cache: true,
        hash_seed: 1,
    };
    let mut core = ShardCore::new(options, FakeCrypto::new(1));
    let policy = LinkPolicy {
        require_header_mac: true,
        enforce_pqc: false,
    };
    let link_options = LinkOptions {
        policy,
        negotiation_timeout: seconds(5),
    };
    let now = Time::from_micros(1);
    let mut crypto = FakeCrypto::new(2);
    let (_, request) = Negotiation::dial(
        local("client"),
        policy,
        "link".to_owned(),
        ConnectionType::Edge,
        &mut crypto,
    )
    .expect("a request");
    let mut links = Vec::new();
    for _ in 0..links_max {
        let link = core.open_link(link_options, now).expect("room");
        let intake = core.handle_message(link, Body::from(request.clone()), now);
        assert_eq!(intake, Intake::Next);
        let mut batch = Batch::new();
        assert!(!core.poll_batch(link, usize::MAX, &mut batch, now));
        core.note_sent(link, batch.len() as u64, now);
        while core.poll_output().is_some() {}
        links.push(link);
    }
    assert_eq!(
        core.open_link(link_options, now),
        Err(RefuseReason::LinksMax)
    );
    core.handle_timeout(now);
    assert_eq!(core.next_deadline(), None, "idle links cost no timer");
    core.check_invariants().expect("invariants");
    for link in links {
        core.end_link(link, CloseReason::PeerEnded, now);
    }
    assert_eq!(core.links_open(), 0);
    core.check_invariants().expect("invariants");
}
