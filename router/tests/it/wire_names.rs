//! Checklist 28 to 31 and 35: what a name matches, and who of several gets a message.

use std::collections::BTreeMap;

use slipring_proto::envelope::Kind;
use slipring_proto::generated::{EncodedName, Name, StringName};
use slipring_proto::message::{HeaderFields, wire_name};
use slipring_proto::name::ANY_ID;

use crate::harness::{Client, Router, Setup, fields, name, text};

const BOB: &str = "org/ns/bob";

/// The name with this instance id, as text.
fn instance(id: u128) -> String {
    name(BOB).with_id(id).to_string()
}

#[tokio::test]
async fn wire_28_components_are_the_documented_hashes() {
    // The table of §3.1: subscribed by number, published to by text.
    const HASHES: [(&str, u64); 9] = [
        ("org", 9_745_323_415_579_563_579),
        ("ns", 17_219_925_055_306_830_033),
        ("alice", 8_903_823_788_458_029_442),
        ("bob", 5_309_210_987_355_009_988),
        ("pyapp", 3_176_700_681_836_070_835),
        ("default", 2_419_281_581_437_851_240),
        ("agntcy", 1_629_362_083_701_025_730),
        ("héllo", 13_114_861_117_250_482_135),
        ("", 10_764_519_495_013_463_364),
    ];
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let sender = Client::of(&router).await;
    for (index, window) in (1..).zip(HASHES.windows(3).take(6)) {
        let [first, second, third] = [window[0], window[1], window[2]];
        let header = HeaderFields {
            destination: Some(Name {
                name: Some(EncodedName {
                    component_0: first.1,
                    component_1: second.1,
                    component_2: third.1,
                    name_id: None,
                }),
                str_name: None,
            }),
            ..fields(BOB)
        };
        client
            .registers_as(Kind::Subscribe, &client.sign(header), index)
            .await;
        assert_eq!(client.acked(index).await, Ok(()));
        let to = format!("{}/{}/{}", first.0, second.0, third.0);
        sender.publishes(&to, &to).await;
        assert_eq!(client.reads().await, to);
    }
    let empty = slipring_proto::name::component_hash("");
    assert_eq!(empty, HASHES[8].1);
}

#[tokio::test]
async fn wire_28_an_absent_id_is_the_any_id() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    let sender = Client::of(&router).await;
    let without_id = |signer: &Client| {
        let mut header = fields(BOB);
        let names = header.destination.as_mut().unwrap();
        names.name.as_mut().unwrap().name_id = None;
        signer.sign(header)
    };
    client
        .registers_as(Kind::Subscribe, &without_id(&client), 1)
        .await;
    assert_eq!(client.acked(1).await, Ok(()));
    sender.publishes(&instance(ANY_ID), "written out").await;
    assert_eq!(client.reads().await, "written out");
    sender
        .publishes_as(&without_id(&sender), &text("absent"))
        .await;
    let delivery = client.receives().await;
    assert_eq!(delivery.text(), "absent");
    let names = delivery.header().destination.as_ref().unwrap();
    assert_eq!(names.name.as_ref().unwrap().name_id, None, "kept as it was");
    // The two spellings are one name to the table as well.
    client
        .registers(Kind::Unsubscribe, &instance(ANY_ID), 1)
        .await;
    assert_eq!(client.acked(1).await, Ok(()));
    assert_eq!(router.at_rest().await.value("names"), 0);
}

#[tokio::test]
async fn wire_29_a_specific_id_and_the_any_id_match_as_documented() {
    let router = Router::start().await;
    let mut any = Client::of(&router).await;
    any.subscribes(BOB).await;
    let mut one = Client::of(&router).await;
    one.subscribes(&instance(1)).await;
    let mut zero = Client::of(&router).await;
    zero.subscribes(&instance(0)).await;
    let sender = Client::of(&router).await;
    for fanout in [1, 256] {
        for (id, to) in [(1, "one"), (0, "zero"), (2, "nobody")] {
            let header = sender.sign(fields(&instance(id)).with_fanout(fanout));
            sender.publishes_as(&header, &text(to)).await;
        }
        assert_eq!(one.reads().await, "one");
        assert_eq!(zero.reads().await, "zero");
    }
    sender.broadcasts(BOB, "everybody").await;
    for client in [&mut any, &mut one, &mut zero] {
        assert_eq!(client.reads().await, "everybody");
    }
    assert_eq!(router.at_rest().await.dropped("no_match"), 2);
}

