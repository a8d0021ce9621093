//! The link layer over real sockets, against an acceptor in the same process: what leaves is what
//! WIRE asks of a client, and every way a link can fail surfaces as a typed error.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use slipring_proto::crypto::aws::AwsKey;
use slipring_proto::envelope::{Inbound, Kind, split};
use slipring_proto::generated::SessionHeader;
use slipring_proto::message::PublishTail;
use slipring_proto::name::TextName;
use slipring_sdk::error::{Error, RpcStatus, StreamEnd};
use slipring_sdk::io::driver::negotiate;
use slipring_sdk::io::outbox::OUTBOX_BYTES_MAX;
use slipring_sdk::io::stream::framed;
use slipring_sdk::io::transport::{OpenOptions, Transport, TransportOptions};
use slipring_sdk::{Endpoint, Link, LinkOptions};
use tokio::task::JoinHandle;

use crate::acceptor::{Acceptor, Script, Seen, serve};

mod acceptor;

/// Far above what anything here takes, so that a hang fails by name.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("the test hangs")
}

fn endpoint(acceptor: &Acceptor) -> Endpoint {
    acceptor.address.to_string().parse().unwrap()
}

fn name(text: &str) -> TextName {
    text.parse().unwrap()
}

fn tail(payload: &[u8]) -> PublishTail {
    PublishTail::new(&SessionHeader::default()).app_payload("", payload)
}

async fn connect(script: Script) -> (Acceptor, Link) {
    let acceptor = Acceptor::start(script).await;
    let link = Link::connect(&endpoint(&acceptor), &LinkOptions::default())
        .await
        .unwrap();
    (acceptor, link)
}

/// A transport without a socket, what its router saw, and the router's task.
async fn in_memory(script: Script) -> (Transport, Arc<Mutex<Seen>>, JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(64 << 10);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let serving = tokio::spawn(serve(server, script, Arc::clone(&seen)));
    let options = TransportOptions::default();
    let transport = Transport::over(client, "http", "localhost", &options)
        .await
        .unwrap();
    (transport, seen, serving)
}

async fn refusal(acceptor: &Acceptor) -> Error {
    Link::connect(&endpoint(acceptor), &LinkOptions::default())
        .await
        .unwrap_err()
}

async fn transport(acceptor: &Acceptor) -> Transport {
    Transport::connect(&endpoint(acceptor), &TransportOptions::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_message_goes_out_signed_and_comes_back_whole() {
    let (acceptor, mut link) = within(connect(Script::default())).await;
    let bob = name("org/ns/bob");
    within(link.subscribe(&bob)).await.unwrap();
    within(link.publish(&bob, 1, &tail(b"hello")))
        .await
        .unwrap();
    let received = within(link.recv()).await.unwrap().unwrap();
    assert_eq!(received.kind(), Kind::Publish);
    assert_eq!(received.payload().unwrap(), Bytes::from_static(b"hello"));
    assert_eq!(received.destination(), Some(bob.name()));
    assert!(received.message().unwrap().kind.is_some());
    within(link.unsubscribe(&bob)).await.unwrap();
    let end = within(link.close()).await;
    assert!(
        matches!(end, StreamEnd::Status(RpcStatus { code: 0, .. })),
        "{end}"
    );
    let Seen {
        routed,
        unsigned,
        half_closed,
        ..
    } = acceptor.seen();
    let kinds: Vec<_> = routed.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Subscribe, Kind::Publish, Kind::Unsubscribe]);
    assert_eq!((unsigned, half_closed), (0, 1));
    assert_eq!(
        routed[0].1, routed[2].1,
        "a subscription ends under the id it was made with"
    );
}

#[tokio::test]
async fn the_request_carries_what_a_reference_client_sends_and_nothing_else() {
    let (acceptor, _link) = within(connect(Script::default())).await;
    let seen = acceptor.seen();
    let request = &seen.requests[0];
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.uri().path(),
        "/dataplane.proto.v1.DataPlaneService/OpenChannel"
    );
    assert_eq!(request.uri().scheme_str(), Some("http"));
    assert_eq!(
        request.uri().authority().unwrap().as_str(),
        acceptor.address.to_string()
    );
    let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "te", "user-agent"]);
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.headers()["content-type"], "application/grpc");
}

#[tokio::test]
async fn headers_can_be_added_replaced_and_removed() {
    let acceptor = Acceptor::start(Script::default()).await;
    let header = |name: &'static str, value: &'static str| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let open = OpenOptions {
        headers: vec![header("authorization", "Bearer x"), header("te", "")],
        authority: Some("elsewhere:1".to_owned()),
        ..OpenOptions::default()
    };
    let transport = within(transport(&acceptor)).await;
    let _stream = within(transport.open(&open)).await.unwrap();
    let request = &acceptor.seen().requests[0];
    assert_eq!(request.headers()["authorization"], "Bearer x");
    assert!(!request.headers().contains_key("te"));
    assert_eq!(request.uri().authority().unwrap().as_str(), "elsewhere:1");
}

