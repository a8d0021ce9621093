//! A negotiated link on tokio: the machine of [`crate::link`] joined to a stream.
//!
//! [`Link`] is both halves together and drives itself; [`Link::split`] gives a sender, which may be
//! cloned, and a receiver, which must be polled for acks to arrive. Sending goes through the
//! [`Outbox`]: publishing appends, a writer task sends what has gathered, and a far side that
//! grants no window makes publishers wait.
//!
//! Dropping the link ends its stream; what was not flushed may be lost. [`Link::close`] ends it in
//! order.

mod receiver;
mod sender;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use slipring_proto::crypto::aws::{AwsCrypto, AwsKey};
use slipring_proto::envelope::split;
use slipring_proto::link::LinkTerms;
use slipring_proto::message::PublishTail;
use slipring_proto::name::TextName;

use crate::endpoint::Endpoint;
use crate::error::{Error, Result, StreamEnd};
use crate::io::driver::shared::Shared;
use crate::io::outbox::Outbox;
use crate::io::received::Received;
use crate::io::stream::RawStream;
use crate::io::transport::{OpenOptions, Transport, TransportOptions};
use crate::link::{Ack, LinkMachine, LinkSettings};
use crate::random::{random_u64, random_uuid};

pub use crate::io::driver::receiver::LinkReceiver;
pub use crate::io::driver::sender::{LinkSender, PendingAck};

/// How long [`Link::close`] waits for the router's last word.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything a link can be told before it exists.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// The request that opens the stream.
    pub open: OpenOptions,
    /// Negotiation. An empty `link_id` or `node_id` is replaced by a fresh one per link.
    pub settings: LinkSettings,
    /// Socket and HTTP/2.
    pub transport: TransportOptions,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            open: OpenOptions::default(),
            settings: LinkSettings::edge("", ""),
            transport: TransportOptions::default(),
        }
    }
}

/// Negotiates on an open stream, which stays raw: for tests that want a key and then send what
/// they like. [`Link::start`] makes a link of the two.
///
/// # Errors
/// [`Error::Negotiation`], [`Error::Timeout`], and [`Error::Ended`] when the router ends the
/// stream in place of an answer.
pub async fn negotiate(
    stream: &mut RawStream,
    settings: &LinkSettings,
) -> Result<LinkMachine<AwsCrypto>> {
    let limit = settings.negotiation_timeout;
    let waiting_for = "negotiation reply";
    match tokio::time::timeout(limit, negotiate_unlimited(stream, settings)).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout { waiting_for, limit }),
    }
}

async fn negotiate_unlimited(
    stream: &mut RawStream,
    settings: &LinkSettings,
) -> Result<LinkMachine<AwsCrypto>> {
    let mut settings = settings.clone();
    if settings.link_id.is_empty() {
        settings.link_id = random_uuid();
    }
    if settings.node.node_id.is_empty() {
        settings.node.node_id = format!("node-{}", random_uuid());
    }
    let mut machine = LinkMachine::new(settings, random_u64());
    let request = machine.open(&mut AwsCrypto, Duration::ZERO)?;
    stream.sender.send(request).await?;
    let Some(reply) = stream.receiver.recv().await? else {
        return Err(Error::Ended(stream.receiver.ended().await));
    };
    machine.handle(split(reply)?, &mut AwsCrypto)?;
    Ok(machine)
}

/// A negotiated link, both halves.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

impl Link {
    /// Connects, opens a stream and negotiates.
    ///
    /// # Errors
    /// Whatever keeps the link from forming; see [`Error`].
    pub async fn connect(endpoint: &Endpoint, options: &LinkOptions) -> Result<Self> {
        let transport = Transport::connect(endpoint, &options.transport).await?;
        Self::open(&transport, options).await
    }

    /// Opens a further link on an existing transport.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn open(transport: &Transport, options: &LinkOptions) -> Result<Self> {
        let mut stream = transport.open(&options.open).await?;
        let machine = negotiate(&mut stream, &options.settings).await?;
        Self::start(stream, machine)
    }

    /// Makes a link of a stream and a machine that has negotiated on it.
    ///
    /// # Errors
    /// [`Error::NotOpen`] if it has not.
    pub fn start(stream: RawStream, machine: LinkMachine<AwsCrypto>) -> Result<Self> {
        let terms = Arc::clone(machine.terms().ok_or(Error::NotOpen)?);
        let (outbox, writer) = Outbox::new(stream.sender);
        // The task ends with the stream or with the last half of the link.
        drop(tokio::spawn(writer));
        let shared = Arc::new(Shared::new(outbox, terms, machine));
        let sender = LinkSender::new(Arc::clone(&shared));
        let receiver = LinkReceiver::new(shared, stream.receiver);
        Ok(Self { sender, receiver })
    }

    /// The halves, to be used by different tasks.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }

    /// The sending half, for everything not offered here.
    pub fn sender(&self) -> &LinkSender {
        &self.sender
    }

    /// The receiving half, for everything not offered here.
    pub fn receiver(&mut self) -> &mut LinkReceiver {
        &mut self.receiver
    }

    /// What was negotiated, the link key included.
    pub fn terms(&self) -> &Arc<LinkTerms<AwsKey>> {
        self.sender.terms()
    }

    /// Subscribes and waits for the ack. Messages arriving meanwhile are kept for [`Link::recv`].
    ///
    /// # Errors
    /// [`Error::SubscriptionRefused`], [`Error::Timeout`] after the last repetition, or the end of
    /// the link.
    pub async fn subscribe(&mut self, name: &TextName) -> Result<Ack> {
        let wait = self.sender.begin_subscribe(name)?;
        self.receiver.drive(wait.done()).await
    }

    /// Ends a subscription and waits for the ack.
    ///
    /// # Errors
    /// As [`Link::subscribe`], and [`Error::NotSubscribed`].
    pub async fn unsubscribe(&mut self, name: &TextName) -> Result<Ack> {
        let wait = self.sender.begin_unsubscribe(name)?;
        self.receiver.drive(wait.done()).await
    }

    /// Publishes; see [`LinkSender::publish`].
    ///
    /// # Errors
    /// As [`LinkSender::publish`].
    pub async fn publish(&self, name: &TextName, fanout: u32, tail: &PublishTail) -> Result<()> {
        self.sender.publish(name, fanout, tail).await
    }

    /// The next routed message; see [`LinkReceiver::recv`].
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    pub async fn recv(&mut self) -> Result<Option<Received>> {
        self.receiver.recv().await
    }

    /// Sends what is waiting, half-closes, and waits up to five seconds for the router's end,
    /// discarding what still arrives.
    pub async fn close(mut self) -> StreamEnd {
        let closing = async {
            // A failure here means that the stream has ended already, which is what is wanted.
            drop(self.sender.flush().await);
            self.sender.finish();
            self.receiver.ended().await
        };
        tokio::time::timeout(CLOSE_TIMEOUT, closing)
            .await
            .unwrap_or(StreamEnd::Local)
    }
}
