//! What a link wants to send, collected until its writer takes it all at once.
//!
//! Publishers append framed messages; the writer, a task of its own, takes everything appended
//! since its last turn as one piece and hands it to HTTP/2 as flow control allows. That is natural
//! batching: at a low rate a batch is one message and leaves at once, under load it is as large as
//! the backlog. No timers.
//!
//! Invariants:
//! 1. Bytes leave in the order appended; what was appended before a half-close leaves before it.
//! 2. The backlog passes [`OUTBOX_BYTES_MAX`] by at most one append per publisher, if publishers
//!    wait for room before they append.
//! 3. Once the stream is over, every append and every wait fails with its end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::Reason;

use crate::error::{Error, Result, StreamEnd};
use crate::io::stream::RawSender;

/// Backlog at which publishers wait.
pub const OUTBOX_BYTES_MAX: usize = 512 * 1024;
/// Smallest buffer taken for a new batch.
const BATCH_BYTES_MIN: usize = 1_024;

/// The shared end of a link's backlog. Clones share it.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Mutex<Backlog>>,
}

#[derive(Debug, Default)]
struct Backlog {
    bytes: BytesMut,
    /// Size of the last batches, so that the next buffer is allocated once.
    expected: usize,
    /// The writer holds bytes that HTTP/2 has not accepted yet.
    writing: bool,
    finish: bool,
    abandoned: bool,
    reset: Option<Reason>,
    end: Option<StreamEnd>,
    writer: Option<Waker>,
    waiting: Vec<Waker>,
}

impl Backlog {
    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_waiting(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    fn check(&self) -> Result<()> {
        self.end
            .as_ref()
            .map_or(Ok(()), |end| Err(Error::Ended(end.clone())))
    }
}

impl Outbox {
    /// An empty backlog and the task that writes it to `sender`.
    pub fn new(sender: RawSender) -> (Self, Writer) {
        let shared = Arc::new(Mutex::new(Backlog::default()));
        let outbox = Self {
            shared: Arc::clone(&shared),
        };
        (
            outbox,
            Writer {
                sender,
                shared,
                batch: Bytes::new(),
                finishing: false,
            },
        )
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        lock(&self.shared)
    }

    /// Appends whatever `fill` writes. Never waits; see [`Outbox::room`].
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over; nothing was appended then.
    pub fn append<R>(&self, fill: impl FnOnce(&mut BytesMut) -> R) -> Result<R> {
        let mut backlog = self.lock();
        backlog.check()?;
        if backlog.bytes.capacity() == 0 {
            backlog.bytes = BytesMut::with_capacity(backlog.expected.max(BATCH_BYTES_MIN));
        }
        let filled = fill(&mut backlog.bytes);
        backlog.wake_writer();
        Ok(filled)
    }

    /// Waits until the backlog is below [`OUTBOX_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over.
    pub async fn room(&self) -> Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    /// Poll form of [`Outbox::room`].
    ///
    /// # Errors
    /// As [`Outbox::room`].
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut backlog = self.lock();
        backlog.check()?;
        if backlog.bytes.len() < OUTBOX_BYTES_MAX {
            return Poll::Ready(Ok(()));
        }
        backlog.wait(cx);
        Poll::Pending
    }

    /// Waits until everything appended so far was accepted by HTTP/2, that is, until the far side
    /// has granted window for all but the send buffer.
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over first.
    pub async fn flush(&self) -> Result<()> {
        poll_fn(|cx| {
            let mut backlog = self.lock();
            backlog.check()?;
            if backlog.bytes.is_empty() && !backlog.writing {
                return Poll::Ready(Ok(()));
            }
            backlog.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// Waits until the stream is over and says how.
    pub async fn ended(&self) -> StreamEnd {
        poll_fn(|cx| {
            let mut backlog = self.lock();
            if let Some(end) = &backlog.end {
                return Poll::Ready(end.clone());
            }
            backlog.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// How the stream ended; `None` while it lives.
    pub fn end(&self) -> Option<StreamEnd> {
        self.lock().end.clone()
    }

    /// Bytes appended and not yet taken by the writer.
    pub fn backlog_bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Half-closes the stream after everything appended has left.
    pub fn finish(&self) {
        let mut backlog = self.lock();
        backlog.finish = true;
        backlog.wake_writer();
    }

    /// Resets the stream now; what has not left is lost.
    pub fn reset(&self, reason: Reason) {
        let mut backlog = self.lock();
        backlog.reset = Some(reason);
        backlog.wake_writer();
    }

    /// Nobody will append again: the writer ends as soon as it can, without waiting for window.
    pub fn abandon(&self) {
        let mut backlog = self.lock();
        backlog.abandoned = true;
        backlog.wake_writer();
    }

    /// Fails every append and wait from now on.
    pub fn close(&self, end: StreamEnd) {
        let mut backlog = self.lock();
        backlog.end.get_or_insert(end);
        backlog.wake_waiting();
        backlog.wake_writer();
    }
}

fn lock(shared: &Mutex<Backlog>) -> MutexGuard<'_, Backlog> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the writer does next.
enum Step {
    Write,
    Finish,
    Reset(Reason),
    Stop,
    Park,
}

/// The future that writes one link's backlog; run it as a task.
#[derive(Debug)]
pub struct Writer {
    sender: RawSender,
    shared: Arc<Mutex<Backlog>>,
    batch: Bytes,
    finishing: bool,
}

impl Writer {
    fn next(&mut self, cx: &Context<'_>) -> Step {
        let mut backlog = lock(&self.shared);
        if let Some(reason) = backlog.reset.take() {
            backlog.end.get_or_insert(StreamEnd::Local);
            backlog.wake_waiting();
            return Step::Reset(reason);
        }
        if backlog.end.is_some() {
            return Step::Stop;
        }
        if self.batch.is_empty() && !backlog.bytes.is_empty() {
            let taken = std::mem::take(&mut backlog.bytes);
            backlog.expected = taken.len().max(backlog.expected / 2);
            self.batch = taken.freeze();
            backlog.wake_waiting();
        }
        backlog.writing = !self.batch.is_empty();
        if backlog.writing {
            backlog.writer = Some(cx.waker().clone());
            return Step::Write;
        }
        if backlog.finish && !self.finishing {
            return Step::Finish;
        }
        if backlog.abandoned {
            return Step::Stop;
        }
        backlog.wake_waiting();
        backlog.writer = Some(cx.waker().clone());
        Step::Park
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            match self.next(cx) {
                Step::Write => match self.sender.poll_send(cx, &mut self.batch) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if lock(&self.shared).abandoned => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                },
                Step::Finish => {
                    self.finishing = true;
                    self.sender.finish()?;
                }
                Step::Reset(reason) => {
                    self.sender.reset(reason);
                    return Poll::Ready(Ok(()));
                }
                Step::Stop => return Poll::Ready(Ok(())),
                Step::Park => {
                    // Also wakes the task when the far side resets an idle stream.
                    let Poll::Ready(reset) = self.sender.poll_reset(cx) else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Err(reset.map_or_else(
                        |error| error,
                        |reason| Error::Ended(StreamEnd::Reset(reason)),
                    )));
                }
            }
        }
    }
}

impl Future for Writer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Poll::Ready(result) = this.poll_write(cx) else {
            return Poll::Pending;
        };
        let mut backlog = lock(&this.shared);
        let end = match result {
            Err(Error::Ended(end)) => end,
            Err(error) => StreamEnd::Transport(error.to_string()),
            Ok(()) => StreamEnd::Local,
        };
        backlog.end.get_or_insert(end);
        backlog.wake_waiting();
        Poll::Ready(())
    }
}
