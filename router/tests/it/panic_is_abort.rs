//! A panic on one shard ends the whole process: a ghost shard is worse than a restart.

use std::os::unix::process::ExitStatusExt;

use crate::harness::{Client, PATIENCE, Setup};

/// SIGABRT.
const ABORTED: i32 = 6;

#[tokio::test]
async fn a_panic_of_any_shard_aborts_the_process() {
    for shard in [0, 1] {
        let mut router = Setup::new().shards(2).start().await;
        let mut client = Client::of(&router).await;
        client.is_served().await;
        let answer = router.order(&format!("panic {shard}"));
        assert!(answer.starts_with("ok"), "{answer}");
        let status = router.exit(PATIENCE).await;
        assert_eq!((status.code(), status.signal()), (None, Some(ABORTED)));
        assert!(router.last_words().contains("panicked"));
        assert!(client.end().await.status().is_none());
    }
}
