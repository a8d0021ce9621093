//! One HTTP/2 connection to a router, dialling side.
//!
//! A byte stream comes in, [`RawStream`]s leave: each is one gRPC call and may carry one link.
//! Several streams on one transport are independent links (WIRE §1.2). Every HTTP/2 setting is
//! made here by name. The connection is polled by a task of its own, which ends when the last
//! handle and stream are gone (GOAWAY, then FIN) or when the transport fails.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use slipring_proto::grpc::METHOD_PATH;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::endpoint::Endpoint;
use crate::error::{Error, Result, RpcStatus, StreamEnd};
use crate::io::gather::{Gather, Gathering, gather};
use crate::io::socket::{SocketOptions, dial};
use crate::io::stream::RawStream;

/// What a reference client announces in SETTINGS_MAX_FRAME_SIZE (WIRE §1.2).
pub const PUBLISHED_FRAME_BYTES: u32 = 16_384;

/// Settings of the HTTP/2 connection and of the socket below it.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Limit for TCP, TLS and HTTP/2 together.
    pub connect_timeout: Duration,
    /// Receive window of the whole connection in bytes.
    pub connection_window_bytes: u32,
    /// Largest DATA h2 frame sent, however much the far side would take.
    pub data_bytes_max: usize,
    /// How much overhead of received small DATA frames the HTTP/2 library tolerates, in bytes.
    pub data_frame_budget: usize,
    /// SETTINGS_MAX_FRAME_SIZE, the largest h2 frame received: 16,384 to 16,777,215.
    pub frame_bytes_max: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE.
    pub header_list_bytes_max: u32,
    /// Most bytes handed to the HTTP/2 library before they are on the wire, per stream.
    pub send_buffer_bytes_max: usize,
    /// The socket below.
    pub socket: SocketOptions,
    /// SETTINGS_INITIAL_WINDOW_SIZE, the receive window of a stream in bytes.
    pub stream_window_bytes: u32,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            connection_window_bytes: 8 << 20,
            data_bytes_max: usize::MAX,
            data_frame_budget: 4 << 20,
            frame_bytes_max: 1 << 20,
            header_list_bytes_max: 16_384,
            send_buffer_bytes_max: 1 << 20,
            socket: SocketOptions::default(),
            stream_window_bytes: 4 << 20,
        }
    }
}

impl TransportOptions {
    /// Announces what published clients announce (WIRE §1.2) and sends no larger frames either.
    #[must_use]
    pub fn published() -> Self {
        Self {
            connection_window_bytes: 5 << 20,
            data_bytes_max: PUBLISHED_FRAME_BYTES as usize,
            frame_bytes_max: PUBLISHED_FRAME_BYTES,
            stream_window_bytes: 2_097_152,
            ..Self::default()
        }
    }
}

