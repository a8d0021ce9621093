//! Every reason for which something is declined, provoked from the network and seen in `/metrics`.

use http::Method;
use slipring_proto::envelope::Kind;
use slipring_proto::grpc::METHOD_PATH;
use slipring_proto::link::ConnectionType;
use slipring_sdk::io::transport::{OpenOptions, Transport, TransportOptions};
use slipring_sdk::{Link, LinkOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    Authority, Client, H2Peer, Opening, Router, Scrape, Setup, eventually, fields, within,
};

const BOB: &str = "org/ns/bob";

/// Waits until something was refused for `reason`, and nothing for another.
async fn counted(router: &Router, reason: &str) {
    let is_counted = |scrape: &Scrape| scrape.refused(reason) > 0;
    let scrape = router.scrape_when(reason, is_counted).await;
    assert_eq!(scrape.refused(reason), 1);
    assert_eq!(scrape.sum("refused_total"), 1);
}

/// Whether another client could connect.
async fn connects(router: &Router) -> bool {
    let (endpoint, options) = (router.endpoint(), LinkOptions::default());
    within("answer", Link::connect(&endpoint, &options))
        .await
        .is_ok()
}

#[tokio::test]
async fn refuse_address_max() {
    let router = Setup::new().limit("links_per_address_max", 2).start().await;
    let first = Client::of(&router).await;
    let mut second = Client::of(&router).await;
    assert!(!connects(&router).await);
    counted(&router, "address_max").await;
    // A place that is given back can be had again.
    drop(first);
    eventually("a free place", async || {
        connects(&router).await.then_some(())
    })
    .await;
    second.is_served().await;
}

#[tokio::test]
async fn refuse_compressed() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    let headers = [("grpc-encoding", "gzip")];
    let answer = peer
        .asks(Method::POST, METHOD_PATH, &headers)
        .await
        .unwrap();
    assert_eq!(answer.header("grpc-status"), "12");
    counted(&router, "compressed").await;
}

#[tokio::test]
async fn refuse_descriptors() {
    let setup = Setup::new().wrapper(&["prlimit", "--nofile=64:64"]);
    let router = setup.start().await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        // The backlog takes those that the process cannot.
        sockets.push(TcpStream::connect(router.address(0)).await.unwrap());
    }
    // The admin surface needs a descriptor as well, so there is no asking before some are free.
    router.out_of_descriptors().await;
    drop(sockets);
    let is_counted = |scrape: &Scrape| scrape.refused("descriptors") > 0;
    eventually("descriptors", async || {
        router.try_scrape().await.filter(is_counted)
    })
    .await;
}

#[tokio::test]
async fn refuse_draining() {
    let router = Setup::new().runtime("drain_timeout: 10s").start().await;
    // Held up, so that the process is still there and so is the connection.
    let stalled = Client::stalled(&router, BOB).await;
    let mut alice = Client::of(&router).await;
    alice.fills(BOB, 60_000, 10).await;
    let (endpoint, options) = (router.endpoint(), TransportOptions::default());
    let transport = within("transport", Transport::connect(&endpoint, &options)).await;
    let transport = transport.unwrap();
    router.signal("TERM");
    alice.ends_with_status(0).await;
    let open = OpenOptions::default();
    assert!(within("answer", transport.open(&open)).await.is_err());
    counted(&router, "draining").await;
    drop(stalled);
}

#[tokio::test]
async fn refuse_http2() {
    let router = Router::start().await;
    let mut socket = TcpStream::connect(router.address(0)).await.unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    counted(&router, "http2").await;
}

#[tokio::test]
async fn refuse_http2_that_does_not_come() {
    let router = Setup::new().limit("preface_timeout", "200ms").start().await;
    let mut socket = TcpStream::connect(router.address(0)).await.unwrap();
    let mut answer = Vec::new();
    drop(within("end", socket.read_to_end(&mut answer)).await);
    counted(&router, "http2").await;
}

