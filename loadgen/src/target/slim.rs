//! The SLIM side of the seam: links of the SDK as senders and receivers.

use bytes::BytesMut;
use slipring_proto::generated::SessionHeader;
use slipring_proto::grpc::Body;
use slipring_proto::message::{PublishTail, SealedHeader};
use slipring_proto::name::TextName;
use slipring_sdk::error::Error;
use slipring_sdk::{Link, LinkReceiver, LinkSender};

use crate::target::{LinkError, Receiver, Sender, Template};

/// The session of publishers that have only one.
const SESSION: u32 = 7;

/// A message of a session, under a header that is signed already.
///
/// # Errors
/// It is longer than a link carries.
pub(crate) fn finished(
    header: &SealedHeader,
    session_id: u32,
    filler: &[u8],
) -> Result<Template, LinkError> {
    let session = SessionHeader {
        session_type: 1,
        session_id,
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
    let behind = header.as_bytes().len() + tail.inner().len() + tail.outer().len();
    Ok(Template {
        header_at: bytes.len() - behind,
        // The payload is the last field of the last part of the message.
        payload: bytes.len() - filler.len()..bytes.len(),
        bytes,
    })
}

/// Subscribes to all names, all requests on their way at once.
///
/// # Errors
/// The node refuses, or the link ends.
pub(super) async fn subscribe_all(link: &mut Link, names: &[TextName]) -> Result<(), Error> {
    let begun: Vec<_> = names
        .iter()
        .map(|name| link.sender().begin_subscribe(name))
        .collect::<Result<_, _>>()?;
    let acked = async {
        for pending in begun {
            pending.done().await?;
        }
        Ok(())
    };
    tokio::pin!(acked);
    loop {
        tokio::select! {
            biased;
            result = &mut acked => return result,
            // Receiving is what brings the acks; nobody publishes to the names yet.
            received = link.recv() => if received?.is_none() {
                return Err(Error::Ended(link.receiver().ended().await));
            },
        }
    }
}

impl Sender for LinkSender {
    /// The header is signed here, once.
    fn template(
        &self,
        destination: &TextName,
        fanout: u32,
        filler: &[u8],
    ) -> Result<Template, LinkError> {
        finished(&self.header(destination, fanout)?, SESSION, filler)
    }

    fn slim(&self) -> Option<&LinkSender> {
        Some(self)
    }

    fn over(&self) -> Option<LinkError> {
        let end = self.end()?;
        Some(Error::Ended(end).into())
    }

    #[inline]
    fn append<T>(&self, fill: impl FnOnce(&mut BytesMut) -> T) -> Result<T, LinkError> {
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
    first: Option<Body>,
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
        self.first = self.receiver.recv_body().await?;
        Ok(self.first.is_some())
    }

    fn drain(&mut self, mut take: impl FnMut(Option<&[u8]>)) -> Result<(), LinkError> {
        let mut next = self.first.take();
        while let Some(body) = next {
            self.receiver.with_payload(body, &mut take)?;
            next = self.receiver.try_recv_body()?;
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
