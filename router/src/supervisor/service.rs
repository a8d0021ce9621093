//! What the service manager is told: the node is ready, reloads, stops, and that its shards turn.
//!
//! Without a service manager there is nobody to tell, and nothing here does anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::io::mailbox::Node;

/// How often the watchdog is fed within the time it gives: one beat may come late, and even the next.
const BEATS: u32 = 3;

/// Says that every listener is up, or that a reload is over.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Says that certificates are being read again; [`ready`] ends it.
pub(super) fn reloading() {
    // A manager that wants the time of the reload takes the message for an error without it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("the service manager was not told: {error}"),
    }
}

/// Says that the node is about to end.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the service manager's watchdog.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// The time within which the service manager wants to be fed, if it does.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|period| *period >= Duration::from_millis(1))
}

/// Calls `feed` several times in each `period`, but only after every shard has made a turn since the
/// last time: one shard that hangs lets the watchdog starve, and so ends the process. Never returns.
pub(super) async fn keep_fed(node: Node, period: Duration, feed: impl Fn()) {
    let mut beats = interval(period / BEATS);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let late = |shard| {
            tracing::error!(
                shard,
                "makes no turn; the service manager will end this process"
            );
        };
        // Shards end one after another while the node drains; then those that are left must turn.
        if node.turn(period / BEATS, late).await || node.is_draining() {
            feed();
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager was not told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
        task::Waker,
    };

    use super::*;
    use crate::io::mailbox::{Ask, Mailbox};

    /// What the manager grants in these tests.
    const PERIOD: Duration = Duration::from_millis(15);

    fn shards(count: usize) -> (Node, Vec<Arc<Mailbox>>) {
        let mailboxes: Vec<_> = (0..count).map(|_| Arc::default()).collect();
        (Node::new(mailboxes.clone()), mailboxes)
    }

    /// Makes the turn of one shard, if it was asked for one.
    fn turn(mailbox: &Mailbox) -> bool {
        let mut asked = false;
        while let Some(ask) = mailbox.take(Waker::noop()) {
            if let Ask::Turn(reply) = ask {
                asked = true;
                // A feeder that gave up has no use for the answer.
                reply.send(()).ok();
            }
        }
        asked
    }

    /// Runs `until` beside a feeder; returns how often it fed.
    fn feeding(node: &Node, until: impl AsyncFnOnce(&AtomicU32)) -> u32 {
        let fed = AtomicU32::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let feeder = pin!(keep_fed(node.clone(), PERIOD, || {
                fed.fetch_add(1, SeqCst);
            }));
            tokio::select! {
                () = feeder => {}
                () = until(&fed) => {}
            }
        });
        fed.load(SeqCst)
    }

    async fn beat() {
        tokio::time::sleep(PERIOD / BEATS).await;
    }

    #[test]
    fn the_watchdog_is_fed_after_each_round_of_turns_and_no_oftener() {
        let (node, mailboxes) = shards(2);
        let mut rounds = 0;
        let fed = feeding(&node, async |_| {
            while rounds < 3 {
                beat().await;
                let turned = mailboxes.iter().filter(|mailbox| turn(mailbox)).count();
                assert!(turned == 0 || turned == 2, "all are asked at once");
                rounds += u32::from(turned == 2);
            }
            // Lets the feeder see the last answers; no shard turns after them.
            beat().await;
        });
        assert_eq!(fed, 3);
    }

    #[test]
    fn one_shard_that_hangs_lets_the_watchdog_starve_until_it_turns_again() {
        let (node, mailboxes) = shards(2);
        feeding(&node, async |fed| {
            while !turn(&mailboxes[0]) {
                beat().await;
            }
            for _ in 0..3 * BEATS {
                beat().await;
                assert!(!turn(&mailboxes[0]), "nobody is asked before all answered");
                assert_eq!(fed.load(SeqCst), 0);
            }
            assert!(turn(&mailboxes[1]));
            while fed.load(SeqCst) == 0 {
                beat().await;
            }
        });
    }

    #[test]
    fn a_shard_that_has_ended_is_missed_unless_the_node_drains() {
        for drains in [false, true] {
            let (node, mailboxes) = shards(2);
            if drains {
                node.stop();
            }
            let mut asked = 0;
            let fed = feeding(&node, async |_| {
                while asked < 3 {
                    beat().await;
                    asked += u32::from(turn(&mailboxes[0]));
                    // Its end drops what it was asked, unanswered.
                    while mailboxes[1].take(Waker::noop()).is_some() {}
                }
                beat().await;
            });
            assert_eq!(fed, if drains { asked } else { 0 });
        }
    }
}
