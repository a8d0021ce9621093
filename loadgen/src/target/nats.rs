//! NATS: the lines a publisher and a subscriber need, in clear text.
//!
//! `INFO`, `CONNECT`, `SUB`, `PUB`, `MSG`, `PING`, `PONG`, `+OK`, `-ERR` of the client protocol.
//! Headers are not announced, so `HMSG` never comes.

use bytes::{BufMut as _, BytesMut};
use serde_json::Value;
use slipring_proto::name::TextName;

use crate::target::Template;
use crate::target::broker::{
    BrokerLink, Error, Event, MESSAGE_BYTES_MAX, Malformed, Parsed, Protocol, joined,
};

/// Longest line but `INFO`; the server's own default.
const LINE_BYTES_MAX: usize = 4_096;
/// Longest `INFO`, which lists every server of a cluster.
const INFO_BYTES_MAX: usize = 64 * 1024;
/// Neither acknowledgements nor checks of every line; nothing published comes back to its sender.
const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\
    \"echo\":false,\"lang\":\"rust\",\"name\":\"loadgen\",\"version\":\"1\",\"protocol\":1}\r\n\
    PING\r\n";

/// The protocol of NATS servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nats;

impl Protocol for Nats {
    const NAME: &'static str = "NATS";
    const SCHEME: &'static str = "nats";

    #[inline]
    fn parse(bytes: &[u8]) -> Parsed<'_> {
        if bytes.starts_with(b"MSG ") {
            message(bytes)
        } else {
            control(bytes)
        }
    }

    async fn greet(link: &mut BrokerLink<Self>) -> Result<(), Error> {
        let greeting = link.greeting().await?;
        let info: Value = serde_json::from_str(&greeting).unwrap_or_default();
        for (field, reason) in [
            (
                "tls_required",
                "it takes TLS only, which loadgen does not speak to brokers",
            ),
            (
                "auth_required",
                "it wants credentials; open it to this host for the measurement",
            ),
        ] {
            if info.get(field) == Some(&Value::Bool(true)) {
                return Err(link.refused(reason));
            }
        }
        if let Some(bytes) = info.get("max_payload").and_then(Value::as_u64) {
            link.set_payload_bytes_max(bytes);
        }
        link.put(CONNECT);
        link.accepted("answer to CONNECT").await
    }

    fn put_subscribe(name: &TextName, number: u16, out: &mut BytesMut) {
        let line = format!("SUB {} {number}\r\nPING\r\n", joined(name, '.'));
        out.extend_from_slice(line.as_bytes());
    }

    fn template(name: &TextName, filler: &[u8]) -> Template {
        let mut bytes = BytesMut::new();
        let line = format!("PUB {} {}\r\n", joined(name, '.'), filler.len());
        bytes.put_slice(line.as_bytes());
        bytes.put_slice(filler);
        bytes.put_slice(b"\r\n");
        let payload = line.len()..line.len() + filler.len();
        Template {
            bytes,
            payload,
            header_at: 0,
        }
    }
}

/// `MSG subject sid [reply] length`, the payload, and an end of line.
#[inline]
fn message(bytes: &[u8]) -> Parsed<'_> {
    let Some(line_end) = line_end(bytes, LINE_BYTES_MAX)? else {
        return Ok(None);
    };
    let line = &bytes[..line_end];
    let (mut length, mut weight, mut at) = (0_usize, 1_usize, line.len());
    // The length stands last, whether or not there is a reply subject before it.
    while at > 0 && line[at - 1].is_ascii_digit() {
        at -= 1;
        length += usize::from(line[at] - b'0') * weight;
        weight = weight.saturating_mul(10);
        if length > MESSAGE_BYTES_MAX || line.len() - at > 9 {
            return Err(Malformed("a message longer than any that was sent"));
        }
    }
    if at == line.len() || line[at - 1] != b' ' {
        return Err(Malformed("a MSG line without a length"));
    }
    let start = line_end + 2;
    let end = start + length;
    match bytes.get(end..end + 2) {
        Some(b"\r\n") => Ok(Some((Event::Message(&bytes[start..end]), end + 2))),
        Some(_) => Err(Malformed(
            "a payload that is not as long as its MSG line says",
        )),
        None => Ok(None),
    }
}

/// Any other line.
#[cold]
fn control(bytes: &[u8]) -> Parsed<'_> {
    let known: [&[u8]; 6] = [
        b"INFO ",
        b"PING\r\n",
        b"PONG\r\n",
        b"+OK\r\n",
        b"-ERR ",
        b"MSG ",
    ];
    let begins = |known: &&&[u8]| {
        let common = known.len().min(bytes.len());
        known[..common] == bytes[..common]
    };
    if known.iter().find(begins).is_none() {
        return Err(Malformed("a line that no NATS server sends"));
    }
    let is_info = bytes.starts_with(b"INFO ");
    let bound = if is_info {
        INFO_BYTES_MAX
    } else {
        LINE_BYTES_MAX
    };
    let Some(line_end) = line_end(bytes, bound)? else {
        return Ok(None);
    };
    let event = match &bytes[..line_end] {
        b"PING" => Event::Ping(b"PONG\r\n"),
        b"PONG" => Event::Accepted,
        b"+OK" => Event::Nothing,
        [b'-', _, _, _, _, reason @ ..] => Event::Fault(reason),
        [b'I', _, _, _, _, info @ ..] => Event::Greeting(info),
        _ => return Err(Malformed("a line that no NATS server sends")),
    };
    Ok(Some((event, line_end + 2)))
}

/// Where the line ends, if its end has come.
#[inline]
fn line_end(bytes: &[u8], bound: usize) -> Result<Option<usize>, Malformed> {
    let within = &bytes[..bytes.len().min(bound)];
    match within.iter().position(|byte| *byte == b'\r') {
        Some(at) => match bytes.get(at + 1) {
            Some(b'\n') => Ok(Some(at)),
            Some(_) => Err(Malformed("a carriage return within a line")),
            None => Ok(None),
        },
        None if within.len() == bound => Err(Malformed("a line without an end")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
