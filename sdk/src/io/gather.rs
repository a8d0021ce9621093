//! Keeps system calls few below HTTP/2.
//!
//! The HTTP/2 library writes and flushes once per DATA frame and reads about one frame at a time.
//! With peers that announce 16 KiB frames that is one system call per 16 KiB each way. [`Gather`]
//! sits between: small writes are collected and leave together when the connection has nothing
//! more to do (its poll returned `Pending`) or when [`GATHER_BYTES_MAX`] are waiting; reads go
//! through one large buffer while traffic is heavy. Large writes and reads pass through uncopied.
//!
//! Invariants:
//! 1. Bytes leave in the order written, and [`Gathering::poll_drain`] is called after every poll
//!    of the connection, so that nothing stays behind when the connection goes idle.
//! 2. A connection with nothing to write holds at most a few KiB of write buffer, and its
//!    read buffer is released after a few quiet reads: idle links are cheap.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes collected before they must leave.
pub const GATHER_BYTES_MAX: usize = 256 * 1024;
/// Largest write buffer a connection keeps while it has nothing to write.
const KEPT_BYTES_MAX: usize = 8 * 1024;
/// Writes and offered read buffers of at least this size are not copied.
const DIRECT_BYTES_MIN: usize = 32 * 1024;
/// Size of the read buffer of a busy connection.
const SCRATCH_BYTES: usize = 256 * 1024;
/// A read that brings less than this is a sign of light traffic.
const QUIET_BYTES: usize = 8 * 1024;
/// So many quiet reads in a row release the read buffer.
const QUIET_READS: u32 = 16;
/// Slices given to one vectored write.
const SLICES_MAX: usize = 16;

/// The byte stream as the HTTP/2 library sees it.
#[derive(Debug)]
pub struct Gather<T> {
    shared: Arc<Mutex<Inner<T>>>,
}

/// The other end of the same buffer, held by whoever polls the connection.
#[derive(Debug)]
pub struct Gathering<T> {
    shared: Arc<Mutex<Inner<T>>>,
}

#[derive(Debug)]
struct Inner<T> {
    stream: T,
    waiting: Vec<u8>,
    /// How much of `waiting` has left already.
    sent: usize,
    scratch: Vec<u8>,
    /// Unread part of the scratch buffer.
    unread: std::ops::Range<usize>,
    busy: bool,
    quiet_reads: u32,
}

/// Wraps a byte stream.
pub fn gather<T: AsyncRead + AsyncWrite + Unpin>(stream: T) -> (Gather<T>, Gathering<T>) {
    let shared = Arc::new(Mutex::new(Inner {
        stream,
        waiting: Vec::new(),
        sent: 0,
        scratch: Vec::new(),
        unread: 0..0,
        busy: false,
        quiet_reads: 0,
    }));
    (
        Gather {
            shared: Arc::clone(&shared),
        },
        Gathering { shared },
    )
}

