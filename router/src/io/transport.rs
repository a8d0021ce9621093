//! One transport: an HTTP/2 connection and the links on its streams, polled by one task.
//!
//! A turn of the task: take what the peer sent, feed every link, write what waits for every link, and
//! send what was gathered, until nothing moves any more. A transport without streams, one whose peer
//! no longer answers, and one that outlived its last link are closed.

mod time;

use std::{
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use h2::{
    PingPong, Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::{HeaderValue, Request, Response, StatusCode};
use slipring_core::{CloseReason, LinkOptions, RefuseReason, Time};
use slipring_proto::grpc::{METHOD_PATH, Status};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    granted::Granted,
    link::{LinkStream, Polled},
    runtime::{Local, Runtime, Stream},
    shard::Shard,
    signal::Signal,
    turn::Turns,
    wire::WireEnd,
};
use crate::config::Keepalive;

/// Rounds of one turn before other tasks get theirs.
const ROUNDS_MAX: usize = 8;

/// How long a transport may take to send its last frames.
const LINGER: Duration = Duration::from_secs(1);

/// What a transport needs to know from its listener.
#[derive(Clone)]
pub struct TransportOptions {
    /// HTTP/2 settings.
    pub h2: Builder,
    /// What links must negotiate.
    pub link: LinkOptions,
    /// When a silent peer is probed and given up.
    pub keepalive: Keepalive,
}

/// Whether the transport still takes streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It does.
    Open,
    /// A GOAWAY was sent; streams that are there go on.
    Announced,
    /// It only sends its last frames.
    Closing,
}

/// A transport and its links.
pub struct Transport<R: Runtime, S, T> {
    shard: Rc<Shard<R>>,
    options: TransportOptions,
    connection: Connection<T, Granted>,
    wire: WireEnd<S>,
    links: Vec<LinkStream>,
    /// Streams that end with the connection.
    declined: Vec<(Request<RecvStream>, SendResponse<Granted>)>,
    phase: Phase,
    ping_pong: Option<PingPong>,
    /// A PING is on its way.
    is_probing: bool,
    last_heard: Time,
    timer: Local<()>,
    timer_at: Time,
    /// Since when there has been no link.
    idle_since: Option<Time>,
    /// Bytes of receive window lent beyond the idle window.
    lent_bytes: u64,
    /// The stream window that the peer could not be told yet.
    unset_window: Option<u64>,
    received_at_last_check: u64,
}

