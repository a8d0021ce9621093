//! What clients say: subscriptions, messages, and everything that they should not say.

use bytes::{Bytes, BytesMut};
use slipring_proto::{
    limits::MESSAGE_BYTES_MAX,
    message::{self, HeaderFields, PublishTail, SealedHeader},
    name::Name,
};

use crate::client::{DialMode, Recipe, Tricks};
use crate::world::World;

impl World {
    /// Whether the wire of a client takes another message; a client waits as long as it does not.
    fn can_say(&self, client: usize) -> bool {
        self.clients[client]
            .conn
            .as_ref()
            .is_some_and(|conn| conn.is_open() && conn.up.room() >= 500)
    }

    fn say(&mut self, client: usize, bytes: Bytes) {
        if self.can_say(client) {
            self.client_writes(client, bytes);
        }
    }

    pub(crate) fn act_subscribe(&mut self, client: usize) {
        let name = self.workload.index(self.names.len());
        let is_silent = self.workload.chance(100);
        let ttl = if self.workload.chance(30) { 1 } else { 8 };
        let person = &mut self.clients[client];
        person.next_subscription += 1;
        let id = if is_silent {
            0
        } else {
            person.next_subscription
        };
        let header = person.registration(&self.names[name], ttl);
        let place = self.names[name].name();
        if ttl > 1 && self.can_say(client) {
            self.conn(client).subscriptions.push((id, place));
        }
        self.say(client, header.subscribe(id).expect("a subscribe is short"));
    }

    pub(crate) fn act_subscribe_again(&mut self, client: usize) {
        let Some((id, name)) = self.known_subscription(client) else {
            return;
        };
        let again = if self.workload.chance(500) {
            id
        } else {
            self.workload.below(1 << 30)
        };
        let header = self.registration_of(client, name);
        self.say(
            client,
            header.subscribe(again).expect("a subscribe is short"),
        );
    }

    pub(crate) fn act_unsubscribe(&mut self, client: usize) {
        let Some((id, name)) = self.known_subscription(client) else {
            return;
        };
        if self.can_say(client) {
            self.conn(client)
                .subscriptions
                .retain(|known| *known != (id, name));
        }
        let header = self.registration_of(client, name);
        self.say(
            client,
            header.unsubscribe(id).expect("an unsubscribe is short"),
        );
    }

    pub(crate) fn act_unsubscribe_unknown(&mut self, client: usize) {
        let name = self.workload.index(self.names.len());
        let id = self.workload.below(1 << 20);
        let header = self.clients[client].registration(&self.names[name], 8);
        self.say(
            client,
            header.unsubscribe(id).expect("an unsubscribe is short"),
        );
    }

    fn known_subscription(&mut self, client: usize) -> Option<(u64, Name)> {
        let count = self.conn(client).subscriptions.len();
        if count == 0 {
            return None;
        }
        let place = self.workload.index(count);
        self.conn(client).subscriptions.get(place).copied()
    }

    fn registration_of(&self, client: usize, name: Name) -> SealedHeader {
        let text = self
            .names
            .iter()
            .find(|text| text.name() == name)
            .expect("clients subscribe to names of the universe");
        self.clients[client].registration(text, 8)
    }

    /// One message; `ttl` if its hops are to be few.
    pub(crate) fn act_publish(&mut self, client: usize, ttl: Option<u32>) {
        if !self.can_say(client) {
            return;
        }
        let bytes = self.publish_bytes(client, ttl);
        self.say(client, bytes);
    }

    fn publish_bytes(&mut self, client: usize, ttl: Option<u32>) -> Bytes {
        let mut recipe = self.recipe(client, ttl);
        let destination = self.names[recipe.destination].name();
        if self.would_pass_itself(client, destination) {
            recipe.fanout = 256;
        }
        let payload_max = self.shape.payload_max;
        let is_long = self.workload.chance(60);
        let payload = self.workload.below(if is_long { payload_max } else { 200 });
        let has_metadata = self.workload.chance(200);
        let reuse = self.workload.chance(900);
        let person = &mut self.clients[client];
        let header = person.publish_header(recipe, &self.names, reuse);
        let tail = person.next_tail(client, usize::try_from(payload).unwrap_or(0), has_metadata);
        let bytes = header.publish(&tail).expect("a message of some kilobytes");
        let is_one = recipe.fanout == 1;
        self.conn(client).last_publish = Some((bytes.clone(), is_one.then_some(destination)));
        bytes
    }

