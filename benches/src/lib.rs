//! What benches and gates share: a node without sockets, filled tables, timing, and the figures that
//! are expected of them.

pub mod expected;
pub mod fib_world;
pub mod node;
pub mod timing;
