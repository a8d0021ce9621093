//! What clients and operators do: a grammar of weighted actions, some of them switched off in each
//! world, so that the others come in combinations that a fair mixture would hide.

use crate::client::{DialMode, Reading};
use crate::world::World;

/// Declares the actions with their weights.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $weight:literal,)+) => {
        /// One action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Action {
            $($(#[$doc])* $variant,)+
        }

        impl Action {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];
            const WEIGHTS: [u32; Self::ALL.len()] = [$($weight,)+];
        }
    };
}

actions! {
    /// A client without a connection dials.
    Dial = 60,
    /// A client dials in a way that is odd or wrong.
    DialOddly = 6,
    /// A client subscribes.
    Subscribe = 60,
    /// A client repeats a subscription, or makes a second one for the name.
    SubscribeAgain = 12,
    /// A client takes a subscription back.
    Unsubscribe = 20,
    /// A client takes back what it never asked for.
    UnsubscribeUnknown = 6,
    /// A client asks for many things at once.
    AskMuch = 4,
    /// A client publishes.
    Publish = 240,
    /// A client publishes several messages in one go.
    PublishBurst = 60,
    /// A client subscribes and publishes in one go.
    SubscribeAndPublish = 12,
    /// A client sends its last message once more.
    Replay = 12,
    /// A client publishes with few hops left.
    PublishNear = 10,
    /// A client sends a header that is unsigned, wrongly signed or incomplete.
    Forge = 10,
    /// A client sends a message that can be read in two ways.
    Ambiguous = 4,
    /// A client sends bytes that are no message.
    Garbage = 3,
    /// A client sends a frame that no router takes.
    BadFrame = 2,
    /// A client sends link messages, acknowledgements or nothing at all.
    Noise = 5,
    /// One bit of the next message flips on its way to the router.
    FlipIn = 5,
    /// One bit flips on its way to a client.
    FlipOut = 3,
    /// A client ends its side.
    HalfClose = 4,
    /// A client resets its stream.
    Reset = 3,
    /// A transport is lost.
    Lose = 3,
    /// A stream ends in the middle of what is under way.
    Truncate = 3,
    /// A client reads slowly from now on.
    ReadSlowly = 5,
    /// A client stops reading.
    ReadNever = 3,
    /// A client reads again.
    ReadAgain = 8,
    /// A shard does nothing for a while.
    StallShard = 4,
    /// The clock jumps.
    JumpClock = 4,
    /// A node drains.
    Drain = 1,
    /// A node stops at once.
    Stop = 1,
    /// A node loses everything and comes back.
    Restart = 1,
    /// A client sends a message of the greatest length.
    Huge = 1,
}

impl Action {
    /// Without these no world does anything.
    pub(crate) const fn is_vital(self) -> bool {
        matches!(self, Self::Dial | Self::Subscribe | Self::Publish)
    }
}

/// How often each action is chosen.
#[derive(Clone, Debug)]
pub(crate) struct Weights([u32; Action::ALL.len()]);

impl Default for Weights {
    fn default() -> Self {
        Self(Action::WEIGHTS)
    }
}

impl Weights {
    pub(crate) fn switch_off(&mut self, action: Action) {
        self.0[action as usize] = 0;
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|weight| u64::from(*weight)).sum()
    }

    fn at(&self, mut point: u64) -> Action {
        for (action, weight) in Action::ALL.iter().zip(&self.0) {
            match point.checked_sub(u64::from(*weight)) {
                Some(rest) => point = rest,
                None => return *action,
            }
        }
        Action::Publish
    }
}