/// The two ends live in one task, so the lock is never contended; it only makes them `Send`.
fn lock<T>(shared: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: AsyncRead + AsyncWrite + Unpin> Gathering<T> {
    /// Writes out what was collected; `Pending` (with the task registered) while the socket is
    /// full.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.shared);
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_flush(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Inner<T> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.forget_sent();
        Poll::Ready(Ok(()))
    }

    /// Everything collected has left.
    fn forget_sent(&mut self) {
        self.sent = 0;
        self.waiting.clear();
        if self.waiting.capacity() > KEPT_BYTES_MAX {
            self.waiting = Vec::new();
        }
    }

    fn collect(&mut self, bufs: &[IoSlice<'_>], total: usize) {
        let free = self.waiting.capacity() - self.waiting.len();
        if free < total && self.waiting.len() + total > KEPT_BYTES_MAX {
            // One allocation per burst in place of a doubling for every few frames.
            self.waiting
                .reserve_exact(GATHER_BYTES_MAX - self.waiting.len());
        }
        for buf in bufs {
            self.waiting.extend_from_slice(buf);
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        loop {
            if total < DIRECT_BYTES_MIN && self.waiting.len() + total <= GATHER_BYTES_MAX {
                self.collect(bufs, total);
                return Poll::Ready(Ok(total));
            }
            if self.waiting.is_empty() {
                return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            slices[0] = IoSlice::new(&self.waiting[self.sent..]);
            let given = bufs.len().min(SLICES_MAX - 1);
            for (slot, buf) in slices[1..].iter_mut().zip(bufs) {
                *slot = IoSlice::new(buf);
            }
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write_vectored(cx, &slices[..=given]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let own = written.min(self.waiting.len() - self.sent);
            self.sent += own;
            if self.sent == self.waiting.len() {
                self.forget_sent();
            }
            if written > own {
                return Poll::Ready(Ok(written - own));
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            if buf.remaining() >= DIRECT_BYTES_MIN || !self.busy {
                return self.poll_read_direct(cx, buf);
            }
            ready!(self.poll_fill(cx))?;
        }
        let unread = &self.scratch[self.unread.clone()];
        let copied = unread.len().min(buf.remaining());
        buf.put_slice(&unread[..copied]);
        self.unread.start += copied;
        if self.unread.is_empty() && !self.busy {
            self.scratch = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        // A read that filled all it was offered says that more is waiting.
        self.busy |= buf.remaining() == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.scratch.resize(SCRATCH_BYTES, 0);
        let mut target = ReadBuf::new(&mut self.scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut target))?;
        let filled = target.filled().len();
        self.unread = 0..filled;
        self.quiet_reads = if filled < QUIET_BYTES {
            self.quiet_reads + 1
        } else {
            0
        };
        if self.quiet_reads >= QUIET_READS {
            self.quiet_reads = 0;
            self.busy = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.shared).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.shared).poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.shared).poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A hint only: the bytes leave when the connection has nothing more to do.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.shared);
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Pieces of sizes around every threshold, each byte telling its position.
    fn pieces() -> Vec<Vec<u8>> {
        let sizes = [
            1, 9, 300, 8_192, 16_384, 32_767, 32_768, 100_000, 300_000, 5, 70_000,
        ];
        let mut position = 0_u32;
        let piece = |size: usize| {
            let bytes = (0..size).map(|_| {
                position = position.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                position.to_be_bytes()[0]
            });
            bytes.collect()
        };
        sizes.into_iter().cycle().take(60).map(piece).collect()
    }

    #[tokio::test]
    async fn bytes_leave_in_order_through_a_narrow_stream() {
        for width in [7, 4_096, 1 << 20] {
            let (near, mut far) = duplex(width);
            let (mut gather, gathering) = gather(near);
            let expected = pieces().concat();
            let writing = tokio::spawn(async move {
                for piece in pieces() {
                    gather.write_all(&piece).await.unwrap();
                }
                poll_fn(|cx| gathering.poll_drain(cx)).await.unwrap();
                gather.shutdown().await.unwrap();
            });
            let mut arrived = Vec::new();
            far.read_to_end(&mut arrived).await.unwrap();
            assert!(arrived == expected, "width {width}");
            writing.await.unwrap();
        }
    }

    #[tokio::test]
    async fn small_writes_wait_for_the_drain_and_leave_no_buffer_behind() {
        let (near, mut far) = duplex(1 << 20);
        let (mut gather, gathering) = gather(near);
        for _ in 0..100 {
            gather.write_all(&[1; 1_000]).await.unwrap();
            gather.flush().await.unwrap();
        }
        assert_eq!(lock(&gathering.shared).waiting.len(), 100_000);
        poll_fn(|cx| gathering.poll_drain(cx)).await.unwrap();
        assert!(lock(&gathering.shared).waiting.capacity() <= KEPT_BYTES_MAX);
        let mut arrived = vec![0; 100_000];
        far.read_exact(&mut arrived).await.unwrap();
        assert!(arrived.iter().all(|byte| *byte == 1));
    }

    #[tokio::test]
    async fn reads_of_any_size_see_the_same_bytes_and_quiet_ones_release_the_buffer() {
        let (mut near, far) = duplex(64 << 10);
        let (mut gather, gathering) = gather(far);
        let expected = pieces().concat();
        let mut arrived = Vec::new();
        let writing = tokio::spawn(async move {
            for piece in pieces() {
                near.write_all(&piece).await.unwrap();
            }
            near
        });
        let mut sizes = [10, 8_192, 100, 50_000].into_iter().cycle();
        while arrived.len() < expected.len() {
            let mut buffer = vec![0; sizes.next().unwrap()];
            let count = gather.read(&mut buffer).await.unwrap();
            arrived.extend_from_slice(&buffer[..count]);
        }
        assert!(arrived == expected);
        let mut near = writing.await.unwrap();
        let mut buffer = [0; 100];
        for _ in 0..=QUIET_READS {
            near.write_all(b"quiet").await.unwrap();
            assert_eq!(gather.read(&mut buffer).await.unwrap(), 5);
        }
        assert_eq!(lock(&gathering.shared).scratch.capacity(), 0);
    }
}
