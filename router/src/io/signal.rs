//! How the core's outputs reach the task that owns a link's transport.
//!
//! The core names links; the transport task that holds the stream must be woken and told. Each link has
//! one `Signal`, shared between the shard's register and the task.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

use slipring_core::Ending;
use slipring_fib::LinkId;

/// What the core wants of one link's task.
#[derive(Debug)]
pub struct Signal {
    waker: Waker,
    resume: Cell<bool>,
    announce: Cell<bool>,
    ending: RefCell<Option<Ending>>,
}

impl Signal {
    /// A signal for a task that is woken by `waker`.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self {
            waker,
            resume: Cell::new(false),
            announce: Cell::new(false),
            ending: RefCell::new(None),
        }
    }

    /// Wakes the task.
    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// Lets the link's input go on.
    pub fn resume(&self) {
        self.resume.set(true);
        self.wake();
    }

    /// Asks for a GOAWAY on the link's transport.
    pub fn announce(&self) {
        self.announce.set(true);
        self.wake();
    }

    /// Tells how the link ended.
    pub fn end(&self, ending: Ending) {
        self.ending.replace(Some(ending));
        self.wake();
    }

    /// Whether the input may go on; asked once.
    #[must_use]
    pub fn take_resume(&self) -> bool {
        self.resume.take()
    }

    /// Whether a GOAWAY is wanted; asked once.
    #[must_use]
    pub fn take_announce(&self) -> bool {
        self.announce.take()
    }

    /// How the link ended, if it did; asked once.
    #[must_use]
    pub fn take_ending(&self) -> Option<Ending> {
        self.ending.take()
    }
}

/// A link and its signal.
type Entry = (LinkId, Rc<Signal>);

/// The signals of all links of a shard, by slot.
#[derive(Debug, Default)]
pub struct Signals {
    slots: RefCell<Vec<Option<Entry>>>,
}

impl Signals {
    /// Registers the signal of a new link.
    pub fn insert(&self, link: LinkId, signal: Rc<Signal>) {
        let mut slots = self.slots.borrow_mut();
        let slot = link.slot() as usize;
        if slots.len() <= slot {
            slots.resize_with(slot + 1, || None);
        }
        slots[slot] = Some((link, signal));
    }

    /// The signal of `link`, unless its slot belongs to another by now.
    #[must_use]
    pub fn find(&self, link: LinkId) -> Option<Rc<Signal>> {
        let slots = self.slots.borrow();
        let (id, signal) = slots.get(link.slot() as usize)?.as_ref()?;
        (*id == link).then(|| Rc::clone(signal))
    }

    /// Forgets `link` and returns its signal.
    pub fn remove(&self, link: LinkId) -> Option<Rc<Signal>> {
        let signal = self.find(link)?;
        self.slots.borrow_mut()[link.slot() as usize] = None;
        Some(signal)
    }
}
