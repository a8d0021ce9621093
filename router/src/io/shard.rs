//! One shard's shell: owns the core, feeds it, and carries out what it says.
//!
//! All tasks of a shard share it and borrow the core for the length of one call, never across a
//! suspension. Outputs are carried out at the end of each turn; the mesh is knocked on once for all of
//! them.

mod obey;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use slipring_core::{CloseReason, ControlCore, Intake, LinkOptions, RefuseReason, ShardCore, Time};
use slipring_fib::LinkId;
use slipring_proto::{crypto::aws::AwsCrypto, grpc::Body, outgoing::Batch};

use super::{
    clock::Clock,
    mesh::MeshEnd,
    runtime::Runtime,
    signal::{Signal, Signals},
    wire::Buffers,
};
use crate::{config::Config, metrics::ShellView};

/// The shard that also owns the RIB.
pub const CONTROL_SHARD: u8 = 0;

/// How long a sender waits for a full ring before it looks again.
const MESH_RETRY: Duration = Duration::from_millis(1);

/// How long input waits for a full ring in all, before messages are dropped. A shard that is alive
/// empties its rings in every turn, whatever its links do; one that lost its CPU for a few time slices
/// is back much sooner.
const MESH_PATIENCE: Duration = Duration::from_secs(1);

/// One shard's shell.
pub struct Shard<R> {
    number: u8,
    config: Rc<Config>,
    clock: Clock,
    /// When the running turn began.
    turn: Cell<Time>,
    core: RefCell<ShardCore<AwsCrypto>>,
    control: Option<RefCell<ControlCore>>,
    mesh: MeshEnd,
    signals: Signals,
    buffers: Buffers,
    shell: RefCell<ShellView>,
    /// Wakes the shard's own task, to set its timer anew.
    timer_waker: RefCell<Option<Waker>>,
    armed_for: Cell<Option<Time>>,
    /// Links whose input waits for a ring or for assembly room, and since when.
    waiting: RefCell<Vec<Rc<Signal>>>,
    waiting_since: Cell<Option<Time>>,
    retry_at: Cell<Option<Time>>,
    transports: Cell<u32>,
    /// Listener tasks, and whether they shall end.
    listeners: RefCell<Vec<Waker>>,
    is_closed: Cell<bool>,
    _runtime: std::marker::PhantomData<R>,
}

impl<R: Runtime> Shard<R> {
    /// The shell around `core`; `control` is there on the control shard only.
    #[must_use]
    pub fn new(
        number: u8,
        config: Rc<Config>,
        clock: Clock,
        core: ShardCore<AwsCrypto>,
        control: Option<ControlCore>,
        mesh: MeshEnd,
    ) -> Self {
        Self {
            number,
            config,
            clock,
            turn: Cell::new(clock.now()),
            core: RefCell::new(core),
            control: control.map(RefCell::new),
            mesh,
            signals: Signals::default(),
            buffers: Buffers::default(),
            shell: RefCell::new(ShellView::default()),
            timer_waker: RefCell::new(None),
            armed_for: Cell::new(None),
            waiting: RefCell::new(Vec::new()),
            waiting_since: Cell::new(None),
            retry_at: Cell::new(None),
            transports: Cell::new(0),
            listeners: RefCell::new(Vec::new()),
            is_closed: Cell::new(false),
            _runtime: std::marker::PhantomData,
        }
    }

    /// This shard's number.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Begins a turn of a task: until the next, everything in it happens at this time, which spares a
    /// look at the clock for each message.
    pub fn begin_turn(&self) -> Time {
        let now = self.clock.now();
        self.turn.set(now);
        now
    }

    /// Ends the turn that began at `started`.
    pub fn record_turn(&self, started: Time) {
        let span = self.now().since(started);
        self.shell.borrow_mut().turn.record(span);
    }

    /// The shard's buffers.
    #[must_use]
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// What the shell itself measures.
    #[must_use]
    pub fn shell(&self) -> &RefCell<ShellView> {
        &self.shell
    }

    /// The core, for the shard's own task.
    pub(super) fn core(&self) -> &RefCell<ShardCore<AwsCrypto>> {
        &self.core
    }

    /// The control core, on the control shard.
    pub(super) fn control(&self) -> Option<&RefCell<ControlCore>> {
        self.control.as_ref()
    }

    /// The mesh end, for the shard's own task.
    pub(super) fn mesh(&self) -> &MeshEnd {
        &self.mesh
    }

    /// Whether the listener may take another connection.
    ///
    /// # Errors
    ///
    /// The reason, already counted.
    pub fn admit(&self) -> Result<(), RefuseReason> {
        let mut core = self.core.borrow_mut();
        let admitted = core.admission().and_then(|()| {
            // Streams of one transport become links later; until then the transport stands for them.
            let unfinished = self.transports.get().saturating_sub(core.links_open());
            if unfinished < self.config.limits.unfinished_per_shard_max {
                Ok(())
            } else {
                Err(RefuseReason::UnfinishedMax)
            }
        });
        if let Err(reason) = admitted {
            core.count_refusal(reason);
        }
        admitted
    }

    /// Counts a refusal that the shell decided.
    pub fn refuse(&self, reason: RefuseReason) {
        self.core.borrow_mut().count_refusal(reason);
    }

    /// Makes a link for a new stream, whose task is woken through `signal`.
    ///
    /// # Errors
    ///
    /// The reason, already counted.
    pub fn open_link(
        &self,
        options: LinkOptions,
        signal: &Rc<Signal>,
    ) -> Result<LinkId, RefuseReason> {
        let link = self.core.borrow_mut().open_link(options, self.turn.get())?;
        self.signals.insert(link, Rc::clone(signal));
        self.rearm();
        Ok(link)
    }

