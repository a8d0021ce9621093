//! Checklist 57 and 58: how streams end at shutdown, and that age alone ends none.

use std::io::ErrorKind;
use std::time::Duration;

use slipring_sdk::error::{RpcStatus, StreamEnd};
use tokio::net::TcpStream;

use crate::harness::{Client, Opening, Setup, clear, eventually, within};

#[tokio::test]
async fn wire_57_shutdown_ends_streams_with_status_0_and_the_port_refuses() {
    for shards in [1, 2, 4] {
        let setup = Setup::new().shards(shards).limit("egress_age_max", "1h");
        let mut router = setup.runtime("drain_timeout: 5s").start().await;
        // One link that does not read keeps the process draining meanwhile.
        let stalled = Client::stalled(&router, "org/ns/stalled").await;
        let mut clients = Vec::new();
        for index in 0..8 {
            let mut client = Client::of(&router).await;
            client.subscribes(&format!("org/ns/client-{index}")).await;
            clients.push(client);
        }
        clients[0].fills("org/ns/stalled", 60_000, 20).await;
        clients[0].is_served().await;
        let mut unfinished = Opening::of(&router).await;
        router.signal("TERM");
        for client in &mut clients {
            client.ends_with_status(0).await;
        }
        let status = StreamEnd::Status(RpcStatus {
            code: 0,
            message: String::new(),
        });
        assert_eq!(unfinished.end().await, status);
        let address = router.address(0);
        let refused = within("answer", TcpStream::connect(address)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(router.is_alive());
        assert_eq!(router.get("/readyz").await.0, 503);
        assert_eq!(router.exit(Duration::from_secs(30)).await.code(), Some(0));
        drop(stalled);
    }
}

#[tokio::test]
async fn wire_58_age_and_idleness_cut_no_link() {
    let keepalive = "keepalive: {max_connection_age: 1s, max_connection_idle: 1s, \
                     max_connection_age_grace: 1s, time: 200ms, timeout: 5s}";
    let router = Setup::new().servers([clear(keepalive)]).start().await;
    let mut busy = Client::of(&router).await;
    busy.subscribes("org/ns/busy").await;
    let mut idle = Client::of(&router).await;
    idle.subscribes("org/ns/idle").await;
    let alice = Client::of(&router).await;
    // Three times the age at which the reference cuts, with traffic all the while.
    let opened = tokio::time::Instant::now();
    eventually("age of three seconds", async || {
        alice.publishes("org/ns/busy", "beat").await;
        assert_eq!(busy.reads().await, "beat");
        (opened.elapsed() > Duration::from_secs(3)).then_some(())
    })
    .await;
    alice.publishes("org/ns/idle", "awake").await;
    assert_eq!(idle.reads().await, "awake");
    assert_eq!(router.at_rest().await.sum("links_closed_total"), 0);
}