/// The request that opens a stream.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// `:authority`; the endpoint's when absent.
    pub authority: Option<String>,
    /// Further headers, or other values for the standard ones. An empty value removes the header.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Longest message accepted from the far side, protobuf bytes.
    pub message_bytes_max: u32,
    /// `:path`.
    pub path: String,
    /// Limit for the response headers to arrive.
    pub timeout: Duration,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            authority: None,
            headers: Vec::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
            path: METHOD_PATH.to_owned(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// One HTTP/2 connection. Clones share it; it closes when the last clone and stream are dropped.
#[derive(Clone, Debug)]
pub struct Transport {
    request: SendRequest<Bytes>,
    authority: String,
    scheme: &'static str,
    data_bytes_max: usize,
    end: Arc<OnceLock<StreamEnd>>,
}

impl Transport {
    /// Dials `endpoint` and exchanges HTTP/2 prefaces.
    ///
    /// # Errors
    /// Everything that keeps a transport from forming, the time limit included.
    pub async fn connect(endpoint: &Endpoint, options: &TransportOptions) -> Result<Self> {
        let limit = options.connect_timeout;
        let connecting = async {
            let socket = dial(endpoint, &options.socket).await?;
            Self::over(socket, endpoint.scheme(), endpoint.authority(), options).await
        };
        let waiting_for = "HTTP/2 connection";
        match tokio::time::timeout(limit, connecting).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { waiting_for, limit }),
        }
    }

    /// Speaks HTTP/2 over any byte stream.
    ///
    /// # Errors
    /// A stream that takes no preface, or settings that HTTP/2 does not allow.
    pub async fn over<T>(
        io: T,
        scheme: &'static str,
        authority: &str,
        options: &TransportOptions,
    ) -> Result<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (io, gathering) = gather(io);
        let (request, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(options.stream_window_bytes)
            .initial_connection_window_size(options.connection_window_bytes)
            .max_frame_size(options.frame_bytes_max.clamp(16_384, 16_777_215))
            .max_header_list_size(options.header_list_bytes_max)
            .max_send_buffer_size(options.send_buffer_bytes_max)
            .data_frame_budget(options.data_frame_budget)
            .handshake(io)
            .await
            .map_err(|source| Error::Http2 {
                doing: "exchanging prefaces",
                source,
            })?;
        let end = Arc::new(OnceLock::new());
        let running = Running {
            connection,
            gathering,
            end: Arc::clone(&end),
        };
        // The task ends by itself with the connection; its result is kept in `end`.
        drop(tokio::spawn(running));
        let data_bytes_max = options.data_bytes_max;
        Ok(Self {
            request,
            authority: authority.to_owned(),
            scheme,
            data_bytes_max,
            end,
        })
    }

    /// Opens a stream: sends the request headers of WIRE §1.2 and waits for the response headers.
    ///
    /// # Errors
    /// [`Error::Http`] for a status other than 200, [`Error::Rpc`] for an answer that is over
    /// before it began, [`Error::Timeout`], and transport failures.
    pub async fn open(&self, options: &OpenOptions) -> Result<RawStream> {
        let limit = options.timeout;
        match tokio::time::timeout(limit, self.open_unlimited(options)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                waiting_for: "response headers",
                limit,
            }),
        }
    }

    async fn open_unlimited(&self, options: &OpenOptions) -> Result<RawStream> {
        let failed = |source| Error::Http2 {
            doing: "opening a stream",
            source,
        };
        let mut request = self.request.clone().ready().await.map_err(failed)?;
        let head = self.request_head(options)?;
        let (response, sender) = request.send_request(head, false).map_err(failed)?;
        let response = response.await.map_err(failed)?;
        let (parts, receiver) = response.into_parts();
        if parts.status != http::StatusCode::OK {
            let headers = Box::new(parts.headers);
            return Err(Error::Http {
                status: parts.status,
                headers,
            });
        }
        // A response that ends with its headers carries the status there.
        if let (true, Some(status)) = (receiver.is_end_stream(), RpcStatus::of(&parts.headers)) {
            return Err(Error::Rpc(status));
        }
        let message_bytes_max = options.message_bytes_max;
        Ok(RawStream::new(
            sender,
            receiver,
            parts.headers,
            message_bytes_max,
            self.data_bytes_max,
        ))
    }

    fn request_head(&self, options: &OpenOptions) -> Result<Request<()>> {
        let authority = options.authority.as_deref().unwrap_or(&self.authority);
        let uri = http::Uri::builder()
            .scheme(self.scheme)
            .authority(authority)
            .path_and_query(options.path.as_str())
            .build()?;
        let mut head = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(uri)
            .body(())?;
        let headers: &mut HeaderMap = head.headers_mut();
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        let agent = concat!("slipring-sdk/", env!("CARGO_PKG_VERSION"));
        headers.insert("user-agent", HeaderValue::from_static(agent));
        for (name, value) in &options.headers {
            if value.is_empty() {
                headers.remove(name);
            } else {
                headers.insert(name, value.clone());
            }
        }
        Ok(head)
    }

    /// How the connection ended; `None` while it lives.
    pub fn end(&self) -> Option<&StreamEnd> {
        self.end.get()
    }
}

/// The task of one connection: lets HTTP/2 work, then writes out what it gathered.
struct Running<T: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<Gather<T>, Bytes>,
    gathering: Gathering<T>,
    end: Arc<OnceLock<StreamEnd>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Running<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.connection).poll(cx);
        // Also after the connection is done: its last frames may still be waiting.
        let drained = this.gathering.poll_drain(cx);
        let end = match (polled, drained) {
            (Poll::Ready(Ok(())), _) => StreamEnd::Local,
            (Poll::Ready(Err(error)), _) => StreamEnd::of(&error),
            (Poll::Pending, Poll::Ready(Err(error))) => StreamEnd::Transport(error.to_string()),
            (Poll::Pending, _) => return Poll::Pending,
        };
        // Set once: this future is not polled again.
        this.end.get_or_init(|| end);
        Poll::Ready(())
    }
}
