//! The real process over real sockets.
//!
//! Every test starts a router of its own on ports of the operating system, speaks to it as a peer
//! would, and ends it by its process id. Statements of the wire checklist carry their number
//! (`wire_NN_…`), reasons their label (`drop_…`, `close_…`, `refuse_…`).
//!
//! | variable | effect |
//! |---|---|
//! | `SLIPRING_BIN` | the binary to test, instead of the one built beside the tests |
//! | `SLIPRING_TEST_IO` | `slipring.io` of every router: `uring`, `epoll` or `auto`; io_uring where it can run, unless given |
#![allow(
    clippy::unwrap_used,
    reason = "a value that is not there fails the test, which is what is wanted"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "the harness offers more than the tests of one statement need"
)]
mod harness;

mod conservation;
mod descriptors;
mod graceful_drain;
mod idle_memory;
mod instances;
mod interop;
mod million;
#[cfg(feature = "fault-injection")]
mod panic_is_abort;
mod panics_never;
mod preflight;
mod reasons_close;
mod reasons_drop;
mod reasons_refuse;
mod slow_consumer;
mod subscribe_ack_after_all_shards;
mod systemd;
mod tails;
mod tls;
mod unix_socket;
mod wire_delivery;
mod wire_lifecycle;
mod wire_mac;
mod wire_messages;
mod wire_names;
mod wire_negotiation;
mod wire_subscriptions;
mod wire_transport;
