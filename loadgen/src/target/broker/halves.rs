//! The two halves of a link to a broker, and the backlog they share.

use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Buf as _, BytesMut};
use slipring_proto::name::TextName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::target::broker::buffer::ReadBuffer;
use crate::target::broker::error::printable;
use crate::target::broker::{Error, Event, Protocol};
use crate::target::{LinkError, Receiver, Sender, Template};

/// Both halves of a link over a connection.
pub(super) fn halves<P>(stream: TcpStream) -> (BrokerSender<P>, BrokerReceiver<P>) {
    let (reading, writing) = stream.into_split();
    let shared = Arc::new(Shared {
        half: writing,
        backlog: Mutex::default(),
        end: OnceLock::new(),
    });
    let sender = BrokerSender {
        shared: Arc::clone(&shared),
        payload_bytes_max: usize::MAX,
        protocol: PhantomData,
    };
    let receiver = BrokerReceiver {
        reading,
        buffer: ReadBuffer::new(),
        shared,
        protocol: PhantomData,
    };
    (sender, receiver)
}

/// What both halves of a link share.
pub(super) struct Shared {
    half: OwnedWriteHalf,
    backlog: Mutex<BytesMut>,
    /// How the link ended, once the receiving half knows.
    end: OnceLock<String>,
}

impl Shared {
    pub(super) fn backlog(&self) -> MutexGuard<'_, BytesMut> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the socket takes; true if nothing is left.
    fn pump(&self) -> Result<bool, Error> {
        let mut backlog = self.backlog();
        while !backlog.is_empty() {
            match self.half.try_write(&backlog) {
                Ok(written) => backlog.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.ended(&error)),
            }
        }
        Ok(true)
    }

    /// Writes everything.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        while !self.pump()? {
            self.half
                .writable()
                .await
                .map_err(|error| self.ended(&error))?;
        }
        Ok(())
    }

    /// What the broker said last tells more than a broken pipe.
    fn ended(&self, error: &io::Error) -> Error {
        let said = self.end.get().cloned();
        Error::Ended(said.unwrap_or_else(|| error.to_string()))
    }
}

/// The sending half of a link to a broker.
pub(crate) struct BrokerSender<P> {
    pub(super) shared: Arc<Shared>,
    pub(super) payload_bytes_max: usize,
    protocol: PhantomData<P>,
}

impl<P> BrokerSender<P> {
    /// How the link ended, if it has.
    pub(crate) fn end(&self) -> Option<&str> {
        self.shared.end.get().map(String::as_str)
    }
}

impl<P: Protocol> Sender for BrokerSender<P> {
    fn template(
        &self,
        destination: &TextName,
        _fanout: u32,
        filler: &[u8],
    ) -> Result<Template, LinkError> {
        let (bytes, bytes_max) = (filler.len(), self.payload_bytes_max);
        if bytes > bytes_max {
            return Err(Error::TooLong { bytes, bytes_max }.into());
        }
        Ok(P::template(destination, filler))
    }

    fn over(&self) -> Option<LinkError> {
        let said = self.end()?;
        Some(Error::Ended(said.to_owned()).into())
    }

    #[inline]
    fn append<T>(&self, fill: impl FnOnce(&mut BytesMut) -> T) -> Result<T, LinkError> {
        Ok(fill(&mut self.shared.backlog()))
    }

    /// Everything leaves at once: a broker that does not read makes its publisher wait.
    async fn room(&self) -> Result<(), LinkError> {
        Ok(self.shared.flush().await?)
    }

    async fn flush(&self) -> Result<(), LinkError> {
        Ok(self.shared.flush().await?)
    }
}

/// The receiving half of a link to a broker.
pub(crate) struct BrokerReceiver<P> {
    reading: OwnedReadHalf,
    pub(super) buffer: ReadBuffer,
    shared: Arc<Shared>,
    protocol: PhantomData<P>,
}

impl<P: Protocol> BrokerReceiver<P> {
    /// Reads what is there, once; false at the end of the stream.
    pub(super) async fn read(&mut self) -> Result<bool, Error> {
        let read = self.reading.read(self.buffer.space()).await;
        match read {
            Ok(0) => {
                self.over("closed by the broker");
                Ok(false)
            }
            Ok(count) => {
                self.buffer.filled(count);
                Ok(true)
            }
            Err(error) => {
                self.over(&error.to_string());
                Err(self.shared.ended(&error))
            }
        }
    }

    /// The first reason is the true one.
    fn over(&self, reason: &str) {
        self.shared.end.get_or_init(|| reason.to_owned());
    }

    fn reply(&self, answer: &[u8]) -> Result<(), Error> {
        self.shared.backlog().extend_from_slice(answer);
        self.shared.pump().map(drop)
    }
}

impl<P: Protocol> Receiver for BrokerReceiver<P> {
    async fn wait(&mut self) -> Result<bool, LinkError> {
        Ok(self.read().await?)
    }

    fn drain(&mut self, mut take: impl FnMut(Option<&[u8]>)) -> Result<(), LinkError> {
        let mut consumed = 0;
        let mut answer: Option<&'static [u8]> = None;
        let unread = self.buffer.unread();
        loop {
            let parsed = P::parse(&unread[consumed..]).map_err(|source| Error::Malformed {
                protocol: P::NAME,
                source,
            })?;
            let Some((event, length)) = parsed else {
                break;
            };
            consumed += length;
            match event {
                Event::Message(payload) => take(Some(payload)),
                Event::Fault(text) => self.over(&printable(text)),
                Event::Ping(pong) => answer = Some(pong),
                Event::Refused(reason) => self.over(reason),
                Event::Accepted | Event::Greeting(_) | Event::Nothing => {}
            }
        }
        self.buffer.consume(consumed);
        answer.map_or(Ok(()), |answer| Ok(self.reply(answer)?))
    }

    fn end(&self) -> String {
        let end = self.shared.end.get();
        end.cloned().unwrap_or_else(|| "ended".to_owned())
    }

    async fn tend(&mut self) {
        while let Ok(true) = self.read().await {
            if let Err(error) = self.drain(|_| {}) {
                self.over(&error.brief());
                return;
            }
        }
    }
}
