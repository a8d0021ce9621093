//! What is measured: a SLIM node, or a broker that its users could pick instead.
//!
//! A target is read from `host:port`, `nats://host:port` or `mqtt://host:port`. Links to it are
//! made, subscribed and split here; publishers and subscribers meet them as [`Sender`] and
//! [`Receiver`] and are compiled once per protocol, so that nothing is looked up per message.
//!
//! The brokers' protocols are spoken by hand, in the tiny part of them that load needs: a client
//! library wakes a task, allocates and locks per message, which costs more than the broker does,
//! and then the load generator would be what is measured.

pub(crate) mod address;
pub(crate) mod broker;
pub(crate) mod mqtt;
pub(crate) mod nats;
pub(crate) mod slim;

use std::ops::Range;

use bytes::BytesMut;
use slipring_proto::name::TextName;
use slipring_sdk::{Endpoint, Link, LinkSender};

use crate::connect::Connector;
use crate::target::address::Address;
use crate::target::broker::BrokerLink;
use crate::target::mqtt::Mqtt;
use crate::target::nats::Nats;

/// Where the load goes, and how to speak there.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// An MQTT broker, at QoS 0.
    Mqtt(Address),
    /// A NATS server.
    Nats(Address),
    /// A SLIM node: ours, or the reference.
    Slim(Box<Endpoint>),
}

impl Target {
    /// Reads a target. TLS settings of a SLIM endpoint are not in its text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("nats", rest)) => Address::parse(text, rest, 4_222).map(Self::Nats),
            Some(("mqtt", rest)) => Address::parse(text, rest, 1_883).map(Self::Mqtt),
            Some(("tls" | "mqtts" | "ws" | "wss", _)) => Err(format!(
                "{text}: brokers are measured in clear text only: write nats:// or mqtt://"
            )),
            _ => text
                .parse()
                .map(|endpoint| Self::Slim(Box::new(endpoint)))
                .map_err(|error: slipring_sdk::error::Error| {
                    format!("{error}; for a broker nats://host:port or mqtt://host:port")
                }),
        }
    }

    /// The protocol in one word.
    pub(crate) fn protocol(&self) -> &'static str {
        match self {
            Self::Mqtt(_) => "mqtt",
            Self::Nats(_) => "nats",
            Self::Slim(_) => "slim",
        }
    }

    /// The SLIM endpoint, if it is one.
    pub(crate) fn slim(&self) -> Option<&Endpoint> {
        match self {
            Self::Slim(endpoint) => Some(endpoint),
            Self::Mqtt(_) | Self::Nats(_) => None,
        }
    }

    /// Whether links are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.slim().is_some_and(|end| end.scheme() == "https")
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mqtt(address) => write!(f, "mqtt://{address}"),
            Self::Nats(address) => write!(f, "nats://{address}"),
            Self::Slim(endpoint) => write!(f, "{endpoint}"),
        }
    }
}

/// Why a link to a target failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// A broker's.
    #[error(transparent)]
    Broker(#[from] broker::Error),
    /// What listens there is no SLIM node.
    #[error("{0}; a broker is written nats://host:port or mqtt://host:port")]
    NoSlim(slipring_sdk::error::Error),
    /// A SLIM node's.
    #[error(transparent)]
    Slim(#[from] slipring_sdk::error::Error),
}

impl LinkError {
    /// The same in few words, without what differs from link to link.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::Broker(error) => error.to_string(),
            Self::NoSlim(error) | Self::Slim(error) => error.brief(),
        }
    }
}

/// A finished message: its bytes, and where in them the payload lies.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// As they go to the target.
    pub(crate) bytes: BytesMut,
    /// The payload's place.
    pub(crate) payload: Range<usize>,
    /// Where the routed header begins in a message to a SLIM node; 0 for brokers, which have none.
    pub(crate) header_at: usize,
}

