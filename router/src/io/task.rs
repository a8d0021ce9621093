//! The shard's own task: time, the mesh, and questions from outside.
//!
//! The order in which the mesh is read is a promise of the core's protocol: control items are taken
//! first, then every handoff that is there is delivered, and only then are the control items handled.
//! So a message that was planned before a delta was applied is delivered before the acknowledgement
//! that depends on it (see `ControlEvent`).

use std::{
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use slipring_core::{CloseReason, Time};

use super::{
    mailbox::{Ask, Mailbox, RibView},
    mesh::Control,
    runtime::{Local, Runtime},
    shard::Shard,
    tls::TlsSlots,
};
use crate::metrics::{ShardReport, farewell::Sums};

/// Times that the rings are emptied in one turn.
const MESH_PASSES_MAX: usize = 2;

/// The task's state.
struct Task<R: Runtime> {
    shard: Rc<Shard<R>>,
    mailbox: Arc<Mailbox>,
    tls: TlsSlots,
    timer: Local<()>,
    timer_at: Option<Time>,
    control: Vec<(u8, Control)>,
    has_said_farewell: bool,
}

/// Runs until the shard has drained or was stopped, and its transports are gone.
pub async fn run<R: Runtime>(shard: Rc<Shard<R>>, mailbox: Arc<Mailbox>, tls: TlsSlots) {
    let timer = Box::pin(std::future::pending());
    let mut task = Task {
        shard,
        mailbox,
        tls,
        timer,
        timer_at: None,
        control: Vec::new(),
        has_said_farewell: false,
    };
    poll_fn(|cx| {
        let started = task.shard.begin_turn();
        let polled = task.poll(cx);
        task.shard.record_turn(started);
        polled
    })
    .await;
}

impl<R: Runtime> Task<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(ask) = self.mailbox.take(cx.waker()) {
            self.answer(ask);
        }
        self.poll_mesh(cx);
        self.shard.retry_after_knock();
        self.poll_time(cx);
        self.say_farewell();
        if self.is_done() && self.shard.mesh().finish() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn is_done(&self) -> bool {
        let core = self.shard.core().borrow();
        core.is_draining() && core.links_open() == 0 && self.shard.transports() == 0
    }

    /// Leaves the sums behind once the last link has ended; there may be no time for another scrape.
    fn say_farewell(&mut self) {
        let core = self.shard.core().borrow();
        if self.has_said_farewell || !core.is_draining() || core.links_open() > 0 {
            return;
        }
        self.has_said_farewell = true;
        let counters = core.counters();
        let (closed, dropped) = (Sums::of_closed(counters), Sums::of_dropped(counters));
        let shard = self.shard.number();
        tracing::info!(shard, %closed, %dropped, "the last link has ended");
    }

    fn poll_mesh(&mut self, cx: &Context<'_>) {
        let mesh = self.shard.mesh();
        mesh.register(cx.waker());
        // Others may fill the rings as fast as this empties them; transports want their turn, too.
        let mut passes = 0;
        while mesh.has_waiting() {
            if passes == MESH_PASSES_MAX {
                cx.waker().wake_by_ref();
                return;
            }
            passes += 1;
            mesh.take_control(&mut self.control);
            let now = self.shard.now();
            mesh.take_handoffs(|handoff| {
                self.shard.core().borrow_mut().handle_handoff(&handoff, now);
            });
            let mut knocks = [0; 4];
            for (from, control) in self.control.drain(..) {
                match control {
                    Control::Event(event) => self.shard.learn(event),
                    Control::Request(request) => {
                        if let Some(core) = self.shard.control() {
                            core.borrow_mut().handle_request(from, request);
                        }
                    }
                    Control::Applied(seq) => {
                        if let Some(core) = self.shard.control() {
                            core.borrow_mut().handle_applied(from, seq);
                        }
                    }
                }
                self.shard.distribute(&mut knocks);
            }
            self.shard.knock(knocks);
            self.shard.carry_out();
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) {
        loop {
            let now = self.shard.now();
            let deadline = self.shard.next_deadline();
            self.shard.set_armed(deadline, cx.waker());
            let Some(deadline) = deadline else {
                self.timer_at = None;
                return;
            };
            if deadline <= now {
                self.handle_timeout(now);
                self.shard.retry_waiting();
                self.shard.carry_out();
                continue;
            }
            if self.timer_at != Some(deadline) {
                self.timer = R::sleep(deadline.since(now));
                self.timer_at = Some(deadline);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer_at = None;
        }
    }

    fn handle_timeout(&self, now: Time) {
        let mut core = self.shard.core().borrow_mut();
        let cut = CloseReason::DrainDeadline.index();
        let before = core.counters().closed.at(cut);
        core.handle_timeout(now);
        let links = core.counters().closed.at(cut).saturating_sub(before);
        if links > 0 {
            let shard = self.shard.number();
            tracing::warn!(
                shard,
                links,
                "cut at the drain deadline with messages waiting"
            );
        }
    }

    fn answer(&mut self, ask: Ask) {
        let now = self.shard.now();
        // Whoever asked may have gone; then nobody misses the answer.
        match ask {
            Ask::View(reply) => drop(reply.send(self.report(now))),
            Ask::Links { first, reply } => {
                let page = self.shard.core().borrow().view_links(first, now);
                drop(reply.send(page));
            }
            Ask::Rib(reply) => {
                if let Some(control) = self.shard.control() {
                    let control = control.borrow();
                    let view = RibView {
                        names: control.rib().names(),
                        subscriptions: control.rib().subscriptions(),
                        seq: control.rib().seq(),
                        committed: control.committed(),
                        digest: control.rib().digest(),
                    };
                    reply.send(view).ok();
                }
            }
            Ask::Drain { spread, deadline } => {
                self.shard.close_listeners();
                self.shard
                    .core()
                    .borrow_mut()
                    .begin_drain(spread, deadline, now);
                self.shard.carry_out();
            }
            Ask::Stop => {
                self.shard.close_listeners();
                self.shard.core().borrow_mut().stop(now);
                self.shard.carry_out();
            }
            Ask::Tls { server, tls, taken } => {
                self.tls.replace(server, tls);
                taken.send(()).ok();
            }
            Ask::Turn(reply) => drop(reply.send(())),
            #[cfg(feature = "fault-injection")]
            Ask::Hang(span) => std::thread::sleep(span),
            #[cfg(feature = "fault-injection")]
            Ask::Panic => panic!("a test asked for this"),
        }
    }

    fn report(&self, now: Time) -> ShardReport {
        let core = self.shard.core().borrow().view(now);
        let mut shell = *self.shard.shell().borrow();
        shell.transports = self.shard.transports();
        let links = self.shard.core().borrow().links_open();
        shell.unfinished = shell.transports.saturating_sub(links);
        shell.mesh_waiting = self.shard.mesh().waiting() as u64;
        ShardReport { core, shell }
    }
}
