//! The rings between shards: for each pair, one lane for messages and one for control.
//!
//! The data lane is bounded: when it is full, the sending shard stops reading for a moment, and only if
//! that does not help is a message dropped. The control lane is never dropped from; it holds at most
//! what links can have outstanding. Each shard is woken once for all that a turn put into its rings.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use atomic_waker::AtomicWaker;
use crossbeam_queue::{ArrayQueue, SegQueue};
use slipring_core::{ControlEvent, ControlRequest, Handoff};

/// The part of a ring that may be used before input waits: one in so many places.
const WAIT_DIVISOR: usize = 16;

/// What travels on a control lane.
#[derive(Debug)]
pub enum Control {
    /// From a shard to the control shard.
    Request(ControlRequest),
    /// From a shard to the control shard: deltas up to here are applied.
    Applied(u64),
    /// From the control shard to a shard, or between shards about congestion.
    Event(ControlEvent),
}

/// One direction between two shards.
#[derive(Debug)]
struct Pair {
    data: ArrayQueue<Box<Handoff>>,
    /// Whether the sender waits for room in the data lane.
    is_awaited: AtomicBool,
    control: SegQueue<Control>,
}

#[derive(Debug)]
struct Inner {
    shards: usize,
    /// `from * shards + to`; the diagonal is unused.
    pairs: Vec<Pair>,
    doors: Vec<Door>,
    /// Shards that have nothing left to do of their own.
    finished: Vec<AtomicBool>,
}

/// How a shard is woken.
#[derive(Debug, Default)]
struct Door {
    waker: AtomicWaker,
    is_knocked: AtomicBool,
}

/// All rings of the process.
#[derive(Clone, Debug)]
pub struct Mesh {
    inner: Arc<Inner>,
}

impl Mesh {
    /// Rings between `shards` shards, each data lane with `slots` places.
    #[must_use]
    pub fn new(shards: usize, slots: usize) -> Self {
        let pair = || Pair {
            data: ArrayQueue::new(slots.max(1)),
            is_awaited: AtomicBool::new(false),
            control: SegQueue::new(),
        };
        let pairs = (0..shards * shards).map(|_| pair()).collect();
        let finished = (0..shards).map(|_| AtomicBool::new(false)).collect();
        let doors = (0..shards).map(|_| Door::default()).collect();
        Self {
            inner: Arc::new(Inner {
                shards,
                pairs,
                doors,
                finished,
            }),
        }
    }

    /// The end that belongs to `shard`.
    #[must_use]
    pub fn end(&self, shard: u8) -> MeshEnd {
        MeshEnd {
            mesh: self.clone(),
            shard: usize::from(shard),
        }
    }

    fn pair(&self, from: usize, to: usize) -> &Pair {
        &self.inner.pairs[from * self.inner.shards + to]
    }
}

/// One shard's end of all its rings.
#[derive(Debug)]
pub struct MeshEnd {
    mesh: Mesh,
    shard: usize,
}

impl MeshEnd {
    /// Puts a message into the ring to `shard`.
    ///
    /// # Errors
    ///
    /// The message, if the ring is full.
    pub fn send(&self, shard: u8, handoff: Box<Handoff>) -> Result<(), Box<Handoff>> {
        self.mesh
            .pair(self.shard, usize::from(shard))
            .data
            .push(handoff)
    }

    /// Puts a control item into the lane to `shard`.
    pub fn send_control(&self, shard: u8, control: Control) {
        self.mesh
            .pair(self.shard, usize::from(shard))
            .control
            .push(control);
    }

    /// Wakes `shard`, which has something in its rings.
    pub fn knock(&self, shard: u8) {
        let door = &self.mesh.inner.doors[usize::from(shard)];
        if !door.is_knocked.swap(true, Ordering::SeqCst) {
            door.waker.wake();
        }
    }

    /// Whether some ring from this shard holds so much that its input should wait: long before it is
    /// full, because what is in a ring cannot be held back any more when its target fills up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.others().any(|to| self.is_full_towards(to))
    }

    fn is_full_towards(&self, to: usize) -> bool {
        let ring = &self.mesh.pair(self.shard, to).data;
        ring.len() >= (ring.capacity() / WAIT_DIVISOR).max(1)
    }

    /// Asks the shards whose rings are full to knock once they have emptied them.
    pub fn await_room(&self) {
        for to in self.others().filter(|to| self.is_full_towards(*to)) {
            let is_awaited = &self.mesh.pair(self.shard, to).is_awaited;
            is_awaited.store(true, Ordering::SeqCst);
        }
    }

    /// Messages in the rings towards this shard.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let ring = |from| self.mesh.pair(from, self.shard).data.len();
        self.others().map(ring).sum()
    }

    /// Says that this shard has nothing left to do of its own, and whether that is true of all.
    ///
    /// A shard without links must stay while others have some: an acknowledgement, and the end of a
    /// link that is leaving, wait until every shard has applied what they depend on.
    #[must_use]
    pub fn finish(&self) -> bool {
        let finished = &self.mesh.inner.finished;
        if !finished[self.shard].swap(true, Ordering::SeqCst) {
            for shard in self.others() {
                self.knock(u8::try_from(shard).unwrap_or(u8::MAX));
            }
        }
        finished.iter().all(|shard| shard.load(Ordering::SeqCst))
    }

    /// Registers to be woken by the next knock.
    pub fn register(&self, waker: &std::task::Waker) {
        let door = &self.mesh.inner.doors[self.shard];
        door.waker.register(waker);
        door.is_knocked.store(false, Ordering::SeqCst);
    }

    /// Moves everything that waits on the control lanes into `out`, with its sender.
    pub fn take_control(&self, out: &mut Vec<(u8, Control)>) {
        for from in self.others() {
            let lane = &self.mesh.pair(from, self.shard).control;
            while let Some(control) = lane.pop() {
                out.push((u8::try_from(from).unwrap_or(u8::MAX), control));
            }
        }
    }

    /// Empties the rings one after the other, and tells the senders who wait for that.
    pub fn take_handoffs(&self, mut each: impl FnMut(Box<Handoff>)) {
        for from in self.others() {
            let pair = self.mesh.pair(from, self.shard);
            // What arrives while this runs belongs to the next turn.
            for _ in 0..pair.data.len() {
                match pair.data.pop() {
                    Some(handoff) => each(handoff),
                    None => break,
                }
            }
            if pair.is_awaited.load(Ordering::SeqCst)
                && pair.is_awaited.swap(false, Ordering::SeqCst)
            {
                self.knock(u8::try_from(from).unwrap_or(u8::MAX));
            }
        }
    }

    /// Whether something waits.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.others().any(|from| {
            let pair = self.mesh.pair(from, self.shard);
            !pair.data.is_empty() || !pair.control.is_empty()
        })
    }

    /// Shards other than this one.
    pub fn others(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.mesh.inner.shards).filter(|shard| *shard != self.shard)
    }
}
