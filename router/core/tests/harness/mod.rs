//! One node of one or more shards, its control shard, its mesh, and virtual clients around it: what a
//! shell does, without a socket, in virtual time.
//!
//! The stories speak to a [`Node`]: clients connect, say something, read at their own pace, and time
//! passes when a story says so. Between any two steps every output is obeyed, every shard's invariants
//! are checked, and the counters of the whole node balance.
#![allow(
    dead_code,
    unused_imports,
    reason = "each story uses its own part of the harness"
)]

mod client;
mod names;
mod node;
mod shell;
mod wire;

pub(crate) use client::{Client, Dial, Reading};
pub(crate) use names::{fields, tail, text_name};
pub(crate) use node::{Node, NodeOptions, millis, seconds};
pub(crate) use wire::{Ack, Delivered};