#[tokio::test]
async fn ten_thousand_messages_of_mixed_sizes_arrive_once_and_in_order() {
    for frame_bytes_max in [16_384, 1 << 20] {
        let script = Script {
            frame_bytes_max: Some(frame_bytes_max),
            ..Script::default()
        };
        let (_acceptor, link) = within(connect(script)).await;
        let (sender, mut receiver) = link.split();
        let (bob, count) = (name("org/ns/bob"), 10_000_usize);
        let publishing = tokio::spawn(async move {
            let header = sender.header(&bob, 1).unwrap();
            for index in 0..count {
                let mut payload = index.to_le_bytes().to_vec();
                payload.resize(8 + index * 7_919 % 3_000, 1);
                sender
                    .publish_sealed(&header, &tail(&payload))
                    .await
                    .unwrap();
            }
            sender
        });
        for index in 0..count {
            let received = within(receiver.recv()).await.unwrap().unwrap();
            let payload = received.payload().unwrap();
            assert_eq!(payload[..8], index.to_le_bytes());
            assert_eq!(payload.len(), 8 + index * 7_919 % 3_000);
        }
        within(publishing).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_of_three_megabytes_passes_the_window() {
    let (_acceptor, mut link) = within(connect(Script::default())).await;
    let payload = vec![5; 3 << 20];
    within(link.publish(&name("org/ns/bob"), 1, &tail(&payload)))
        .await
        .unwrap();
    let received = within(link.recv()).await.unwrap().unwrap();
    assert!(received.payload().unwrap() == payload);
}

#[tokio::test]
async fn a_deaf_router_makes_publishers_wait() {
    let (_acceptor, link) = within(connect(Script {
        deaf: true,
        ..Script::default()
    }))
    .await;
    let header = link.sender().header(&name("org/ns/bob"), 1).unwrap();
    let payload = tail(&vec![1; 64 << 10]);
    let mut sent = 0;
    // The window is 1 MiB, the send buffer 1 MiB, the backlog half of that: far below 10 MiB.
    let blocked = async {
        loop {
            link.sender()
                .publish_sealed(&header, &payload)
                .await
                .unwrap();
            sent += 1;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(500), blocked)
            .await
            .is_err()
    );
    assert!(
        sent < 160,
        "{sent} messages of 64 KiB were taken without window"
    );
    assert!(link.sender().backlog_bytes() <= OUTBOX_BYTES_MAX + (65 << 10));
}

#[tokio::test]
async fn a_refused_subscription_says_why() {
    let script = Script {
        refusal: Some("subscription not found"),
        ..Script::default()
    };
    let (_acceptor, mut link) = within(connect(script)).await;
    let refused = within(link.subscribe(&name("org/ns/bob")))
        .await
        .unwrap_err();
    let Error::SubscriptionRefused { reason, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(reason, "subscription not found");
}

/// In memory and with a clock that advances only when nothing else can happen.
#[tokio::test(start_paused = true)]
async fn an_unanswered_subscription_is_repeated_with_its_id() {
    let script = Script {
        acks_withheld: 2,
        ..Script::default()
    };
    let (transport, seen, _serving) = in_memory(script).await;
    let mut link = Link::open(&transport, &LinkOptions::default())
        .await
        .unwrap();
    let ack = link.subscribe(&name("org/ns/bob")).await.unwrap();
    let expected = vec![(Kind::Subscribe, ack.subscription_id); 3];
    assert_eq!(seen.lock().unwrap().routed, expected);
}

#[tokio::test]
async fn an_http_refusal_is_typed() {
    let acceptor = Acceptor::start(Script {
        http_status: Some(401),
        ..Script::default()
    })
    .await;
    let refused = within(refusal(&acceptor)).await;
    let Error::Http { status, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(status.as_u16(), 401);
    assert!(refused.to_string().contains("authorization"), "{refused}");
}

#[tokio::test]
async fn a_grpc_refusal_in_place_of_the_reply_is_the_end_of_the_link() {
    let acceptor = Acceptor::start(Script {
        grpc_status: Some("7"),
        ..Script::default()
    })
    .await;
    let refused = within(refusal(&acceptor)).await;
    let Error::Ended(StreamEnd::Status(status)) = refused else {
        panic!("{refused}")
    };
    assert_eq!((status.code, status.message.as_str()), (7, "as scripted"));
}

#[tokio::test]
async fn a_silent_router_times_the_negotiation_out() {
    let acceptor = Acceptor::start(Script {
        silent: true,
        ..Script::default()
    })
    .await;
    let mut options = LinkOptions::default();
    options.settings.negotiation_timeout = Duration::from_millis(50);
    let refused = within(Link::connect(&endpoint(&acceptor), &options))
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        Error::Timeout {
            waiting_for: "negotiation reply",
            ..
        }
    ));
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let refused = within(Link::connect(&endpoint, &LinkOptions::default()))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Connect { .. }), "{refused}");
}

