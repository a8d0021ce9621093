//! One gRPC call as two halves: framed bytes out, messages in, an end with its reason.
//!
//! This is the raw client. It knows gRPC framing and flow control and nothing of links, so tests
//! can send whatever they like: bytes that are no message, a half-close, a reset. The receiving
//! half grants window as the caller takes messages, so a caller that stops calling is a stalled
//! reader on the wire too.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use slipring_proto::grpc::{Body, Deframer, put_prefix};

use crate::error::{Error, Result, RpcStatus, StreamEnd};

/// An open stream.
#[derive(Debug)]
pub struct RawStream {
    /// The sending half.
    pub sender: RawSender,
    /// The receiving half.
    pub receiver: RawReceiver,
    /// Headers of the response.
    pub headers: HeaderMap,
}

impl RawStream {
    pub(crate) fn new(
        sender: SendStream<Bytes>,
        receiver: RecvStream,
        headers: HeaderMap,
        message_bytes_max: u32,
        data_bytes_max: usize,
    ) -> Self {
        let receiver = RawReceiver {
            stream: receiver,
            deframer: Deframer::new(message_bytes_max),
            end: None,
        };
        Self {
            sender: RawSender {
                stream: sender,
                data_bytes_max,
            },
            receiver,
            headers,
        }
    }
}

/// The sending half of a stream. Dropping it without [`RawSender::finish`] resets the stream once
/// the receiving half is dropped too.
#[derive(Debug)]
pub struct RawSender {
    stream: SendStream<Bytes>,
    data_bytes_max: usize,
}

impl RawSender {
    /// Sends bytes as they are, in as few DATA frames as flow control allows. Waits while the far
    /// side grants no window.
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<()> {
        poll_fn(|cx| self.poll_send(cx, &mut bytes)).await
    }

    /// Sends one message: the gRPC prefix, then `body`, whatever it contains.
    ///
    /// # Errors
    /// As [`RawSender::send`]; [`Error::TooLong`] beyond 4 GiB.
    pub async fn send_body(&mut self, body: &[u8]) -> Result<()> {
        self.send(framed(body)?).await
    }

    /// Moves as much of `bytes` to HTTP/2 as flow control allows now; ready when all has moved.
    ///
    /// # Errors
    /// As [`RawSender::send`].
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<()>> {
        while !bytes.is_empty() {
            self.stream.reserve_capacity(bytes.len());
            // `poll_capacity` tells of growth only, so what is granted already is asked first.
            let granted = self.stream.capacity();
            if granted == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => {
                        return Poll::Ready(Err(Error::Ended(StreamEnd::of(&error))));
                    }
                    None => return Poll::Ready(Err(Error::Ended(StreamEnd::Local))),
                }
            }
            let length = granted.min(bytes.len()).min(self.data_bytes_max);
            self.send_now(bytes.split_to(length), false)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends one DATA frame without asking for window first; HTTP/2 keeps it until there is.
    /// `last` sets END_STREAM.
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over.
    pub fn send_now(&mut self, bytes: Bytes, last: bool) -> Result<()> {
        self.stream
            .send_data(bytes, last)
            .map_err(|error| Error::Ended(StreamEnd::of(&error)))
    }

    /// Ends this half with END_STREAM; the far side may still send.
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream is over.
    pub fn finish(&mut self) -> Result<()> {
        self.send_now(Bytes::new(), true)
    }

    /// Ends the stream both ways with RST_STREAM.
    pub fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Waits for RST_STREAM from the far side.
    ///
    /// # Errors
    /// [`Error::Ended`] when the stream ends in another way.
    pub async fn was_reset(&mut self) -> Result<Reason> {
        poll_fn(|cx| self.poll_reset(cx)).await
    }

    /// Poll form of [`RawSender::was_reset`].
    ///
    /// # Errors
    /// As [`RawSender::was_reset`].
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason>> {
        self.stream
            .poll_reset(cx)
            .map_err(|error| Error::Ended(StreamEnd::of(&error)))
    }

    /// Bytes the far side would take now without waiting, after `wanted` were asked for.
    pub fn capacity(&mut self, wanted: usize) -> usize {
        self.stream.reserve_capacity(wanted);
        self.stream.capacity()
    }
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct RawReceiver {
    stream: RecvStream,
    deframer: Deframer,
    end: Option<StreamEnd>,
}

impl RawReceiver {
    /// The next message; `None` once the stream has ended (see [`RawReceiver::end`]).
    ///
    /// # Errors
    /// [`Error::Malformed`] for bytes that are no gRPC message; nothing useful follows.
    pub async fn recv(&mut self) -> Result<Option<Body>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Poll form of [`RawReceiver::recv`].
    ///
    /// # Errors
    /// As [`RawReceiver::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Body>>> {
        loop {
            if let Some(body) = self.try_recv()? {
                return Poll::Ready(Ok(Some(body)));
            }
            match ready!(self.poll_chunk(cx)) {
                Some(chunk) => self.deframer.push(chunk),
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// A message that has arrived already, without asking the transport for more.
    ///
    /// # Errors
    /// As [`RawReceiver::recv`].
    pub fn try_recv(&mut self) -> Result<Option<Body>> {
        Ok(self.deframer.pop()?)
    }

    /// The payload of the next DATA frame, unparsed; `None` at the end of the stream. Do not mix
    /// with [`RawReceiver::recv`].
    pub async fn recv_chunk(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        let end = match ready!(self.stream.poll_data(cx)) {
            Some(Ok(chunk)) => {
                let released = self.stream.flow_control().release_capacity(chunk.len());
                match released {
                    Ok(()) => return Poll::Ready(Some(chunk)),
                    Err(error) => StreamEnd::of(&error),
                }
            }
            Some(Err(error)) => StreamEnd::of(&error),
            None => match ready!(self.stream.poll_trailers(cx)) {
                Ok(trailers) => trailers
                    .as_ref()
                    .and_then(RpcStatus::of)
                    .map_or(StreamEnd::NoStatus, StreamEnd::Status),
                Err(error) => StreamEnd::of(&error),
            },
        };
        self.end = Some(end);
        Poll::Ready(None)
    }

    /// How the stream ended; `None` while it lives or while messages before its end are unread.
    pub fn end(&self) -> Option<&StreamEnd> {
        self.end.as_ref()
    }

    /// Reads to the end of the stream, discarding what comes, and says how it ended.
    pub async fn ended(&mut self) -> StreamEnd {
        while self.recv_chunk().await.is_some() {}
        self.end.clone().unwrap_or(StreamEnd::NoStatus)
    }
}

/// One message with its gRPC prefix (WIRE §1.2).
///
/// # Errors
/// [`Error::TooLong`] for a body that the 32-bit prefix cannot express.
pub fn framed(body: &[u8]) -> Result<Bytes> {
    let too_long = Error::TooLong {
        bytes: body.len(),
        bytes_max: u32::MAX as usize,
    };
    let length = u32::try_from(body.len()).map_err(|_| too_long)?;
    let mut out = BytesMut::with_capacity(body.len() + 5);
    put_prefix(length, &mut out);
    out.put_slice(body);
    Ok(out.freeze())
}
