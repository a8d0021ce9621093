//! The shell: sockets, TLS, HTTP/2, threads and time around the pure core.
//!
//! What a shell may do: move bytes, keep deadlines of its own handshakes, obey [`Output`]. What it may
//! not: look into a message, decide who receives it, or keep a queue of messages. The core decides, the
//! shell moves.
//!
//! [`Output`]: slipring_core::Output

pub mod clock;
pub mod granted;
pub mod h2;
pub mod link;
pub mod listener;
pub mod mailbox;
pub mod mesh;
pub mod runtime;
pub mod shard;
pub mod signal;
pub mod task;
pub mod tls;
pub mod transport;
pub mod turn;
pub mod wire;
