//! Who takes part in a run: every link, its role, its thread, its subscriptions.
//!
//! The plan comes in; links that are open, subscribed and acknowledged leave, and become tasks.

use std::ops::Range;
use std::sync::Arc;

use slipring_proto::name::TextName;
use slipring_sdk::Link;
use slipring_sdk::error::StreamEnd;
use tokio::task::JoinHandle;

use crate::connect::{Connector, name};
use crate::fleet::Fleet;
use crate::flow::{Publishing, Seen, publish, receive};
use crate::message::Messages;
use crate::plan::{Plan, Shape};
use crate::report::StalledLink;
use crate::run::Failure;
use crate::stage::{Flow, Stage};
use crate::target::broker::{BrokerLink, Protocol};
use crate::target::slim::SlimReceiver;
use crate::target::{LinkError, Receiver, Sender, TargetLink};

/// Links being opened at a time.
const OPENING_MAX: usize = 128;
/// The fanout published clients use for groups (WIRE §7.3).
const FANOUT_GROUP: u32 = 256;

/// What a link is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Publisher { flow: usize },
    Subscriber { flows: Range<usize> },
    Stalled,
    Idle { index: usize },
}

/// A link made and subscribed.
struct Ready {
    role: Role,
    thread: usize,
    link: TargetLink,
    /// Of a publisher: what it will send, signed beforehand.
    messages: Option<Messages>,
}

/// A link's place in a run.
struct Part<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    fleet: &'a Fleet,
    thread: usize,
    role: Role,
    messages: Option<Messages>,
}

/// A link that only exists.
enum Idle {
    /// Tells whether a link to a broker has ended; holds its sending half.
    Broker(Box<dyn Fn() -> bool + Send>),
    /// To a SLIM node.
    Slim(Box<Link>),
}

impl Idle {
    fn is_over(&self) -> bool {
        match self {
            Self::Broker(is_over) => is_over(),
            Self::Slim(link) => link.sender().end().is_some(),
        }
    }
}

/// The tasks of a run and the links that only exist.
pub(crate) struct Cast {
    /// The publishers, in the order of their flows.
    pub(crate) flows: Vec<Arc<Flow>>,
    /// End when they have published everything.
    pub(crate) publishers: Vec<JoinHandle<Result<(), LinkError>>>,
    /// End when the stage is over.
    pub(crate) receivers: Vec<JoinHandle<Seen>>,
    /// End when the stage is over.
    pub(crate) stalled: Vec<JoinHandle<StalledLink>>,
    /// Held, so that they stay open.
    idle: Vec<Idle>,
    /// Signed headers with identities of their own, and the memory they take, over all links.
    pub(crate) pooled: (usize, usize),
}

impl Cast {
    /// Makes all links of the plan, then starts their tasks, which wait for the stage to start.
    pub(crate) async fn assemble(
        plan: &Plan,
        stage: &Stage,
        fleet: &Fleet,
    ) -> Result<Self, Failure> {
        let ready = connect_all(plan, fleet, stage.run).await?;
        let mut cast = Self {
            flows: flows_of(plan.shape),
            publishers: Vec::new(),
            receivers: Vec::new(),
            stalled: Vec::new(),
            idle: Vec::new(),
            pooled: (0, 0),
        };
        for one in ready {
            cast.start(plan, stage, fleet, one);
        }
        Ok(cast)
    }

    fn start(&mut self, plan: &Plan, stage: &Stage, fleet: &Fleet, ready: Ready) {
        let Ready {
            role,
            thread,
            link,
            messages,
        } = ready;
        let part = Part {
            plan,
            stage,
            fleet,
            thread,
            role,
            messages,
        };
        match link {
            TargetLink::Mqtt(link) => self.start_broker(part, link),
            TargetLink::Nats(link) => self.start_broker(part, link),
            TargetLink::Slim(link) => match part.role {
                Role::Stalled => {
                    let stalled = stall(stage.clone(), *link);
                    self.stalled.push(fleet.spawn(thread, stalled));
                }
                Role::Idle { .. } => self.idle.push(Idle::Slim(link)),
                Role::Publisher { .. } | Role::Subscriber { .. } => {
                    let (sender, receiver) = link.split();
                    self.play(part, sender, SlimReceiver::new(receiver));
                }
            },
        }
    }

