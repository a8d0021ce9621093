//! The buffered transport between a socket and HTTP/2 (or TLS below HTTP/2).
//!
//! `h2` reads 8 KiB at a time and, towards a peer that announces 16 KiB frames, writes and flushes each
//! frame on its own. Here reads take up to 256 KiB per system call, and small writes are gathered until
//! the task that polls the connection has nothing more to add; large writes onto an empty buffer go out
//! vectored, uncopied. A flush is a hint, because the task always ends its turn with
//! [`WireEnd::poll_drain`].
//!
//! Buffers belong to the shard: an idle link holds none, and one whose socket is stuck holds what is
//! left in it and no more. Those rests have a bound for each shard; beyond it nothing is gathered, and
//! what waits stays in HTTP/2, where it is charged to the link.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::runtime::{Local, Stream};

/// Bytes of one shared buffer, and hence of one gathered write.
pub const BUFFER_BYTES: usize = 256 << 10;

/// Writes at least this large, in bytes, go out directly when nothing is gathered.
const DIRECT_BYTES_MIN: usize = 32 << 10;

/// Free buffers that a shard keeps.
const SPARE_MAX: usize = 4;

/// Bytes that stuck links may hold of what was gathered for them, all links of a shard together.
pub const HELD_BYTES_MAX: usize = 16 << 20;

/// The buffers of one shard.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    spare: Rc<RefCell<Vec<Box<[u8]>>>>,
    /// Bytes in rests.
    held: Rc<Cell<usize>>,
}

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice())
    }

    fn put_back(&self, buffer: Box<[u8]>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    }

    /// Whether no more may be left in buffers.
    fn are_spent(&self) -> bool {
        self.held.get() >= HELD_BYTES_MAX
    }

    /// Puts what is left of `filled` into memory of its own size, and the buffer back.
    fn keep_rest(&self, filled: &mut Filled) {
        if filled.is_rest {
            return;
        }
        let rest: Box<[u8]> = filled.bytes().into();
        self.held.set(self.held.get().saturating_add(rest.len()));
        let (start, end) = (0, rest.len());
        let old = std::mem::replace(
            filled,
            Filled {
                buffer: rest,
                start,
                end,
                is_rest: true,
            },
        );
        self.put_back(old.buffer);
    }

    /// Takes back what was filled.
    fn release(&self, filled: Filled) {
        if filled.is_rest {
            let held = self.held.get().saturating_sub(filled.buffer.len());
            self.held.set(held);
        } else {
            self.put_back(filled.buffer);
        }
    }
}

/// A buffer with its unread bytes.
#[derive(Debug)]
struct Filled {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the buffer is no longer one of the shard's.
    is_rest: bool,
}

impl Filled {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    buffers: Buffers,
    /// Read from the socket and not yet by the reader.
    unread: Option<Filled>,
    /// Written by the writer and not yet to the socket.
    unsent: Option<Filled>,
    /// Whether the socket takes nothing more for now.
    is_stuck: bool,
}

impl<S> Drop for Inner<S> {
    fn drop(&mut self) {
        let left = [self.unread.take(), self.unsent.take()];
        for filled in left.into_iter().flatten() {
            self.buffers.release(filled);
        }
    }
}