#[tokio::test]
async fn several_links_share_a_transport_and_one_end_leaves_the_other() {
    let acceptor = Acceptor::start(Script::default()).await;
    let transport = within(transport(&acceptor)).await;
    let first = within(Link::open(&transport, &LinkOptions::default()))
        .await
        .unwrap();
    let mut second = within(Link::open(&transport, &LinkOptions::default()))
        .await
        .unwrap();
    first.sender().reset(h2::Reason::CANCEL);
    let end = within(first.sender().ended()).await;
    assert_eq!(end, StreamEnd::Local);
    within(second.subscribe(&name("org/ns/bob"))).await.unwrap();
    assert!(transport.end().is_none());
    let ids = acceptor.seen().link_ids;
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1], "every link has an id of its own");
}

#[tokio::test]
async fn raw_bytes_reach_the_router_and_its_end_is_visible() {
    let acceptor = Acceptor::start(Script::default()).await;
    let transport = within(transport(&acceptor)).await;
    let mut stream = within(transport.open(&OpenOptions::default()))
        .await
        .unwrap();
    // A message that is no negotiation, cut into bytes that are no message.
    let bytes = framed(b"\x1a\x00").unwrap();
    within(stream.sender.send(bytes.slice(..3))).await.unwrap();
    within(stream.sender.send(bytes.slice(3..))).await.unwrap();
    let end = within(stream.receiver.ended()).await;
    assert_eq!(end.status().map(|status| status.code), Some(0));
}

#[tokio::test]
async fn a_raw_stream_negotiates_by_hand_and_sends_a_forged_header() {
    let acceptor = Acceptor::start(Script::default()).await;
    let transport = within(transport(&acceptor)).await;
    let mut stream = within(transport.open(&OpenOptions::default()))
        .await
        .unwrap();
    let settings = LinkOptions::default().settings;
    let machine = within(negotiate(&mut stream, &settings)).await.unwrap();
    let genuine = machine.header(&name("org/ns/bob"), 1).unwrap();
    let other_key = AwsKey::new(&[1; 32]);
    let bob = name("org/ns/bob");
    let forged = slipring_proto::message::HeaderFields::between(&bob, &bob)
        .sign(&other_key, &machine.terms().unwrap().link_id)
        .unwrap()
        .seal();
    within(stream.sender.send(forged.subscribe(1).unwrap()))
        .await
        .unwrap();
    within(stream.sender.send(genuine.subscribe(2).unwrap()))
        .await
        .unwrap();
    let ack = within(stream.receiver.recv()).await.unwrap().unwrap();
    assert!(matches!(split(ack), Ok(Inbound::Ack(_))));
    assert_eq!(acceptor.seen().unsigned, 1);
    assert_eq!(acceptor.seen().routed, [(Kind::Subscribe, 2)]);
    // The same stream goes on as a link.
    let mut link = Link::start(stream, machine).unwrap();
    within(link.subscribe(&name("org/ns/carol"))).await.unwrap();
}

#[tokio::test]
async fn a_dropped_link_resets_its_stream_and_closes_its_transport() {
    let (transport, _seen, serving) = within(in_memory(Script::default())).await;
    let link = within(Link::open(&transport, &LinkOptions::default()))
        .await
        .unwrap();
    drop(link);
    drop(transport);
    // The server's side ends only when the client's socket is closed.
    within(serving).await.unwrap();
}

#[tokio::test]
async fn a_lost_transport_ends_publishers_and_receivers_alike() {
    let (transport, _seen, serving) = within(in_memory(Script::default())).await;
    let mut link = within(Link::open(&transport, &LinkOptions::default()))
        .await
        .unwrap();
    serving.abort();
    assert!(within(link.recv()).await.unwrap().is_none());
    assert!(matches!(
        link.receiver().end(),
        Some(StreamEnd::Transport(_))
    ));
    let bob = name("org/ns/bob");
    let refused = within(link.publish(&bob, 1, &tail(b"late")))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Error::Ended(_) | Error::NotOpen),
        "{refused}"
    );
}

#[test]
fn link_futures_may_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    let endpoint: Endpoint = "127.0.0.1:1".parse().unwrap();
    let options = LinkOptions::default();
    send(&Link::connect(&endpoint, &options));
    let check = |link: &mut Link, bob: &TextName, tail: &PublishTail| {
        send(link);
        send(&link.subscribe(bob));
        send(&link.publish(bob, 1, tail));
        send(&link.recv());
    };
    let _: &dyn Fn(&mut Link, &TextName, &PublishTail) = &check;
}