    fn start_broker<P: Protocol>(&mut self, part: Part<'_>, link: BrokerLink<P>) {
        let (sender, receiver) = link.split();
        match part.role {
            // The plan refuses links that never read when the target is a broker.
            Role::Idle { .. } | Role::Stalled => {
                let (stage, thread) = (part.stage.clone(), part.thread);
                drop(part.fleet.spawn(thread, tend(stage, receiver)));
                self.idle
                    .push(Idle::Broker(Box::new(move || sender.end().is_some())));
            }
            Role::Publisher { .. } | Role::Subscriber { .. } => self.play(part, sender, receiver),
        }
    }

    /// Starts the task of a publisher or a subscriber.
    fn play<S: Sender, R: Receiver>(&mut self, part: Part<'_>, sender: S, receiver: R) {
        let (stage, thread) = (part.stage.clone(), part.thread);
        match part.role {
            Role::Publisher { flow } => {
                let Some(messages) = part.messages else {
                    return;
                };
                if let Some(pool) = messages.pool() {
                    self.pooled.0 += pool.headers();
                    self.pooled.1 += pool.bytes();
                }
                let publishing = publishing(part.plan, messages);
                let flow = Arc::clone(&self.flows[flow]);
                self.publishers.push(part.fleet.spawn(thread, async move {
                    // Both halves stay until every delivery was made: a link that closes early
                    // would take with it what the router has not read yet.
                    drop(tokio::spawn(tend(stage.clone(), receiver)));
                    publish(stage, flow, sender, publishing).await
                }));
            }
            Role::Subscriber { flows } => {
                let flows = self.flows[flows].to_vec();
                self.receivers.push(part.fleet.spawn(thread, async move {
                    let seen = receive(stage, thread, flows, receiver).await;
                    drop(sender);
                    seen
                }));
            }
            Role::Idle { .. } | Role::Stalled => {}
        }
    }

    /// Idle links, and those among them that are open no more.
    pub(crate) fn idle_links(&self) -> (usize, usize) {
        let lost = self.idle.iter().filter(|link| link.is_over()).count();
        (self.idle.len(), lost)
    }
}

/// Holds the receiving half of a link that has nothing to receive until the stage is over.
async fn tend<R: Receiver>(stage: Stage, mut receiver: R) {
    let tending = async {
        receiver.tend().await;
        // The link is over; whoever sends on it finds out.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = tending => {}
        () = stage.over() => {}
    }
}

fn flows_of(shape: Shape) -> Vec<Arc<Flow>> {
    let readers = match shape {
        Shape::Fanout { subscribers, .. } => subscribers as u64,
        Shape::Pairs { .. } | Shape::Incast { .. } | Shape::Instances { .. } => 1,
    };
    (0..)
        .take(shape.flows())
        .map(|index| Arc::new(Flow::new(index, readers)))
        .collect()
}

/// Every link of the plan and the thread it belongs to. A pair shares a thread.
fn roles_of(plan: &Plan) -> Vec<(usize, Role)> {
    let mut roles = Vec::new();
    match plan.shape {
        Shape::Pairs { pairs } => {
            for flow in 0..pairs {
                roles.push((
                    flow,
                    Role::Subscriber {
                        flows: flow..flow + 1,
                    },
                ));
                roles.push((flow, Role::Publisher { flow }));
            }
        }
        Shape::Fanout {
            subscribers,
            stalled,
        } => {
            roles.extend((0..subscribers).map(|n| (n, Role::Subscriber { flows: 0..1 })));
            roles.extend((0..stalled).map(|n| (n, Role::Stalled)));
            roles.push((0, Role::Publisher { flow: 0 }));
        }
        Shape::Incast { publishers } => {
            roles.push((
                0,
                Role::Subscriber {
                    flows: 0..publishers,
                },
            ));
            roles.extend((0..publishers).map(|flow| (flow, Role::Publisher { flow })));
        }
        Shape::Instances { .. } => {}
    }
    roles.extend((0..plan.idle_links).map(|index| (index, Role::Idle { index })));
    roles
}

