//! `loadgen storm`: opens many links as fast as the target lets it, holds them, closes them.
//!
//! A link counts as open when the negotiation is done and every name it asked for is acknowledged;
//! the time for that is what the histogram shows. Links lost while they are held are failures too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slipring_sdk::error::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::clock::nanoseconds;
use crate::connect::{Connector, name};
use crate::fleet::Fleet;
use crate::histogram::Latencies;
use crate::identity::Identity;
use crate::plan::StormPlan;
use crate::report::{Measured, StormOutcome};
use crate::run::{Failure, Sample, resident_kib, run_number};
use crate::stage::Stage;

/// From the last close until the target's memory is read: closing takes it a moment.
const SETTLE: Duration = Duration::from_secs(2);

/// What the tasks of a storm add to.
#[derive(Debug, Default)]
struct Books {
    open: usize,
    times: Latencies,
    failures: BTreeMap<String, u64>,
}

#[derive(Clone)]
struct Storm {
    stage: Stage,
    connector: Connector,
    books: Arc<Mutex<Books>>,
    names: usize,
}

impl Storm {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One link: open, subscribe, hold to the end.
    async fn ride(self, index: usize, permits: Arc<Semaphore>) {
        let Ok(permit) = permits.acquire_owned().await else {
            return;
        };
        let started_ns = self.stage.clock.now_ns();
        let opened = self.open(index).await;
        let took_ns = self.stage.clock.now_ns().saturating_sub(started_ns);
        drop(permit);
        let link = match opened {
            Ok(link) => link,
            Err(error) => return self.fail(error.brief()),
        };
        {
            let mut books = self.books();
            books.open += 1;
            books.times.record(took_ns);
        }
        tokio::select! {
            biased;
            () = self.stage.over() => {}
            end = link.sender().ended() => {
                self.books().open -= 1;
                self.fail(format!("while held: {end}"));
            }
        }
    }

    async fn open(&self, index: usize) -> Result<slipring_sdk::Link, Error> {
        let mut link = self.connector.connect(index).await?;
        let what = format!("storm-{index}");
        for k in 0..self.names {
            link.subscribe(&name(self.stage.run, &what, 1 + k as u128))
                .await?;
        }
        Ok(link)
    }

    fn fail(&self, reason: String) {
        *self.books().failures.entry(reason).or_default() += 1;
    }

    /// Links that are open or have failed.
    fn settled(&self) -> usize {
        let books = self.books();
        let failed: u64 = books.failures.values().sum();
        books.open + usize::try_from(failed).unwrap_or(usize::MAX)
    }
}

/// Runs the storm.
pub(crate) async fn storm(plan: &StormPlan, fleet: &Fleet) -> Result<StormOutcome, Failure> {
    let storm = Storm {
        stage: Stage::new(run_number(), fleet.len()),
        connector: Connector::new(&plan.links, Identity::None),
        books: Arc::default(),
        names: plan.names,
    };
    let resident_kib_before = resident_kib(&plan.reporting);
    let first = Sample::take(&storm.stage, &plan.reporting);
    let permits = Arc::new(Semaphore::new(plan.concurrency));
    let riders: Vec<JoinHandle<()>> = (0..plan.count)
        .map(|index| fleet.spawn(index, storm.clone().ride(index, Arc::clone(&permits))))
        .collect();
    while storm.settled() < plan.count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let opened = first.until(&Sample::take(&storm.stage, &plan.reporting));
    let held = Sample::take(&storm.stage, &plan.reporting);
    tokio::time::sleep(plan.hold).await;
    let holding: Measured = held.until(&Sample::take(&storm.stage, &plan.reporting));
    let closing_ns = storm.stage.clock.now_ns();
    storm.stage.finish();
    for rider in riders {
        rider.await?;
    }
    let close_ns = storm.stage.clock.now_ns().saturating_sub(closing_ns);
    let resident_kib_after = match plan.reporting.pid {
        Some(_) => {
            tokio::time::sleep(SETTLE).await;
            resident_kib(&plan.reporting)
        }
        None => None,
    };
    let books = std::mem::take(&mut *storm.books());
    Ok(StormOutcome {
        open: books.open,
        times: books.times,
        failures: books.failures,
        opening: opened,
        holding,
        closing: Duration::from_nanos(close_ns),
        resident_kib_before,
        resident_kib_after,
        settle: Duration::from_nanos(nanoseconds(SETTLE)),
    })
}
