//! Hundreds of malformed messages, each with the reason it must be refused for: every field cut,
//! every length off, every wrong wire type, duplicates, padding, depth. What is bounded rather than
//! malformed is in `bounds.rs`.
//!
//! The inputs are made by rule from three samples with all fields, so a field added to the samples
//! is covered at once. Each refusal is also held against prost: what we call undecodable it
//! refuses, and what we call ambiguous it accepts.

mod malformed_cases;
mod samples;

use malformed_cases::{Case, every_case, sample_messages};
use prost::Message as _;
use samples::{encode, header_tree};
use slipring_proto::envelope::{Inbound, split};
use slipring_proto::error::Malformed;
use slipring_proto::generated as pb;
use slipring_proto::grpc::Body;
use slipring_proto::header::RoutedHeader;

/// Splits and parses as a link does with each message.
fn read(bytes: &[u8]) -> Result<(), Malformed> {
    match split(Body::from(bytes.to_vec()))? {
        Inbound::Routed(envelope) => RoutedHeader::parse(&envelope.header).map(|_| ()),
        Inbound::Link(_) | Inbound::Ack(_) | Inbound::Empty => Ok(()),
    }
}

#[test]
fn samples_themselves_are_accepted() {
    for (sample, nodes) in sample_messages() {
        let bytes = encode(&nodes);
        assert_eq!(read(&bytes), Ok(()), "{sample}");
        assert!(pb::Message::decode(&bytes[..]).is_ok(), "{sample}");
    }
    assert_eq!(header_tree().len(), 12);
}

#[test]
fn every_malformed_message_is_refused_for_its_reason() {
    let cases = every_case();
    assert!(cases.len() >= 400, "{} cases", cases.len());
    for Case {
        what,
        bytes,
        expected,
    } in &cases
    {
        assert_eq!(read(bytes), Err(*expected), "{what}");
        // Prost takes such metadata for a block, whatever follows: see below.
        if *expected != Malformed::MetadataWireType {
            let decoded = pb::Message::decode(&bytes[..]);
            assert_eq!(decoded.is_err(), expected.is_undecodable(), "{what}");
        }
    }
    // Every reason is met, but for the two that only framing can give.
    for reason in Malformed::ALL {
        let is_framing = matches!(reason, Malformed::Compressed | Malformed::MessageTooLong);
        let is_met = cases.iter().any(|case| case.expected == reason);
        assert!(is_met != is_framing, "{reason:?}");
    }
}

#[test]
fn metadata_of_another_wire_type_is_ambiguous() {
    // Metadata as a varint, then an ack: for prost the varint is the length of an entry, and for
    // one of the lengths the ack is inside it.
    for (length, is_ack) in [(0, true), (4, false)] {
        let bytes = [0x20, length, 0x32, 2, 0x08, 1];
        let decoded = pb::Message::decode(&bytes[..]).unwrap();
        assert_eq!(decoded.kind.is_some(), is_ack);
        assert_eq!(read(&bytes), Err(Malformed::MetadataWireType));
    }
}

#[test]
fn reasons_are_labels_of_their_own() {
    let mut labels: Vec<_> = Malformed::ALL.iter().map(|m| m.reason()).collect();
    labels.dedup();
    assert_eq!(labels.len(), Malformed::ALL.len());
    assert!(labels.is_sorted());
}
