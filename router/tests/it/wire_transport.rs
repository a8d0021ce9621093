//! Checklist 1 to 9: HTTP/2, TLS, and what must happen before a link exists.

use bytes::Bytes;
use http::{Method, StatusCode};
use prost::Message as _;
use rustls::crypto::aws_lc_rs;
use slipring_proto::generated::message::Kind;
use slipring_proto::generated::{Link, Message, SubscriptionAck};
use slipring_proto::grpc::METHOD_PATH;
use slipring_proto::limits::NEGOTIATION_TIMEOUT_MS;
use slipring_proto::link::LinkPolicy;
use slipring_sdk::io::socket::{SocketOptions, dial};
use slipring_sdk::{Error, LinkOptions};
use std::time::Duration;

use crate::harness::{
    Authority, Client, H2Peer, Leaf, Opening, Router, Setup, fields, request, text, within,
};

const SERVER_NAME: &str = "router.test";

#[tokio::test]
async fn wire_01_headers_come_before_any_message() {
    let router = Router::start().await;
    let opening = Opening::of(&router).await;
    assert_eq!(opening.stream.headers["content-type"], "application/grpc");
}

#[tokio::test]
async fn wire_02_only_one_path_is_served() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    for path in [
        "/",
        "/dataplane.proto.v1.DataPlaneService/openchannel",
        "/dataplane.proto.v1.DataPlaneService/OpenChannel/",
        "/dataplane.proto.v2.DataPlaneService/OpenChannel",
    ] {
        let answer = peer.asks(Method::POST, path, &[]).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("grpc-status"), "12", "{path}");
        assert_eq!(answer.header("content-type"), "application/grpc", "{path}");
        assert!(answer.is_over, "{path}");
    }
    let answer = peer.asks(Method::POST, METHOD_PATH, &[]).await.unwrap();
    assert_eq!((answer.status, answer.is_over), (StatusCode::OK, false));
    assert_eq!(router.scrape().await.refused("path"), 4);
}

#[tokio::test]
async fn wire_02_method_and_other_headers_are_not_looked_at() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    for (method, headers) in [
        (Method::GET, &[][..]),
        (Method::PUT, &[("content-type", "text/html")][..]),
        (Method::POST, &[("te", "trailers"), ("user-agent", "")][..]),
    ] {
        let answer = peer
            .asks(method.clone(), METHOD_PATH, headers)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{method}");
        assert_eq!(answer.header("grpc-status"), "", "{method}");
        assert!(!answer.is_over, "{method}");
    }
}

#[tokio::test]
async fn wire_03_compression_is_not_implemented() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    let asks = async |encoding: &str| {
        let headers = [("grpc-encoding", encoding)];
        peer.asks(Method::POST, METHOD_PATH, &headers)
            .await
            .unwrap()
    };
    let answer = asks("gzip").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("grpc-status"), "12");
    assert_eq!(answer.header("grpc-accept-encoding"), "identity");
    assert!(answer.is_over);
    assert!(!asks("identity").await.is_over);
}

/// A router over TLS, and who signed its certificate.
async fn secure(setup: Setup, tls: &str) -> (Router, Authority, tempfile::TempDir) {
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let listener = authority.leaf(SERVER_NAME).listener(folder.path(), tls);
    let router = setup.servers([listener]).start().await;
    (router, authority, folder)
}

#[tokio::test]
async fn wire_05_alpn_is_selected_when_offered_and_not_needed() {
    let (router, authority, _folder) = secure(Setup::new(), "").await;
    let versions = &[&rustls::version::TLS13];
    let h2 = b"h2".as_slice();
    for (offered, selected) in [
        (&[h2][..], Some(h2)),
        (&[b"http/1.1", h2][..], Some(h2)),
        (&[][..], None),
    ] {
        let tls = authority.client(aws_lc_rs::default_provider(), versions, offered);
        let endpoint = router.endpoint().with_tls(tls);
        let socket = within("TLS", dial(&endpoint, &SocketOptions::default())).await;
        assert_eq!(socket.unwrap().alpn(), selected);
        Client::at(&endpoint).await.is_served().await;
    }
}

#[tokio::test]
async fn wire_05_tls_1_2_is_refused_unless_configured() {
    let (router, authority, _folder) = secure(Setup::new(), "").await;
    let old = |authority: &Authority| {
        let versions = &[&rustls::version::TLS12];
        authority.client(aws_lc_rs::default_provider(), versions, &[b"h2"])
    };
    let endpoint = router.endpoint().with_tls(old(&authority));
    let refusal = within("alert", dial(&endpoint, &SocketOptions::default())).await;
    let refusal = refusal.unwrap_err().to_string();
    assert!(refusal.contains("ProtocolVersion"), "{refusal}");
    let (router, authority, _folder) = secure(Setup::new(), "tls_version: tls1.2").await;
    let endpoint = router.endpoint().with_tls(old(&authority));
    Client::at(&endpoint).await.is_served().await;
}

#[tokio::test]
async fn wire_05_a_client_ca_makes_certificates_mandatory() {
    let clients = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clients.pem");
    std::fs::write(&path, &clients.pem).unwrap();
    let demand = format!("client_ca: {{type: file, path: \"{}\"}}", path.display());
    let (router, authority, _folder) = secure(Setup::new(), &demand).await;
    let connect = async |identity: Option<&Leaf>| {
        let endpoint = router.endpoint().with_tls(authority.tls(identity));
        let options = LinkOptions::default();
        within("answer", slipring_sdk::Link::connect(&endpoint, &options)).await
    };
    connect(Some(&clients.leaf("client.test"))).await.unwrap();
    // In TLS 1.3 the client learns of it only when it reads.
    let refusal = connect(None).await.unwrap_err().to_string();
    assert!(refusal.contains("CertificateRequired"), "{refusal}");
    let stranger = Authority::root().leaf("client.test");
    assert!(connect(Some(&stranger)).await.is_err());
    router
        .scrape_when("two refusals", |scrape| scrape.refused("tls") == 2)
        .await;
}