#[tokio::test]
async fn refuse_links_max() {
    let router = Setup::new().limit("links_max", 1).start().await;
    let mut first = Client::of(&router).await;
    assert!(!connects(&router).await);
    first.is_served().await;
    let is_counted = |scrape: &Scrape| scrape.refused("links_max") > 0;
    router.scrape_when("links_max", is_counted).await;
    drop(first);
    eventually("a free place", async || {
        connects(&router).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn refuse_names_max() {
    let router = Setup::new().limit("names_max", 1).start().await;
    let mut client = Client::of(&router).await;
    client.subscribes_as("org/ns/first", 1).await;
    client.registers(Kind::Subscribe, "org/ns/second", 2).await;
    assert_eq!(
        client.acked(2).await,
        Err("names_max reached: 1".to_owned())
    );
    counted(&router, "names_max").await;
    client.registers(Kind::Unsubscribe, "org/ns/first", 1).await;
    assert_eq!(client.acked(1).await, Ok(()));
    client.subscribes_as("org/ns/second", 2).await;
}

#[tokio::test]
async fn refuse_path() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    let answer = peer.asks(Method::POST, "/elsewhere", &[]).await.unwrap();
    assert_eq!(answer.header("grpc-status"), "12");
    counted(&router, "path").await;
}

#[tokio::test]
async fn refuse_pressure() {
    // One queue fills the pool to 88 %: more than level 2 begins at, less than level 3.
    let setup = Setup::new()
        .limit("egress_pool_bytes", "8MiB")
        .limit("egress_node_bytes_max", "7200KiB")
        .limit("egress_age_max", "1h");
    let router = setup.start().await;
    let stalled = Client::stalled_as(&router, BOB, ConnectionType::Remote).await;
    let mut alice = Client::of(&router).await;
    alice.fills(BOB, 20_000, 500).await;
    let pressed = |scrape: &Scrape| scrape.value("pressure{shard=\"0\"}") == 2;
    router.scrape_when("pressure", pressed).await;
    assert!(!connects(&router).await);
    counted(&router, "pressure").await;
    alice.is_served().await;
    drop(stalled);
    eventually("relief", async || connects(&router).await.then_some(())).await;
}

#[tokio::test]
async fn refuse_stream_timeout() {
    let router = Setup::new().limit("stream_timeout", "200ms").start().await;
    let (endpoint, options) = (router.endpoint(), TransportOptions::default());
    let transport = within("transport", Transport::connect(&endpoint, &options)).await;
    counted(&router, "stream_timeout").await;
    drop(transport);
    let gone = |scrape: &Scrape| scrape.value("transports") == 0;
    router.scrape_when("its end", gone).await;
}

#[tokio::test]
async fn refuse_subscriptions_max() {
    let router = Setup::new().limit("subscriptions_max", 2).start().await;
    let mut client = Client::of(&router).await;
    client.subscribes_as(BOB, 1).await;
    client.subscribes_as(BOB, 2).await;
    client.registers(Kind::Subscribe, BOB, 3).await;
    let refusal = Err("subscriptions_max reached: 2".to_owned());
    assert_eq!(client.acked(3).await, refusal);
    counted(&router, "subscriptions_max").await;
    // Repeating one that is there is not another one.
    client.subscribes_as(BOB, 2).await;
}

#[tokio::test]
async fn refuse_subscriptions_per_link() {
    let setup = Setup::new().limit("subscriptions_per_link_max", 2);
    let router = setup.start().await;
    let mut client = Client::of(&router).await;
    client.subscribes_as("org/ns/a", 1).await;
    client.subscribes_as("org/ns/b", 2).await;
    client.registers(Kind::Subscribe, "org/ns/c", 3).await;
    let refusal = Err("subscriptions_per_link_max reached: 2".to_owned());
    assert_eq!(client.acked(3).await, refusal);
    counted(&router, "subscriptions_per_link").await;
    Client::of(&router).await.subscribes_as("org/ns/c", 3).await;
}

#[tokio::test]
async fn refuse_subscriptions_max_without_an_ack() {
    let router = Setup::new().limit("subscriptions_max", 1).start().await;
    let client = Client::of(&router).await;
    for _ in 0..2 {
        let header = client.sign(fields(BOB));
        client.registers_as(Kind::Subscribe, &header, 0).await;
        let header = client.sign(fields("org/ns/other"));
        client.registers_as(Kind::Subscribe, &header, 0).await;
    }
    let is_counted = |scrape: &Scrape| scrape.refused("subscriptions_max") == 2;
    router.scrape_when("two refusals", is_counted).await;
    assert_eq!(router.at_rest().await.messages_out("ack"), 0);
}

#[tokio::test]
async fn refuse_tls() {
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let listener = authority.leaf("router.test").listener(folder.path(), "");
    let router = Setup::new().servers([listener]).start().await;
    let mut socket = TcpStream::connect(router.address(0)).await.unwrap();
    // HTTP/2 in clear text, to a listener that speaks TLS.
    socket
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    counted(&router, "tls").await;
}

#[tokio::test]
async fn refuse_tls_that_does_not_come() {
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let listener = authority.leaf("router.test").listener(folder.path(), "");
    let setup = Setup::new()
        .servers([listener])
        .limit("tls_timeout", "200ms");
    let router = setup.start().await;
    let mut socket = TcpStream::connect(router.address(0)).await.unwrap();
    let mut answer = Vec::new();
    drop(within("end", socket.read_to_end(&mut answer)).await);
    counted(&router, "tls").await;
}

#[tokio::test]
async fn refuse_unfinished_max() {
    let setup = Setup::new().limit("unfinished_per_shard_max", 1);
    let router = setup.start().await;
    let mut first = Opening::of(&router).await;
    // A further stream of the same connection is declined by itself.
    let open = OpenOptions::default();
    let second = within("answer", first.transport.open(&open)).await;
    assert!(second.is_err());
    counted(&router, "unfinished_max").await;
    first.asks(crate::harness::request()).await;
    first.reply().await;
    assert!(within("answer", first.transport.open(&open)).await.is_ok());
}