    /// Feeds one message. Its outputs wait for the end of the turn.
    pub fn feed(&self, link: LinkId, body: Body) -> Intake {
        self.core
            .borrow_mut()
            .handle_message(link, body, self.turn.get())
    }

    /// Notes how long a link took from its stream to what its first message led to.
    pub fn record_negotiation(&self, opened: Time, intake: Intake) {
        if intake == Intake::Next {
            let span = self.now().since(opened);
            self.shell.borrow_mut().negotiation.record(span);
        }
    }

    /// Ends the turn of a link: everything that its messages caused is carried out.
    pub fn end_turn(&self, link: LinkId) {
        self.core.borrow_mut().end_turn(link);
        self.carry_out();
    }

    /// Ends a link for a reason that the shell saw.
    pub fn end_link(&self, link: LinkId, reason: CloseReason) {
        self.core
            .borrow_mut()
            .end_link(link, reason, self.turn.get());
        self.carry_out();
    }

    /// Bytes that wait for a link; see [`ShardCore::waiting_bytes`].
    #[must_use]
    pub fn waiting(&self, link: LinkId) -> Option<u64> {
        self.core.borrow().waiting_bytes(link)
    }

    /// Pulls a batch of at most `bytes_max` bytes for a link; a message is never cut.
    pub fn pull(&self, link: LinkId, bytes_max: usize, batch: &mut Batch) {
        self.core
            .borrow_mut()
            .poll_batch(link, bytes_max, batch, self.turn.get());
        self.carry_out();
    }

    /// Notes what the transport of a link has taken; see [`ShardCore::note_sent`].
    pub fn note_sent(&self, link: LinkId, bytes: u64) {
        self.core
            .borrow_mut()
            .note_sent(link, bytes, self.turn.get());
    }

    /// Charges an unfinished message; see [`ShardCore::charge_assembly`].
    pub fn charge_assembly(&self, link: LinkId, bytes: usize) -> bool {
        self.core.borrow_mut().charge_assembly(link, bytes as u64)
    }

    /// Lends receive window, if there is any left.
    #[must_use]
    pub fn lend_window(&self, bytes: u64) -> bool {
        self.core.borrow_mut().lend_window(bytes)
    }

    /// Takes lent receive window back.
    pub fn return_window(&self, bytes: u64) {
        self.core.borrow_mut().return_window(bytes);
    }

    /// Counts a transport in; [`Self::transport_ended`] counts it out.
    pub fn transport_started(&self) {
        self.transports.set(self.transports.get() + 1);
    }

    /// Counts a transport out.
    pub fn transport_ended(&self) {
        self.transports.set(self.transports.get() - 1);
        self.wake_task();
    }

    /// Transports that are there.
    #[must_use]
    pub fn transports(&self) -> u32 {
        self.transports.get()
    }

    /// When whatever is left of a drain is closed; `None` while there is no drain.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Time> {
        self.core.borrow().drain_deadline()
    }

    /// Ends the listener tasks.
    pub fn close_listeners(&self) {
        self.is_closed.set(true);
        for waker in self.listeners.take() {
            waker.wake();
        }
    }

    /// Ready once listeners must end.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_closed.get() {
            return Poll::Ready(());
        }
        let mut listeners = self.listeners.borrow_mut();
        if !listeners.iter().any(|waker| waker.will_wake(cx.waker())) {
            listeners.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether input must wait because a ring to another shard is full. After some patience it must
    /// not: then messages are dropped and counted, because the other shard does not move.
    #[must_use]
    pub fn is_mesh_full(&self) -> bool {
        if !self.mesh.is_full() {
            self.waiting_since.set(None);
            return false;
        }
        self.waiting_since
            .get()
            .is_none_or(|since| self.turn.get().since(since) < MESH_PATIENCE)
    }

    /// Holds the input of a link because a ring is full, and counts that.
    pub fn hold_for_mesh(&self, signal: Rc<Signal>) {
        self.shell.borrow_mut().mesh_holds += 1;
        self.mesh.await_room();
        self.wait_for_room(signal);
    }

    /// Wakes those who wait for a ring if there is room again.
    pub(super) fn retry_after_knock(&self) {
        if !self.waiting.borrow().is_empty() && !self.mesh.is_full() {
            self.retry_waiting();
        }
    }

    /// Wakes `signal` as soon as there may be room again.
    pub fn wait_for_room(&self, signal: Rc<Signal>) {
        if self.waiting_since.get().is_none() {
            self.waiting_since.set(Some(self.now()));
        }
        if self.retry_at.get().is_none() {
            self.retry_at.set(Some(self.now().after(MESH_RETRY)));
        }
        self.waiting.borrow_mut().push(signal);
        self.rearm();
    }

    /// Wakes everyone who waited for room.
    pub(super) fn retry_waiting(&self) {
        self.retry_at.set(None);
        if !self.mesh.is_full() {
            self.waiting_since.set(None);
        }
        for signal in self.waiting.take() {
            signal.wake();
        }
    }

    /// When the shard's task must act next.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let core = self.core.borrow().next_deadline();
        [core, self.retry_at.get()].into_iter().flatten().min()
    }

    /// Remembers for when the timer is set, and who sets it.
    pub(super) fn set_armed(&self, deadline: Option<Time>, waker: &Waker) {
        self.armed_for.set(deadline);
        self.timer_waker.replace(Some(waker.clone()));
    }

    /// Wakes the shard's task if its timer is set too late.
    fn rearm(&self) {
        let is_late = match (self.next_deadline(), self.armed_for.get()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(wanted), Some(armed)) => wanted < armed,
        };
        if is_late {
            self.wake_task();
        }
    }

    fn wake_task(&self) {
        if let Some(waker) = &*self.timer_waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