impl World {
    /// One action of the workload.
    pub(crate) fn act(&mut self) {
        let sum = self.shape.weights.sum();
        let point = self.workload.below(sum);
        let action = self.shape.weights.at(point);
        self.fold(action as u64);
        let index = self.workload.index(self.clients.len());
        let is_open = |world: &Self, client: usize| {
            world.clients[client]
                .conn
                .as_ref()
                .is_some_and(|conn| conn.is_open())
        };
        match action {
            Action::Drain => self.drain_node(),
            Action::Stop => self.stop_node(),
            Action::Restart => self.restart_node(),
            Action::StallShard => self.stall_shard(),
            Action::JumpClock => self.jump_clock(),
            Action::Dial | Action::DialOddly => {
                // Whoever has no connection comes before whoever has one.
                let count = self.clients.len();
                let free = (0..count)
                    .map(|offset| (index + offset) % count)
                    .find(|client| self.clients[*client].conn.is_none());
                if let Some(client) = free {
                    self.act_dial(client, action == Action::DialOddly);
                }
            }
            Action::Huge => self.act_huge(),
            Action::ReadAgain => self.read_again(index),
            Action::Subscribe
            | Action::SubscribeAgain
            | Action::Unsubscribe
            | Action::UnsubscribeUnknown
            | Action::AskMuch
            | Action::Publish
            | Action::PublishBurst
            | Action::SubscribeAndPublish
            | Action::Replay
            | Action::PublishNear
            | Action::Forge
            | Action::Ambiguous
            | Action::Garbage
            | Action::BadFrame
            | Action::Noise
            | Action::FlipIn
            | Action::FlipOut
            | Action::HalfClose
            | Action::Reset
            | Action::Lose
            | Action::Truncate
            | Action::ReadSlowly
            | Action::ReadNever => {
                let count = self.clients.len();
                let open = (0..count)
                    .map(|offset| (index + offset) % count)
                    .find(|client| is_open(self, *client));
                if let Some(client) = open {
                    self.act_on_link(client, action);
                }
            }
        }
    }

    fn act_dial(&mut self, client: usize, oddly: bool) {
        let mode = if oddly {
            self.workload.pick(&[
                DialMode::Hybrid,
                DialMode::Keyless,
                DialMode::Keyless,
                DialMode::Silent,
                DialMode::BadRequest,
                DialMode::Peer,
            ])
        } else {
            DialMode::Honest
        };
        // A client may come with the id of another one, or with its own once more.
        let link_id = if self.workload.chance(100) {
            "shared".to_owned()
        } else {
            format!("link-{client}")
        };
        self.dial(client, mode, link_id);
    }

    /// An action of a client whose link is open.
    fn act_on_link(&mut self, client: usize, action: Action) {
        match action {
            Action::Subscribe => self.act_subscribe(client),
            Action::SubscribeAgain => self.act_subscribe_again(client),
            Action::Unsubscribe => self.act_unsubscribe(client),
            Action::UnsubscribeUnknown => self.act_unsubscribe_unknown(client),
            Action::AskMuch => {
                for _ in 0..self.workload.within(5, 60) {
                    self.act_subscribe(client);
                }
            }
            Action::Publish => self.act_publish(client, None),
            Action::PublishBurst => {
                for _ in 0..self.workload.within(2, 20) {
                    self.act_publish(client, None);
                }
            }
            Action::SubscribeAndPublish => {
                self.act_subscribe(client);
                self.act_publish(client, None);
            }
            Action::Replay => self.act_replay(client),
            Action::PublishNear => {
                let ttl = self.workload.below(3);
                self.act_publish(client, u32::try_from(ttl).ok());
            }
            Action::Forge => self.act_forge(client),
            Action::Ambiguous => self.act_ambiguous(client),
            Action::Garbage => self.act_garbage(client),
            Action::BadFrame => self.act_bad_frame(client),
            Action::Noise => self.act_noise(client),
            Action::FlipIn => self.act_flip_in(client),
            Action::FlipOut => self.conn(client).flipped_out = true,
            Action::HalfClose => self.half_close(client),
            Action::Reset => self.abandon(client, true),
            Action::Lose => self.abandon(client, false),
            Action::Truncate => self.truncate(client),
            Action::ReadSlowly => self.conn(client).reading = Reading::Slow,
            Action::ReadNever => self.conn(client).reading = Reading::Never,
            Action::Dial
            | Action::DialOddly
            | Action::Drain
            | Action::Stop
            | Action::Restart
            | Action::StallShard
            | Action::JumpClock
            | Action::ReadAgain
            | Action::Huge => {}
        }
    }
}