    /// Whether a message for one would have to pass over its own sender, in a world that avoids it.
    pub(crate) fn would_pass_itself(&self, client: usize, destination: Name) -> bool {
        let subscribes = self.clients[client].conn.as_ref().is_some_and(|conn| {
            let mut names = conn.subscriptions.iter().map(|(_, name)| *name);
            names.any(|name| crate::model::matches(destination, name))
        });
        subscribes && !self.shape.sends_to_self
    }

    fn recipe(&mut self, client: usize, ttl: Option<u32>) -> Recipe {
        let person = &self.clients[client];
        let last = person.conn.as_ref().and_then(|conn| conn.last_recipe);
        let dice = &mut self.workload;
        // Sessions send the same header again and again.
        if let Some(last) = last
            && ttl.is_none()
            && dice.chance(650)
        {
            return last;
        }
        let records = &self.nodes[person.shape.node].truth.records;
        let wanted = if !records.is_empty() && dice.chance(750) {
            let name = records[dice.index(records.len())].name;
            self.names.iter().position(|known| known.name() == name)
        } else {
            None
        };
        let destination = wanted.unwrap_or_else(|| dice.index(self.names.len()));
        let fanout = dice.pick(&[1, 1, 0, 2, 256]);
        let is_plain = dice.chance(900);
        let recipe = Recipe {
            destination,
            fanout,
            ttl: ttl.unwrap_or_else(|| dice.pick(&[8, 8, 4, 2])),
            tricks: if is_plain {
                Tricks::default()
            } else {
                Tricks {
                    steering: dice.chance(300),
                    incoming_conn: dice.chance(300),
                    identity: u32::try_from(dice.below(5)).unwrap_or(0),
                    error: dice.chance(300),
                }
            },
        };
        if ttl.is_none() {
            self.conn(client).last_recipe = Some(recipe);
        }
        recipe
    }

    pub(crate) fn act_replay(&mut self, client: usize) {
        let Some((bytes, one)) = self.conn(client).last_publish.clone() else {
            return;
        };
        if !one.is_some_and(|destination| self.would_pass_itself(client, destination)) {
            self.say(client, bytes);
        }
    }

    /// Headers that are unsigned, wrongly signed, or lack what WIRE §2.2 asks for.
    pub(crate) fn act_forge(&mut self, client: usize) {
        let name = self.workload.index(self.names.len());
        let kind = self.workload.below(5);
        let mut fields = HeaderFields::between(&self.clients[client].name, &self.names[name]);
        match kind {
            0 => {}
            1 => fields.header_mac = Some(Bytes::from_static(&[7; 32])),
            2 => fields.header_mac = Some(Bytes::from_static(&[7; 31])),
            3 => fields.destination = None,
            _ => fields.source = None,
        }
        let header = if kind > 2 {
            self.clients[client].sealed_with_key(fields)
        } else {
            fields.seal()
        };
        let bytes = match self.workload.below(3) {
            0 => header.subscribe(9),
            1 => header.unsubscribe(9),
            _ => {
                let tail = if self.workload.chance(300) {
                    PublishTail::empty()
                } else {
                    self.clients[client].next_tail(client, 10, false)
                };
                header.publish(&tail)
            }
        };
        self.say(client, bytes.expect("a short message"));
    }

    /// A message with a field twice: two decoders could read it differently.
    pub(crate) fn act_ambiguous(&mut self, client: usize) {
        let bytes = self.publish_bytes(client, None);
        let mut plain = BytesMut::from(&message::unframed(&bytes)[..]);
        if self.workload.chance(500) {
            // The whole message once more: two kinds.
            let copy = plain.clone();
            plain.extend_from_slice(&copy);
        } else {
            // Field 15 with a padded varint behind everything.
            plain.extend_from_slice(&[0x78, 0x80, 0x00]);
        }
        self.say(client, message::framed(&plain).expect("a short message"));
    }

