//! The runtime on epoll: one current-thread tokio executor for each shard.

use std::{future::Future, io, net::SocketAddr, path::Path, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{BACKLOG, Local, Runtime, Thread};

/// See the module.
#[derive(Debug)]
pub struct Epoll;

impl Runtime for Epoll {
    type Tcp = TcpStream;
    type Unix = UnixStream;
    type TcpListener = TcpListener;
    type UnixListener = UnixListener;

    const NAME: &'static str = "epoll";

    fn start<F>(name: String, cpu: usize, main: F) -> io::Result<Thread>
    where
        F: FnOnce() -> Local<()> + Send + 'static,
    {
        std::thread::Builder::new().name(name).spawn(move || {
            // Where pinning is forbidden the shard still works, only less evenly.
            if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
                tracing::warn!(cpu, "this thread could not be pinned");
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            tokio::task::LocalSet::new().block_on(&runtime, main());
            Ok(())
        })
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        // Turns are bounded where they are made. tokio's own budget ends one by a wake-up that a
        // transport may take for one of HTTP/2's.
        drop(tokio::task::spawn_local(tokio::task::unconstrained(task)));
    }

    fn sleep(span: Duration) -> Local<()> {
        Box::pin(tokio::time::sleep(span))
    }

    fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    }

    fn local_address(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let (stream, address) = listener.accept().await?;
            // It fails for a peer that has reset its connection meanwhile; the next one counts.
            if stream.set_nodelay(true).is_ok() {
                return Ok((stream, address));
            }
        }
    }

    fn listen_unix(path: &Path) -> io::Result<UnixListener> {
        UnixListener::bind(path)
    }

    async fn accept_unix(listener: &UnixListener) -> io::Result<UnixStream> {
        Ok(listener.accept().await?.0)
    }
}
