//! Without a free descriptor new connections wait, nothing spins, and links go on (L-13).

use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{Client, Scrape, Setup, eventually};

/// For how long the router is watched while it can accept nothing.
const WATCHED: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_router_without_descriptors_neither_spins_nor_forgets_its_links() {
    for shards in [1, 2] {
        let setup = Setup::new()
            .shards(shards)
            .wrapper(&["prlimit", "--nofile=256:256"]);
        let router = setup.start().await;
        let mut bob = Client::of(&router).await;
        bob.subscribes("org/ns/bob").await;
        let alice = Client::of(&router).await;
        let mut sockets = Vec::new();
        for _ in 0..400 {
            // Those that the process cannot take wait in its backlog.
            sockets.push(TcpStream::connect(router.address(0)).await.unwrap());
        }
        router.out_of_descriptors().await;
        // Idle sockets time out and make room for the next in line: twice the time of one
        // generation would see them all gone, so this is shorter.
        let spent = router.processor_time();
        tokio::time::sleep(WATCHED).await;
        let spent = router.processor_time() - spent;
        assert!(spent <= WATCHED.mul_f64(0.15), "{spent:?} in {WATCHED:?}");
        alice.publishes("org/ns/bob", "still served").await;
        assert_eq!(bob.reads().await, "still served");
        drop(sockets);
        let is_counted = |scrape: &Scrape| scrape.refused("descriptors") > 0;
        let counted = async || router.try_scrape().await.filter(is_counted);
        eventually("count of refusals", counted).await;
        Client::of(&router).await.is_served().await;
        router.at_rest().await;
    }
}
