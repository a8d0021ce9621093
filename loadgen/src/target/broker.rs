//! Links to brokers: one TCP connection, what is to be sent, and what has been read.
//!
//! A [`Protocol`] is pure: bytes in, [`Event`]s and bytes out. Around it stand a backlog that is
//! written in one call per turn and a buffer that is read in one call per turn, so that the cost
//! per message is that of parsing and copying it. Both halves may write (a publisher its messages,
//! a receiver the answer to a ping): the backlog keeps whole messages in order.

mod buffer;
mod error;
mod halves;

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use slipring_proto::name::TextName;
use tokio::net::{TcpSocket, TcpStream};

use crate::plan::PAYLOAD_BYTES_MAX;
use crate::target::Template;
use crate::target::address::Address;
use crate::target::broker::error::{ANSWER_WAIT_MAX, printable, recognise};
use crate::target::broker::halves::{BrokerReceiver, BrokerSender, halves};

pub(crate) use crate::target::broker::error::Error;

/// Longest message that a broker may send: a payload, its name and the framing.
pub(crate) const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4_096;

/// Something a broker said. Whatever it borrows lies in the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// It did what was asked last.
    Accepted,
    /// It gives up on this link, and says why.
    Fault(&'a [u8]),
    /// It introduces itself.
    Greeting(&'a [u8]),
    /// A message, by its payload.
    Message(&'a [u8]),
    /// Nothing that matters here.
    Nothing,
    /// It wants this answer.
    Ping(&'static [u8]),
    /// It did not do what was asked last.
    Refused(&'static str),
}

/// The bytes are not of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// What was seen at the begin of the bytes, and how many of them it took.
pub(crate) type Parsed<'a> = Result<Option<(Event<'a>, usize)>, Malformed>;

/// The part of a broker's protocol that load needs.
pub(crate) trait Protocol: Send + Sync + Sized + 'static {
    /// As people write it.
    const NAME: &'static str;
    /// As URLs write it.
    const SCHEME: &'static str;

    /// Reads one event; `None` if it has not arrived in full. Never fails on a prefix of what is
    /// well formed, and asks for at most [`MESSAGE_BYTES_MAX`] bytes and a line.
    ///
    /// # Errors
    /// The bytes cannot be the begin of anything in this protocol.
    fn parse(bytes: &[u8]) -> Parsed<'_>;

    /// Does what comes before the first message on a new connection.
    fn greet(link: &mut BrokerLink<Self>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Writes a request for all messages to `name`.
    fn put_subscribe(name: &TextName, number: u16, out: &mut BytesMut);

    /// Writes a message to `name`.
    fn template(name: &TextName, filler: &[u8]) -> Template;
}

/// A link to a broker.
pub(crate) struct BrokerLink<P> {
    sender: BrokerSender<P>,
    receiver: BrokerReceiver<P>,
    target: String,
    subscriptions: u16,
}

impl<P: Protocol> BrokerLink<P> {
    /// Connects and introduces itself.
    ///
    /// # Errors
    /// The broker is missing, refuses, or speaks something else.
    pub(crate) async fn open(address: &Address, source: Option<IpAddr>) -> Result<Self, Error> {
        let target = format!("{}://{address}", P::SCHEME);
        let failed = |source| Error::Connect {
            target: target.clone(),
            source,
        };
        let dialled = tokio::time::timeout(ANSWER_WAIT_MAX, dial(address, source)).await;
        let stream = dialled
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        let mut link = Self::over(stream, target);
        P::greet(&mut link).await?;
        Ok(link)
    }

    fn over(stream: TcpStream, target: String) -> Self {
        let (sender, receiver) = halves(stream);
        Self {
            sender,
            receiver,
            target,
            subscriptions: 0,
        }
    }

    /// The sending half.
    pub(crate) fn sender(&self) -> &BrokerSender<P> {
        &self.sender
    }

    /// Both halves.
    pub(crate) fn split(self) -> (BrokerSender<P>, BrokerReceiver<P>) {
        (self.sender, self.receiver)
    }

    /// Subscribes to a name and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// The broker refuses, or the link ends.
    pub(crate) async fn subscribe(&mut self, name: &TextName) -> Result<(), Error> {
        // A packet identifier must not be 0; after 65,535 names the numbers start again, which
        // is allowed: every request is answered before the next.
        self.subscriptions = self.subscriptions.checked_add(1).unwrap_or(1);
        let number = self.subscriptions;
        P::put_subscribe(name, number, &mut self.sender.shared.backlog());
        self.accepted("answer to a subscription").await
    }

    /// Sends `request`, which [`BrokerLink::accepted`] will see answered.
    pub(crate) fn put(&self, request: &[u8]) {
        self.sender.shared.backlog().extend_from_slice(request);
    }

    /// What the broker says first, as text.
    ///
    /// # Errors
    /// It says something else, or nothing.
    pub(crate) async fn greeting(&mut self) -> Result<String, Error> {
        self.expect("greeting", |event| match event {
            Event::Greeting(text) => Some(Ok(String::from_utf8_lossy(text).into_owned())),
            Event::Fault(text) => Some(Err(printable(text))),
            Event::Accepted
            | Event::Message(_)
            | Event::Nothing
            | Event::Ping(_)
            | Event::Refused(_) => None,
        })
        .await
    }

    /// Sends everything and waits for the answer to the last request.
    ///
    /// # Errors
    /// The broker refuses, or the link ends.
    pub(crate) async fn accepted(&mut self, waiting_for: &'static str) -> Result<(), Error> {
        self.sender.shared.flush().await?;
        self.expect(waiting_for, |event| match event {
            Event::Accepted => Some(Ok(())),
            Event::Fault(text) => Some(Err(printable(text))),
            Event::Refused(reason) => Some(Err((*reason).to_owned())),
            Event::Greeting(_) | Event::Message(_) | Event::Nothing | Event::Ping(_) => None,
        })
        .await
    }

    /// The broker takes payloads up to this.
    pub(crate) fn set_payload_bytes_max(&mut self, bytes: u64) {
        self.sender.payload_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    /// An error that says what the target refused.
    pub(crate) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Refused {
            target: self.target.clone(),
            reason: reason.into(),
        }
    }

    /// Reads until `choose` takes an event.
    async fn expect<T>(
        &mut self,
        waiting_for: &'static str,
        choose: impl Fn(&Event<'_>) -> Option<Result<T, String>> + Send,
    ) -> Result<T, Error> {
        let deadline = tokio::time::Instant::now() + ANSWER_WAIT_MAX;
        loop {
            let receiver = &mut self.receiver;
            match P::parse(receiver.buffer.unread()) {
                Ok(Some((event, length))) => {
                    let chosen = choose(&event);
                    receiver.buffer.consume(length);
                    if let Some(result) = chosen {
                        return result.map_err(|reason| self.refused(reason));
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => return Err(self.foreign()),
            }
            let read = tokio::time::timeout_at(deadline, receiver.read()).await;
            match read {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) if receiver.buffer.unread().is_empty() => {
                    let protocol = P::NAME;
                    return Err(self.refused(format!(
                        "it closed the connection without any {waiting_for}; does it speak \
                         {protocol}?"
                    )));
                }
                Ok(Ok(false)) => return Err(self.foreign()),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Err(Error::Silent {
                        target: self.target.clone(),
                        protocol: P::NAME,
                        waiting_for,
                    });
                }
            }
        }
    }

    fn foreign(&self) -> Error {
        Error::Foreign {
            target: self.target.clone(),
            protocol: P::NAME,
            seen: recognise(self.receiver.buffer.unread()),
        }
    }
}

async fn dial(address: &Address, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let mut failure = None;
    for address in tokio::net::lookup_host((address.host.as_str(), address.port)).await? {
        match dial_address(address, source).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

async fn dial_address(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(source) = source {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

/// The parts of a name and its instance, as one text.
pub(crate) fn joined(name: &TextName, separator: char) -> String {
    let [first, second, third] = name.parts();
    let id = name.name().id;
    format!("{first}{separator}{second}{separator}{third}{separator}{id}")
}

#[cfg(test)]
mod tests;
