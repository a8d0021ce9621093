//! What benches and gates share: a node without sockets, filled tables, timing, and the figures that
//! are expected of them; and RESULTS.md, made from what `loadgen` measured.

pub mod expected;
pub mod fib_world;
pub mod node;
pub mod results;
pub mod timing;
