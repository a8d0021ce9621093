//! Links over a Unix socket.

use std::os::unix::net::UnixListener;

use slipring_sdk::Endpoint;

use crate::harness::{Client, PATIENCE, Router, Setup, clear};

/// A listener at `path`.
fn at(path: &std::path::Path) -> String {
    format!(
        "{{endpoint: \"unix://{}\", tls: {{insecure: true}}}}",
        path.display()
    )
}

fn endpoint(path: &std::path::Path) -> Endpoint {
    format!("unix://{}", path.display()).parse().unwrap()
}

#[tokio::test]
async fn links_over_a_unix_socket_reach_links_over_tcp() {
    for shards in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slim.sock");
        let setup = Setup::new().shards(shards).servers([clear(""), at(&path)]);
        let mut router: Router = setup.start().await;
        let mut local = Client::at(&endpoint(&path)).await;
        local.subscribes("org/ns/local").await;
        let mut remote = Client::of(&router).await;
        remote.subscribes("org/ns/remote").await;
        for number in 0..100 {
            let words = format!("{number} {}", "x".repeat(number * 100));
            local.publishes("org/ns/remote", &words).await;
            remote.publishes("org/ns/local", &words).await;
            assert_eq!(remote.reads().await, words);
            assert_eq!(local.reads().await, words);
        }
        router.at_rest().await;
        router.signal("TERM");
        local.ends_with_status(0).await;
        assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
        assert!(!path.exists(), "its file goes with it");
    }
}

#[tokio::test]
async fn a_file_left_behind_is_replaced_and_a_living_socket_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slim.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let router = Setup::new().servers([at(&path)]).start().await;
    let mut client = Client::at(&endpoint(&path)).await;
    let second = Setup::new().servers([at(&path)]).try_start().await;
    let ended = second.expect_err("two routers share a socket");
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("slim.sock"), "{}", ended.stderr);
    client.is_served().await;
    drop(router);
}
