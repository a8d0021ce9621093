//! What can go wrong with a broker, in words that name what to change or to look at.

use std::io;
use std::time::Duration;

use crate::target::broker::Malformed;

/// Limit for the connection and for each answer to a request.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why a link to a broker failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing listens there, or it is out of reach.
    #[error("cannot connect to {target}: {source}; check that a broker listens there")]
    Connect {
        /// The broker.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection is over.
    #[error("the link ended: {0}")]
    Ended(String),
    /// It speaks, but not this.
    #[error("{target} does not speak {protocol}: {seen}")]
    Foreign {
        /// The broker.
        target: String,
        /// What was expected.
        protocol: &'static str,
        /// What came.
        seen: String,
    },
    /// It sent what the protocol does not allow.
    #[error("the broker sent what is no {protocol}: {source}")]
    Malformed {
        /// The protocol.
        protocol: &'static str,
        /// What is wrong.
        source: Malformed,
    },
    /// It said no.
    #[error("{target} refused: {reason}")]
    Refused {
        /// The broker.
        target: String,
        /// What it said.
        reason: String,
    },
    /// It does not answer.
    #[error(
        "{target} sent no {waiting_for} within {} s; does it speak {protocol}?",
        ANSWER_WAIT_MAX.as_secs()
    )]
    Silent {
        /// The broker.
        target: String,
        /// What was expected.
        protocol: &'static str,
        /// What should have come.
        waiting_for: &'static str,
    },
    /// The broker takes no payload of this length.
    #[error("a payload of {bytes} bytes is too long for the broker, which takes {bytes_max}")]
    TooLong {
        /// The plan's.
        bytes: usize,
        /// The broker's limit.
        bytes_max: usize,
    },
}

/// What a peer wrote, for a line of output: bounded, without control characters.
pub(super) fn printable(text: &[u8]) -> String {
    let shown = &text[..text.len().min(200)];
    let shown = String::from_utf8_lossy(shown);
    shown.trim().chars().map(plain).collect()
}

fn plain(character: char) -> char {
    if character.is_control() {
        '.'
    } else {
        character
    }
}

/// Names the protocol that begins with these bytes.
pub(super) fn recognise(bytes: &[u8]) -> String {
    let speaks = match bytes {
        [b'I', b'N', b'F', b'O', b' ', ..] => "it greets like a NATS server (nats://host:port)",
        [b'H', b'T', b'T', b'P', b'/', ..] => "it answers like a web server",
        [0x20, 0x02, _, _, ..] => "it answers like an MQTT broker (mqtt://host:port)",
        // The SETTINGS with which HTTP/2 begins, on stream 0.
        [0, 0, _, 4, _, 0, 0, 0, 0, ..] => {
            "it begins with HTTP/2, as a SLIM router does (host:port without nats:// or mqtt://)"
        }
        _ => "",
    };
    if speaks.is_empty() {
        let shown: Vec<String> = bytes.iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("it sent {}", shown.join(" "))
    } else {
        speaks.to_owned()
    }
}
