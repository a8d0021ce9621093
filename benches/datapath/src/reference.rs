//! The reference's side: its published table by its public interface.

use slim_datapath::{
    api::{EncodedName, NameId, ProtoName, StringName},
    tables::{ConnType, MatchFilter, SubscriptionTable, subscription_table::SubscriptionTableImpl},
};
use slipring_benches::fib_world::Names;
use slipring_proto::name::Name;

use crate::Table;

/// The table.
pub(crate) struct Published(SubscriptionTableImpl);

impl Table for Published {
    type Waiting = ProtoName;

    fn new() -> Self {
        Self(SubscriptionTableImpl::default())
    }

    fn waiting(names: &Names, number: u64) -> ProtoName {
        let name = names.name(number);
        let [_, _, service] = name.prefix.0;
        ProtoName {
            name: Some(encoded(name)),
            str_name: Some(StringName {
                str_component_0: "org".to_owned(),
                str_component_1: "namespace".to_owned(),
                str_component_2: format!("service-{:08x}", service >> 32),
            }),
        }
    }

    fn insert(&mut self, name: ProtoName, number: u64, to: u64) {
        self.0
            .add_subscription(name, to, ConnType::Edge, number + 1)
            .expect("the table takes it");
    }

    fn exact(&mut self, names: &Names, number: u64) -> u64 {
        self.ask(names.name(number), u64::MAX)
    }

    fn any(&mut self, names: &Names, ingress: u64) -> u64 {
        self.ask(names.any(0), ingress)
    }
}

impl Published {
    fn ask(&self, name: Name, ingress: u64) -> u64 {
        self.0
            .match_one(&encoded(name), ingress, MatchFilter::ALL)
            .expect("somebody subscribes")
    }
}

fn encoded(name: Name) -> EncodedName {
    let [component_0, component_1, component_2] = name.prefix.0;
    EncodedName {
        component_0,
        component_1,
        component_2,
        name_id: Some(NameId::from(name.id)),
    }
}
