//! The doctor on hosts that are made up: every finding in every level it can have, what cannot be
//! read, and the two forms of the report.
#![allow(
    clippy::unwrap_used,
    reason = "a value that is not there fails the test, which is what is wanted"
)]

mod cases;
#[path = "../config_support/mod.rs"]
mod config_support;
mod findings;
mod host;
mod network;
mod report;
mod unknown;
