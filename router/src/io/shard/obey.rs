//! Carrying out what the core says: links are woken, other shards told, each of them once a turn.

use slipring_core::{ControlEvent, Output, Recipient};
use slipring_fib::{ApplyError, LinkId};

use super::{CONTROL_SHARD, Shard};
use crate::io::{mesh::Control, runtime::Runtime, signal::Signal};

impl<R: Runtime> Shard<R> {
    /// Carries out every output of the core, and what follows from it.
    pub fn carry_out(&self) {
        let mut knocks = [0_u64; 4];
        let mut applied = None;
        loop {
            let output = self.core.borrow_mut().poll_output();
            match output {
                Some(Output::Applied(seq)) => applied = Some(seq),
                Some(output) => self.obey(output, &mut knocks),
                None => match applied.take() {
                    Some(seq) => self.report_applied(seq, &mut knocks),
                    None => break,
                },
            }
        }
        self.knock(knocks);
        self.rearm();
    }

    fn obey(&self, output: Output, knocks: &mut [u64; 4]) {
        match output {
            Output::Wake(link) => self.with_signal(link, Signal::wake),
            Output::Resume(link) => self.with_signal(link, Signal::resume),
            Output::Announce(link) => self.with_signal(link, Signal::announce),
            Output::Close(ending) => {
                if let Some(signal) = self.signals.remove(ending.link) {
                    signal.end(ending);
                }
            }
            Output::Handoff { shard, handoff } => {
                if let Err(handoff) = self.mesh.send(shard, handoff) {
                    self.core.borrow_mut().refuse_handoff(&handoff);
                }
                mark(knocks, shard);
            }
            Output::Request(request) => {
                if let Some(control) = &self.control {
                    control.borrow_mut().handle_request(self.number, request);
                    self.distribute(knocks);
                } else {
                    self.mesh
                        .send_control(CONTROL_SHARD, Control::Request(request));
                    mark(knocks, CONTROL_SHARD);
                }
            }
            Output::Applied(seq) => self.report_applied(seq, knocks),
            Output::Diverged(error) => self.give_up(error),
            Output::Congestion { link, congested } => {
                let event = ControlEvent::Congestion { link, congested };
                for shard in self.mesh.others() {
                    let shard = u8::try_from(shard).unwrap_or(u8::MAX);
                    self.mesh.send_control(shard, Control::Event(event));
                    mark(knocks, shard);
                }
            }
        }
    }

    /// Ends the process (ADR 0007): a shard that sends messages astray must not go on, and links and
    /// routes come back by themselves after a restart.
    #[expect(clippy::panic, reason = "no input causes it, and nothing can be saved")]
    fn give_up(&self, error: ApplyError) {
        panic!("shard {}: {error}", self.number);
    }

    fn report_applied(&self, seq: u64, knocks: &mut [u64; 4]) {
        if let Some(control) = &self.control {
            control.borrow_mut().handle_applied(self.number, seq);
            self.distribute(knocks);
        } else {
            self.mesh.send_control(CONTROL_SHARD, Control::Applied(seq));
            mark(knocks, CONTROL_SHARD);
        }
    }

    /// Sends the control core's events to their shards; this shard's own are handled at once.
    pub(in crate::io) fn distribute(&self, knocks: &mut [u64; 4]) {
        let Some(control) = &self.control else { return };
        loop {
            let Some((recipient, event)) = control.borrow_mut().poll_event() else {
                break;
            };
            match recipient {
                Recipient::Shard(shard) if shard == self.number => self.learn(event),
                Recipient::Shard(shard) => {
                    self.mesh.send_control(shard, Control::Event(event));
                    mark(knocks, shard);
                }
                Recipient::All => {
                    for shard in self.mesh.others() {
                        let shard = u8::try_from(shard).unwrap_or(u8::MAX);
                        self.mesh.send_control(shard, Control::Event(event));
                        mark(knocks, shard);
                    }
                    self.learn(event);
                }
            }
        }
    }

    /// Takes one event of the control shard.
    pub(in crate::io) fn learn(&self, event: ControlEvent) {
        let started = self.now();
        let is_delta = matches!(event, ControlEvent::Delta(_));
        self.core.borrow_mut().handle_control(event, started);
        if is_delta {
            let span = self.now().since(started);
            self.shell.borrow_mut().fib_apply.record(span);
        }
    }

    pub(in crate::io) fn knock(&self, knocks: [u64; 4]) {
        for shard in self.mesh.others() {
            let shard = u8::try_from(shard).unwrap_or(u8::MAX);
            if is_marked(&knocks, shard) {
                self.mesh.knock(shard);
            }
        }
    }

    fn with_signal(&self, link: LinkId, tell: impl Fn(&Signal)) {
        if let Some(signal) = self.signals.find(link) {
            tell(&signal);
        }
    }
}

/// Marks a shard that must be woken.
pub(in crate::io) fn mark(knocks: &mut [u64; 4], shard: u8) {
    knocks[usize::from(shard >> 6)] |= 1 << (shard & 63);
}

fn is_marked(knocks: &[u64; 4], shard: u8) -> bool {
    knocks[usize::from(shard >> 6)] & (1 << (shard & 63)) != 0
}
