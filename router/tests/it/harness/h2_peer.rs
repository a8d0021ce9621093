//! HTTP/2 without SLIM: any request, and everything that comes back.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tokio::net::TcpStream;

use super::{Router, within};

/// An HTTP/2 connection in clear text. Its task ends with it.
#[derive(Clone, Debug)]
pub(crate) struct H2Peer {
    request: SendRequest<Bytes>,
    authority: String,
}

/// A response without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether the response ended with its headers.
    pub(crate) is_over: bool,
}

impl Answer {
    /// A header's value as text; empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl H2Peer {
    /// Connects to `router`.
    pub(crate) async fn of(router: &Router) -> Self {
        let address = router.address(0);
        let connecting = async {
            let socket = TcpStream::connect(address).await.unwrap();
            h2::client::handshake(socket).await.unwrap()
        };
        let (request, connection) = within("HTTP/2", connecting).await;
        tokio::spawn(async move {
            // How it ends is seen by its streams.
            drop(connection.await);
        });
        Self {
            request,
            authority: address.to_string(),
        }
    }

    /// Sends a request without END_STREAM and waits for the response headers. The stream is given
    /// up afterwards.
    pub(crate) async fn asks(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Answer, h2::Error> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.as_str())
            .path_and_query(path)
            .build()
            .unwrap();
        let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let asking = async {
            let mut ready = self.request.clone().ready().await?;
            let (response, _sender) = ready.send_request(request, false)?;
            let (parts, body) = response.await?.into_parts();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                is_over: body.is_end_stream(),
            })
        };
        within("response", asking).await
    }
}
