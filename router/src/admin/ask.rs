//! Questions to the shards, at a pace the shards can bear.
//!
//! Whoever scrapes, and however often, a shard answers each kind of question at most once in
//! [`PACE`]. A request that comes sooner waits; all that wait share the next answer. No answer was
//! taken before its request arrived, so that what a test or an operator just did is in it.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use slipring_core::LinkView;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    io::mailbox::{Node, RibView},
    metrics::ShardReport,
};

/// The shortest time between two questions of one kind.
const PACE: Duration = Duration::from_millis(50);

/// How long all shards together may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What all shards said.
#[derive(Debug)]
pub(super) struct Reports {
    /// One for each shard that is left, in shard order.
    pub(super) shards: Vec<ShardReport>,
    /// The RIB, asked after the shards, so that no replica seems to be ahead of it; `None` when the
    /// control shard has ended.
    pub(super) rib: Option<RibView>,
}

/// The handle on the shards.
#[derive(Debug)]
pub(super) struct Asks {
    node: Node,
    reports: Paced<Option<Reports>>,
    links: Paced<Option<Vec<LinkView>>>,
}

impl Asks {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            reports: Paced::default(),
            links: Paced::default(),
        }
    }

    /// The node, for what needs no answer from a shard.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The numbers of every shard; `None` inside if one of them did not answer in time.
    pub(super) async fn reports(&self) -> Rc<Option<Reports>> {
        let ask = || async {
            let ask = async {
                let shards = self.node.views().await;
                let rib = self.node.rib().await;
                Reports { shards, rib }
            };
            timeout(PATIENCE, ask).await.ok()
        };
        self.reports.fresh(ask).await
    }

    /// Every link; `None` inside if a shard did not answer in time.
    pub(super) async fn links(&self) -> Rc<Option<Vec<LinkView>>> {
        let ask = || async { timeout(PATIENCE, self.node.links()).await.ok() };
        self.links.fresh(ask).await
    }
}

/// One kind of question: when it was last asked, and the answer for those who wait for it.
#[derive(Debug)]
struct Paced<T> {
    last: Mutex<Last<T>>,
    waiting: Cell<u32>,
}

#[derive(Debug)]
struct Last<T> {
    asked_at: Option<Instant>,
    /// Kept only while somebody waits, because a list of all links is large.
    answer: Option<Rc<T>>,
}

/// One who waits for its turn.
struct Waiting<'a>(&'a Cell<u32>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<u32>) -> Self {
        count.set(count.get().saturating_add(1));
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl<T> Default for Paced<T> {
    fn default() -> Self {
        let last = Last {
            asked_at: None,
            answer: None,
        };
        Self {
            last: Mutex::new(last),
            waiting: Cell::new(0),
        }
    }
}

impl<T> Paced<T> {
    /// An answer to a question that is asked after this call began.
    async fn fresh<F: Future<Output = T>>(&self, ask: impl FnOnce() -> F) -> Rc<T> {
        let wanted_at = Instant::now();
        let turn = Waiting::begin(&self.waiting);
        let mut last = self.last.lock().await;
        drop(turn);
        let answer = match (last.asked_at, last.answer.take()) {
            (Some(asked_at), Some(answer)) if asked_at >= wanted_at => answer,
            (asked_at, _) => {
                if let Some(asked_at) = asked_at {
                    sleep_until(asked_at + PACE).await;
                }
                last.asked_at = Some(Instant::now());
                Rc::new(ask().await)
            }
        };
        if self.waiting.get() > 0 {
            last.answer = Some(Rc::clone(&answer));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn those_who_wait_together_share_one_question() {
        on_runtime(async {
            let (paced, asked) = (Rc::new(Paced::default()), Rc::new(Cell::new(0_u32)));
            let local = tokio::task::LocalSet::new();
            let started = Instant::now();
            for _ in 0..100 {
                let (paced, asked) = (Rc::clone(&paced), Rc::clone(&asked));
                local.spawn_local(async move {
                    let ask = || async {
                        asked.set(asked.get() + 1);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        asked.get()
                    };
                    assert!(*paced.fresh(ask).await >= 1);
                });
            }
            local.await;
            // The first asks at once, and all others share what the second asks.
            assert_eq!(asked.get(), 2);
            assert!(started.elapsed() >= PACE);
            assert!(
                paced.last.lock().await.answer.is_none(),
                "nothing is kept for nobody"
            );
        });
    }

    #[test]
    fn an_answer_is_never_older_than_its_request() {
        on_runtime(async {
            let paced = Paced::default();
            let truth = Cell::new(1);
            let first = paced.fresh(|| async { truth.get() }).await;
            truth.set(2);
            let second = paced.fresh(|| async { truth.get() }).await;
            assert_eq!((*first, *second), (1, 2));
        });
    }
}
