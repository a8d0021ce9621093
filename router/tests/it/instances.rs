//! Fifty thousand instances of one service over a thousand links: all acknowledged in time, and each
//! of them found.

use std::time::Duration;

use slipring_proto::envelope::Inbound;
use slipring_proto::message::decode_ack;
use slipring_sdk::io::transport::Transport;
use slipring_sdk::{Link, LinkOptions};

use crate::harness::{Client, Setup, fields, name, text, within};

const LINKS: usize = 1_000;
const INSTANCES_PER_LINK: usize = 50;
/// Links of one connection, so that the test needs few descriptors.
const LINKS_PER_TRANSPORT: usize = 10;
/// How long all acknowledgements may take.
const ACK_LIMIT: Duration = Duration::from_secs(5);

/// The name of one instance.
fn instance(link: usize, number: usize) -> String {
    let id = (link * INSTANCES_PER_LINK + number) as u128;
    name("org/ns/service").with_id(id).to_string()
}

/// Waits until every subscription of the link is acknowledged.
async fn acked(mut client: Client) -> Client {
    for _ in 0..INSTANCES_PER_LINK {
        let inbound = client.receiver().recv_inbound().await.unwrap();
        let Some(Inbound::Ack(body)) = inbound else {
            panic!("{inbound:?} in place of an ack");
        };
        assert!(decode_ack(body).unwrap().success);
    }
    client
}

#[tokio::test]
async fn fifty_thousand_instances_are_acked_and_found() {
    for shards in [1, 2] {
        let router = Setup::new().shards(shards).start().await;
        let (endpoint, options) = (router.endpoint(), LinkOptions::default());
        let mut clients = Vec::new();
        for _ in 0..LINKS / LINKS_PER_TRANSPORT {
            let transport_options = slipring_sdk::io::transport::TransportOptions::default();
            let transport = Transport::connect(&endpoint, &transport_options);
            let transport = within("transport", transport).await.unwrap();
            for _ in 0..LINKS_PER_TRANSPORT {
                let link = within("link", Link::open(&transport, &options)).await;
                clients.push(Client::over(link.unwrap()));
            }
        }
        // Signed beforehand: what is measured is the router.
        let mut requests = Vec::new();
        for (link, client) in clients.iter().enumerate() {
            let mut of_link = Vec::new();
            for number in 0..INSTANCES_PER_LINK {
                let header = client.sign(fields(&instance(link, number))).seal();
                of_link.extend_from_slice(&header.subscribe(1 + number as u64).unwrap());
            }
            requests.push(of_link);
        }
        let started = tokio::time::Instant::now();
        let waiting: Vec<_> = clients
            .into_iter()
            .zip(requests)
            .map(|(client, requests)| {
                tokio::spawn(async move {
                    client.sends(&requests).await;
                    acked(client).await
                })
            })
            .collect();
        let mut clients = Vec::new();
        for client in waiting {
            clients.push(within("acks", client).await.unwrap());
        }
        let took = started.elapsed();
        assert!(took <= ACK_LIMIT, "{took:?}");

        let sender = Client::of(&router).await;
        for (link, client) in clients.iter_mut().enumerate() {
            for number in 0..INSTANCES_PER_LINK {
                let to = instance(link, number);
                sender
                    .publishes_as(&sender.sign(fields(&to)), &text(&to))
                    .await;
            }
            for number in 0..INSTANCES_PER_LINK {
                assert_eq!(client.reads().await, instance(link, number));
            }
        }
        let scrape = router.at_rest().await;
        assert_eq!(scrape.value("names"), (LINKS * INSTANCES_PER_LINK) as u64);
        assert_eq!(scrape.sum("messages_dropped_total"), 0);
    }
}
