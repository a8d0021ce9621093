//! Dials an endpoint: TCP, TCP with TLS, or a unix socket.
//!
//! An [`Endpoint`] and [`SocketOptions`] come in, a connected byte stream leaves. Every socket
//! option is set here by name.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::{Endpoint, Place};
use crate::error::{Error, Result};

/// Options of the socket itself.
#[derive(Clone, Debug, Default)]
pub struct SocketOptions {
    /// Local address to dial from; the kernel chooses when absent. One local address offers about
    /// 28,000 ports, so more links than that need several.
    pub source: Option<IpAddr>,
    /// `SO_RCVBUF` in bytes; the kernel tunes it when absent. A small one makes a slow reader.
    pub receive_buffer_bytes: Option<u32>,
    /// Leaves Nagle's algorithm on, as the reference does. Off (`TCP_NODELAY`) by default.
    pub nagle: bool,
}

/// A connected byte stream of any kind.
#[derive(Debug)]
pub enum Socket {
    /// Clear TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// A unix socket.
    Unix(UnixStream),
}

/// Connects to `endpoint`, TLS handshake included. Has no time limit of its own.
///
/// # Errors
/// [`Error::Connect`] and [`Error::Tls`] with what the system said; bad TLS settings.
pub async fn dial(endpoint: &Endpoint, options: &SocketOptions) -> Result<Socket> {
    let tls = endpoint.tls()?;
    let failed = |source| Error::Connect {
        endpoint: endpoint.to_string(),
        source,
    };
    let (host, port) = match endpoint.place() {
        Place::Unix(path) => {
            return UnixStream::connect(path)
                .await
                .map(Socket::Unix)
                .map_err(failed);
        }
        Place::Tcp { host, port } => (host.as_str(), *port),
    };
    let stream = dial_tcp(host, port, options).await.map_err(failed)?;
    let Some(tls) = tls else {
        return Ok(Socket::Tcp(stream));
    };
    let name = endpoint.server_name()?;
    let connector = TlsConnector::from(tls.config().clone());
    let secured = connector.connect(name, stream).await;
    let secured = secured.map_err(|source| Error::Tls {
        endpoint: endpoint.to_string(),
        source,
    })?;
    Ok(Socket::Tls(Box::new(secured)))
}

/// Tries every address of the host in turn; the last failure is reported.
async fn dial_tcp(host: &str, port: u16, options: &SocketOptions) -> io::Result<TcpStream> {
    let mut failure = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        match dial_address(address, options).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address")))
}

async fn dial_address(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(!options.nagle)?;
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = options.source {
        // Ports left behind in TIME_WAIT by an earlier storm stay usable.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

impl Socket {
    /// The local address of a TCP socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The protocol ALPN settled on, if any.
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
