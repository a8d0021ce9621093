//! A router small enough to read at a glance, for tests of the client: it accepts links with the
//! acceptor's half of the negotiation machine, acknowledges subscriptions, and sends every Publish
//! back on the link it came from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};
use slipring_proto::crypto::aws::{AwsCrypto, AwsKey};
use slipring_proto::envelope::{Envelope, Inbound, Kind, split};
use slipring_proto::grpc::{Body, Deframer};
use slipring_proto::header::RoutedHeader;
use slipring_proto::link::{LinkPolicy, LinkTerms, LocalNode, Negotiation};
use slipring_proto::mac;
use slipring_proto::message::{framed, put_subscription_ack};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// What the acceptor does, beside what a router would.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Answers every request with this HTTP status.
    pub(crate) http_status: Option<u16>,
    /// Ends every stream with this gRPC status in place of the negotiation reply.
    pub(crate) grpc_status: Option<&'static str>,
    /// Refuses every subscription with this text.
    pub(crate) refusal: Option<&'static str>,
    /// Never answers the negotiation.
    pub(crate) silent: bool,
    /// Leaves the first so many requests for an ack unanswered.
    pub(crate) acks_withheld: u32,
    /// Reads nothing after the negotiation, so that the client's window runs out.
    pub(crate) deaf: bool,
    /// SETTINGS_MAX_FRAME_SIZE.
    pub(crate) frame_bytes_max: Option<u32>,
}

/// What the acceptor saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Headers of every request.
    pub(crate) requests: Vec<Request<()>>,
    /// Routed messages whose MAC was right, by kind and subscription id.
    pub(crate) routed: Vec<(Kind, u64)>,
    /// Routed messages whose MAC was wrong or missing.
    pub(crate) unsigned: usize,
    /// Negotiated link ids.
    pub(crate) link_ids: Vec<String>,
    /// Streams whose client half was closed in order.
    pub(crate) half_closed: usize,
}

/// A running acceptor; it ends with the runtime.
#[allow(dead_code, reason = "a test over TLS listens by itself")]
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

#[allow(dead_code, reason = "a test over TLS listens by itself")]
impl Acceptor {
    /// Listens on a free port of the loopback interface.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let acceptor = Self {
            address,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                tokio::spawn(serve(socket, script.clone(), Arc::clone(&seen)));
            }
        });
        acceptor
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one HTTP/2 connection over any byte stream.
pub(crate) async fn serve<T>(io: T, script: Script, seen: Arc<Mutex<Seen>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20);
    builder.max_frame_size(script.frame_bytes_max.unwrap_or(16_384));
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        seen.lock()
            .unwrap()
            .requests
            .push(Request::from_parts(head, ()));
        tokio::spawn(answer(body, respond, script.clone(), Arc::clone(&seen)));
    }
}

async fn answer(
    stream: RecvStream,
    mut respond: SendResponse<Bytes>,
    script: Script,
    seen: Arc<Mutex<Seen>>,
) {
    if let Some(status) = script.http_status {
        let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
        respond
            .send_response(response.body(()).unwrap(), true)
            .unwrap();
        return;
    }
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let Ok(sender) = respond.send_response(head, false) else {
        return;
    };
    let deframer = Deframer::new(4 << 20);
    let mut stream = Stream {
        sender,
        receiver: stream,
        deframer,
        script,
        seen,
    };
    // An error means that the client is gone, which some tests intend.
    drop(stream.run().await);
}

/// One link, acceptor's side.
struct Stream {
    sender: SendStream<Bytes>,
    receiver: RecvStream,
    deframer: Deframer,
    script: Script,
    seen: Arc<Mutex<Seen>>,
}

