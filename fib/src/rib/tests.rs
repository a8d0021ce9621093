//! The rules of WIRE §6.2, one by one; that all of them hold together is for `tests/model.rs`.

use slipring_proto::name::{ANY_ID, Name, Prefix};

use super::Rib;
use crate::{Change, LinkClass, LinkId, Refused, RibLimits, Unknown};

#[test]
fn the_first_subscription_adds_a_route_and_the_last_removes_it() {
    let mut rib = rib();
    assert_eq!(rib.subscribe(link(1), LinkClass::Edge, 11, name(1)), Ok(1));
    assert_eq!(rib.subscribe(link(1), LinkClass::Edge, 12, name(1)), Ok(1));
    let added = Change::Add {
        name: name(1),
        link: link(1),
        class: LinkClass::Edge,
    };
    assert_eq!(changes(&mut rib), [added]);
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Ok(1));
    assert_eq!(changes(&mut rib), []);
    assert_eq!(rib.unsubscribe(link(1), 12, name(1)), Ok(2));
    assert_eq!(
        changes(&mut rib),
        [Change::Remove {
            name: name(1),
            link: link(1)
        }]
    );
    assert_eq!((rib.names(), rib.subscriptions(), rib.digest()), (0, 0, 0));
}

#[test]
fn the_same_request_again_succeeds_and_changes_nothing() {
    let mut rib = rib();
    for _ in 0..3 {
        assert_eq!(rib.subscribe(link(1), LinkClass::Edge, 11, name(1)), Ok(1));
    }
    assert_eq!((rib.subscriptions(), changes(&mut rib).len()), (1, 1));
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Ok(2));
}

#[test]
fn an_unknown_prefix_is_told_as_such() {
    let mut rib = rib();
    let unknown = rib.unsubscribe(link(1), 11, name(1)).unwrap_err();
    assert_eq!(unknown.to_string(), "subscription not found");
}

#[test]
fn an_unknown_id_is_told_with_the_id() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 11, name(1))
        .unwrap();
    let unknown = rib.unsubscribe(link(1), 11, name(0x48b1_da60)).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "id not found: 00000000-0000-0000-0000-000048b1da60"
    );
    let unknown = rib.unsubscribe(link(1), 11, name(ANY_ID)).unwrap_err();
    assert_eq!(unknown.to_string(), "id not found: NULL_COMPONENT");
}

#[test]
fn an_unknown_subscription_is_told_with_its_id_in_decimal() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 11, name(1))
        .unwrap();
    for (link, subscription_id) in [(link(1), u64::MAX), (link(2), 11), (link(1), 0)] {
        let unknown = rib.unsubscribe(link, subscription_id, name(1)).unwrap_err();
        assert_eq!(unknown, Unknown::Subscription { subscription_id });
        let text = format!("subscription id not found: {subscription_id}");
        assert_eq!(unknown.to_string(), text);
    }
    assert_eq!(rib.subscriptions(), 1);
}

#[test]
fn a_prefix_is_unknown_again_after_its_last_name() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 11, name(1))
        .unwrap();
    rib.subscribe(link(1), LinkClass::Edge, 12, name(2))
        .unwrap();
    rib.unsubscribe(link(1), 11, name(1)).unwrap();
    assert_eq!(
        rib.unsubscribe(link(1), 11, name(1)),
        Err(Unknown::Id { id: 1 })
    );
    rib.unsubscribe(link(1), 12, name(2)).unwrap();
    assert_eq!(rib.unsubscribe(link(1), 12, name(2)), Err(Unknown::Prefix));
}

#[test]
fn links_may_use_the_same_subscription_id() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 11, name(1))
        .unwrap();
    rib.subscribe(link(2), LinkClass::Edge, 11, name(1))
        .unwrap();
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Ok(3));
    assert_eq!(rib.unsubscribe(link(2), 11, name(1)), Ok(4));
}

#[test]
fn subscription_id_zero_is_one_record_for_each_name() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 0, name(1)).unwrap();
    rib.subscribe(link(1), LinkClass::Edge, 0, name(2)).unwrap();
    assert_eq!((rib.subscriptions(), rib.names()), (2, 2));
    assert_eq!(rib.unsubscribe(link(1), 0, name(1)), Ok(3));
    assert_eq!(rib.unsubscribe(link(1), 0, name(2)), Ok(4));
}

/// A restored link replays its subscriptions with id 0; the client's own id must still end them.
#[test]
fn an_unknown_id_ends_the_subscription_with_id_zero() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 0, name(1)).unwrap();
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Ok(2));
    let unknown = Unknown::Prefix;
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Err(unknown));
}

