//! Questions and orders from outside the shards: the admin surface and signals.
//!
//! A [`Node`] is a cheap handle on all shards of the process. It puts an [`Ask`] into the mailbox of a
//! shard and wakes it; the shard answers on its own thread, between two turns. Nothing here is on the
//! path of a message.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;
use slipring_core::LinkView;
use tokio::sync::oneshot;

use crate::{io::tls::ServerTls, metrics::ShardReport};

/// What a shard can be asked or told.
#[derive(Debug)]
pub enum Ask {
    /// Its numbers.
    View(oneshot::Sender<ShardReport>),
    /// A page of its links.
    Links {
        /// The slot to begin with.
        first: u32,
        /// Where the answer goes: the links, and the slot to go on with.
        reply: oneshot::Sender<(Vec<LinkView>, Option<u32>)>,
    },
    /// The truth; only the control shard answers.
    Rib(oneshot::Sender<RibView>),
    /// Leave in order: links are told over `spread`, what is left at `deadline` is closed.
    Drain {
        /// Over how long the links are told.
        spread: Duration,
        /// When the rest is closed.
        deadline: Duration,
    },
    /// End every link at once.
    Stop,
    /// Use new certificates for new handshakes of the listener with this index.
    Tls {
        /// The listener, in the order of the configuration.
        server: usize,
        /// What it shows from now on.
        tls: ServerTls,
        /// Told once it does.
        taken: oneshot::Sender<()>,
    },
    /// Say that it has made a turn.
    Turn(oneshot::Sender<()>),
    /// Hang for this long, to prove what a hanging shard does.
    #[cfg(feature = "fault-injection")]
    Hang(Duration),
    /// Panic, to prove what a panic does.
    #[cfg(feature = "fault-injection")]
    Panic,
}

/// The numbers of the RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibView {
    /// Distinct names.
    pub names: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// The last delta made.
    pub seq: u64,
    /// The last delta that every shard has applied.
    pub committed: u64,
    /// Fingerprint, equal to that of every replica at rest.
    pub digest: u64,
}

/// One shard's mailbox. It is unbounded because only this process writes to it, at the pace of its
/// operator.
#[derive(Debug, Default)]
pub struct Mailbox {
    asks: SegQueue<Ask>,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Puts a question in and wakes the shard.
    pub fn put(&self, ask: Ask) {
        self.asks.push(ask);
        self.waker.wake();
    }

    /// Takes the oldest question, after registering to be woken by the next.
    pub fn take(&self, waker: &std::task::Waker) -> Option<Ask> {
        self.waker.register(waker);
        self.asks.pop()
    }
}

/// A handle on all shards of the process.
#[derive(Clone, Debug)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mailboxes: Vec<Arc<Mailbox>>,
    is_ready: AtomicBool,
    is_draining: AtomicBool,
}

impl Node {
    /// A handle on the shards behind `mailboxes`, in shard order.
    #[must_use]
    pub fn new(mailboxes: Vec<Arc<Mailbox>>) -> Self {
        let is_ready = AtomicBool::new(false);
        let is_draining = AtomicBool::new(false);
        Self {
            inner: Arc::new(Inner {
                mailboxes,
                is_ready,
                is_draining,
            }),
        }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inner.mailboxes.len()
    }

    /// The numbers of every shard, in shard order. A shard that has ended is left out.
    pub async fn views(&self) -> Vec<ShardReport> {
        let mut views = Vec::with_capacity(self.shards());
        for answer in self.ask_all(Ask::View) {
            views.extend(answer.await.ok());
        }
        views
    }

    /// All links, in shard and slot order: page by page, so that no shard spends a long turn on it.
    pub async fn links(&self) -> Vec<LinkView> {
        let mut links = Vec::new();
        for mailbox in &self.inner.mailboxes {
            let mut next = Some(0);
            while let Some(first) = next {
                let (reply, answer) = oneshot::channel();
                mailbox.put(Ask::Links { first, reply });
                let (page, more) = answer.await.unwrap_or_default();
                links.extend(page);
                next = more;
            }
        }
        links
    }

    /// The numbers of the RIB; `None` if the control shard has ended.
    pub async fn rib(&self) -> Option<RibView> {
        let (reply, answer) = oneshot::channel();
        self.inner.mailboxes.first()?.put(Ask::Rib(reply));
        answer.await.ok()
    }

    /// Tells every shard to leave in order. Readiness fails from here on.
    pub fn drain(&self, spread: Duration, deadline: Duration) {
        self.inner.is_draining.store(true, Ordering::SeqCst);
        self.tell_all(|| Ask::Drain { spread, deadline });
    }

    /// Tells every shard to end all links at once.
    pub fn stop(&self) {
        self.inner.is_draining.store(true, Ordering::SeqCst);
        self.tell_all(|| Ask::Stop);
    }

    /// Gives the listener with index `server` new certificates on every shard; afterwards no new
    /// handshake sees the old ones.
    pub async fn replace_tls(&self, server: usize, tls: &ServerTls) {
        let ask = |taken| Ask::Tls {
            server,
            tls: tls.clone(),
            taken,
        };
        for taken in self.ask_all(ask) {
            // A shard that has ended shakes no hands.
            taken.await.ok();
        }
    }

    /// Waits until every shard has made a turn; `late` is told of one that takes longer than
    /// `patience`. Returns whether all did: one that has ended makes none.
    pub async fn turn(&self, patience: Duration, late: impl Fn(usize)) -> bool {
        let mut all_turned = true;
        for (shard, mut turned) in self.ask_all(Ask::Turn).into_iter().enumerate() {
            let answer = match tokio::time::timeout(patience, &mut turned).await {
                Ok(answer) => answer,
                Err(_) => {
                    late(shard);
                    turned.await
                }
            };
            all_turned &= answer.is_ok();
        }
        all_turned
    }

    /// Makes shard `shard` hang for `span`.
    #[cfg(feature = "fault-injection")]
    pub fn hang(&self, shard: usize, span: Duration) {
        if let Some(mailbox) = self.inner.mailboxes.get(shard) {
            mailbox.put(Ask::Hang(span));
        }
    }

    /// Makes shard `shard` panic.
    #[cfg(feature = "fault-injection")]
    pub fn panic(&self, shard: usize) {
        if let Some(mailbox) = self.inner.mailboxes.get(shard) {
            mailbox.put(Ask::Panic);
        }
    }

    /// Says that every listener is up.
    pub fn announce_ready(&self) {
        self.inner.is_ready.store(true, Ordering::SeqCst);
    }

    /// Whether new connections are welcome.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.is_ready.load(Ordering::SeqCst) && !self.is_draining()
    }

    /// Whether a drain or a stop has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.is_draining.load(Ordering::SeqCst)
    }

    fn ask_all<T>(&self, ask: impl Fn(oneshot::Sender<T>) -> Ask) -> Vec<oneshot::Receiver<T>> {
        self.inner
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (reply, answer) = oneshot::channel();
                mailbox.put(ask(reply));
                answer
            })
            .collect()
    }

    fn tell_all(&self, ask: impl Fn() -> Ask) {
        for mailbox in &self.inner.mailboxes {
            mailbox.put(ask());
        }
    }
}