impl Stream {
    async fn run(&mut self) -> Result<(), h2::Error> {
        let Some(first) = self.next().await? else {
            return self.end("0");
        };
        if self.script.silent {
            std::future::pending::<()>().await;
        }
        if let Some(status) = self.script.grpc_status {
            return self.end(status);
        }
        let Some(terms) = self.negotiate(first)? else {
            return self.end("0");
        };
        if self.script.deaf {
            std::future::pending::<()>().await;
        }
        while let Some(body) = self.next().await? {
            match split(body.clone()) {
                Ok(Inbound::Routed(envelope)) => self.route(&terms, envelope, body).await?,
                Ok(_) => {}
                Err(_) => return self.end("0"),
            }
        }
        self.seen.lock().unwrap().half_closed += 1;
        self.end("0")
    }

    fn negotiate(&mut self, first: Body) -> Result<Option<LinkTerms<AwsKey>>, h2::Error> {
        let node = LocalNode {
            node_id: "acceptor".to_owned(),
            deployment_name: String::new(),
            version: "3.4.6".to_owned(),
        };
        let policy = LinkPolicy {
            require_header_mac: false,
            enforce_pqc: false,
        };
        let mut negotiation = Negotiation::<AwsCrypto>::accept(node, policy);
        let Ok(inbound) = split(first) else {
            return Ok(None);
        };
        let Ok(negotiated) = negotiation.handle(inbound, &mut AwsCrypto) else {
            return Ok(None);
        };
        let reply = framed(&negotiated.reply.unwrap()).unwrap();
        self.sender.send_data(reply, false)?;
        self.seen
            .lock()
            .unwrap()
            .link_ids
            .push(negotiated.terms.link_id.clone());
        Ok(Some(negotiated.terms))
    }

    async fn route(
        &mut self,
        terms: &LinkTerms<AwsKey>,
        envelope: Envelope,
        body: Body,
    ) -> Result<(), h2::Error> {
        let header = RoutedHeader::parse(&envelope.header).unwrap();
        let link_id = terms.link_id.as_bytes();
        let is_signed = terms.key.as_ref().is_some_and(|key| {
            mac::verify(key, &header, &envelope.header, link_id, &mut Vec::new())
        });
        let mut out = BytesMut::new();
        {
            let mut seen = self.seen.lock().unwrap();
            if !is_signed {
                seen.unsigned += 1;
                return Ok(());
            }
            seen.routed.push((envelope.kind, envelope.subscription_id));
        }
        match envelope.kind {
            Kind::Publish => out.extend_from_slice(&framed(&body.into_bytes()).unwrap()),
            Kind::Subscribe | Kind::Unsubscribe => {
                if self.script.acks_withheld > 0 {
                    self.script.acks_withheld -= 1;
                    return Ok(());
                }
                let outcome = self.script.refusal.map_or(Ok(()), Err);
                put_subscription_ack(envelope.subscription_id, outcome, &mut out).unwrap();
            }
        }
        self.send(out.freeze()).await
    }

    async fn send(&mut self, mut bytes: Bytes) -> Result<(), h2::Error> {
        while !bytes.is_empty() {
            self.sender.reserve_capacity(bytes.len());
            if self.sender.capacity() == 0 {
                match std::future::poll_fn(|cx| self.sender.poll_capacity(cx)).await {
                    Some(granted) => drop(granted?),
                    None => return Ok(()),
                }
                continue;
            }
            let granted = self.sender.capacity().min(bytes.len());
            self.sender.send_data(bytes.split_to(granted), false)?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Body>, h2::Error> {
        loop {
            match self.deframer.pop() {
                Ok(Some(body)) => return Ok(Some(body)),
                Ok(None) => {}
                Err(_) => return Ok(None),
            }
            let Some(chunk) = self.receiver.data().await else {
                return Ok(None);
            };
            let chunk = chunk?;
            self.receiver.flow_control().release_capacity(chunk.len())?;
            self.deframer.push(chunk);
        }
    }

    fn end(&mut self, status: &'static str) -> Result<(), h2::Error> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers.insert("grpc-message", "as scripted".parse().unwrap());
        self.sender.send_trailers(trailers)
    }
}
