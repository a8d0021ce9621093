//! The receiving half: routed messages, and whatever else the router sends.

use std::collections::VecDeque;
use std::sync::Arc;

use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::envelope::{Inbound, Kind, split};
use slipring_proto::grpc::Body;

use crate::error::{Result, StreamEnd};
use crate::io::driver::shared::Shared;
use crate::io::received::{Received, payload_of_plain};
use crate::io::stream::RawReceiver;
use crate::link::Event;

/// The receiving half of a link.
#[derive(Debug)]
pub struct LinkReceiver {
    shared: Arc<Shared>,
    stream: RawReceiver,
    /// Messages that arrived while an ack was awaited.
    kept: VecDeque<Received>,
}

impl LinkReceiver {
    pub(super) fn new(shared: Arc<Shared>, stream: RawReceiver) -> Self {
        Self {
            shared,
            stream,
            kept: VecDeque::new(),
        }
    }

    /// The next routed message; `None` once the stream has ended (see [`LinkReceiver::end`]). Acks
    /// arriving in between reach whoever waits for them.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] when the router sends what is no message.
    pub async fn recv(&mut self) -> Result<Option<Received>> {
        if let Some(received) = self.kept.pop_front() {
            return Ok(Some(received));
        }
        self.recv_routed().await
    }

    async fn recv_routed(&mut self) -> Result<Option<Received>> {
        while let Some(body) = self.recv_body().await? {
            if let Inbound::Routed(envelope) = self.observe(body.clone())? {
                return Ok(Some(Received { envelope, body }));
            }
        }
        Ok(None)
    }

    /// The next message of any kind, acks included.
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    pub async fn recv_inbound(&mut self) -> Result<Option<Inbound>> {
        let Some(body) = self.recv_body().await? else {
            return Ok(None);
        };
        self.observe(body).map(Some)
    }

    /// As [`LinkReceiver::recv_inbound`], but only what has arrived already.
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    #[inline]
    pub fn try_recv_inbound(&mut self) -> Result<Option<Inbound>> {
        let Some(body) = self.stream.try_recv()? else {
            return Ok(None);
        };
        self.observe(body).map(Some)
    }

    /// The next message, unparsed; acks in it reach nobody.
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    pub async fn recv_body(&mut self) -> Result<Option<Body>> {
        let body = self.stream.recv().await?;
        if let (None, Some(end)) = (&body, self.stream.end()) {
            self.shared.end(end);
        }
        Ok(body)
    }

    /// As [`LinkReceiver::recv_body`], but only what has arrived already.
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    #[inline]
    pub fn try_recv_body(&mut self) -> Result<Option<Body>> {
        self.stream.try_recv()
    }

    /// Shows `see` the application payload of a message, or `None` if it is a routed one without;
    /// what is not routed goes to whom it concerns, unseen. The way of a load generator: of a
    /// message written as usual nothing but the payload is looked for.
    ///
    /// # Errors
    /// As [`LinkReceiver::recv`].
    #[inline]
    pub fn with_payload(&self, body: Body, see: impl FnOnce(Option<&[u8]>)) -> Result<()> {
        if body.first().len() == body.len()
            && let Some(payload) = payload_of_plain(body.first())
        {
            see(Some(payload));
            return Ok(());
        }
        if let Inbound::Routed(envelope) = self.observe(body.clone())? {
            let is_publish = envelope.kind == Kind::Publish;
            let payload = Received { envelope, body }.payload();
            see(payload.as_deref().filter(|_| is_publish));
        }
        Ok(())
    }

    /// Lets the machine see what concerns it; routed messages pass without a lock.
    #[inline]
    fn observe(&self, body: Body) -> Result<Inbound> {
        let inbound = split(body)?;
        if let Inbound::Ack(_) = &inbound {
            let mut state = self.shared.state();
            let event = state.machine.handle(inbound.clone(), &mut AwsCrypto)?;
            if let Event::Acked(ack) = event
                && let Some(waiting) = state.waiting.remove(&ack.subscription_id)
            {
                waiting.send(Ok(ack)).unwrap_or_default();
            }
        }
        Ok(inbound)
    }

    /// Receives for the sake of `wanted`, which needs it; keeps what it does not.
    pub(super) async fn drive<T>(&mut self, wanted: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(wanted);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                result = &mut wanted => return result,
                received = self.recv_routed(), if open => match received? {
                    Some(received) => self.kept.push_back(received),
                    None => open = false,
                },
            }
        }
    }

    /// How the stream ended; `None` while it lives.
    pub fn end(&self) -> Option<&StreamEnd> {
        self.stream.end()
    }

    /// Reads to the end, discarding what comes, and says how it ended.
    pub async fn ended(&mut self) -> StreamEnd {
        let end = self.stream.ended().await;
        self.shared.end(&end);
        end
    }
}
