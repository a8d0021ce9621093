//! What systemd hears: ready, reloading, stopping, and a watchdog that every shard feeds.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::Instant;

use crate::harness::{PATIENCE, Router, Setup, uring, within};

/// The time that these tests grant between two feedings.
const WATCHDOG: Duration = Duration::from_millis(300);

/// The message that feeds the watchdog.
const FED: &str = "WATCHDOG=1";

/// Its end of the conversation.
#[derive(Debug)]
struct Systemd {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Systemd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    /// Starts a router that reports here.
    async fn starts(&self, setup: Setup, watchdog: Option<Duration>) -> Router {
        let path = self.folder.path().join("notify").display().to_string();
        let mut words = vec!["env".to_owned(), format!("NOTIFY_SOCKET={path}")];
        words.extend(watchdog.map(|period| format!("WATCHDOG_USEC={}", period.as_micros())));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        setup.wrapper(&words).start().await
    }

    /// The next message.
    async fn hears(&self) -> String {
        let mut buffer = [0; 256];
        let count = within("notification", self.socket.recv(&mut buffer)).await;
        String::from_utf8_lossy(&buffer[..count.unwrap()])
            .trim()
            .to_owned()
    }

    /// The next message that feeds no watchdog.
    async fn learns(&self) -> String {
        loop {
            let message = self.hears().await;
            if message != FED {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn systemd_learns_of_start_reload_and_end() {
    let systemd = Systemd::new();
    let mut router = systemd.starts(Setup::new(), None).await;
    assert_eq!(systemd.hears().await, "READY=1");
    for order in ["HUP", "reload"] {
        match order {
            "HUP" => router.signal(order),
            _ => assert!(router.order(order).starts_with("ok")),
        }
        let reloading = systemd.hears().await;
        let mut lines = reloading.lines();
        assert_eq!(lines.next(), Some("RELOADING=1"));
        let time = lines.next().unwrap().strip_prefix("MONOTONIC_USEC=");
        assert!(time.unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(systemd.hears().await, "READY=1");
    }
    router.signal("TERM");
    // Nobody asked for a watchdog, so no message is about one.
    assert_eq!(systemd.hears().await, "STOPPING=1");
    assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn a_watchdog_is_fed_in_time_on_either_runtime_until_the_end() {
    for io in [uring(), "epoll"] {
        let systemd = Systemd::new();
        let mut router = systemd
            .starts(Setup::new().shards(2).io(io), Some(WATCHDOG))
            .await;
        assert_eq!(systemd.hears().await, "READY=1");
        let begun = Instant::now();
        for _ in 0..6 {
            assert_eq!(systemd.hears().await, FED);
        }
        // Three beats a period: six take less than two, and a machine that is busy gets twice that.
        let spent = begun.elapsed();
        assert!(spent < WATCHDOG * 4, "{spent:?}");
        router.signal("TERM");
        assert_eq!(systemd.learns().await, "STOPPING=1");
        assert_eq!(router.exit(PATIENCE).await.code(), Some(0));
    }
}

/// One of two shards hangs: the other still answers, and yet nobody feeds the watchdog.
#[cfg(feature = "fault-injection")]
#[tokio::test]
async fn a_shard_that_hangs_lets_the_watchdog_starve() {
    for shard in [0, 1] {
        let systemd = Systemd::new();
        let router = systemd.starts(Setup::new().shards(2), Some(WATCHDOG)).await;
        assert_eq!(systemd.hears().await, "READY=1");
        assert_eq!(systemd.hears().await, FED);
        let answer = router.order(&format!("hang {shard}"));
        assert!(answer.starts_with("ok"), "{answer}");
        // A feeding or two may be under way when the order arrives.
        let mut starved = Duration::ZERO;
        for _ in 0..10 {
            let last = Instant::now();
            assert_eq!(systemd.hears().await, FED);
            starved = starved.max(last.elapsed());
        }
        assert!(starved > Duration::from_secs(2), "{starved:?}");
        router.says(&format!("shard={shard}")).await;
        assert!(
            router.stderr().contains("makes no turn"),
            "{}",
            router.stderr()
        );
    }
}
