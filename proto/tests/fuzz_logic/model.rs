//! The slow and obvious way to do what the crate does fast.

#![allow(clippy::cast_possible_truncation, reason = "inputs are small")]

use bytes::Bytes;
use prost::Message as _;
use slipring_proto::envelope::{Envelope, Kind};
use slipring_proto::error::Malformed;
use slipring_proto::generated as pb;
use slipring_proto::grpc::Body;
use slipring_proto::header::{NameFields, RoutedHeader, Steering};

/// The messages of a stream, up to where it fails.
pub(super) fn messages(mut stream: &[u8], bytes_max: u32) -> (Vec<Bytes>, Option<Malformed>) {
    let mut found = Vec::new();
    while let Some(([compressed, length @ ..], rest)) = stream.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(*length);
        if *compressed != 0 {
            return (found, Some(Malformed::Compressed));
        }
        if length > bytes_max {
            return (found, Some(Malformed::MessageTooLong));
        }
        let Some((message, rest)) = rest.split_at_checked(length as usize) else {
            break;
        };
        found.push(Bytes::copy_from_slice(message));
        stream = rest;
    }
    (found, None)
}

/// Cuts bytes into chunks of sizes that follow from `seed`: mostly small, sometimes large.
pub(super) fn chunks(mut bytes: &[u8], seed: u8) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut state = u32::from(seed).wrapping_mul(0x9e37_79b9) | 1;
    while !bytes.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wanted = match state >> 29 {
            0..=2 => 1 + (state >> 8) % 3,
            3..=5 => 1 + (state >> 8) % 40,
            _ => 1 + (state >> 8) % 2_500,
        };
        let (chunk, rest) = bytes.split_at((wanted as usize).min(bytes.len()));
        found.push(Bytes::copy_from_slice(chunk));
        bytes = rest;
    }
    found
}

/// The payload of a link message's content that is known to be a negotiation.
pub(super) fn negotiation_payload(content: Body) -> pb::LinkNegotiationPayload {
    let link = pb::Link::decode(content).expect("an accepted link message decodes");
    match link.link_type {
        Some(pb::link::LinkType::LinkNegotiation(payload)) => payload,
        None => panic!("an accepted link message has a payload"),
    }
}

/// Asserts that both views of a header agree in every field, and that the preimage says so too.
pub(super) fn assert_same_header(header: &RoutedHeader, raw: &[u8], decoded: &pb::SlimHeader) {
    assert_same_name(header.source.as_ref(), raw, decoded.source.as_ref());
    assert_same_name(
        header.destination.as_ref(),
        raw,
        decoded.destination.as_ref(),
    );
    assert_eq!(header.identity.content.of(raw), decoded.identity.as_bytes());
    assert_eq!(header.version.content.of(raw), decoded.version.as_bytes());
    assert_eq!((header.fanout, header.ttl), (decoded.fanout, decoded.ttl));
    assert_eq!(header.recv_from, decoded.recv_from);
    assert_eq!(header.forward_to, decoded.forward_to);
    assert_eq!(
        header.incoming_conn.is_present(),
        decoded.incoming_conn.is_some()
    );
    assert_eq!(header.error, decoded.error);
    assert_eq!(header.mac(raw), decoded.header_mac.as_deref());
    let signature = &header.e2e_header_sig;
    assert_eq!(
        signature.is_present().then(|| signature.content.of(raw)),
        decoded.e2e_header_sig.as_deref()
    );
    let mut found = Vec::new();
    header.preimage(raw, b"link", header.ttl, Steering::AsReceived, &mut found);
    assert_eq!(found, preimage(decoded, b"link"));
}