impl<S: Stream> Inner<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_none() {
            if out.remaining() >= BUFFER_BYTES || self.buffers.are_spent() {
                return Pin::new(&mut self.stream).poll_read(cx, out);
            }
            let mut buffer = self.buffers.take();
            let mut filled = ReadBuf::new(&mut buffer);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut filled);
            let end = filled.filled().len();
            if !matches!(polled, Poll::Ready(Ok(()))) || end == 0 {
                self.buffers.put_back(buffer);
                return polled;
            }
            self.unread = Some(Filled {
                buffer,
                start: 0,
                end,
                is_rest: false,
            });
        }
        if let Some(unread) = &mut self.unread {
            let count = unread.bytes().len().min(out.remaining());
            out.put_slice(&unread.bytes()[..count]);
            unread.start += count;
        }
        if self
            .unread
            .as_ref()
            .is_some_and(|unread| unread.bytes().is_empty())
            && let Some(unread) = self.unread.take()
        {
            self.buffers.release(unread);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.is_stuck || self.room() == 0 {
            ready!(self.poll_drain(cx))?;
        }
        let is_direct = total >= DIRECT_BYTES_MIN || self.buffers.are_spent();
        if self.unsent.is_none() && is_direct {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        let buffers = &self.buffers;
        let unsent = self.unsent.get_or_insert_with(|| Filled {
            buffer: buffers.take(),
            start: 0,
            end: 0,
            is_rest: false,
        });
        let mut written = 0;
        for slice in slices {
            let count = slice.len().min(unsent.buffer.len() - unsent.end);
            unsent.buffer[unsent.end..unsent.end + count].copy_from_slice(&slice[..count]);
            unsent.end += count;
            written += count;
        }
        Poll::Ready(Ok(written))
    }

    /// Reads and forgets. Ready when the peer has ended or is gone.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = self.buffers.take();
        let ended = loop {
            let mut filled = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut filled) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Ok(())) if !filled.filled().is_empty() => {}
                Poll::Ready(_) => break Poll::Ready(()),
            }
        };
        self.buffers.put_back(buffer);
        ended
    }

    fn room(&self) -> usize {
        self.unsent
            .as_ref()
            .map_or(BUFFER_BYTES, |unsent| unsent.buffer.len() - unsent.end)
    }

    /// Ends a turn: sends what was gathered, and lets go of buffers that will not be used up now.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(unread) = &mut self.unread {
            self.buffers.keep_rest(unread);
        }
        while let Some(unsent) = &mut self.unsent {
            let polled = Pin::new(&mut self.stream).poll_write(cx, unsent.bytes());
            self.is_stuck = polled.is_pending();
            if self.is_stuck {
                self.buffers.keep_rest(unsent);
            }
            let sent = ready!(polled)?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            unsent.start += sent;
            if unsent.bytes().is_empty()
                && let Some(unsent) = self.unsent.take()
            {
                self.buffers.release(unsent);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The stream as TLS and HTTP/2 see it.
#[derive(Debug)]
pub struct Wire<S>(Rc<RefCell<Inner<S>>>);

/// The end that the connection's task keeps, to send what was gathered.
#[derive(Debug)]
pub struct WireEnd<S>(Rc<RefCell<Inner<S>>>);

/// Puts buffers around `stream`.
pub fn wire<S: Stream>(stream: S, buffers: Buffers) -> (Wire<S>, WireEnd<S>) {
    let inner = Rc::new(RefCell::new(Inner {
        stream,
        buffers,
        unread: None,
        unsent: None,
        is_stuck: false,
    }));
    (Wire(Rc::clone(&inner)), WireEnd(inner))
}

impl<S: Stream> WireEnd<S> {
    /// Drives a handshake that reads and writes the other end, until it ends or `timer` does.
    pub async fn drive<F: Future>(&self, handshake: F, mut timer: Local<()>) -> Option<F::Output> {
        let mut handshake = std::pin::pin!(handshake);
        poll_fn(|cx| {
            let polled = handshake.as_mut().poll(cx);
            if let Poll::Ready(Err(_)) = self.poll_drain(cx) {
                return Poll::Ready(None);
            }
            match polled {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
            }
        })
        .await
    }

    /// Sends what was gathered, ends our side, and reads until the peer ends its own or `timer` does.
    ///
    /// A socket that is closed with unread bytes is reset, and a reset can overtake the last frames.
    pub async fn linger(&self, mut timer: Local<()>) {
        let mut is_ended = false;
        poll_fn(|cx| {
            let inner = &mut *self.0.borrow_mut();
            if !is_ended {
                match inner.poll_drain(cx) {
                    Poll::Ready(Ok(())) => {
                        is_ended = Pin::new(&mut inner.stream).poll_shutdown(cx).is_ready();
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if is_ended && inner.poll_discard(cx).is_ready() {
                return Poll::Ready(());
            }
            timer.as_mut().poll(cx)
        })
        .await;
    }

    /// Sends what was gathered. Ready when nothing is left.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_drain(cx)
    }
}

impl<S: Stream> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, out)
    }
}

impl<S: Stream> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
