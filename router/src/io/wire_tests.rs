//! Reading and writing through the buffers of a shard.

use std::{collections::VecDeque, task::Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A socket that keeps each call apart and takes at most so many bytes at once.
#[derive(Debug, Default)]
struct Socket {
    incoming: VecDeque<Vec<u8>>,
    /// What was written, call by call.
    written: Rc<RefCell<Vec<Vec<u8>>>>,
    /// Bytes that may still be written.
    room: Rc<RefCell<usize>>,
    is_shut: Rc<RefCell<bool>>,
}

impl Socket {
    fn with_room(room: usize) -> Self {
        let socket = Self::default();
        *socket.room.borrow_mut() = room;
        socket
    }

    fn accept(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut room = self.room.borrow_mut();
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        if bytes.len() > *room {
            bytes.truncate(*room);
        }
        if bytes.is_empty() {
            return Poll::Pending;
        }
        *room -= bytes.len();
        let count = bytes.len();
        self.written.borrow_mut().push(bytes);
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.incoming.pop_front() {
            Some(bytes) => {
                out.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.accept(&[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.accept(slices)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.is_shut.borrow_mut() = true;
        Poll::Ready(Ok(()))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn spare(buffers: &Buffers) -> usize {
    buffers.spare.borrow().len()
}

#[tokio::test]
async fn small_writes_leave_together_when_the_turn_ends() {
    let socket = Socket::with_room(usize::MAX);
    let (written, buffers) = (Rc::clone(&socket.written), Buffers::default());
    let (mut wire, end) = wire(socket, buffers.clone());
    for part in ["one ", "two ", "three"] {
        wire.write_all(part.as_bytes()).await.unwrap();
        wire.flush().await.unwrap();
    }
    assert!(written.borrow().is_empty(), "a flush is a hint");
    assert!(end.poll_drain(&mut context()).is_ready());
    assert_eq!(*written.borrow(), [b"one two three".to_vec()]);
    assert_eq!(spare(&buffers), 1, "an idle link holds no buffer");
}

#[tokio::test]
async fn a_large_write_leaves_at_once_unless_something_is_before_it() {
    let socket = Socket::with_room(usize::MAX);
    let written = Rc::clone(&socket.written);
    let (mut wire, end) = wire(socket, Buffers::default());
    let large = vec![7; DIRECT_BYTES_MIN];
    wire.write_all(&large).await.unwrap();
    assert_eq!(written.borrow().len(), 1);
    wire.write_all(b"small").await.unwrap();
    wire.write_all(&large).await.unwrap();
    assert_eq!(written.borrow().len(), 1);
    assert!(end.poll_drain(&mut context()).is_ready());
    assert_eq!(written.borrow()[1], [b"small", &large[..]].concat());
}

#[tokio::test]
async fn what_does_not_fit_waits_and_nothing_is_lost_or_swapped() {
    let socket = Socket::with_room(0);
    let (written, room) = (Rc::clone(&socket.written), Rc::clone(&socket.room));
    let (mut wire, end) = wire(socket, Buffers::default());
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(3 * BUFFER_BYTES / 2).collect();
    let mut taken = 0;
    let mut context = context();
    while taken < sent.len() {
        let rest = sent.get(taken..(taken + 10_000).min(sent.len())).unwrap();
        match Pin::new(&mut wire).poll_write(&mut context, rest) {
            Poll::Ready(count) => taken += count.unwrap(),
            Poll::Pending => {
                assert!(taken >= BUFFER_BYTES, "one buffer is gathered");
                *room.borrow_mut() += 30_000;
            }
        }
    }
    *room.borrow_mut() = usize::MAX;
    assert!(end.poll_drain(&mut context).is_ready());
    assert_eq!(written.borrow().concat(), sent);
}

#[tokio::test]
async fn a_stuck_socket_holds_what_is_left_and_takes_nothing_more() {
    let socket = Socket::with_room(1_000);
    let (room, buffers) = (Rc::clone(&socket.room), Buffers::default());
    let (mut wire, end) = wire(socket, buffers.clone());
    wire.write_all(&[7; 5_000]).await.unwrap();
    assert!(end.poll_drain(&mut context()).is_pending());
    assert_eq!((buffers.held.get(), spare(&buffers)), (4_000, 1));
    let refused = Pin::new(&mut wire).poll_write(&mut context(), &[8; 10]);
    assert!(refused.is_pending());
    *room.borrow_mut() = 1_000;
    assert!(end.poll_drain(&mut context()).is_pending());
    assert_eq!(buffers.held.get(), 4_000, "the rest is in one piece");
    drop((wire, end));
    assert_eq!(buffers.held.get(), 0);
}

#[tokio::test]
async fn nothing_is_gathered_while_stuck_links_hold_all_they_may() {
    let socket = Socket::with_room(usize::MAX);
    let (written, buffers) = (Rc::clone(&socket.written), Buffers::default());
    buffers.held.set(HELD_BYTES_MAX);
    let (mut wire, _end) = wire(socket, buffers);
    wire.write_all(b"at once").await.unwrap();
    assert_eq!(*written.borrow(), [b"at once".to_vec()]);
}

#[tokio::test]
async fn one_read_of_the_socket_serves_many_small_ones() {
    let buffers = Buffers::default();
    let mut socket = Socket::default();
    socket.incoming.push_back(b"abcdefghij".to_vec());
    let (mut wire, _end) = wire(socket, buffers.clone());
    let mut some = [0; 4];
    wire.read_exact(&mut some).await.unwrap();
    assert_eq!((&some, spare(&buffers)), (b"abcd", 0));
    let mut rest = [0; 6];
    wire.read_exact(&mut rest).await.unwrap();
    assert_eq!((&rest, spare(&buffers)), (b"efghij", 1));
    let mut filled = ReadBuf::new(&mut some);
    let polled = Pin::new(&mut wire).poll_read(&mut context(), &mut filled);
    assert!(polled.is_pending());
    assert_eq!(spare(&buffers), 1, "waiting holds no buffer");
}

#[tokio::test]
async fn lingering_sends_the_rest_and_ends_our_side() {
    let socket = Socket::with_room(usize::MAX);
    let (written, is_shut) = (Rc::clone(&socket.written), Rc::clone(&socket.is_shut));
    let (mut wire, end) = wire(socket, Buffers::default());
    wire.write_all(b"last words").await.unwrap();
    // The peer never ends its own side, so the timer does.
    end.linger(Box::pin(std::future::ready(()))).await;
    assert_eq!(written.borrow().concat(), b"last words");
    assert!(*is_shut.borrow());
}

#[tokio::test]
async fn a_handshake_is_given_up_in_time() {
    let (mut wire, end) = wire(Socket::default(), Buffers::default());
    let silence = async {
        let mut one = [0];
        wire.read_exact(&mut one).await
    };
    let over = end.drive(silence, Box::pin(std::future::ready(())));
    assert!(over.await.is_none());
    let done = end.drive(std::future::ready(5), Box::pin(std::future::pending()));
    assert_eq!(done.await, Some(5));
}
