//! A node of real shard cores, without sockets: a thread answers their mailboxes.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    thread::{JoinHandle, Thread},
    time::Duration,
};

use slipring::{
    admin::{self, AdminThread, BuildFacts, Orders},
    config::{Admin, Level},
    io::mailbox::{Ask, Mailbox, Node, RibView},
    metrics::{Histogram, ShardReport, ShellView},
};
use slipring_core::{
    ControlCore, ControlEvent, Intake, Limits, LinkOptions, Output, Recipient, ShardCore,
    ShardOptions, Time,
};
use slipring_fib::{LinkId, RibLimits};
use slipring_proto::{
    crypto::fake::FakeCrypto,
    generated::{LinkNegotiationPayload, SessionHeader},
    grpc::Body,
    link::{LinkPolicy, LocalNode},
    message::{self, HeaderFields, PublishTail},
};

/// The node id of the link that reads nothing.
pub(crate) const SLOW_PEER: &str = "node-slow\u{1b}[31m\"\n";

/// Publishes that wait for it, each of a little more than [`PAYLOAD_BYTES`].
pub(crate) const WAITING: u32 = 20;
const PAYLOAD_BYTES: usize = 1_024;

const SHARDS: u8 = 2;
const NOW: Time = Time::from_micros(3_000_000);

/// What the control socket set in motion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Drain(Option<Duration>),
    Stop,
    Reload,
    LogLevel(Option<String>, Level),
}

/// The node, its admin surface, and what happened.
pub(crate) struct FakeNode {
    pub(crate) node: Node,
    pub(crate) admin: AdminThread,
    pub(crate) called: Arc<Mutex<Vec<Called>>>,
    /// While it is set, no shard answers.
    pub(crate) is_silent: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl FakeNode {
    /// A ready node with three links on two shards, of which one reads nothing.
    pub(crate) fn start() -> Self {
        let mailboxes: Vec<_> = (0..SHARDS).map(|_| Arc::new(Mailbox::default())).collect();
        let node = Node::new(mailboxes.clone());
        node.announce_ready();
        let (is_silent, is_over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let flags = (Arc::clone(&is_silent), Arc::clone(&is_over));
        // The cores are made where they live.
        let thread = std::thread::spawn(move || World::populated().answer(&mailboxes, &flags));
        let directory = tempfile::tempdir().unwrap();
        let config = Admin {
            http: Some(([127, 0, 0, 1], 0).into()),
            control: directory.path().join("control.sock"),
        };
        let called = Arc::default();
        let admin =
            admin::start(&config, node.clone(), facts(), orders(&called)).expect("both sockets");
        Self {
            node,
            admin,
            called,
            is_silent,
            is_over,
            thread: Some(thread),
            _directory: directory,
        }
    }

    /// Where HTTP is answered.
    pub(crate) fn http(&self) -> std::net::SocketAddr {
        self.admin.http().unwrap()
    }

    /// Where the control socket is.
    pub(crate) fn control(&self) -> PathBuf {
        self.admin.control().to_owned()
    }

    /// Everything the shards hold, as text; equal texts are equal states.
    pub(crate) fn state(&self) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (views, rib) = (self.node.views().await, self.node.rib().await);
            format!("{views:?} {rib:?} {:?}", self.node.links().await)
        })
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Any question wakes the thread; nobody waits for the answer.
        self.node.stop();
        self.thread.take().map(JoinHandle::join);
    }
}

fn facts() -> BuildFacts {
    BuildFacts {
        version: "9.8.7".to_owned(),
        commit: "c0ffee".to_owned(),
        slim_version: "3.4.6".to_owned(),
        io: "epoll".to_owned(),
    }
}

fn orders(called: &Arc<Mutex<Vec<Called>>>) -> Orders {
    let note = |called: &Arc<Mutex<Vec<Called>>>| {
        let called = Arc::clone(called);
        move |call| called.lock().unwrap().push(call)
    };
    let (drain, stop, reload, log_level) = (note(called), note(called), note(called), note(called));
    Orders {
        drain: Arc::new(move |deadline| drain(Called::Drain(deadline))),
        stop: Arc::new(move || stop(Called::Stop)),
        reload: Arc::new(move || {
            reload(Called::Reload);
            Box::pin(async { Err("cert.pem: no such file\nas if".to_owned()) })
        }),
        log_level: Arc::new(move |module, level| {
            log_level(Called::LogLevel(module.map(str::to_owned), level));
            Ok("debug".to_owned())
        }),
    }
}

/// Both shards and the RIB.
struct World {
    shards: Vec<ShardCore<FakeCrypto>>,
    control: ControlCore,
}

