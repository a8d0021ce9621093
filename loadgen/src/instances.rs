//! `loadgen run --instances N --links L`: how a router takes many instances of one service.
//!
//! First every instance subscribes, all requests prepared beforehand and sent at once; the clock
//! stops at the last ack. Then a further link sends one message to each instance, and every
//! message must arrive once, on the link that subscribed that instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use slipring_proto::envelope::Inbound;
use slipring_proto::generated::SessionHeader;
use slipring_proto::message::{PublishTail, decode_ack};
use slipring_sdk::error::Error;
use slipring_sdk::io::received::payload_in;
use slipring_sdk::random::random_u64;
use slipring_sdk::{Link, LinkReceiver};
use tokio::task::JoinHandle;

use crate::connect::{Connector, name};
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::probe::{Probe, Tally};
use crate::report::{Deliveries, InstancesOutcome};
use crate::run::{Failure, Sample, resident_kib, run_number};
use crate::stage::Stage;

/// Requests and messages appended at a time.
const APPEND_BYTES: usize = 64 * 1024;
/// Without an ack or a message for so long, the rest is given up.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// How often the coordinator looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Counts that the coordinator watches.
#[derive(Debug, Default)]
struct Progress {
    acked: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
}

/// What one subscribing link saw.
#[derive(Debug, Default)]
struct Books {
    /// Per instance, indexed by its number divided by the links.
    tallies: Vec<Tally>,
    misdelivered: u64,
    broken: Option<String>,
}

/// Runs the plan.
pub(crate) async fn instances(
    plan: &Plan,
    fleet: &Fleet,
    instances: usize,
    links: usize,
) -> Result<InstancesOutcome, Failure> {
    let stage = Stage::new(run_number(), fleet.len());
    let connector = Connector::new(&plan.links, plan.identity);
    let resident_kib_before = resident_kib(&plan.reporting);
    let progress = Arc::new(Progress::default());
    let mut prepared = Vec::with_capacity(links);
    for at in 0..links {
        let (connector, run) = (connector.clone(), stage.run);
        let mine = (at..instances).step_by(links);
        prepared.push(fleet.spawn(at, async move {
            let link = connector.connect(at).await?;
            let requests = requests(&link, run, mine)?;
            Ok::<_, Error>((link, requests))
        }));
    }
    let mut receivers = Vec::with_capacity(links);
    let mut waiting = Vec::with_capacity(links);
    for (at, task) in prepared.into_iter().enumerate() {
        let (link, requests) = task.await??;
        let (sender, receiver) = link.split();
        let member = Member {
            at,
            links,
            run: stage.run,
            instances,
            progress: Arc::clone(&progress),
        };
        receivers.push(fleet.spawn(at, member.receive(stage.clone(), receiver)));
        waiting.push((sender, requests));
    }
    let publisher = connector.connect(links).await?;
    let messages = messages(&publisher, plan, stage.run, instances)?;

    let first = Sample::take(&stage, &plan.reporting);
    for (sender, requests) in &waiting {
        for piece in requests {
            sender.send_bytes(piece).await?;
        }
    }
    let done = |progress: &Progress| {
        progress.acked.load(Ordering::Relaxed) + progress.refused.load(Ordering::Relaxed)
    };
    watch(&stage, instances as u64, || done(&progress)).await;
    let subscribing = first.until(&Sample::take(&stage, &plan.reporting));

    let second = Sample::take(&stage, &plan.reporting);
    for piece in &messages {
        publisher.sender().send_bytes(piece).await?;
    }
    watch(&stage, instances as u64, || {
        progress.delivered.load(Ordering::Relaxed)
    })
    .await;
    let sending = second.until(&Sample::take(&stage, &plan.reporting));
    // A message too many would come now.
    tokio::time::sleep(LOOK_EVERY * 10).await;
    stage.finish();
    let mut outcome = InstancesOutcome {
        acked: progress.acked.load(Ordering::Relaxed),
        refused: progress.refused.load(Ordering::Relaxed),
        subscribing,
        sending,
        resident_kib_before,
        ..InstancesOutcome::default()
    };
    outcome.deliveries.sent = instances as u64;
    add_all(&mut outcome, receivers).await?;
    Ok(outcome)
}