impl<R, S, T> Transport<R, S, T>
where
    R: Runtime,
    S: Stream,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Serves `io` until its last link has ended.
    pub async fn serve(shard: Rc<Shard<R>>, options: TransportOptions, io: T, wire: WireEnd<S>) {
        let timer = R::sleep(shard.config().limits.preface_timeout);
        let handshake = options.h2.handshake::<T, Granted>(io);
        let Some(Ok(mut connection)) = wire.drive(handshake, timer).await else {
            shard.refuse(RefuseReason::Http2);
            return;
        };
        let now = shard.now();
        let ping_pong = connection.ping_pong();
        let mut transport = Self {
            timer: R::sleep(Duration::ZERO),
            timer_at: now,
            shard,
            options,
            connection,
            wire,
            links: Vec::new(),
            declined: Vec::new(),
            phase: Phase::Open,
            ping_pong,
            is_probing: false,
            last_heard: now,
            idle_since: Some(now),
            lent_bytes: 0,
            unset_window: None,
            received_at_last_check: 0,
        };
        let mut turns = Turns::new(Waker::noop());
        poll_fn(|cx| {
            if !turns.are_of(cx.waker()) {
                turns = Turns::new(cx.waker());
            }
            transport.take_turn(&turns)
        })
        .await;
        transport.finish();
        // HTTP/2 has said its last; without it nothing but the socket is left.
        let Self {
            connection, wire, ..
        } = transport;
        drop(connection);
        wire.linger(R::sleep(LINGER)).await;
    }

    fn take_turn(&mut self, turns: &Arc<Turns>) -> Poll<()> {
        let started = self.shard.begin_turn();
        turns.begin();
        let waker = Waker::from(Arc::clone(turns));
        let polled = self.poll(&mut Context::from_waker(&waker), turns);
        turns.end();
        self.shard.record_turn(started);
        polled
    }

    fn poll(&mut self, cx: &mut Context<'_>, turns: &Turns) -> Poll<()> {
        for _ in 0..ROUNDS_MAX {
            // What waits for the links is handed over first, so that HTTP/2 sends it in this very round.
            for link in &mut self.links {
                link.poll_write(&self.shard, cx);
            }
            if self.poll_streams(cx).is_ready() {
                return Poll::Ready(());
            }
            // What HTTP/2 has for the links is asked for in this very round.
            turns.forget_pokes();
            let mut polled = Polled::Idle;
            for link in &mut self.links {
                // HTTP/2 has nothing more for a link that was read unless it says so.
                if link.poll_read(&self.shard, cx) == Polled::Yield {
                    polled = Polled::Yield;
                }
                polled = more(polled, link.poll_write(&self.shard, cx));
            }
            if self.settle(cx) {
                // What was said goes out before this turn ends.
                polled = more(polled, Polled::Progress);
            }
            if let Poll::Ready(Err(_)) = self.wire.poll_drain(cx) {
                return Poll::Ready(());
            }
            if self.poll_timer(cx).is_ready() {
                return Poll::Ready(());
            }
            match polled {
                Polled::Progress => {}
                Polled::Idle if turns.take_poke() => {}
                Polled::Idle => return Poll::Pending,
                Polled::Yield => break,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Drives the connection and takes new streams. Ready when the connection is over.
    fn poll_streams(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.connection.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok((request, respond)))) => self.open(request, respond, cx),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
            }
        }
    }

    /// Answers a request at once (WIRE §1.2) and makes its stream a link.
    fn open(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Granted>,
        cx: &Context<'_>,
    ) {
        let now = self.shard.now();
        self.last_heard = now;
        if let Some(reason) = refusal(&request) {
            self.shard.refuse(reason);
            // A stream that was reset meanwhile needs no answer.
            drop(respond.send_response(unimplemented(reason), true));
            return;
        }
        let signal = Rc::new(Signal::new(cx.waker().clone()));
        let Ok(link) = self.shard.open_link(self.options.link, &signal) else {
            self.decline(request, respond);
            return;
        };
        let Ok(send) = respond.send_response(accepted(), false) else {
            self.shard.end_link(link, CloseReason::PeerReset);
            return;
        };
        self.idle_since = None;
        // Nearly every transport carries one link.
        self.links.reserve_exact(1);
        self.links.push(LinkStream::new(
            link,
            signal,
            request.into_body(),
            send,
            now,
        ));
    }

    /// Declines a stream that the shard cannot take. A client gives up for good when its RPC fails, so
    /// a connection without other links is closed instead: then the client comes back (WIRE §8.6).
    fn decline(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Granted>) {
        if self.links.is_empty() {
            self.phase = Phase::Closing;
            self.idle_since = Some(Time::ZERO);
            // Letting go of the stream would reset it, which is a failed RPC.
            self.declined.push((request, respond));
        } else {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
    }

    /// Obeys what the core said about links, and forgets those that ended. True if HTTP/2 has
    /// something to say because of that.
    fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        let links_before = self.links.len();
        let mut must_close = false;
        let mut announce = false;
        self.links.retain_mut(|link| {
            announce |= link.signal().take_announce();
            let Some(ending) = link.signal().take_ending() else {
                return true;
            };
            link.discard(&self.shard, cx);
            must_close |= link.finish(&ending);
            false
        });
        if must_close {
            self.phase = Phase::Closing;
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        } else if announce && self.phase == Phase::Open {
            self.phase = Phase::Announced;
            self.connection.graceful_shutdown();
        }
        if self.links.is_empty() && self.idle_since.is_none() {
            self.idle_since = Some(self.shard.now());
        }
        self.adjust_window();
        announce || self.links.len() < links_before
    }

    /// The connection is gone: so are its links, when what came with its end has been taken.
    fn finish(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        for link in &mut self.links {
            link.read_last(&self.shard, cx);
            self.shard.end_link(link.id(), CloseReason::TransportLost);
            link.discard(&self.shard, cx);
        }
        if self.lent_bytes > 0 {
            self.shard.return_window(self.lent_bytes);
        }
    }
}

/// The livelier of two results.
fn more(one: Polled, other: Polled) -> Polled {
    match (one, other) {
        (Polled::Yield, _) | (_, Polled::Yield) => Polled::Yield,
        (Polled::Progress, _) | (_, Polled::Progress) => Polled::Progress,
        (Polled::Idle, Polled::Idle) => Polled::Idle,
    }
}

/// Why a request is not for us (WIRE §1.2). Method, `te` and content type are not looked at, as in the
/// reference.
fn refusal<B>(request: &Request<B>) -> Option<RefuseReason> {
    if request.uri().path() != METHOD_PATH {
        return Some(RefuseReason::Path);
    }
    let encoding = request.headers().get("grpc-encoding")?;
    (encoding != "identity").then_some(RefuseReason::Compressed)
}

/// The response that makes a stream a link.
fn accepted() -> Response<()> {
    let mut response = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, grpc);
    response
}

/// The response to a request that is not for us: status 12 without a body.
fn unimplemented(reason: RefuseReason) -> Response<()> {
    let mut response = accepted();
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(
        "grpc-status",
        HeaderValue::from_static(Status::Unimplemented.as_str()),
    );
    if reason == RefuseReason::Compressed {
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    }
    response
}
