//! Short spellings of the names, headers and tails that stories use.

use slipring_proto::{
    generated::SessionHeader,
    message::{HeaderFields, PublishTail},
    name::TextName,
};

/// `bob` is `org/ns/bob` of any instance, `bob/7` its instance 7.
pub(crate) fn text_name(text: &str) -> TextName {
    let (service, id) = match text.split_once('/') {
        Some((service, id)) => (service, id.parse().expect("a number")),
        None => (text, slipring_proto::name::ANY_ID),
    };
    TextName::new(["org", "ns", service], id).expect("a name")
}

/// What a client of this name writes in front of a message.
pub(crate) fn fields(source: &str, destination: &str) -> HeaderFields {
    HeaderFields::between(&text_name(source), &text_name(destination))
}

/// A session header and `payload` behind it.
pub(crate) fn tail(payload: &[u8]) -> PublishTail {
    let session = SessionHeader {
        session_id: 7,
        message_id: 9,
        ..SessionHeader::default()
    };
    PublishTail::new(&session).app_payload("text", payload)
}
