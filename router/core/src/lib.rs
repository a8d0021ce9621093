//! The pure heart of the router: links, ingress, forwarding, egress and control, without a socket, a
//! clock or a thread.
//!
//! # The grammar
//!
//! A shell owns one [`ShardCore`] for each pinned thread, and one [`ControlCore`] on the first of them.
//! It speaks to them in this order:
//!
//! 1. tell what the world did, by one `open_*`, `handle_*`, `end_*` or `poll_batch` call, with the
//!    current [`Time`];
//! 2. drain [`ShardCore::poll_output`] until it is empty, and obey every [`Output`];
//! 3. call [`ShardCore::handle_timeout`] when [`ShardCore::next_deadline`] has passed.
//!
//! The core never calls the shell, never blocks and never panics on what a peer sent.
//!
//! # Invariants worth naming
//!
//! 1. *One writer of truth.* Only [`ControlCore`] changes the RIB; shards apply numbered deltas.
//! 2. *Acknowledged means found.* A subscription is acknowledged after every shard applied its delta.
//! 3. *Keys do not travel.* A head is signed on the shard that owns the link it leaves by.
//! 4. *Everything is bounded.* Queues, caches and unfinished messages are charged to an account first.
//! 5. *Every loss has a name.* A message that arrives is forwarded, or counted under a reason.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod control;
mod counters;
mod drain;
mod egress;
mod event;
mod flow;
mod forward;
mod ingress;
mod invariants;
mod ledger;
mod limits;
mod links;
mod publish;
mod reason;
mod shard;
mod stall;
mod subscribe;
mod time;
mod timer;
mod view;

pub use control::{ControlCore, Recipient, SubscriptionError};
pub use counters::{Counters, MessageKind, Tally};
pub use egress::{Bounds, COPY_BYTES_MAX};
pub use event::{ControlEvent, ControlRequest, Ending, Handoff, Output};
pub use ingress::Intake;
pub use ledger::Account;
pub use limits::Limits;
pub use links::LinkCounters;
pub use reason::{CloseReason, DropReason, RefuseReason};
pub use shard::{LinkOptions, ShardCore, ShardOptions};
pub use time::Time;
pub use timer::WATCH_INTERVAL;
pub use view::{CLASSES, LINKS_PER_PAGE, LinkView, ShardView};
