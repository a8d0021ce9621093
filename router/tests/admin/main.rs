//! The admin surface over real sockets, around a node whose shards are real cores without a shell.
//!
//! Everything an operator can ask is asked here: each page, each order, the client side of both,
//! and ten thousand requests that make no sense.
#![allow(
    clippy::unwrap_used,
    reason = "a value that is not there fails the test, which is what is wanted"
)]

mod abuse;
mod control;
mod fake_node;
mod http;
mod pages;
mod prometheus;
mod remote;
