//! The SLIM wire: framing, envelope, names, header MAC and link negotiation, without I/O.
//!
//! Everything both ends of a link must agree on, and nothing else: no socket, no clock, no task.
//! Bytes enter as the chunks a transport delivers, messages leave as chunks to send.
//!
//! The way of one forwarded message through the rooms:
//!
//! 1. [`grpc`] cuts the stream into messages, by reference, bounded before anything is kept;
//! 2. [`envelope`] splits a message into kind, routed header and tail, by tags and lengths only;
//! 3. [`header`] reads the routed header strictly, as spans into its bytes;
//! 4. [`mac`] verifies it with the key of the link it came from;
//! 5. [`rewrite`] writes the next hop's header, [`mac`] signs it;
//! 6. [`outgoing`] gathers head and tail for one send.
//!
//! Beside the way: [`name`] is what is routed on, [`link`] negotiates a link with the primitives
//! behind [`crypto`], [`message`] builds what this side says itself, [`generated`] is the whole
//! schema for whoever may look inside, [`limits`] and [`error`] are the bounds and the refusals,
//! [`varint`] is the encoding beneath it all. The contract in prose is `docs/WIRE.md`.
//!
//! What a peer may rely on: nothing it sends makes this crate panic, keep more than one bounded
//! message, or read a message differently from a decoder that accepts it.
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

pub mod crypto;
pub mod envelope;
pub mod error;
#[rustfmt::skip]
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::all,
    clippy::use_self,
    clippy::arithmetic_side_effects,
    reason = "prost wrote it; the schema is where it is documented and reviewed"
)]
pub mod generated;
pub mod grpc;
pub mod header;
pub mod limits;
pub mod link;
pub mod mac;
pub mod message;
pub mod name;
pub mod outgoing;
pub mod rewrite;
pub mod varint;