/// The sending half of a link.
pub(crate) trait Sender: Send + Sync + 'static {
    /// A message to `destination` with `filler` as its payload. `fanout` is 1 for one receiver.
    ///
    /// # Errors
    /// The message is longer than the target takes.
    fn template(
        &self,
        destination: &TextName,
        fanout: u32,
        filler: &[u8],
    ) -> Result<Template, LinkError>;

    /// The link's own sender, if it leads to a SLIM node.
    fn slim(&self) -> Option<&LinkSender> {
        None
    }

    /// Why nothing more can be sent, if the link is over.
    fn over(&self) -> Option<LinkError>;

    /// Appends what `fill` writes to what is to be sent.
    ///
    /// # Errors
    /// The link is over.
    fn append<T>(&self, fill: impl FnOnce(&mut BytesMut) -> T) -> Result<T, LinkError>;

    /// Sees to it that what was appended leaves, and waits while too much has not.
    ///
    /// # Errors
    /// The link is over.
    fn room(&self) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Waits until everything appended has left.
    ///
    /// # Errors
    /// The link is over.
    fn flush(&self) -> impl Future<Output = Result<(), LinkError>> + Send;
}

/// The receiving half of a link.
pub(crate) trait Receiver: Send + 'static {
    /// Waits until something has arrived; false at the end of the link.
    ///
    /// # Errors
    /// The link failed.
    fn wait(&mut self) -> impl Future<Output = Result<bool, LinkError>> + Send;

    /// Gives every message that has arrived to `take`: its payload, or `None` for a message that
    /// has none.
    ///
    /// # Errors
    /// The target sent what is not in its protocol.
    fn drain(&mut self, take: impl FnMut(Option<&[u8]>)) -> Result<(), LinkError>;

    /// How the link ended.
    fn end(&self) -> String;

    /// Answers what the target asks while nobody listens for messages; ends with the link.
    fn tend(&mut self) -> impl Future<Output = ()> + Send;
}

/// A link to a target of any kind.
pub(crate) enum TargetLink {
    /// To an MQTT broker.
    Mqtt(BrokerLink<Mqtt>),
    /// To a NATS server.
    Nats(BrokerLink<Nats>),
    /// To a SLIM node.
    Slim(Box<Link>),
}

impl TargetLink {
    /// Opens link number `index` of the run.
    ///
    /// # Errors
    /// The target is missing, refuses, or speaks something else.
    pub(crate) async fn open(connector: &Connector, index: usize) -> Result<Self, LinkError> {
        let source = connector.source(index);
        Ok(match connector.target() {
            Target::Mqtt(address) => Self::Mqtt(BrokerLink::open(address, source).await?),
            Target::Nats(address) => Self::Nats(BrokerLink::open(address, source).await?),
            Target::Slim(_) => {
                let opened = connector.connect(index).await;
                let is_http2 =
                    |error: &_| matches!(error, slipring_sdk::error::Error::Http2 { .. });
                let link = opened.map_err(|error| {
                    if is_http2(&error) {
                        LinkError::NoSlim(error)
                    } else {
                        LinkError::Slim(error)
                    }
                })?;
                Self::Slim(Box::new(link))
            }
        })
    }

    /// Subscribes to names and waits until the target has confirmed them.
    ///
    /// # Errors
    /// The target refuses, or the link ends.
    pub(crate) async fn subscribe_all(&mut self, names: &[TextName]) -> Result<(), LinkError> {
        match self {
            Self::Mqtt(link) => subscribe_each(link, names).await?,
            Self::Nats(link) => subscribe_each(link, names).await?,
            Self::Slim(link) => slim::subscribe_all(link, names).await?,
        }
        Ok(())
    }
}

async fn subscribe_each<P: broker::Protocol>(
    link: &mut BrokerLink<P>,
    names: &[TextName],
) -> Result<(), broker::Error> {
    for name in names {
        link.subscribe(name).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart_by_their_scheme() {
        for (text, protocol, shown) in [
            ("127.0.0.1:1", "slim", "http://127.0.0.1:1"),
            ("nats://localhost", "nats", "nats://localhost:4222"),
            ("nats://[::1]:7", "nats", "nats://[::1]:7"),
            ("mqtt://127.0.0.1", "mqtt", "mqtt://127.0.0.1:1883"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.protocol(), target.to_string().as_str()),
                (protocol, shown)
            );
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("nats://", "host"),
            ("nats://a:b", "port"),
            ("nats://user:secret@a:1", "credentials"),
            ("mqtt://a:0", "port"),
            ("mqtts://a:1", "clear text"),
            ("amqp://a:1", "nats://"),
        ] {
            let refused = Target::parse(text).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
