//! The sending half: requests, publishes, and raw bytes for tests.

use std::sync::Arc;

use bytes::BytesMut;
use h2::Reason;
use slipring_proto::crypto::aws::AwsKey;
use slipring_proto::link::LinkTerms;
use slipring_proto::message::{PublishTail, SealedHeader};
use slipring_proto::name::TextName;
use tokio::sync::oneshot;

use crate::error::{Error, Result, StreamEnd};
use crate::io::driver::shared::{Shared, State};
use crate::io::stream::framed;
use crate::link::{ACK_INTERVAL, Ack};

/// The sending half of a link. Clones share it.
#[derive(Clone, Debug)]
pub struct LinkSender {
    shared: Arc<Shared>,
}

impl LinkSender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What was negotiated, the link key included.
    pub fn terms(&self) -> &Arc<LinkTerms<AwsKey>> {
        &self.shared.terms
    }

    /// Subscribes and waits for the ack, which arrives only while the receiving half is polled.
    ///
    /// # Errors
    /// As [`crate::Link::subscribe`].
    pub async fn subscribe(&self, name: &TextName) -> Result<Ack> {
        self.begin_subscribe(name)?.done().await
    }

    /// Ends a subscription and waits for the ack, as [`LinkSender::subscribe`].
    ///
    /// # Errors
    /// As [`crate::Link::unsubscribe`].
    pub async fn unsubscribe(&self, name: &TextName) -> Result<Ack> {
        self.begin_unsubscribe(name)?.done().await
    }

    /// Sends a Subscribe now; its ack may be awaited later, or not at all.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over.
    pub fn begin_subscribe(&self, name: &TextName) -> Result<PendingAck> {
        let mut state = self.shared.state();
        let (id, request) = state.machine.subscribe(name, self.shared.now())?;
        self.begin(&mut state, name, id, &request)
    }

    /// Sends an Unsubscribe now.
    ///
    /// # Errors
    /// As [`crate::Link::unsubscribe`].
    pub fn begin_unsubscribe(&self, name: &TextName) -> Result<PendingAck> {
        let mut state = self.shared.state();
        let (id, request) = state.machine.unsubscribe(name, self.shared.now())?;
        self.begin(&mut state, name, id, &request)
    }

    fn begin(
        &self,
        state: &mut State,
        name: &TextName,
        id: u64,
        request: &[u8],
    ) -> Result<PendingAck> {
        self.shared
            .outbox
            .append(|out| out.extend_from_slice(request))?;
        let (answer, answered) = oneshot::channel();
        state.waiting.insert(id, answer);
        Ok(PendingAck {
            shared: Arc::clone(&self.shared),
            name: name.to_string(),
            answered,
        })
    }

    /// A signed header to `destination`: signing once and sending often is the way to be fast.
    ///
    /// # Errors
    /// [`Error::NotOpen`] when the link is over.
    pub fn header(&self, destination: &TextName, fanout: u32) -> Result<SealedHeader> {
        self.shared.state().machine.header(destination, fanout)
    }

    /// Publishes to `name`: `fanout` 1 reaches one subscriber, anything else all. Waits while the
    /// backlog is full.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over; [`Error::TooLong`].
    pub async fn publish(&self, name: &TextName, fanout: u32, tail: &PublishTail) -> Result<()> {
        let header = self.header(name, fanout)?;
        self.publish_sealed(&header, tail).await
    }

    /// Publishes under a header made before, signed, unsigned or forged.
    ///
    /// # Errors
    /// As [`LinkSender::publish`].
    pub async fn publish_sealed(&self, header: &SealedHeader, tail: &PublishTail) -> Result<()> {
        self.room().await?;
        let put = |out: &mut BytesMut| header.put_publish(tail.inner(), tail.outer(), out);
        self.append(put)?.map_err(crate::link::too_long)
    }

    /// Sends a protobuf message as it is, behind a gRPC prefix.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over.
    pub async fn send_body(&self, body: &[u8]) -> Result<()> {
        self.send_bytes(&framed(body)?).await
    }

    /// Sends bytes as they are; framing is the caller's.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.room().await?;
        self.append(|out| out.extend_from_slice(bytes))
    }

    /// Appends whatever `fill` writes to the backlog, without waiting for [`LinkSender::room`].
    /// What is appended must be whole gRPC messages unless the link is to break.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over.
    pub fn append<R>(&self, fill: impl FnOnce(&mut BytesMut) -> R) -> Result<R> {
        self.shared.outbox.append(fill)
    }

    /// Waits until the backlog has room.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over.
    pub async fn room(&self) -> Result<()> {
        self.shared.outbox.room().await
    }

    /// Waits until HTTP/2 has taken everything.
    ///
    /// # Errors
    /// [`Error::Ended`] when the link is over first.
    pub async fn flush(&self) -> Result<()> {
        self.shared.outbox.flush().await
    }

    /// Bytes waiting to be sent.
    pub fn backlog_bytes(&self) -> usize {
        self.shared.outbox.backlog_bytes()
    }

    /// Half-closes the stream once everything has left.
    pub fn finish(&self) {
        self.shared.outbox.finish();
    }

    /// Resets the stream now.
    pub fn reset(&self, reason: Reason) {
        self.shared.outbox.reset(reason);
    }

    /// How the stream ended, as far as the sending half can see; `None` while it lives.
    pub fn end(&self) -> Option<StreamEnd> {
        self.shared.outbox.end()
    }

    /// Waits until the stream is over, as far as the sending half can see: a reset, a lost
    /// transport, or an end that the receiving half has read.
    pub async fn ended(&self) -> StreamEnd {
        self.shared.outbox.ended().await
    }
}

/// An acknowledgement on its way.
#[derive(Debug)]
pub struct PendingAck {
    shared: Arc<Shared>,
    name: String,
    answered: oneshot::Receiver<Result<Ack>>,
}

impl PendingAck {
    /// Waits for it, repeating the request every five seconds (WIRE §12).
    ///
    /// # Errors
    /// [`Error::SubscriptionRefused`], [`Error::Timeout`] after the last repetition, or the end of
    /// the link.
    pub async fn done(mut self) -> Result<Ack> {
        let answer = loop {
            let deadline = self.shared.serve_deadlines()?;
            let wake = self.shared.origin + deadline.unwrap_or(ACK_INTERVAL);
            if let Ok(answered) = tokio::time::timeout_at(wake, &mut self.answered).await {
                break answered;
            }
        };
        // The other end is dropped only together with the link.
        let ack = answer.unwrap_or(Err(Error::Ended(StreamEnd::Local)))?;
        match ack.refusal {
            None => Ok(ack),
            Some(reason) => Err(Error::SubscriptionRefused {
                name: self.name,
                reason,
            }),
        }
    }
}
