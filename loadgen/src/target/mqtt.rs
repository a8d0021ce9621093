//! MQTT 3.1.1 at QoS 0: the packets a publisher and a subscriber need, in clear text.
//!
//! `CONNECT`, `CONNACK`, `SUBSCRIBE`, `SUBACK`, `PUBLISH`. The keep-alive is 0, so a broker waits
//! for no `PINGREQ`; a stray `PINGRESP` is let pass. Nothing is ever acknowledged (QoS 0): a
//! broker that has no room drops, which the verdict then says.

use bytes::{BufMut as _, BytesMut};
use slipring_proto::name::TextName;
use slipring_sdk::random::random_u64;

use crate::target::Template;
use crate::target::broker::{
    BrokerLink, Error, Event, MESSAGE_BYTES_MAX, Malformed, Parsed, Protocol, joined,
};

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xd0;
/// Longest remaining length, in bytes of its encoding.
const LENGTH_BYTES_MAX: usize = 4;

/// The protocol of MQTT brokers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mqtt;

impl Protocol for Mqtt {
    const NAME: &'static str = "MQTT 3.1.1";
    const SCHEME: &'static str = "mqtt";

    #[inline]
    fn parse(bytes: &[u8]) -> Parsed<'_> {
        let Some(&kind) = bytes.first() else {
            return Ok(None);
        };
        if !matches!(kind, CONNACK | PUBLISH | 0x31 | SUBACK | PINGRESP) {
            return Err(Malformed("a packet that no broker sends at QoS 0"));
        }
        let Some((length, start)) = remaining_length(bytes)? else {
            return Ok(None);
        };
        if length > MESSAGE_BYTES_MAX {
            return Err(Malformed("a packet longer than any that was sent"));
        }
        if matches!(kind, CONNACK) && length != 2 || matches!(kind, SUBACK) && length != 3 {
            return Err(Malformed("an answer of a length that no answer has"));
        }
        let end = start + length;
        let Some(body) = bytes.get(start..end) else {
            return Ok(None);
        };
        event(kind, body).map(|event| Some((event, end)))
    }

    async fn greet(link: &mut BrokerLink<Self>) -> Result<(), Error> {
        let client = format!("load{:016x}", random_u64());
        let mut body = BytesMut::new();
        put_text("MQTT", &mut body);
        // Level 4 is MQTT 3.1.1; the flag asks for a clean session; no keep-alive.
        body.put_slice(&[4, 0x02, 0, 0]);
        put_text(&client, &mut body);
        let mut packet = BytesMut::new();
        put_packet(0x10, &body, &mut packet);
        link.put(&packet);
        link.accepted("CONNACK").await
    }

    fn put_subscribe(name: &TextName, number: u16, out: &mut BytesMut) {
        let mut body = BytesMut::new();
        body.put_u16(number);
        put_text(&joined(name, '/'), &mut body);
        // QoS 0 at most.
        body.put_u8(0);
        put_packet(0x82, &body, out);
    }

    fn template(name: &TextName, filler: &[u8]) -> Template {
        let mut body = BytesMut::new();
        put_text(&joined(name, '/'), &mut body);
        body.put_slice(filler);
        let mut bytes = BytesMut::new();
        put_packet(PUBLISH, &body, &mut bytes);
        let payload = bytes.len() - filler.len()..bytes.len();
        Template {
            bytes,
            payload,
            header_at: 0,
        }
    }
}

#[inline]
fn event(kind: u8, body: &[u8]) -> Result<Event<'_>, Malformed> {
    match (kind, body) {
        (CONNACK, [_, 0]) | (SUBACK, [_, _, 0]) => Ok(Event::Accepted),
        (CONNACK, [_, code]) => Ok(Event::Refused(refusal(*code))),
        (SUBACK, _) => Ok(Event::Refused("the subscription at QoS 0")),
        (PINGRESP, []) => Ok(Event::Nothing),
        (PUBLISH | 0x31, [high, low, rest @ ..]) => {
            let topic = usize::from(u16::from_be_bytes([*high, *low]));
            let payload = rest.get(topic..);
            let payload = payload.ok_or(Malformed("a topic longer than its packet"))?;
            Ok(Event::Message(payload))
        }
        _ => Err(Malformed(
            "a packet that is too short or too long for its kind",
        )),
    }
}

/// What a CONNACK's return code says (MQTT 3.1.1, table 3.1).
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "it does not speak MQTT 3.1.1",
        2 => "it does not like the client identifier",
        3 => "it is not available",
        4 | 5 => "it wants credentials; open it to this host for the measurement",
        _ => "a CONNACK with an unknown return code",
    }
}

/// The remaining length and where the packet's body starts; seven bits a byte, lowest first.
#[inline]
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0;
    for at in 0..LENGTH_BYTES_MAX {
        let Some(&byte) = bytes.get(1 + at) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((length, 2 + at)));
        }
    }
    Err(Malformed("a remaining length of more than four bytes"))
}

fn put_packet(kind: u8, body: &[u8], out: &mut BytesMut) {
    out.put_u8(kind);
    let mut length = body.len();
    loop {
        // Masked to seven bits.
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        out.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.put_slice(body);
}

fn put_text(text: &str, out: &mut BytesMut) {
    // Names and identifiers of ours are tens of bytes.
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
