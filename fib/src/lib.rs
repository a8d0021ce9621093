//! Routing truth (RIB) and its per-shard forwarding replicas (FIB).
//!
//! Two structures and one arrow between them. The [`Rib`] lives on the control shard and says what
//! is *wanted*: every subscription, counted by (link, subscription id, name). When a link becomes
//! reachable for a name, or stops being so, the RIB emits one numbered [`Delta`]. A [`Fib`] lives on
//! every shard, holds only what can forward *now*, and changes in no other way than by applying
//! those deltas in order, or by loading a whole [`Snapshot`].
//!
//! ```text
//!   subscribe / unsubscribe / remove_link
//!        |
//!        v
//!       Rib ---- Delta { seq, change } ----> Fib.apply      (every shard)
//!        '------ Snapshot -----------------> Fib.load       (a shard that joins or lost its place)
//! ```
//!
//! Invariants:
//!
//! 1. Deltas are numbered 1, 2, 3, … without a gap. A replica refuses any other order.
//! 2. A replica that has applied the RIB's last delta has the RIB's digest.
//! 3. Nothing here reads a clock, draws a random number or iterates a hash table: the same calls
//!    with the same hash seed give the same answers, and no answer depends on the hash seed.
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

mod delta;
mod entry;
mod error;
mod limits;
mod link;
mod lookup;
mod members;
mod pointer;
mod rib;
mod rows;
mod seeded;
mod segments;
mod slab;
mod snapshot;
mod spread;
mod table;

pub use delta::{Change, Delta};
pub use error::{ApplyError, Refused, Unknown};
pub use limits::{FibLimits, RibLimits};
pub use link::{ClassSet, LinkClass, LinkId};
pub use lookup::Choice;
pub use rib::Rib;
pub use snapshot::{Route, Snapshot};
pub use table::Fib;