impl World {
    fn populated() -> Self {
        let rib = RibLimits {
            names_max: 100,
            subscriptions_max: 100,
            subscriptions_per_link_max: 100,
        };
        let options = |shard| ShardOptions {
            shard,
            shards: SHARDS,
            node: LocalNode {
                node_id: "node-fake".to_owned(),
                deployment_name: String::new(),
                version: "3.4.6".to_owned(),
            },
            limits: Limits {
                fib: rib.into(),
                ..Limits::default()
            },
            has_flow_cache: true,
            hash_seed: 1,
        };
        let shard = |number| ShardCore::new(options(number), FakeCrypto::new(number.into()));
        let mut world = Self {
            shards: (0..SHARDS).map(shard).collect(),
            control: ControlCore::new(SHARDS, rib, 1),
        };
        let slow = world.connect(0, SLOW_PEER);
        let sender = world.connect(0, "node-sender");
        world.connect(1, "node-idle");
        let (alice, bob) = (
            "org/ns/alice".parse().unwrap(),
            "org/ns/bob".parse().unwrap(),
        );
        let subscribe = HeaderFields::between(&bob, &bob)
            .seal()
            .subscribe(7)
            .unwrap();
        world.feed(slow, &subscribe);
        let tail = PublishTail::new(&SessionHeader::default()).app_payload("", &[0; PAYLOAD_BYTES]);
        let publish = HeaderFields::between(&alice, &bob)
            .seal()
            .publish(&tail)
            .unwrap();
        let nobody = HeaderFields::between(&bob, &alice)
            .seal()
            .publish(&tail)
            .unwrap();
        for _ in 0..WAITING {
            world.feed(sender, &publish);
        }
        world.feed(sender, &nobody);
        world
    }

    /// A link without a key, so that nothing has to be signed.
    fn connect(&mut self, shard: usize, node_id: &str) -> LinkId {
        let policy = LinkPolicy {
            require_header_mac: false,
            enforce_pqc: false,
        };
        let options = LinkOptions {
            policy,
            negotiation_timeout: Duration::from_secs(5),
        };
        let link = self.shards[shard].open_link(options, Time::ZERO).unwrap();
        let request = message::link(LinkNegotiationPayload {
            link_id: "5e9f0000-0000-4000-8000-000000000000".to_owned(),
            slim_version: "3.4.6".to_owned(),
            connection_type: 2,
            node_id: node_id.to_owned(),
            ..LinkNegotiationPayload::default()
        });
        let intake = self.shards[shard].handle_message(link, Body::from(request), Time::ZERO);
        assert_eq!(intake, Intake::Next);
        self.settle();
        link
    }

    fn feed(&mut self, link: LinkId, framed: &bytes::Bytes) {
        let body = Body::from(message::unframed(framed));
        let shard = &mut self.shards[usize::from(link.shard())];
        assert_eq!(shard.handle_message(link, body, Time::ZERO), Intake::Next);
        shard.end_turn(link);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut is_moving = false;
            for shard in 0..SHARDS {
                while let Some(output) = self.shards[usize::from(shard)].poll_output() {
                    is_moving = true;
                    self.obey(shard, output);
                }
            }
            while let Some((recipient, event)) = self.control.poll_event() {
                is_moving = true;
                match recipient {
                    Recipient::Shard(shard) => self.tell(shard, event),
                    Recipient::All => (0..SHARDS).for_each(|shard| self.tell(shard, event)),
                }
            }
            if !is_moving {
                return;
            }
        }
    }

    fn tell(&mut self, shard: u8, event: ControlEvent) {
        self.shards[usize::from(shard)].handle_control(event, Time::ZERO);
    }

    fn obey(&mut self, shard: u8, output: Output) {
        match output {
            Output::Request(request) => self.control.handle_request(shard, request),
            Output::Applied(seq) => self.control.handle_applied(shard, seq),
            Output::Handoff { shard, handoff } => {
                self.shards[usize::from(shard)].handle_handoff(&handoff, Time::ZERO);
            }
            Output::Wake(_)
            | Output::Resume(_)
            | Output::Announce(_)
            | Output::Close(_)
            | Output::Congestion { .. }
            | Output::Diverged(_) => {}
        }
    }

    fn answer(mut self, mailboxes: &[Arc<Mailbox>], flags: &(Arc<AtomicBool>, Arc<AtomicBool>)) {
        let (is_silent, is_over) = flags;
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut unanswered = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            for (shard, mailbox) in mailboxes.iter().enumerate() {
                while let Some(ask) = mailbox.take(&waker) {
                    if is_silent.load(Ordering::SeqCst) {
                        // Kept, so that whoever asked waits.
                        unanswered.push(ask);
                    } else {
                        self.reply(shard, ask);
                    }
                }
            }
            std::thread::park();
        }
    }

    fn reply(&mut self, shard: usize, ask: Ask) {
        match ask {
            Ask::View(reply) => {
                let core = self.shards[shard].view(NOW);
                let mut turn = Histogram::default();
                turn.record(Duration::from_micros(30));
                let shell = ShellView {
                    turn,
                    transports: 2,
                    ..ShellView::default()
                };
                reply.send(ShardReport { core, shell }).ok();
            }
            Ask::Links { first, reply } => {
                reply.send(self.shards[shard].view_links(first, NOW)).ok();
            }
            Ask::Rib(reply) => {
                let rib = self.control.rib();
                let view = RibView {
                    names: rib.names(),
                    subscriptions: rib.subscriptions(),
                    seq: rib.seq(),
                    committed: self.control.committed(),
                    digest: rib.digest(),
                };
                reply.send(view).ok();
            }
            Ask::Turn(reply) => drop(reply.send(())),
            Ask::Drain { .. } | Ask::Stop | Ask::Tls { .. } => {}
            #[cfg(feature = "fault-injection")]
            Ask::Hang(_) | Ask::Panic => {}
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