#[tokio::test]
async fn wire_30_fanout_1_is_one_and_every_other_value_is_all() {
    for shards in [1, 2, 4] {
        let router = Setup::new().shards(shards).start().await;
        let mut clients = Vec::new();
        for index in 0..5 {
            let mut client = Client::of(&router).await;
            client.subscribes(BOB).await;
            // A second subscription of the same link is no second target.
            client.subscribes(&instance(index)).await;
            clients.push(client);
        }
        // The sender is a subscriber too: it must never hear itself.
        let sender = clients.pop().unwrap();
        for fanout in [0, 2, 256, u32::MAX] {
            let header = sender.sign(fields(BOB).with_fanout(fanout));
            sender
                .publishes_as(&header, &text(&fanout.to_string()))
                .await;
            for client in &mut clients {
                assert_eq!(client.reads().await, fanout.to_string());
            }
        }
        let before = router.at_rest().await.messages_out("publish");
        for _ in 0..8 {
            sender.publishes(BOB, "one of you").await;
        }
        let sent = |scrape: &crate::harness::Scrape| scrape.messages_out("publish") >= before + 8;
        router.scrape_when("eight deliveries", sent).await;
        let scrape = router.at_rest().await;
        assert_eq!(scrape.messages_out("publish"), before + 8);
        assert_eq!(scrape.sum("messages_dropped_total"), 0);
    }
}

#[tokio::test]
async fn wire_31_one_of_three_rotates_evenly() {
    const ROUNDS: usize = 20;
    for shards in [1, 2, 4] {
        let router = Setup::new().shards(shards).start().await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = Client::of(&router).await;
            client.subscribes(BOB).await;
            client.subscribes(&instance(7)).await;
            clients.push(client);
        }
        let sender = Client::of(&router).await;
        for to in [BOB.to_owned(), instance(7)] {
            for turn in 0..3 * ROUNDS {
                sender.publishes(&to, &turn.to_string()).await;
            }
            let mut turns = BTreeMap::new();
            for (index, client) in clients.iter_mut().enumerate() {
                for _ in 0..ROUNDS {
                    let turn: usize = client.reads().await.parse().unwrap();
                    turns.insert(turn, index);
                }
            }
            // Every three in a row went to three different clients.
            for round in 0..ROUNDS {
                let mut of_round = [0, 1, 2].map(|turn| turns[&(3 * round + turn)]);
                of_round.sort_unstable();
                assert_eq!(of_round, [0, 1, 2], "{to}, round {round}");
            }
        }
    }
}

#[tokio::test]
async fn wire_35_routing_uses_ids_and_texts_go_through_unchanged() {
    let router = Router::start().await;
    let mut bob = Client::of(&router).await;
    bob.subscribes(BOB).await;
    let mut liar = Client::of(&router).await;
    liar.subscribes("other/words/entirely").await;
    let sender = Client::of(&router).await;
    let mut destination = wire_name(&name(BOB));
    destination.str_name = wire_name(&name("other/words/entirely")).str_name;
    let without_text = Name {
        str_name: None,
        ..destination.clone()
    };
    let odd_text = Name {
        str_name: Some(StringName {
            str_component_0: "../ \u{0}\n".to_owned(),
            str_component_1: String::new(),
            str_component_2: "é".repeat(100),
        }),
        ..destination.clone()
    };
    for destination in [destination, without_text, odd_text] {
        let header = HeaderFields {
            destination: Some(destination.clone()),
            ..fields(BOB)
        };
        sender.publishes_as(&sender.sign(header), &text("x")).await;
        let delivery = bob.receives().await;
        assert_eq!(delivery.header().destination.as_ref(), Some(&destination));
    }
    sender
        .publishes("other/words/entirely", "for the liar")
        .await;
    assert_eq!(liar.reads().await, "for the liar");
    router.at_rest().await;
}
