//! The runtime trait: what the shell needs from an executor, and nothing else.
//!
//! Two implementations stand behind it: io_uring through glommio, and epoll through tokio, for hosts
//! and containers that forbid io_uring. Code above this file does not know which one runs.

pub mod choice;
pub mod epoll;
pub mod uring;

use std::{future::Future, io, net::SocketAddr, path::Path, pin::Pin, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream as HTTP/2 and TLS use it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Stream for S {}

/// A future of one thread.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// A thread that runs futures.
pub type Thread = std::thread::JoinHandle<io::Result<()>>;

/// Connections that may wait to be accepted, for each shard and listener: what glommio asks the kernel
/// for, and hence the other runtime as well.
pub const BACKLOG: i32 = 1_024;

/// An executor on a pinned thread, with its timers and sockets.
pub trait Runtime: Sized + 'static {
    /// A TCP stream, with Nagle's algorithm off.
    type Tcp: Stream;
    /// A Unix stream.
    type Unix: Stream;
    /// A listening TCP socket.
    type TcpListener: 'static;
    /// A listening Unix socket.
    type UnixListener: 'static;

    /// The name that logs and `slipring status` use.
    const NAME: &'static str;

    /// Starts a thread called `name`, pinned to `cpu`, that runs what `main` makes until it ends.
    ///
    /// # Errors
    ///
    /// What kept the thread from starting. What keeps its executor from starting comes out of the
    /// thread itself.
    fn start<F>(name: String, cpu: usize, main: F) -> io::Result<Thread>
    where
        F: FnOnce() -> Local<()> + Send + 'static;

    /// Runs `task` on this thread, beside the caller.
    fn spawn(task: impl Future<Output = ()> + 'static);

    /// Ends after `span`.
    fn sleep(span: Duration) -> Local<()>;

    /// Listens on `address`, which other shards may share (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    fn listen_tcp(address: SocketAddr) -> io::Result<Self::TcpListener>;

    /// The address that was bound; the port is known even if the operating system chose it.
    ///
    /// # Errors
    ///
    /// The socket does not say.
    fn local_address(listener: &Self::TcpListener) -> io::Result<SocketAddr>;

    /// The next TCP connection.
    fn accept_tcp(
        listener: &Self::TcpListener,
    ) -> impl Future<Output = io::Result<(Self::Tcp, SocketAddr)>>;

    /// Listens on the Unix socket `path`.
    ///
    /// # Errors
    ///
    /// The path cannot be bound.
    fn listen_unix(path: &Path) -> io::Result<Self::UnixListener>;

    /// The next Unix connection.
    fn accept_unix(listener: &Self::UnixListener) -> impl Future<Output = io::Result<Self::Unix>>;
}
