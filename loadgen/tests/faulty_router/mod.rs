//! A router that can be told to fail: it forwards by destination name between links of one
//! process, and loses, doubles, swaps or damages every so many messages.
//!
//! It exists to prove that the load generator notices; it verifies no MAC and bounds nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::Response;
use slipring_proto::crypto::aws::AwsCrypto;
use slipring_proto::envelope::{Envelope, Inbound, Kind, split};
use slipring_proto::grpc::Deframer;
use slipring_proto::header::RoutedHeader;
use slipring_proto::link::{LinkPolicy, LocalNode, Negotiation};
use slipring_proto::message::{framed, subscription_ack};
use slipring_proto::name::Name;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What goes wrong with every `every`-th Publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It is lost.
    Lose,
    /// It comes twice.
    Double,
    /// It comes after its successor.
    Swap,
    /// Its last byte is changed.
    Damage,
}

/// A failing router.
#[derive(Clone, Default)]
struct Router {
    routes: Arc<Mutex<HashMap<Name, Vec<UnboundedSender<Bytes>>>>>,
    publishes: Arc<Mutex<Publishes>>,
}

#[derive(Default)]
struct Publishes {
    count: u64,
    held: Option<(Name, Bytes)>,
}

/// Starts a router whose every `every`-th Publish suffers `fault`; it ends with the runtime.
pub(crate) async fn start(fault: Fault, every: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::default();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, router.clone(), fault, every));
        }
    });
    address
}

async fn serve(socket: TcpStream, router: Router, fault: Fault, every: u64) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let link = link(request.into_body(), respond, router.clone(), fault, every);
        tokio::spawn(async move {
            // An error means that the client is gone.
            drop(link.await);
        });
    }
}

async fn link(
    mut receiver: RecvStream,
    mut respond: SendResponse<Bytes>,
    router: Router,
    fault: Fault,
    every: u64,
) -> Result<(), h2::Error> {
    let mut sender = respond.send_response(Response::new(()), false)?;
    let (egress, mut queue) = unbounded_channel::<Bytes>();
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            // HTTP/2 buffers what flow control holds back; tests are small.
            if sender.send_data(message, false).is_err() {
                return;
            }
        }
    });
    let node = LocalNode {
        node_id: "faulty".to_owned(),
        deployment_name: String::new(),
        version: "1.0.0".to_owned(),
    };
    let policy = LinkPolicy {
        require_header_mac: false,
        enforce_pqc: false,
    };
    let mut negotiation = Some(Negotiation::<AwsCrypto>::accept(node, policy));
    let mut deframer = Deframer::new(4 << 20);
    while let Some(chunk) = receiver.data().await {
        let chunk = chunk?;
        receiver.flow_control().release_capacity(chunk.len())?;
        deframer.push(chunk);
        while let Some(body) = deframer.pop().unwrap() {
            let whole = framed(&body.clone().into_bytes()).unwrap();
            let inbound = split(body).unwrap();
            if let Some(mut negotiation) = negotiation.take() {
                let negotiated = negotiation.handle(inbound, &mut AwsCrypto).unwrap();
                drop(egress.send(framed(&negotiated.reply.unwrap()).unwrap()));
            } else if let Inbound::Routed(envelope) = inbound {
                router.route(&envelope, whole, &egress, fault, every);
            }
        }
    }
    Ok(())
}

impl Router {
    fn route(
        &self,
        envelope: &Envelope,
        whole: Bytes,
        egress: &UnboundedSender<Bytes>,
        fault: Fault,
        every: u64,
    ) {
        let header = RoutedHeader::parse(&envelope.header).unwrap();
        let name = header.destination.unwrap().name().unwrap();
        match envelope.kind {
            Kind::Subscribe => {
                self.routes
                    .lock()
                    .unwrap()
                    .entry(name)
                    .or_default()
                    .push(egress.clone());
                drop(egress.send(subscription_ack(envelope.subscription_id, Ok(())).unwrap()));
            }
            Kind::Publish => self.publish(name, whole, fault, every),
            Kind::Unsubscribe => {
                let mut routes = self.routes.lock().unwrap();
                let held = routes.get_mut(&name).unwrap();
                held.retain(|route| !route.same_channel(egress));
                drop(egress.send(subscription_ack(envelope.subscription_id, Ok(())).unwrap()));
            }
        }
    }

    fn publish(&self, name: Name, whole: Bytes, fault: Fault, every: u64) {
        let mut publishes = self.publishes.lock().unwrap();
        publishes.count += 1;
        if !publishes.count.is_multiple_of(every) {
            self.deliver(name, &whole);
            if let Some((name, held)) = publishes.held.take() {
                self.deliver(name, &held);
            }
            return;
        }
        match fault {
            Fault::None => self.deliver(name, &whole),
            Fault::Lose => {}
            Fault::Double => {
                self.deliver(name, &whole);
                self.deliver(name, &whole);
            }
            Fault::Swap => publishes.held = Some((name, whole)),
            Fault::Damage => {
                let mut damaged = BytesMut::from(&whole[..]);
                *damaged.last_mut().unwrap() ^= 1;
                self.deliver(name, &damaged.freeze());
            }
        }
    }

    fn deliver(&self, name: Name, whole: &Bytes) {
        for route in self.routes.lock().unwrap().get(&name).into_iter().flatten() {
            drop(route.send(whole.clone()));
        }
    }
}
