//! Listening sockets: admission, handshakes, and a transport for each connection that passes.
//!
//! Whoever is declined is declined by closing the connection, before anything is spent on it: a client
//! whose connection is refused comes back, one whose RPC fails gives up (WIRE §8.6).

use std::{
    cell::RefCell,
    collections::HashMap,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use slipring_core::{LinkOptions, RefuseReason};
use slipring_proto::link::LinkPolicy;
use tokio_rustls::TlsAcceptor;

use super::{
    h2,
    runtime::{Runtime, Stream},
    shard::Shard,
    tls::TlsSlots,
    transport::{Transport, TransportOptions},
    wire::wire,
};
use crate::config::Server;

/// How long a listener rests after an accept that failed, so that it never spins.
const REST: Duration = Duration::from_millis(100);

/// Errors that mean that no descriptor is left: ENFILE and EMFILE.
const DESCRIPTOR_ERRORS: [i32; 2] = [23, 24];

/// Connections of one shard by address.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    counts: Rc<RefCell<HashMap<IpAddr, u32>>>,
}

/// One connection's place among those of its address, given back on drop.
#[derive(Debug)]
struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    fn enter(&self, address: IpAddr, count_max: u32) -> Option<Place> {
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(address).or_insert(0);
        if *count >= count_max {
            return None;
        }
        *count += 1;
        Some(Place {
            addresses: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts.borrow_mut();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// What every connection of one listener gets.
pub struct Listener<R> {
    shard: Rc<Shard<R>>,
    server: usize,
    tls: TlsSlots,
    options: TransportOptions,
    addresses: Addresses,
}

impl<R> Clone for Listener<R> {
    fn clone(&self) -> Self {
        Self {
            shard: Rc::clone(&self.shard),
            server: self.server,
            tls: self.tls.clone(),
            options: self.options.clone(),
            addresses: self.addresses.clone(),
        }
    }
}

impl<R: Runtime> Listener<R> {
    /// The listener with index `server` of the configuration.
    #[must_use]
    pub fn new(
        shard: Rc<Shard<R>>,
        server: usize,
        tls: TlsSlots,
        addresses: Addresses,
    ) -> Option<Self> {
        let config = shard.config();
        let entry: &Server = config.servers.get(server)?;
        let options = TransportOptions {
            h2: h2::server(&config.limits, entry),
            link: LinkOptions {
                policy: LinkPolicy {
                    require_header_mac: entry.require_header_mac,
                    enforce_pqc: config.enforce_pqc,
                },
                negotiation_timeout: entry.negotiation_timeout,
            },
            keepalive: entry.keepalive,
        };
        Some(Self {
            shard,
            server,
            tls,
            options,
            addresses,
        })
    }

    /// Accepts TCP connections until listeners are closed.
    pub async fn run_tcp(self, listener: R::TcpListener) {
        while let Some(accepted) = self.unless_closed(R::accept_tcp(&listener)).await {
            match accepted {
                Ok((stream, address)) => self.take_tcp(stream, address),
                Err(error) => self.rest(&error).await,
            }
        }
    }

    /// Accepts Unix connections until listeners are closed.
    pub async fn run_unix(self, listener: R::UnixListener) {
        while let Some(accepted) = self.unless_closed(R::accept_unix(&listener)).await {
            match accepted {
                Ok(stream) if self.shard.admit().is_ok() => self.start(stream, None),
                Ok(_) => {}
                Err(error) => self.rest(&error).await,
            }
        }
    }

    fn take_tcp(&self, stream: R::Tcp, address: SocketAddr) {
        if self.shard.admit().is_err() {
            return;
        }
        let config = self.shard.config();
        let shards = u32::from(config.shards.get());
        // Each shard keeps its share, because counting over all shards would need shared memory.
        let count_max = config.limits.links_per_address_max.div_ceil(shards);
        match self.addresses.enter(address.ip(), count_max) {
            Some(place) => self.start(stream, Some(place)),
            None => self.shard.refuse(RefuseReason::AddressMax),
        }
    }

    fn start<S: Stream>(&self, stream: S, place: Option<Place>) {
        let listener = self.clone();
        self.shard.transport_started();
        R::spawn(async move {
            listener.serve(stream).await;
            listener.shard.transport_ended();
            drop(place);
        });
    }

    async fn serve<S: Stream>(&self, stream: S) {
        let shard = Rc::clone(&self.shard);
        let options = self.options.clone();
        let (io, end) = wire(stream, shard.buffers().clone());
        let Some(tls) = self.tls.find(self.server) else {
            // The handshake's state is large and short-lived; a link should not carry it along.
            return Box::pin(Transport::serve(shard, options, io, end)).await;
        };
        let started = shard.now();
        let handshake = TlsAcceptor::from(tls.config()).accept(io);
        let timer = R::sleep(shard.config().limits.tls_timeout);
        match Box::pin(end.drive(handshake, timer)).await {
            Some(Ok(secure)) => {
                shard
                    .shell()
                    .borrow_mut()
                    .tls_handshake
                    .record(shard.now().since(started));
                Box::pin(Transport::serve(shard, options, secure, end)).await;
            }
            Some(Err(_)) | None => shard.refuse(RefuseReason::Tls),
        }
    }

    /// Waits before the next try, unless the error was about that one connection.
    async fn rest(&self, error: &io::Error) {
        let is_about_one = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        );
        if is_about_one {
            return;
        }
        if error
            .raw_os_error()
            .is_some_and(|code| DESCRIPTOR_ERRORS.contains(&code))
        {
            self.shard.refuse(RefuseReason::Descriptors);
        }
        self.unless_closed(R::sleep(REST)).await;
    }

    /// Waits for `event`; `None` if listeners are closed first.
    async fn unless_closed<T>(&self, event: impl Future<Output = T>) -> Option<T> {
        let mut event = std::pin::pin!(event);
        poll_fn(|cx| {
            if self.shard.poll_closed(cx).is_ready() {
                return Poll::Ready(None);
            }
            event.as_mut().poll(cx).map(Some)
        })
        .await
    }
}
