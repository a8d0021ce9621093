//! Light SLIM client.
//!
//! So far it is the link layer: [`Link`] connects to a router over TCP, TLS or a unix socket,
//! negotiates, subscribes, publishes and receives. Beneath it, each usable alone:
//!
//! - [`link::LinkMachine`] is the protocol without I/O, time as an argument;
//! - [`io::stream::RawStream`] is a gRPC stream without protocol, for tests that send what no
//!   client would;
//! - [`io::transport::Transport`] is an HTTP/2 connection that may carry several of them.
//!
//! ```no_run
//! use slipring_sdk::{Endpoint, Link, LinkOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint: Endpoint = "127.0.0.1:46357".parse()?;
//! let mut link = Link::connect(&endpoint, &LinkOptions::default()).await?;
//! let name = "org/ns/echo".parse()?;
//! link.subscribe(&name).await?;
//! while let Some(message) = link.recv().await? {
//!     println!("{} bytes", message.payload().map_or(0, |payload| payload.len()));
//! }
//! # Ok(())
//! # }
//! ```

pub mod endpoint;
pub mod error;
pub mod io;
pub mod link;
pub mod random;

pub use endpoint::{Endpoint, Tls};
pub use error::{Error, Result, RpcStatus, StreamEnd};
pub use io::driver::{Link, LinkOptions, LinkReceiver, LinkSender};
pub use io::received::Received;
pub use link::Ack;