fn assert_same_name(name: Option<&NameFields>, raw: &[u8], decoded: Option<&pb::Name>) {
    assert_eq!(name.is_some(), decoded.is_some());
    let (Some(name), Some(decoded)) = (name, decoded) else {
        return;
    };
    let ids = name.encoded.map(|encoded| (encoded.components, encoded.id));
    let decoded_ids = decoded.name.as_ref().map(|encoded| {
        let id = encoded.name_id.as_ref().map(|id| (id.id_0, id.id_1));
        let components = [
            encoded.component_0,
            encoded.component_1,
            encoded.component_2,
        ];
        (components, id)
    });
    assert_eq!(ids, decoded_ids);
    let text = name.text.map(|text| text.map(|span| span.of(raw)));
    let decoded_text = decoded.str_name.as_ref().map(|text| {
        [
            text.str_component_0.as_bytes(),
            text.str_component_1.as_bytes(),
            text.str_component_2.as_bytes(),
        ]
    });
    assert_eq!(text, decoded_text);
}

/// Asserts that the envelope says what prost says about the message, and that the rewritten
/// message differs from it only where a hop changes it.
pub(super) fn assert_same_envelope(
    envelope: &Envelope,
    decoded: pb::Message,
    next: &pb::Message,
    header: &pb::SlimHeader,
    tag: &[u8],
    ttl: u32,
) {
    let mut expected = decoded;
    let next_header = pb::SlimHeader {
        ttl,
        recv_from: None,
        forward_to: None,
        incoming_conn: None,
        header_mac: Some(Bytes::copy_from_slice(tag)),
        ..header.clone()
    };
    let (kind, subscription_id, has_session, field) = match &mut expected.kind {
        Some(pb::message::Kind::Publish(publish)) => {
            let has_session = publish.session.is_some();
            (Kind::Publish, 0, has_session, &mut publish.header)
        }
        Some(pb::message::Kind::Subscribe(subscribe)) => {
            let id = subscribe.subscription_id;
            (Kind::Subscribe, id, false, &mut subscribe.header)
        }
        Some(pb::message::Kind::Unsubscribe(unsubscribe)) => {
            let id = unsubscribe.subscription_id;
            (Kind::Unsubscribe, id, false, &mut unsubscribe.header)
        }
        other => panic!("routed for us, but {other:?} for prost"),
    };
    assert_eq!(envelope.kind, kind);
    assert_eq!(envelope.subscription_id, subscription_id);
    assert_eq!(envelope.has_session, has_session);
    assert_eq!(&field.clone().unwrap_or_default(), header);
    *field = Some(next_header);
    assert_eq!(next, &expected);
}

/// The MAC preimage from the decoded header, read off WIRE §5.2.
fn preimage(header: &pb::SlimHeader, link_id: &[u8]) -> Vec<u8> {
    fn bytes(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
    }
    fn optional<T>(value: Option<&T>, inside: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
        value.map_or_else(|| vec![0], |value| [vec![1], inside(value)].concat())
    }
    fn numbers(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }
    fn name(name: &pb::Name) -> Vec<u8> {
        let ids = optional(name.name.as_ref(), |ids| {
            let components = [ids.component_0, ids.component_1, ids.component_2];
            let id = optional(ids.name_id.as_ref(), |id| numbers(&[id.id_0, id.id_1]));
            [numbers(&components), id].concat()
        });
        let text = optional(name.str_name.as_ref(), |text| {
            let components = [
                &text.str_component_0,
                &text.str_component_1,
                &text.str_component_2,
            ];
            components.map(|text| bytes(text.as_bytes())).concat()
        });
        [ids, text].concat()
    }
    [
        b"SLIM-DP-HDR-v1\0".to_vec(),
        bytes(link_id),
        optional(header.source.as_ref(), name),
        optional(header.destination.as_ref(), name),
        bytes(header.identity.as_bytes()),
        header.fanout.to_le_bytes().to_vec(),
        optional(header.recv_from.as_ref(), |n| numbers(&[*n])),
        optional(header.forward_to.as_ref(), |n| numbers(&[*n])),
        optional(header.error.as_ref(), |error| vec![u8::from(*error)]),
        header.ttl.to_le_bytes().to_vec(),
    ]
    .concat()
}
