//! The tokio shell of a link: sockets, TLS, HTTP/2, one gRPC stream per link.
//!
//! Layers, each usable alone: [`socket`] dials, [`gather`] keeps system calls few, [`transport`]
//! is one HTTP/2 connection and [`stream`] one of its streams with gRPC framing. [`driver`] joins a
//! stream to the pure machine of [`crate::link`] and is what applications use.
//!
//! Nothing here decides protocol questions. Futures are `Send`; tasks are started with
//! `tokio::spawn`, so any tokio runtime will do, a current-thread one included.

pub mod driver;
pub mod gather;
pub mod outbox;
pub mod received;
pub mod socket;
pub mod stream;
pub mod transport;