/// Opens and subscribes all links, some at a time.
async fn connect_all(plan: &Plan, fleet: &Fleet, run: u32) -> Result<Vec<Ready>, Failure> {
    let connector = Connector::new(&plan.links, plan.identity);
    let mut opening: Vec<JoinHandle<Result<Ready, LinkError>>> = Vec::new();
    let mut ready = Vec::new();
    let shared = Arc::new(plan.clone());
    for (index, (thread, role)) in roles_of(plan).into_iter().enumerate() {
        if opening.len() >= OPENING_MAX {
            for task in opening.drain(..OPENING_MAX / 2) {
                ready.push(task.await??);
            }
        }
        let thread = thread % fleet.len();
        let (connector, plan) = (connector.clone(), Arc::clone(&shared));
        opening.push(fleet.spawn(thread, async move {
            let mut link = TargetLink::open(&connector, index).await?;
            link.subscribe_all(&names_of(&role, run, plan.idle_names))
                .await?;
            let messages = messages_of(&plan, &link, &role, run)?;
            Ok(Ready {
                role,
                thread,
                link,
                messages,
            })
        }));
    }
    for task in opening {
        ready.push(task.await??);
    }
    Ok(ready)
}

/// The instance to which flow number `flow` is published.
fn flow_name(run: u32, flow: usize) -> TextName {
    name(run, "flow", 1 + flow as u128)
}

/// What a link subscribes to. Flows that share a subscriber share a name.
fn names_of(role: &Role, run: u32, idle_names: usize) -> Vec<TextName> {
    match role {
        Role::Publisher { .. } => Vec::new(),
        Role::Subscriber { flows } => vec![flow_name(run, flows.start)],
        Role::Stalled => vec![flow_name(run, 0)],
        Role::Idle { index } => {
            let what = format!("idle-{index}");
            (0..idle_names)
                .map(|k| name(run, &what, 1 + k as u128))
                .collect()
        }
    }
}

/// What a publisher will send; nothing for the other roles.
fn messages_of(
    plan: &Plan,
    link: &TargetLink,
    role: &Role,
    run: u32,
) -> Result<Option<Messages>, LinkError> {
    let Role::Publisher { flow } = *role else {
        return Ok(None);
    };
    let (target, fanout) = match plan.shape {
        Shape::Fanout { .. } => (0, FANOUT_GROUP),
        Shape::Incast { .. } => (0, 1),
        Shape::Pairs { .. } | Shape::Instances { .. } => (flow, 1),
    };
    let number = u32::try_from(flow).unwrap_or(u32::MAX);
    let destination = flow_name(run, target);
    let messages = match link {
        TargetLink::Mqtt(link) => Messages::new(link.sender(), plan, &destination, fanout, number),
        TargetLink::Nats(link) => Messages::new(link.sender(), plan, &destination, fanout, number),
        TargetLink::Slim(link) => Messages::new(link.sender(), plan, &destination, fanout, number),
    };
    messages.map(Some)
}

fn publishing(plan: &Plan, messages: Messages) -> Publishing {
    Publishing {
        messages,
        load: plan.load,
        stream: plan.stream,
        flows: plan.shape.flows(),
        messages_max: plan.messages.unwrap_or(u64::MAX),
    }
}

/// Reads nothing, and tells when and how the router made an end of it.
async fn stall(stage: Stage, mut link: Link) -> StalledLink {
    let window = stage.started().await;
    let sender = link.sender().clone();
    let closed_after_seconds = tokio::select! {
        _ = sender.ended() => {
            let after_ns = stage.clock.now_ns().saturating_sub(window.start_ns);
            Some(after_ns as f64 / 1e9)
        }
        () = stage.over() => None,
    };
    let end = match closed_after_seconds {
        // Everything still buffered is read here, so that the status behind it is seen.
        Some(_) => link.receiver().ended().await,
        None => StreamEnd::Local,
    };
    StalledLink {
        closed_after_seconds,
        end: end.to_string(),
    }
}