#[test]
fn an_exact_id_goes_before_the_one_with_id_zero() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 0, name(1)).unwrap();
    rib.subscribe(link(1), LinkClass::Edge, 11, name(1))
        .unwrap();
    assert_eq!(rib.unsubscribe(link(1), 11, name(1)), Ok(1));
    assert_eq!(
        rib.unsubscribe(link(1), 12, name(1)),
        Ok(2),
        "the one with id 0 was still there"
    );
}

#[test]
fn only_the_same_link_and_name_share_the_subscription_with_id_zero() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 0, name(1)).unwrap();
    rib.subscribe(link(2), LinkClass::Edge, 5, name(1)).unwrap();
    rib.subscribe(link(2), LinkClass::Edge, 5, name(2)).unwrap();
    let unknown = Unknown::Subscription {
        subscription_id: 11,
    };
    assert_eq!(rib.unsubscribe(link(2), 11, name(1)), Err(unknown));
    assert_eq!(rib.unsubscribe(link(1), 11, name(2)), Err(unknown));
}

#[test]
fn losing_a_link_removes_its_routes_and_no_other() {
    let mut rib = rib();
    for id in 0..5 {
        rib.subscribe(link(1), LinkClass::Edge, 11, name(id))
            .unwrap();
        rib.subscribe(link(1), LinkClass::Edge, 12, name(id))
            .unwrap();
        rib.subscribe(link(2), LinkClass::Edge, 11, name(id))
            .unwrap();
    }
    changes(&mut rib);
    assert_eq!(rib.remove_link(link(1)), 15);
    let removed = changes(&mut rib);
    assert_eq!(removed.len(), 5);
    assert!(
        removed
            .iter()
            .all(|c| matches!(c, Change::Remove { link: gone, .. } if *gone == link(1)))
    );
    assert_eq!((rib.names(), rib.routes(), rib.subscriptions()), (5, 5, 5));
    assert_eq!(rib.remove_link(link(1)), 15, "it has nothing any more");
}

#[test]
fn a_limit_is_refused_with_its_value() {
    let limits = RibLimits {
        names_max: 2,
        subscriptions_max: 4,
        subscriptions_per_link_max: 3,
    };
    let mut rib = Rib::new(limits, 1);
    rib.subscribe(link(1), LinkClass::Edge, 1, name(1)).unwrap();
    rib.subscribe(link(1), LinkClass::Edge, 1, name(2)).unwrap();
    let refused = rib
        .subscribe(link(1), LinkClass::Edge, 1, name(3))
        .unwrap_err();
    assert_eq!(refused, Refused::NamesMax { max: 2 });
    assert_eq!(refused.to_string(), "names_max reached: 2");
    rib.subscribe(link(1), LinkClass::Edge, 2, name(1)).unwrap();
    let refused = rib
        .subscribe(link(1), LinkClass::Edge, 3, name(1))
        .unwrap_err();
    assert_eq!(refused.to_string(), "subscriptions_per_link_max reached: 3");
    rib.subscribe(link(2), LinkClass::Edge, 1, name(1)).unwrap();
    let refused = rib
        .subscribe(link(2), LinkClass::Edge, 2, name(1))
        .unwrap_err();
    assert_eq!(refused.to_string(), "subscriptions_max reached: 4");
    assert_eq!(
        rib.subscribe(link(1), LinkClass::Edge, 2, name(1)),
        Ok(3),
        "it is there already"
    );
    assert_eq!(rib.subscriptions(), 4);
}

#[test]
fn a_link_keeps_the_class_it_first_subscribed_with() {
    let mut rib = rib();
    rib.subscribe(link(1), LinkClass::Edge, 1, name(1)).unwrap();
    rib.subscribe(link(1), LinkClass::Peer, 1, name(2)).unwrap();
    let classes = |change: Change| match change {
        Change::Add { class, .. } => Some(class),
        Change::Remove { .. } => None,
    };
    let expected = [Some(LinkClass::Edge); 2];
    assert_eq!(
        changes(&mut rib)
            .into_iter()
            .map(classes)
            .collect::<Vec<_>>(),
        expected
    );
}

fn rib() -> Rib {
    let limits = RibLimits {
        names_max: 100,
        subscriptions_max: 100,
        subscriptions_per_link_max: 100,
    };
    Rib::new(limits, 1)
}

fn link(slot: u32) -> LinkId {
    LinkId::new(0, slot, 1)
}

fn name(id: u128) -> Name {
    Name::new(Prefix([1, 2, 3]), id)
}

fn changes(rib: &mut Rib) -> Vec<Change> {
    std::iter::from_fn(|| rib.poll_delta())
        .map(|delta| delta.change)
        .collect()
}
