//! What a shell and its clients put on the agenda for themselves: each link has at most one entry for
//! its reader, its writer and its client, each shard one for its earliest deadline.

use crate::world::{Event, World};

impl World {
    pub(crate) fn arm_timer(&mut self, node: usize, shard: usize) {
        let epoch = self.nodes[node].epoch;
        let place = &mut self.nodes[node].shards[shard];
        let Some(due) = place.core.next_deadline() else {
            return;
        };
        if place.timer_at.is_none_or(|armed| due < armed) {
            place.timer_at = Some(due);
            self.arm_at(due, Event::Timer { node, epoch, shard });
        }
    }

    /// Puts the reader of a link on the agenda: when something is due, and not before `delay`.
    pub(crate) fn arm_up(&mut self, client: usize, delay: u64) {
        let earliest = self.now.after(core::time::Duration::from_micros(delay));
        let conn = self.conn(client);
        let due = if delay > 0 {
            Some(earliest)
        } else {
            conn.up.next_due()
        };
        if let Some(due) = due
            && !std::mem::replace(&mut conn.up_armed, true)
        {
            let generation = conn.generation;
            self.arm_at(due.max(earliest), Event::Up { client, generation });
        }
    }

    pub(crate) fn arm_write(&mut self, client: usize) {
        let conn = self.conn(client);
        if !std::mem::replace(&mut conn.write_armed, true) {
            let generation = conn.generation;
            let delay = conn.dice.below(20);
            self.arm(delay, Event::Write { client, generation });
        }
    }

    pub(crate) fn arm_down(&mut self, client: usize, delay: u64) {
        let earliest = self.now.after(core::time::Duration::from_micros(delay));
        let conn = self.conn(client);
        if let Some(due) = conn.down.next_due()
            && !std::mem::replace(&mut conn.down_armed, true)
        {
            let generation = conn.generation;
            self.arm_at(due.max(earliest), Event::Down { client, generation });
        }
    }
}
