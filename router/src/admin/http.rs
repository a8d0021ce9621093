//! The HTTP side: connections, their bounds, and which page answers which request.
//!
//! What enters: connections to the listener. What leaves: one response each. A connection that is
//! slow, long or wrong ends by itself; it holds one of [`CONNECTIONS_MAX`] places meanwhile and
//! nothing else.

use std::{
    convert::Infallible,
    net::TcpListener,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::Semaphore, time};

use super::{Surface, pages, pages::Page};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 32;

/// How long a connection may take in all: to ask, to be answered, to read the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes a request's head may have.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Fields a request's head may have.
const FIELDS_MAX: usize = 64;

/// How long the listener rests after an accept that failed, so that it never spins.
const REST: Duration = Duration::from_millis(100);

/// Answers connections of `listener` for as long as it is polled.
pub(super) async fn serve(surface: Rc<Surface>, listener: TcpListener) {
    let is_local = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin surface cannot listen");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Nobody closes the semaphore.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let surface = Rc::clone(&surface);
                tokio::task::spawn_local(async move {
                    // Too late or broken: the client knows, and nobody else has to.
                    time::timeout(CONNECTION_TIMEOUT, converse(surface, stream, is_local))
                        .await
                        .ok();
                    drop(place);
                });
            }
            Err(_) => time::sleep(REST).await,
        }
    }
}

async fn converse(surface: Rc<Surface>, stream: TcpStream, is_local: bool) {
    let service = service_fn(move |request: Request<Incoming>| {
        let surface = Rc::clone(&surface);
        async move {
            let (request, _unread) = request.into_parts();
            Ok::<_, Infallible>(answer(&surface, &request, is_local).await)
        }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        // Who has asked may close that side and still wait for the answer.
        .half_close(true)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX);
    // What was wrong with the request, hyper has answered.
    server
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

async fn answer(surface: &Surface, request: &Parts, is_local: bool) -> Response<Whole> {
    let mut response = if is_local && !names_this_host(request) {
        respond(Page::text(
            StatusCode::MISDIRECTED_REQUEST,
            "ask for an address or localhost\n",
        ))
    } else if request.method == Method::GET {
        respond(route(surface, request).await)
    } else {
        let page = Page::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "this surface is read-only\n",
        );
        let mut response = respond(page);
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn route(surface: &Surface, request: &Parts) -> Page {
    let query = match pages::Query::parse(request) {
        Ok(query) => query,
        Err(why) => return Page::text(StatusCode::BAD_REQUEST, why),
    };
    match request.uri.path() {
        "/" => Page::text(StatusCode::OK, pages::LIST),
        "/metrics" => pages::metrics(surface).await,
        "/livez" => pages::livez(surface).await,
        "/readyz" => pages::readyz(surface.asks.node()),
        "/links" => pages::links(surface, query).await,
        "/fib" => pages::fib(surface, query).await,
        _ => Page::text(StatusCode::NOT_FOUND, "no such page; GET / lists them\n"),
    }
}

fn respond(page: Page) -> Response<Whole> {
    let mut response = Response::new(Whole(Some(Bytes::from(page.body))));
    *response.status_mut() = page.status;
    let kind = HeaderValue::from_static(page.kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A body that is there already; nothing of it is left once it was taken.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Whether the request was meant for this host: by address, as `localhost`, or by a client too old
/// to say. A browser sends the name its page came from, which somebody else may point at us.
fn names_this_host(request: &Parts) -> bool {
    let hosts = request.headers.get_all(header::HOST);
    hosts.iter().all(|host| {
        let Ok(host) = host.to_str() else {
            return false;
        };
        let Ok(authority) = host.parse::<http::uri::Authority>() else {
            return host.is_empty();
        };
        let name = authority.host();
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name.eq_ignore_ascii_case("localhost")
            || address.unwrap_or(name).parse::<std::net::IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_name_this_host() {
        for (host, expected) in [
            (Some("127.0.0.1:46380"), true),
            (Some("10.1.2.3"), true),
            (Some("[::1]:46380"), true),
            (Some("LocalHost:1"), true),
            (Some(""), true),
            (None, true),
            (Some("evil.example"), false),
            (Some("localhost.evil.example:46380"), false),
            (Some("127.0.0.1.evil.example"), false),
        ] {
            let mut request = Request::new(());
            if let Some(host) = host {
                request
                    .headers_mut()
                    .insert(header::HOST, HeaderValue::from_static(host));
            }
            assert_eq!(
                names_this_host(&request.into_parts().0),
                expected,
                "{host:?}"
            );
        }
    }
}
