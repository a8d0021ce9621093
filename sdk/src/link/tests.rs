use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::envelope::{Kind, split};
use slipring_proto::grpc::{Body, Deframer};
use slipring_proto::link::NegotiationError;
use slipring_proto::message::subscription_ack;

use super::*;

type Machine = LinkMachine<AwsCrypto>;

const START: Duration = Duration::from_secs(100);

fn machine() -> Machine {
    LinkMachine::new(LinkSettings::edge("link", "node"), 41)
}

/// What a framed message is to the side that receives it.
fn inbound(framed: &Bytes) -> Inbound {
    let mut deframer = Deframer::new(1 << 20);
    deframer.push(framed.clone());
    split(deframer.pop().unwrap().unwrap()).unwrap()
}

fn routed(framed: &Bytes) -> Envelope {
    let Inbound::Routed(envelope) = inbound(framed) else {
        panic!("not routed")
    };
    envelope
}

/// Answers the machine's request as a router would.
fn negotiate(
    machine: &mut Machine,
    now: Duration,
) -> Arc<LinkTerms<slipring_proto::crypto::aws::AwsKey>> {
    let request = machine.open(&mut AwsCrypto, now).unwrap();
    let LinkSettings { node, policy, .. } = LinkSettings::edge("", "router");
    let mut router = Negotiation::<AwsCrypto>::accept(node, policy);
    let reply = router
        .handle(inbound(&request), &mut AwsCrypto)
        .unwrap()
        .reply
        .unwrap();
    let reply = split(Body::from(reply)).unwrap();
    let Event::Opened(terms) = machine.handle(reply, &mut AwsCrypto).unwrap() else {
        panic!("not opened")
    };
    terms
}

fn open_machine() -> Machine {
    let mut machine = machine();
    negotiate(&mut machine, START);
    machine
}

fn name(text: &str) -> TextName {
    text.parse().unwrap()
}

fn ack(machine: &mut Machine, id: u64, outcome: std::result::Result<(), &str>) -> Ack {
    let framed = subscription_ack(id, outcome).unwrap();
    let event = machine.handle(inbound(&framed), &mut AwsCrypto).unwrap();
    let Event::Acked(ack) = event else {
        panic!("{event:?}")
    };
    ack
}

#[test]
fn nothing_leaves_before_the_reply() {
    let mut machine = machine();
    let bob = name("org/ns/bob");
    assert!(matches!(
        machine.subscribe(&bob, START),
        Err(Error::NotOpen)
    ));
    machine.open(&mut AwsCrypto, START).unwrap();
    assert!(matches!(
        machine.subscribe(&bob, START),
        Err(Error::NotOpen)
    ));
    assert!(matches!(machine.header(&bob, 1), Err(Error::NotOpen)));
    assert_eq!(machine.held_count(), 0);
}