#[tokio::test]
async fn wire_06_enforced_post_quantum_keys_are_demanded_of_tls_and_negotiation() {
    let setup = Setup::new().dataplane("enforce_pqc: true");
    let (router, authority, _folder) = secure(setup, "").await;
    let versions = &[&rustls::version::TLS13];
    let mut classical = aws_lc_rs::default_provider();
    classical.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let endpoint = router.endpoint();
    let tls = authority.client(classical, versions, &[b"h2"]);
    let refusal = within(
        "alert",
        dial(&endpoint.clone().with_tls(tls), &SocketOptions::default()),
    )
    .await;
    let refusal = refusal.unwrap_err().to_string();
    assert!(refusal.contains("HandshakeFailure"), "{refusal}");

    let endpoint = endpoint.with_tls(authority.tls(None));
    let mut opening = Opening::at(&endpoint).await;
    opening.asks(request()).await;
    opening.is_refused("a classical negotiation").await;

    let mut options = LinkOptions::default();
    options.settings.policy = LinkPolicy {
        require_header_mac: true,
        enforce_pqc: true,
    };
    let mut client = Client::with(&endpoint, &options).await;
    assert!(client.terms().hybrid);
    client.is_served().await;
}

#[tokio::test]
async fn wire_08_a_first_message_that_is_no_negotiation_ends_the_stream() {
    let router = Router::start().await;
    let unsigned = fields("org/ns/bob").seal();
    let without_prefix = |framed: Bytes| framed.slice(5..);
    let ack = Kind::SubscriptionAck(SubscriptionAck::default());
    let link = Kind::Link(Link::default());
    let of = |kind| {
        Bytes::from(
            Message {
                kind,
                ..Message::default()
            }
            .encode_to_vec(),
        )
    };
    for (what, message) in [
        ("Subscribe", without_prefix(unsigned.subscribe(1).unwrap())),
        (
            "Unsubscribe",
            without_prefix(unsigned.unsubscribe(1).unwrap()),
        ),
        (
            "Publish",
            without_prefix(unsigned.publish(&text("x")).unwrap()),
        ),
        ("ack", of(Some(ack))),
        ("link without payload", of(Some(link))),
        ("nothing", Bytes::new()),
    ] {
        let mut opening = Opening::of(&router).await;
        opening.sends(&message).await;
        opening.is_refused(what).await;
    }
    assert_eq!(router.scrape().await.closed("negotiation_failed"), 6);
    let mut opening = Opening::of(&router).await;
    opening.sends(b"\xff\xff\xff\xff").await;
    opening.is_refused("no protobuf").await;
    assert_eq!(router.scrape().await.closed("undecodable"), 1);
}

#[tokio::test]
async fn wire_09_silence_ends_the_stream_after_five_seconds() {
    let router = Router::start().await;
    let mut opening = Opening::of(&router).await;
    let opened = tokio::time::Instant::now();
    opening.is_refused("silence").await;
    let waited = opened.elapsed();
    let limit = Duration::from_millis(NEGOTIATION_TIMEOUT_MS);
    // The stream was open a little before its headers were here.
    let early = Duration::from_millis(100);
    assert!(waited + early >= limit, "{waited:?}");
    assert!(waited < limit * 3, "{waited:?}");
    assert_eq!(router.scrape().await.closed("negotiation_timeout"), 1);
}

#[tokio::test]
async fn a_header_block_beyond_16_kib_is_answered_431() {
    let router = Router::start().await;
    let peer = H2Peer::of(&router).await;
    let long = "a".repeat(20 << 10);
    let headers = [("x-long", long.as_str())];
    // The client's library refuses to send what the peer's settings forbid, or the router answers.
    match peer.asks(Method::POST, METHOD_PATH, &headers).await {
        Ok(answer) => assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => assert!(!error.is_io(), "{error}"),
    }
    Client::of(&router).await.is_served().await;
}

#[tokio::test]
async fn streams_of_one_transport_are_independent_links() {
    let router = Router::start().await;
    let mut first = Opening::of(&router).await;
    let mut second = Opening::on(&first.transport).await;
    second.sends(b"").await;
    second.is_refused("an empty message").await;
    first.asks(request()).await;
    assert!(first.reply().await.is_reply);
    let third = Opening::on(&first.transport).await;
    assert_eq!(router.scrape().await.value("transports"), 1);
    drop(third);
}

#[tokio::test]
async fn a_half_close_ends_the_link_with_status_0() {
    let router = Router::start().await;
    let mut client = Client::of(&router).await;
    client.sender().finish();
    client.ends_with_status(0).await;
    router
        .scrape_when("close", |scrape| scrape.closed("peer_ended") == 1)
        .await;
}

#[tokio::test]
async fn a_link_that_cannot_negotiate_says_so_to_the_client() {
    let router = Router::start().await;
    let mut options = LinkOptions::default();
    options.settings.node.version = "not-a-version".to_owned();
    let endpoint = router.endpoint();
    let connecting = slipring_sdk::Link::connect(&endpoint, &options);
    let refused = within("answer", connecting).await.unwrap_err();
    assert!(matches!(refused, Error::Ended(_)), "{refused}");
}
