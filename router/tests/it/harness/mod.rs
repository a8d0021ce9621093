//! What the integration tests share: a router as a process, its numbers, and clients that may
//! behave.
//!
//! Nothing here sleeps for luck: whatever is waited for is a condition with a deadline, far above
//! what it should take, so that a hang fails by name.

mod client;
mod h2_peer;
mod line;
mod opening;
mod process;
mod scrape;
mod setup;
mod tls;

use std::future::Future;
use std::time::Duration;

pub(crate) use client::{Client, Delivery, Heard, fields, name, payload, text};
pub(crate) use h2_peer::H2Peer;
pub(crate) use line::Line;
pub(crate) use opening::{Opening, request};
pub(crate) use process::{Hog, Router, binary, raise_descriptors};
pub(crate) use scrape::{Scrape, field};
pub(crate) use setup::{Setup, clear, cpus_allowed, uring};
pub(crate) use tls::{Authority, Leaf};

/// How long anything may take: ten times and more what it should.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits for `event`.
///
/// # Panics
/// When it does not happen in time; `what` says what it was.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("no {what} within {PATIENCE:?}"),
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none in time.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    within(what, asking).await
}
