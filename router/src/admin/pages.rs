//! What each page says.

use http::{StatusCode, header, request::Parts};
use tokio::time::timeout;

use super::{Surface, ask::PATIENCE, fib::FibPage, links::LinksPage};
use crate::{io::mailbox::Node, metrics::render::Scrape};

/// `GET /`.
pub(super) const LIST: &str = "\
slipring admin: read-only, GET only; changes go through the control socket

/metrics  Prometheus text
/livez    200 when every shard answers within a second
/readyz   200 while new connections are welcome
/links    every link, most waiting bytes first; ?top=N, ?format=json
/fib      the RIB and its replicas; ?format=json
";

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// A response before it is one.
pub(super) struct Page {
    pub(super) status: StatusCode,
    /// The media type.
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Page {
    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: TEXT,
            body: body.into(),
        }
    }

    fn json(body: String) -> Self {
        Self {
            status: StatusCode::OK,
            kind: JSON,
            body,
        }
    }

    fn silent() -> Self {
        Self::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "a shard did not answer within a second\n",
        )
    }
}

/// What a request asks for besides its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    is_json: bool,
    top: Option<usize>,
}

impl Query {
    /// Reads the query and the `Accept` field.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub(super) fn parse(request: &Parts) -> Result<Self, &'static str> {
        let accepts = request.headers.get_all(header::ACCEPT).iter();
        let is_json = accepts
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains(JSON));
        let mut query = Self { is_json, top: None };
        let pairs = request.uri.query().unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("format", "json")) => query.is_json = true,
                Some(("format", "text")) => query.is_json = false,
                Some(("top", number)) => {
                    let number = number.parse().map_err(|_| "top takes a number\n")?;
                    query.top = Some(number);
                }
                _ => return Err("parameters are top=N, format=json and format=text\n"),
            }
        }
        Ok(query)
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(surface: &Surface) -> Page {
    let reports = surface.asks.reports().await;
    let Some(reports) = reports.as_ref() else {
        return Page::silent();
    };
    let facts = &surface.facts;
    let scrape = Scrape {
        build: [
            &facts.version,
            &facts.commit,
            &facts.slim_version,
            &facts.io,
        ],
        uptime: surface.started.elapsed(),
        is_ready: surface.asks.node().is_ready(),
        shards: &reports.shards,
        rib: reports.rib,
        resident_bytes: resident_bytes(),
    };
    Page {
        status: StatusCode::OK,
        kind: METRICS,
        body: scrape.text(),
    }
}

/// `GET /livez`. A draining node is alive although its shards end one by one.
pub(super) async fn livez(surface: &Surface) -> Page {
    let node = surface.asks.node();
    let reports = timeout(PATIENCE, surface.asks.reports()).await;
    let answered = reports.ok().and_then(|reports| {
        reports
            .as_ref()
            .as_ref()
            .map(|reports| reports.shards.len())
    });
    match answered {
        None => Page::silent(),
        Some(count) if count == node.shards() || node.is_draining() => {
            Page::text(StatusCode::OK, "alive\n")
        }
        Some(count) => {
            let gone = node.shards().saturating_sub(count);
            Page::text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{gone} shards have ended\n"),
            )
        }
    }
}

/// `GET /readyz`.
pub(super) fn readyz(node: &Node) -> Page {
    if node.is_ready() {
        Page::text(StatusCode::OK, "ready\n")
    } else if node.is_draining() {
        Page::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        Page::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

/// `GET /links`.
pub(super) async fn links(surface: &Surface, query: Query) -> Page {
    let links = surface.asks.links().await;
    let Some(links) = links.as_ref() else {
        return Page::silent();
    };
    let page = LinksPage::new(links, query.top);
    if query.is_json {
        Page::json(page.json())
    } else {
        Page::text(StatusCode::OK, page.text())
    }
}

/// `GET /fib`.
pub(super) async fn fib(surface: &Surface, query: Query) -> Page {
    let reports = surface.asks.reports().await;
    let Some(reports) = reports.as_ref() else {
        return Page::silent();
    };
    let page = FibPage::new(reports);
    if query.is_json {
        Page::json(page.json())
    } else {
        Page::text(StatusCode::OK, page.text())
    }
}

/// Resident memory of this process.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn query(uri: &str, accept: Option<&str>) -> Result<Query, &'static str> {
        let mut request = Request::builder().uri(uri);
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        Query::parse(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn queries_say_how_much_and_in_what_form() {
        let plain = Query::default();
        let json = Query {
            is_json: true,
            top: None,
        };
        for (uri, accept, expected) in [
            ("/links", None, Some(plain)),
            ("/links?", Some("*/*"), Some(plain)),
            ("/links?format=json", None, Some(json)),
            (
                "/links",
                Some("text/html, application/json;q=0.9"),
                Some(json),
            ),
            ("/links?format=text", Some("application/json"), Some(plain)),
            (
                "/links?top=5&format=json",
                None,
                Some(Query {
                    is_json: true,
                    top: Some(5),
                }),
            ),
            ("/links?top=-1", None, None),
            ("/links?top=", None, None),
            ("/links?bottom=5", None, None),
            ("/links?format=xml", None, None),
            ("/links?top", None, None),
        ] {
            assert_eq!(query(uri, accept).ok(), expected, "{uri}");
        }
    }

    #[test]
    fn the_kernel_tells_how_much_is_resident() {
        let bytes = resident_bytes().unwrap();
        assert!((1 << 18..1 << 40).contains(&bytes), "{bytes}");
    }
}
