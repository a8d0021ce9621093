//! Whose turn it was: links of one class share the messages for one evenly (WIRE §7.4).

use slipring_fib::LinkClass;
use slipring_proto::name::Name;

/// Turns taken by the links of one class for one destination, counted by the shard that owns them.
#[derive(Debug)]
struct Rotation {
    ring: (Name, LinkClass),
    total: u64,
    by_shard: Vec<u64>,
}

/// The turns that one shard gave since its replica last changed.
#[derive(Debug, Default)]
pub(crate) struct Rotations(Vec<Rotation>);

impl Rotations {
    /// The replica changed: every rotation may start anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// A turn was taken by a link of shard `chosen`, of which there are `owned` among `total`. Whether
    /// the turns since the last delta are even so far (WIRE §7.4).
    pub(crate) fn take_turn(
        &mut self,
        ring: (Name, LinkClass),
        chosen: usize,
        owned: u64,
        total: u64,
    ) -> bool {
        let known = |rotation: &&mut Rotation| rotation.ring == ring;
        let rotation = match self.0.iter_mut().find(known) {
            Some(rotation) => rotation,
            None => {
                self.0.push(Rotation {
                    ring,
                    total: 0,
                    by_shard: vec![0; 1 << 8],
                });
                self.0.last_mut().expect("it was just pushed")
            }
        };
        rotation.total += 1;
        rotation.by_shard[chosen] += 1;
        rotation.by_shard[chosen] <= owned * rotation.total.div_ceil(total)
    }

    /// A turn passed over its own sender: what comes after it is another rotation.
    pub(crate) fn forget(&mut self, ring: (Name, LinkClass)) {
        self.0.retain(|rotation| rotation.ring != ring);
    }
}
