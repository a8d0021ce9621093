//! Links that come and go, and subscriptions that do, beside a load that should not feel it.
//!
//! Both follow a schedule by the clock, spread evenly over the churning links; how long an ack or
//! a new link takes counts from the moment it was due, so a router that falls behind shows. Every
//! subscription is to a name that was never used before: what is not forgotten would pile up.

use std::time::Duration;

use slipring_sdk::Link;
use slipring_sdk::error::Error;
use tokio::task::JoinHandle;

use crate::connect::{Connector, name};
use crate::fleet::Fleet;
use crate::histogram::Latencies;
use crate::pace::{Load, Pace};
use crate::plan::Plan;
use crate::report::json::Json;
use crate::run::Failure;
use crate::stage::{Stage, Window};

/// How much comes and goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Churn {
    /// Links that do it.
    pub(crate) links: usize,
    /// Subscriptions made and ended per second, all together.
    pub(crate) subscribe: Option<f64>,
    /// Links closed and opened anew per second, all together.
    pub(crate) connect: Option<f64>,
}

impl Churn {
    /// It as JSON.
    pub(crate) fn json(self) -> Json {
        Json::object([
            ("links", self.links.into()),
            ("subscribe_per_second", self.subscribe.into()),
            ("connect_per_second", self.connect.into()),
        ])
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Churned {
    /// Subscriptions made and ended again.
    pub(crate) subscribed: u64,
    /// As many as the plan asked for.
    pub(crate) subscribed_due: u64,
    /// Links closed and opened again.
    pub(crate) connected: u64,
    /// As many as the plan asked for.
    pub(crate) connected_due: u64,
    /// From when a request was due to its ack, both kinds of request.
    pub(crate) acks: Latencies,
    /// From when a link was due to be opened until it was.
    pub(crate) opens: Latencies,
    /// Why links stopped.
    pub(crate) broken: Vec<String>,
}

impl Churned {
    fn add(&mut self, other: Self) {
        self.subscribed += other.subscribed;
        self.subscribed_due += other.subscribed_due;
        self.connected += other.connected;
        self.connected_due += other.connected_due;
        self.acks.merge(&other.acks);
        self.opens.merge(&other.opens);
        self.broken.extend(other.broken);
    }
}

/// Links that churn as soon as the stage starts.
pub(crate) struct Churners {
    tasks: Vec<JoinHandle<Churned>>,
}

impl Churners {
    /// Opens the links.
    ///
    /// # Errors
    /// A link could not be made.
    pub(crate) async fn assemble(
        plan: &Plan,
        stage: &Stage,
        fleet: &Fleet,
    ) -> Result<Self, Failure> {
        let mut tasks = Vec::new();
        let Some(churn) = plan.churn else {
            return Ok(Self { tasks });
        };
        let connector = Connector::new(&plan.links, plan.identity);
        // Behind the other links, so that addresses to dial from are shared evenly.
        let first = plan.shape.links() + plan.idle_links;
        for index in 0..churn.links {
            let at = first + index;
            let dialling = connector.clone();
            let link = fleet.spawn(index, async move { dialling.connect(at).await });
            let churner = Churner {
                stage: stage.clone(),
                connector: connector.clone(),
                at,
                index,
                link: Some(link.await??),
                names: 0,
                churned: Churned::default(),
            };
            tasks.push(fleet.spawn(index, churner.work(churn)));
        }
        Ok(Self { tasks })
    }

    /// Waits for all links and adds up their books; `None` if there were none.
    ///
    /// # Errors
    /// A task of ours is gone.
    pub(crate) async fn collect(self) -> Result<Option<Churned>, Failure> {
        let mut total: Option<Churned> = None;
        for task in self.tasks {
            total.get_or_insert_default().add(task.await?);
        }
        Ok(total)
    }
}

/// One link that churns.
struct Churner {
    stage: Stage,
    connector: Connector,
    /// Its number among all links.
    at: usize,
    /// Its number among those that churn.
    index: usize,
    link: Option<Link>,
    /// Names used so far.
    names: u128,
    churned: Churned,
}

/// A kind of event and how often it was done.
struct Beat {
    pace: Option<Pace>,
    done: u64,
}

impl Beat {
    fn new(rate: Option<f64>, index: usize, links: usize, start_ns: u64) -> Self {
        let pace = rate.map(|rate| Pace::new(Load::Open { rate }, None, index, links, start_ns));
        Self { pace, done: 0 }
    }

    /// When it is due next.
    fn due_ns(&self) -> u64 {
        self.pace.map_or(u64::MAX, |pace| pace.due_ns(self.done, 0))
    }

    /// How often it is due before a moment.
    fn due_before(&self, moment_ns: u64) -> u64 {
        let last_ns = moment_ns.saturating_sub(1);
        self.pace.map_or(0, |pace| pace.allowed(last_ns, 0, 0))
    }
}

impl Churner {
    async fn work(mut self, churn: Churn) -> Churned {
        let window = self.stage.started().await;
        let beat = |rate| Beat::new(rate, self.index, churn.links, window.start_ns);
        let (mut subscribe, mut connect) = (beat(churn.subscribe), beat(churn.connect));
        self.churned.subscribed_due = subscribe.due_before(window.end_ns);
        self.churned.connected_due = connect.due_before(window.end_ns);
        loop {
            let due_ns = subscribe.due_ns().min(connect.due_ns());
            if due_ns >= window.end_ns || self.is_over(&window) {
                return self.churned;
            }
            let ahead_ns = due_ns.saturating_sub(self.stage.clock.now_ns());
            tokio::time::sleep(Duration::from_nanos(ahead_ns)).await;
            let result = if subscribe.due_ns() == due_ns {
                subscribe.done += 1;
                self.subscribe(due_ns).await
            } else {
                connect.done += 1;
                self.reconnect(due_ns).await
            };
            if let Err(error) = result {
                self.churned
                    .broken
                    .push(format!("churn: {}", error.brief()));
                return self.churned;
            }
        }
    }

    /// Whether it fell so far behind that the run ended meanwhile.
    fn is_over(&self, window: &Window) -> bool {
        self.stage.clock.now_ns() >= window.end_ns
    }

    /// Subscribes to a new name and ends the subscription.
    async fn subscribe(&mut self, due_ns: u64) -> Result<(), Error> {
        let Some(link) = &mut self.link else {
            return Err(Error::NotOpen);
        };
        self.names += 1;
        let what = format!("churn-{}", self.index);
        let wanted = name(self.stage.run, &what, self.names);
        link.subscribe(&wanted).await?;
        let subscribed_ns = self.stage.clock.now_ns();
        self.churned
            .acks
            .record(subscribed_ns.saturating_sub(due_ns));
        link.unsubscribe(&wanted).await?;
        let ended_ns = self.stage.clock.now_ns();
        self.churned
            .acks
            .record(ended_ns.saturating_sub(subscribed_ns));
        self.churned.subscribed += 1;
        Ok(())
    }

    /// Closes the link and opens a new one.
    async fn reconnect(&mut self, due_ns: u64) -> Result<(), Error> {
        drop(self.link.take());
        self.link = Some(self.connector.connect(self.at).await?);
        let took_ns = self.stage.clock.now_ns().saturating_sub(due_ns);
        self.churned.opens.record(took_ns);
        self.churned.connected += 1;
        Ok(())
    }
}
