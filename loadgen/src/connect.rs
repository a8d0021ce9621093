//! Links and names of a run.

use std::net::IpAddr;
use std::sync::Arc;

use slipring_proto::envelope::{Inbound, split};
use slipring_proto::generated::LinkNegotiationPayload;
use slipring_proto::link::{ConnectionType, LinkTerms, NegotiationError, PeerIdentity};
use slipring_proto::message;
use slipring_proto::name::TextName;
use slipring_sdk::error::Error;
use slipring_sdk::io::transport::Transport;
use slipring_sdk::link::LinkMachine;
use slipring_sdk::random::{random_u64, random_uuid};
use slipring_sdk::{Endpoint, Link, LinkOptions};

use crate::cli::source_of;
use crate::identity::Identity;
use crate::plan::Links;
use crate::target::Target;

/// Makes links, each with its own id, node id and local address.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    links: Arc<Links>,
    identity: Arc<str>,
}

impl Connector {
    /// A connector whose links sign headers with that identity.
    pub(crate) fn new(links: &Links, identity: Identity) -> Self {
        Self {
            links: Arc::new(links.clone()),
            identity: identity.text().into(),
        }
    }

    /// What the links lead to.
    pub(crate) fn target(&self) -> &Target {
        &self.links.target
    }

    /// The local address of link number `index`, if links are spread over several.
    pub(crate) fn source(&self, index: usize) -> Option<IpAddr> {
        source_of(index, self.links.sources)
    }

    /// The SLIM endpoint. Plans that need one are refused when their target is a broker.
    fn endpoint(&self) -> Result<&Endpoint, Error> {
        let target = &self.links.target;
        target.slim().ok_or_else(|| Error::BadEndpoint {
            text: target.to_string(),
            problem: "it is a broker, not a SLIM node",
        })
    }

    /// Opens link number `index` to a SLIM node.
    pub(crate) async fn connect(&self, index: usize) -> Result<Link, Error> {
        let mut options = LinkOptions {
            transport: self.links.transport.clone(),
            ..LinkOptions::default()
        };
        options.transport.socket.source = self.source(index);
        options.settings.identity = self.identity.to_string();
        if self.links.signed {
            Link::connect(self.endpoint()?, &options).await
        } else {
            self.connect_keyless(&options).await
        }
    }

    /// A link without a key: the request offers none, so no header is signed (WIRE §4.2).
    async fn connect_keyless(&self, options: &LinkOptions) -> Result<Link, Error> {
        let transport = Transport::connect(self.endpoint()?, &options.transport).await?;
        let mut stream = transport.open(&options.open).await?;
        let link_id = random_uuid();
        let request = message::link(LinkNegotiationPayload {
            link_id: link_id.clone(),
            slim_version: message::WIRE_VERSION.to_owned(),
            connection_type: ConnectionType::Edge as i32,
            node_id: format!("node-{link_id}"),
            ..LinkNegotiationPayload::default()
        });
        stream.sender.send_body(&request).await?;
        let limit = options.settings.negotiation_timeout;
        let reply = tokio::time::timeout(limit, stream.receiver.recv()).await;
        let timed_out = |_| Error::Timeout {
            waiting_for: "negotiation reply",
            limit,
        };
        let Some(reply) = reply.map_err(timed_out)?? else {
            return Err(Error::Ended(stream.receiver.ended().await));
        };
        let Inbound::Link(reply) = split(reply)? else {
            return Err(NegotiationError::NotLink.into());
        };
        let reply = message::decode_link(reply)?.ok_or(NegotiationError::NoPayload)?;
        let terms = Arc::new(LinkTerms {
            connection_type: ConnectionType::from_wire(reply.connection_type),
            hybrid: false,
            key: None,
            link_id,
            peer: PeerIdentity {
                deployment_name: reply.deployment_name,
                node_id: reply.node_id,
                version: reply.slim_version,
            },
            strict: false,
        });
        let settings = options.settings.clone();
        Link::start(stream, LinkMachine::opened(settings, random_u64(), terms))
    }
}

/// The name `load/<run>/<what>` with an instance id.
pub(crate) fn name(run: u32, what: &str, id: u128) -> TextName {
    let run = format!("run-{run:08x}");
    // Every part is our own and none holds a slash or outer space.
    TextName::new(["load", &run, what], id).expect("parts of load names are plain words")
}
