//! What can go wrong on a link, and what the caller can do about it.
//!
//! Three families meet here: the settings are wrong (nothing was sent), the far side could not be
//! reached or refused us, and the link ended. Every text names the thing to change or to look at.

use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use slipring_proto::error::Malformed;
use slipring_proto::link::NegotiationError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on a link failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not an endpoint.
    #[error(
        "`{text}` is not an endpoint ({problem}): write host:port, http://host:port, \
         https://host:port or unix:///path"
    )]
    BadEndpoint {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No transport to the endpoint: nothing listens there, or it is out of reach.
    #[error("cannot connect to {endpoint}: {source}; check that a router listens there")]
    Connect {
        /// The endpoint tried.
        endpoint: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The link is over; the reason is inside.
    #[error("the link ended: {0}")]
    Ended(StreamEnd),
    /// The server answered the request with an HTTP status other than 200 (WIRE §1.4).
    #[error("the server refused the stream with HTTP {status}: {}", advice(*.status))]
    Http {
        /// The HTTP status.
        status: StatusCode,
        /// All response headers, for instance `www-authenticate`.
        headers: Box<HeaderMap>,
    },
    /// HTTP/2 failed below the stream.
    #[error("HTTP/2 failed while {doing}: {source}; does the far side speak HTTP/2 in this mode?")]
    Http2 {
        /// What was being done.
        doing: &'static str,
        /// What the HTTP/2 library saw.
        source: h2::Error,
    },
    /// A header given by the caller cannot be sent.
    #[error("the request cannot be built: {0}; check the path, authority and extra headers")]
    BadRequest(#[from] http::Error),
    /// The far side sent something that is not a SLIM message.
    #[error("the far side sent a malformed message: {0}")]
    Malformed(#[from] Malformed),
    /// The link negotiation failed (WIRE §4).
    #[error("link negotiation failed: {0}")]
    Negotiation(#[from] NegotiationError),
    /// A received message is not what its schema says.
    #[error("a received message does not decode: {0}; its sender speaks another schema")]
    NotAMessage(prost::DecodeError),
    /// The link is not negotiated yet, or no longer.
    #[error("the link is not open; wait for the negotiation")]
    NotOpen,
    /// There is no such subscription on this link.
    #[error("nothing on this link is subscribed to `{name}`")]
    NotSubscribed {
        /// The name.
        name: String,
    },
    /// The stream was refused with a gRPC status before it opened.
    #[error("the server refused the stream: {0}")]
    Rpc(RpcStatus),
    /// The router refused a subscription or its removal (WIRE §6.2).
    #[error("the router refused `{name}`: {reason}")]
    SubscriptionRefused {
        /// The name asked for.
        name: String,
        /// The router's text.
        reason: String,
    },
    /// Something did not happen in time.
    #[error(
        "no {waiting_for} within {limit:?}; the far side is overloaded, stalled or not a router"
    )]
    Timeout {
        /// What was awaited.
        waiting_for: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The TLS handshake failed.
    #[error(
        "TLS with {endpoint} failed: {source}; check the CA file, the server name and whether the \
         server wants a client certificate"
    )]
    Tls {
        /// The endpoint tried.
        endpoint: String,
        /// What the TLS library saw.
        source: io::Error,
    },
    /// The TLS settings cannot be used.
    #[error("TLS settings: {0}")]
    TlsSettings(String),
    /// The message exceeds what a gRPC link carries (WIRE §1.2).
    #[error("a message of {bytes} bytes exceeds the {bytes_max} bytes a link carries; split it")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The router sent an acknowledgement that does not decode.
    #[error("the router's answer is not understood: {0}; it may speak another version of SLIM")]
    Undecodable(#[from] slipring_proto::message::Undecodable),
}

impl Error {
    /// The error in a few words without addresses, so that alike ones can be counted together.
    pub fn brief(&self) -> String {
        match self {
            Self::BadEndpoint { problem, .. } => format!("endpoint: {problem}"),
            Self::BadRequest(error) => format!("request: {error}"),
            Self::Connect { source, .. } => format!("connect: {}", unnumbered(source)),
            Self::Ended(end) => format!("ended: {end}"),
            Self::Http { status, .. } => format!("http {}", status.as_u16()),
            Self::Http2 { doing, source } => format!("http/2 while {doing}: {source}"),
            Self::Malformed(malformed) => format!("malformed: {}", malformed.reason()),
            Self::Negotiation(error) => format!("negotiation: {}", error.reason()),
            Self::NotAMessage(_) | Self::Undecodable(_) => "undecodable".to_owned(),
            Self::NotOpen => "not open".to_owned(),
            Self::NotSubscribed { .. } => "not subscribed".to_owned(),
            Self::Rpc(status) => format!("refused: {status}"),
            Self::SubscriptionRefused { reason, .. } => format!("subscription refused: {reason}"),
            Self::Timeout { waiting_for, .. } => format!("timeout: {waiting_for}"),
            Self::Tls { source, .. } => format!("tls: {}", unnumbered(source)),
            Self::TlsSettings(problem) => format!("tls settings: {problem}"),
            Self::TooLong { .. } => "message too long".to_owned(),
        }
    }
}

/// An I/O error without its number.
fn unnumbered(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// One sentence on what to do about an HTTP refusal.
fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "credentials are missing or wrong; set the `authorization` header",
        403 => "the credentials are valid but a policy denies them",
        404 => "this is an HTTP server, but not a SLIM router on this path",
        431 => "the request headers are too large; shorten the token or the extra headers",
        503 => "the server is overloaded or draining; try again later",
        _ => "this does not look like a SLIM router",
    }
}

/// A gRPC status as found in trailers, or in the headers of a response without a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcStatus {
    /// The number in `grpc-status`.
    pub code: u32,
    /// The text in `grpc-message`, percent-decoding not applied; empty when absent.
    pub message: String,
}

impl RpcStatus {
    /// Reads the status out of trailers or headers; `None` when there is none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
        let message = headers
            .get("grpc-message")
            .and_then(|text| text.to_str().ok());
        Some(Self {
            code,
            message: message.unwrap_or_default().to_owned(),
        })
    }
}

impl std::fmt::Display for RpcStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "grpc-status {}", self.code)?;
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.message)
        }
    }
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The application dropped or closed its own half.
    Local,
    /// END_STREAM came without any gRPC status.
    NoStatus,
    /// RST_STREAM from the far side, with its reason.
    Reset(h2::Reason),
    /// Trailers with a status: the regular end (WIRE §1.2).
    Status(RpcStatus),
    /// The transport under the stream is gone; the text is the operating system's or HTTP/2's.
    Transport(String),
}

impl StreamEnd {
    /// Classifies an HTTP/2 error seen on a stream.
    pub fn of(error: &h2::Error) -> Self {
        match error.reason() {
            Some(reason) if error.is_reset() && error.is_remote() => Self::Reset(reason),
            _ => Self::Transport(error.to_string()),
        }
    }

    /// The gRPC status, if the stream ended with one.
    pub fn status(&self) -> Option<&RpcStatus> {
        if let Self::Status(status) = self {
            Some(status)
        } else {
            None
        }
    }
}

impl std::fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("closed on this side"),
            Self::NoStatus => f.write_str("the far side ended it without a status"),
            Self::Reset(reason) => write!(f, "the far side reset it ({reason})"),
            Self::Status(status) => write!(f, "the far side ended it with {status}"),
            Self::Transport(text) => write!(f, "the transport failed ({text})"),
        }
    }
}