#[test]
fn a_negotiation_without_answer_times_out() {
    let mut machine = machine();
    machine.open(&mut AwsCrypto, START).unwrap();
    let deadline = START + Duration::from_secs(5);
    assert_eq!(machine.deadline(), Some(deadline));
    assert_eq!(machine.due(deadline - Duration::from_millis(1)), None);
    assert_eq!(machine.due(deadline), Some(Due::NegotiationTimedOut));
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_first_message_that_is_no_reply_is_the_end() {
    let mut machine = machine();
    machine.open(&mut AwsCrypto, START).unwrap();
    let wrong = inbound(&subscription_ack(1, Ok(())).unwrap());
    let error = machine.handle(wrong, &mut AwsCrypto).unwrap_err();
    assert!(
        matches!(error, Error::Negotiation(NegotiationError::NotLink)),
        "{error}"
    );
    assert!(machine.terms().is_none());
}

#[test]
fn requests_are_signed_for_the_link() {
    let mut machine = machine();
    let terms = negotiate(&mut machine, START);
    let (_, request) = machine.subscribe(&name("org/ns/bob"), START).unwrap();
    let envelope = routed(&request);
    let header = slipring_proto::header::RoutedHeader::parse(&envelope.header).unwrap();
    let key = terms.key.as_ref().unwrap();
    let mut scratch = Vec::new();
    let verify = |link_id: &[u8], scratch: &mut Vec<u8>| {
        slipring_proto::mac::verify(key, &header, &envelope.header, link_id, scratch)
    };
    assert!(verify(b"link", &mut scratch));
    assert!(!verify(b"other", &mut scratch));
}

#[test]
fn every_request_has_its_own_id_and_the_ack_settles_it() {
    let mut machine = open_machine();
    let (first, request) = machine.subscribe(&name("org/ns/a"), START).unwrap();
    let (second, _) = machine.subscribe(&name("org/ns/b"), START).unwrap();
    assert_eq!((first, second), (41, 42));
    assert_eq!(
        (routed(&request).kind, routed(&request).subscription_id),
        (Kind::Subscribe, 41)
    );
    assert_eq!(machine.pending_count(), 2);
    assert_eq!(ack(&mut machine, 41, Ok(())).refusal, None);
    assert_eq!((machine.pending_count(), machine.held_count()), (1, 2));
}

#[test]
fn a_refused_subscription_is_not_restored() {
    let mut machine = open_machine();
    let (id, _) = machine.subscribe(&name("org/ns/a"), START).unwrap();
    let refusal = ack(&mut machine, id, Err("no")).refusal;
    assert_eq!(refusal.as_deref(), Some("no"));
    assert_eq!(machine.held_count(), 0);
}

#[test]
fn an_unknown_ack_changes_nothing() {
    let mut machine = open_machine();
    machine.subscribe(&name("org/ns/a"), START).unwrap();
    ack(&mut machine, 7_777, Err("what"));
    assert_eq!((machine.pending_count(), machine.held_count()), (1, 1));
}

#[test]
fn an_unanswered_request_is_repeated_three_times_then_given_up() {
    let mut machine = open_machine();
    let (id, request) = machine.subscribe(&name("org/ns/a"), START).unwrap();
    let mut now = START;
    for _ in 1..ACK_TRIES {
        assert_eq!(
            machine.due(now + ACK_INTERVAL - Duration::from_millis(1)),
            None
        );
        now += ACK_INTERVAL;
        assert_eq!(machine.due(now), Some(Due::Repeat(request.clone())));
        assert_eq!(machine.due(now), None);
    }
    now += ACK_INTERVAL;
    assert_eq!(
        machine.due(now),
        Some(Due::GivenUp {
            subscription_id: id
        })
    );
    assert_eq!((machine.due(now), machine.deadline()), (None, None));
}

#[test]
fn deadlines_come_in_the_order_of_sending_and_answered_ones_are_skipped() {
    let mut machine = open_machine();
    let (first, _) = machine.subscribe(&name("org/ns/a"), START).unwrap();
    let later = START + Duration::from_secs(1);
    machine.subscribe(&name("org/ns/b"), later).unwrap();
    ack(&mut machine, first, Ok(()));
    assert_eq!(machine.deadline(), Some(later + ACK_INTERVAL));
}

#[test]
fn a_reconnect_restores_what_is_held_with_its_ids_and_a_new_key() {
    let mut machine = open_machine();
    let kept = name("org/ns/kept");
    let (id, before) = machine.subscribe(&kept, START).unwrap();
    let (_, _) = machine.subscribe(&name("org/ns/ended"), START).unwrap();
    machine.unsubscribe(&name("org/ns/ended"), START).unwrap();
    machine.lost();
    assert!(matches!(machine.restore(START), Err(Error::NotOpen)));
    let terms = negotiate(&mut machine, START);
    assert_eq!(terms.link_id, "link");
    let restored = machine.restore(START).unwrap();
    assert_eq!(restored.len(), 1);
    assert_eq!(routed(&restored[0]).subscription_id, id);
    assert_ne!(restored[0], before, "signed with the new key");
    let (ended, _) = machine.unsubscribe(&kept, START).unwrap();
    assert_eq!(ended, id);
}

#[test]
fn ending_what_is_not_subscribed_is_an_error_unless_the_id_is_given() {
    let mut machine = open_machine();
    let bob = name("org/ns/bob");
    assert!(matches!(
        machine.unsubscribe(&bob, START),
        Err(Error::NotSubscribed { .. })
    ));
    let request = machine.unsubscribe_as(&bob, 5, START).unwrap();
    assert_eq!(
        (routed(&request).kind, routed(&request).subscription_id),
        (Kind::Unsubscribe, 5)
    );
}

#[test]
fn id_zero_asks_for_no_ack() {
    let mut machine = open_machine();
    machine.subscribe_as(&name("org/ns/a"), 0, START).unwrap();
    assert_eq!((machine.pending_count(), machine.held_count()), (0, 1));
}

#[test]
fn late_link_messages_and_empty_ones_are_ignored() {
    let mut machine = open_machine();
    let empty = split(Body::from(Vec::new())).unwrap();
    assert!(matches!(
        machine.handle(empty, &mut AwsCrypto),
        Ok(Event::Ignored)
    ));
    let late = Inbound::Link(Body::from(vec![1, 2, 3]));
    assert!(matches!(
        machine.handle(late, &mut AwsCrypto),
        Ok(Event::Ignored)
    ));
}