/// Waits until `count` reaches `wanted` or stands still.
async fn watch(stage: &Stage, wanted: u64, count: impl Fn() -> u64) {
    let (mut seen, mut since) = (0, stage.clock.elapsed());
    loop {
        let (now_count, now) = (count(), stage.clock.elapsed());
        if now_count >= wanted {
            return;
        }
        if now_count != seen {
            (seen, since) = (now_count, now);
        } else if now.saturating_sub(since) > QUIET_MAX {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Signed requests for the instances of one link, in pieces.
fn requests(
    link: &Link,
    run: u32,
    instances: impl Iterator<Item = usize>,
) -> Result<Vec<Bytes>, Error> {
    let mut pieces = Pieces::default();
    let first_id = random_u64();
    for instance in instances {
        let id = first_id.wrapping_add(instance as u64).max(1);
        let header = link
            .sender()
            .header(&name(run, "service", 1 + instance as u128), 1)?;
        let request = header.subscribe(id).map_err(too_long)?;
        pieces.push(&request);
    }
    Ok(pieces.finish())
}

/// One signed message to each instance, in pieces.
fn messages(link: &Link, plan: &Plan, run: u32, instances: usize) -> Result<Vec<Bytes>, Error> {
    let mut pieces = Pieces::default();
    let session = SessionHeader {
        session_type: 1,
        session_id: 7,
        ..SessionHeader::default()
    };
    let sizes: Vec<_> = plan.sizes.bytes().collect();
    for instance in 0..instances {
        let flow = u32::try_from(instance).unwrap_or(u32::MAX);
        let mut payload = vec![7; sizes[plan.sizes.choose(plan.seed, flow, 0)]];
        Probe {
            run,
            flow,
            sequence: 0,
            stamp_ns: 0,
        }
        .write(&mut payload);
        let tail = PublishTail::new(&session).app_payload("", &payload);
        let header = link
            .sender()
            .header(&name(run, "service", 1 + instance as u128), 1)?;
        pieces.push(&header.publish(&tail).map_err(too_long)?);
    }
    Ok(pieces.finish())
}

fn too_long(error: slipring_proto::error::TooLong) -> Error {
    Error::TooLong {
        bytes: error.message_bytes,
        bytes_max: 4 << 20,
    }
}

/// Framed messages joined to pieces worth appending.
#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    current: BytesMut,
}

impl Pieces {
    fn push(&mut self, framed: &[u8]) {
        self.current.extend_from_slice(framed);
        if self.current.len() >= APPEND_BYTES {
            self.done.push(self.current.split().freeze());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.done.push(self.current.freeze());
        self.done
    }
}

/// One subscribing link.
struct Member {
    at: usize,
    links: usize,
    run: u32,
    instances: usize,
    progress: Arc<Progress>,
}

impl Member {
    async fn receive(self, stage: Stage, mut receiver: LinkReceiver) -> Books {
        let count = (self.at..self.instances).step_by(self.links).len();
        let mut books = Books {
            tallies: vec![Tally::default(); count],
            ..Books::default()
        };
        let receiving = async {
            loop {
                match receiver.recv_inbound().await {
                    Ok(Some(inbound)) => self.book(&mut books, inbound),
                    Ok(None) => {
                        let end = receiver.end().map(ToString::to_string);
                        books.broken = end.or_else(|| Some("ended".to_owned()));
                        return;
                    }
                    Err(error) => {
                        books.broken = Some(error.brief());
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = receiving => {}
            () = stage.over() => {}
        }
        books
    }

    fn book(&self, books: &mut Books, inbound: Inbound) {
        match inbound {
            Inbound::Ack(body) => {
                let success = decode_ack(body).is_ok_and(|ack| ack.success);
                let counter = if success {
                    &self.progress.acked
                } else {
                    &self.progress.refused
                };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Inbound::Routed(envelope) => {
                let whole = envelope.tail.body.into_bytes();
                let inner = whole.get(..envelope.tail.inner_len).unwrap_or_default();
                let payload = payload_in(inner).unwrap_or_default();
                let probe = Probe::read(payload).filter(|probe| probe.run == self.run);
                let mine = probe.filter(|probe| probe.flow as usize % self.links == self.at);
                match mine.and_then(|probe| books.tallies.get_mut(probe.flow as usize / self.links))
                {
                    Some(tally) => tally.observe(0),
                    None => books.misdelivered += 1,
                }
                self.progress.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Inbound::Link(_) | Inbound::Empty => {}
        }
    }
}

async fn add_all(
    outcome: &mut InstancesOutcome,
    receivers: Vec<JoinHandle<Books>>,
) -> Result<(), Failure> {
    let total: &mut Deliveries = &mut outcome.deliveries;
    for receiver in receivers {
        let books = receiver.await?;
        for tally in &books.tallies {
            total.expected += 1;
            total.received += tally.received;
            total.lost += tally.lost(1);
            total.duplicates += tally.duplicates;
        }
        total.foreign += books.misdelivered;
        outcome.broken.extend(books.broken);
    }
    Ok(())
}