    pub(crate) fn act_garbage(&mut self, client: usize) {
        let length = self.workload.within(1, 40);
        let plain: Vec<u8> = (0..length)
            .map(|_| u8::try_from(self.workload.below(256)).unwrap_or(0))
            .collect();
        self.say(client, message::framed(&plain).expect("a short message"));
    }

    pub(crate) fn act_bad_frame(&mut self, client: usize) {
        let prefix: &'static [u8] = if self.workload.chance(500) {
            &[1, 0, 0, 0, 4, 1, 2, 3, 4]
        } else {
            &[0, 0, 0x40, 0, 1, 1, 2, 3]
        };
        self.say(client, Bytes::from_static(prefix));
    }

    /// Messages that mean nothing to a router: empty ones, link messages, acknowledgements.
    pub(crate) fn act_noise(&mut self, client: usize) {
        let bytes = match self.workload.below(4) {
            0 => Bytes::from_static(&[0; 5]),
            1 => message::subscription_ack(5, Ok(())).expect("an ack is short"),
            2 => Bytes::from_static(&[0, 0, 0, 0, 2, 0x2a, 0]),
            // Metadata only.
            _ => Bytes::from_static(&[0, 0, 0, 0, 2, 0x22, 0]),
        };
        self.say(client, bytes);
    }

    /// One bit of a message flips; what it means now is for the oracle to say.
    pub(crate) fn act_flip_in(&mut self, client: usize) {
        let bytes = self.publish_bytes(client, None);
        // Often in the header, where it matters most.
        let within = if self.workload.chance(700) {
            120
        } else {
            bytes.len()
        };
        let place = self.workload.index(within.min(bytes.len()));
        let bit = self.workload.below(8);
        let mut flipped = BytesMut::from(&bytes[..]);
        flipped[place] ^= 1 << bit;
        if self.can_say(client) {
            self.conn(client).flipped_in = true;
            self.conn(client).is_misframed |= place < 5;
        }
        self.say(client, flipped.freeze());
    }

    /// A message as long as a message may be. Unsigned, it is longer still on the next link.
    pub(crate) fn act_huge(&mut self) {
        let keyless = (0..self.clients.len()).find(|client| {
            let conn = self.clients[*client].conn.as_ref();
            conn.is_some_and(|conn| conn.is_open() && conn.mode == DialMode::Keyless)
        });
        let Some(client) = keyless else {
            let free = (0..self.clients.len()).find(|client| self.clients[*client].conn.is_none());
            if let Some(client) = free.filter(|_| !self.shape.strict) {
                self.dial(client, DialMode::Keyless, "keyless".to_owned());
            }
            return;
        };
        let node = self.clients[client].shape.node;
        let wanted = self.nodes[node].truth.records.first();
        let wanted = wanted.map(|record| record.name);
        let destination = self
            .names
            .iter()
            .position(|name| Some(name.name()) == wanted);
        let is_roomy = self.conn(client).up.room() >= 1 << 20;
        let (Some(destination), true, 1..) = (destination, is_roomy, self.huge_left) else {
            return;
        };
        self.huge_left -= 1;
        let recipe = Recipe {
            destination,
            fanout: 256,
            ttl: 2,
            tricks: Tricks::default(),
        };
        let person = &mut self.clients[client];
        let header = person.publish_header(recipe, &self.names, true);
        let most = MESSAGE_BYTES_MAX as usize;
        let probe = header
            .publish(&person.next_tail(client, most / 2, false))
            .expect("half of the most");
        // From half of the most on, every length field has its full size.
        let payload = most / 2 + (most - (probe.len() - 5));
        let tail = person.next_tail(client, payload, false);
        if let Ok(bytes) = header.publish(&tail) {
            self.client_writes(client, bytes);
        }
    }
}
