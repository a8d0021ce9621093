//! The waker of one transport: quiet while its own task runs.
//!
//! HTTP/2 wakes the task for each frame that it takes from us or has for us, although that task is
//! just polling it and looks again before it rests. Such a wake-up would cost a whole further turn for
//! nothing; here it is only remembered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

/// The turns of one task.
#[derive(Debug)]
pub struct Turns {
    task: Waker,
    is_running: AtomicBool,
    /// Whether there is a reason to look again.
    is_poked: AtomicBool,
}

impl Turns {
    /// The turns of the task that `waker` wakes.
    #[must_use]
    pub fn new(waker: &Waker) -> Arc<Self> {
        Arc::new(Self {
            task: waker.clone(),
            is_running: AtomicBool::new(false),
            is_poked: AtomicBool::new(false),
        })
    }

    /// Whether these are the turns of the task that `waker` wakes.
    #[must_use]
    pub fn are_of(&self, waker: &Waker) -> bool {
        self.task.will_wake(waker)
    }

    /// Begins a turn.
    pub fn begin(&self) {
        self.is_running.store(true, SeqCst);
        self.is_poked.store(false, SeqCst);
    }

    /// Whether somebody called since the turn began or this was last asked.
    #[must_use]
    pub fn take_poke(&self) -> bool {
        self.is_poked.swap(false, SeqCst)
    }

    /// Forgets calls for something that is about to be done anyway.
    pub fn forget_pokes(&self) {
        self.is_poked.store(false, SeqCst);
    }

    /// Ends a turn; what was called for meanwhile becomes the next one.
    pub fn end(&self) {
        self.is_running.store(false, SeqCst);
        if self.take_poke() {
            self.task.wake_by_ref();
        }
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// In this order, so that a call from another thread at the end of a turn is seen by one of both.
    fn wake_by_ref(self: &Arc<Self>) {
        self.is_poked.store(true, SeqCst);
        if !self.is_running.load(SeqCst) {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_call_in_a_turn_waits_for_its_end_and_one_outside_does_not() {
        let count = Arc::new(Count::default());
        let turns = Turns::new(&Waker::from(Arc::clone(&count)));
        let waker = Waker::from(Arc::clone(&turns));
        let woken = || count.0.load(SeqCst);
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        turns.begin();
        assert!(!turns.take_poke(), "the turn is the answer to that");
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert!(turns.take_poke() && !turns.take_poke());
        turns.end();
        assert_eq!(woken(), 1, "it was looked at");
        turns.begin();
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        turns.end();
        assert_eq!(woken(), 2);
        turns.begin();
        turns.end();
        assert_eq!(woken(), 2);
    }
}
