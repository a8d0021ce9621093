//! The runtime on io_uring: one glommio executor for each shard. glommio is known in this file only.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_lite::io::{AsyncRead as _, AsyncWrite as _};
use glommio::{
    GlommioError, LocalExecutorBuilder, Placement,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Local, Runtime, Thread};

/// Sends without waiting; glommio's descriptors block, and one blocked send would stop the shard.
const MSG_DONTWAIT: i32 = 0x40;

/// See the module.
#[derive(Debug)]
pub struct Uring;

impl Runtime for Uring {
    type Tcp = UringTcp;
    type Unix = UringUnix;
    type TcpListener = TcpListener;
    type UnixListener = UnixListener;

    const NAME: &'static str = "uring";

    fn start<F>(name: String, cpu: usize, main: F) -> io::Result<Thread>
    where
        F: FnOnce() -> Local<()> + Send + 'static,
    {
        std::thread::Builder::new().name(name).spawn(move || {
            let executor = LocalExecutorBuilder::new(Placement::Fixed(cpu)).make();
            executor.map_err(io_error)?.run(async move { main().await });
            Ok(())
        })
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        glommio::spawn_local(task).detach();
    }

    fn sleep(span: Duration) -> Local<()> {
        Box::pin(async move {
            glommio::timer::sleep(span).await;
        })
    }

    fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).map_err(io_error)
    }

    fn local_address(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr().map_err(io_error)
    }

    async fn accept_tcp(listener: &TcpListener) -> io::Result<(UringTcp, SocketAddr)> {
        loop {
            let stream = listener.accept().await.map_err(io_error)?;
            // A peer that has reset its connection meanwhile has no address; the next one counts.
            if let Ok(address) = stream.peer_addr()
                && stream.set_nodelay(true).is_ok()
            {
                return Ok((UringTcp(stream), address));
            }
        }
    }

    fn listen_unix(path: &Path) -> io::Result<UnixListener> {
        UnixListener::bind(path).map_err(io_error)
    }

    async fn accept_unix(listener: &UnixListener) -> io::Result<UringUnix> {
        listener.accept().await.map(UringUnix).map_err(io_error)
    }
}

fn io_error(error: GlommioError<()>) -> io::Error {
    error.into()
}

/// A TCP stream of a glommio executor, with tokio's traits.
#[derive(Debug)]
pub struct UringTcp(TcpStream);

/// A Unix stream of a glommio executor, with tokio's traits.
#[derive(Debug)]
pub struct UringUnix(UnixStream);

impl AsyncRead for UringTcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(Pin::new(&mut self.0).poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UringTcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent =
            socket2_descriptor::SockRef::from(&self.0).send_vectored_with_flags(bufs, MSG_DONTWAIT);
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // The plain write finds the same full buffer and arms the wake-up for its end.
                let first = bufs.iter().find(|buf| !buf.is_empty());
                first.map_or(Poll::Ready(Ok(0)), |buf| {
                    Pin::new(&mut self.0).poll_write(cx, buf)
                })
            }

            result => Poll::Ready(result),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl AsyncRead for UringUnix {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(Pin::new(&mut self.0).poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UringUnix {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
