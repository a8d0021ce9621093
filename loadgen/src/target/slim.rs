//! The SLIM side of the seam: links of the SDK as senders and receivers.

use bytes::BytesMut;
use slipring_proto::envelope::{Envelope, Inbound, Kind};
use slipring_proto::generated::SessionHeader;
use slipring_proto::message::PublishTail;
use slipring_proto::name::TextName;
use slipring_sdk::error::Error;
use slipring_sdk::io::received::payload_in;
use slipring_sdk::{LinkReceiver, LinkSender};

use crate::target::{LinkError, Receiver, Sender, Template};

impl Sender for LinkSender {
    /// The header is signed here, once.
    fn template(
        &self,
        destination: &TextName,
        fanout: u32,
        filler: &[u8],
    ) -> Result<Template, LinkError> {
        let header = self.header(destination, fanout)?;
        let session = SessionHeader {
            session_type: 1,
            session_id: 7,
            ..SessionHeader::default()
        };
        let tail = PublishTail::new(&session).app_payload("", filler);
        let mut bytes = BytesMut::new();
        let length = tail.inner().len();
        let too_long = |_| Error::TooLong {
            bytes: length,
            bytes_max: 4 << 20,
        };
        header
            .put_publish(tail.inner(), tail.outer(), &mut bytes)
            .map_err(too_long)?;
        // The payload is the last field of the last part of the message.
        let payload = bytes.len() - filler.len()..bytes.len();
        Ok(Template { bytes, payload })
    }

    #[inline]
    fn append(&self, fill: impl FnOnce(&mut BytesMut)) -> Result<(), LinkError> {
        Ok(Self::append(self, fill)?)
    }

    async fn room(&self) -> Result<(), LinkError> {
        Ok(Self::room(self).await?)
    }

    async fn flush(&self) -> Result<(), LinkError> {
        Ok(Self::flush(self).await?)
    }
}

/// A link's receiver, and the message that ended its wait.
pub(crate) struct SlimReceiver {
    receiver: LinkReceiver,
    first: Option<Inbound>,
}

impl SlimReceiver {
    /// Nothing has been received yet.
    pub(crate) fn new(receiver: LinkReceiver) -> Self {
        Self {
            receiver,
            first: None,
        }
    }
}

impl Receiver for SlimReceiver {
    async fn wait(&mut self) -> Result<bool, LinkError> {
        self.first = self.receiver.recv_inbound().await?;
        Ok(self.first.is_some())
    }

    fn drain(&mut self, mut take: impl FnMut(Option<&[u8]>)) -> Result<(), LinkError> {
        let mut next = self.first.take();
        while let Some(inbound) = next {
            if let Inbound::Routed(envelope) = &inbound {
                give(envelope, &mut take);
            }
            next = self.receiver.try_recv_inbound()?;
        }
        Ok(())
    }

    fn end(&self) -> String {
        let end = self.receiver.end();
        end.map_or_else(|| "ended".to_owned(), ToString::to_string)
    }

    /// The SDK answers by itself.
    async fn tend(&mut self) {
        std::future::pending().await
    }
}

/// Gives the payload of one envelope, joined if it straddles two pieces.
#[inline]
fn give(envelope: &Envelope, take: &mut impl FnMut(Option<&[u8]>)) {
    let joined;
    let tail = &envelope.tail;
    let inner = if tail.body.first().len() >= tail.inner_len {
        &tail.body.first()[..tail.inner_len]
    } else {
        joined = tail.body.clone().into_bytes();
        &joined[..tail.inner_len]
    };
    take(payload_in(inner).filter(|_| envelope.kind == Kind::Publish));
}
