//! TLS, mutual TLS and unix sockets: the same link over other transports, and what is said when
//! certificates do not fit.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use slipring_sdk::endpoint::ClientIdentity;
use slipring_sdk::{Endpoint, Error, Link, LinkOptions, Tls};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::acceptor::{Script, Seen, serve};

mod acceptor;

/// Far above what anything here takes, so that a hang fails by name.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("the test hangs")
}

/// A certificate authority of one test.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Leaf {
    chain_pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, name: &str) -> Leaf {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        Leaf {
            chain_pem: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key,
        }
    }

    /// Serves TLS on a free port. `alpn` is what the server offers to select.
    async fn serve(&self, wants_client: bool, alpn: &[&[u8]]) -> Endpoint {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let builder = if wants_client {
            let roots = Arc::new(self.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let leaf = self.leaf("router.test");
        let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
        let mut config = builder
            .with_single_cert(certificates(&leaf.chain_pem), key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        serve(stream, Script::default(), Arc::default()).await;
                    }
                });
            }
        });
        format!("https://{address}").parse().unwrap()
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.pem));
        roots
    }

    fn tls(&self, client: Option<&Leaf>) -> Tls {
        let key_pem = client
            .map(|leaf| leaf.key.serialize_pem())
            .unwrap_or_default();
        let identity = client.map(|leaf| ClientIdentity {
            chain_pem: leaf.chain_pem.as_bytes(),
            key_pem: key_pem.as_bytes(),
        });
        Tls::from_pem(self.pem.as_bytes(), identity)
            .unwrap()
            .with_server_name("router.test")
    }
}

fn certificates(pem: &str) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    let parsed = rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes());
    parsed.collect::<Result<_, _>>().unwrap()
}

async fn subscribe(endpoint: Endpoint) -> Result<(), Error> {
    let mut link = Link::connect(&endpoint, &LinkOptions::default()).await?;
    link.subscribe(&"org/ns/bob".parse().unwrap())
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_link_over_tls_needs_no_alpn_answer() {
    let authority = Authority::new();
    for alpn in [&[b"h2".as_slice()][..], &[]] {
        let endpoint = authority
            .serve(false, alpn)
            .await
            .with_tls(authority.tls(None));
        within(subscribe(endpoint)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let endpoint = Authority::new().serve(false, &[]).await;
    let refused = within(subscribe(endpoint.with_tls(Authority::new().tls(None)))).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Tls { .. }), "{refused}");
    assert!(refused.to_string().contains("CA"), "{refused}");
}

#[tokio::test]
async fn mutual_tls_works_with_a_certificate_and_fails_without() {
    let authority = Authority::new();
    let endpoint = authority.serve(true, &[b"h2"]).await;
    let client = authority.leaf("client.test");
    within(subscribe(
        endpoint.clone().with_tls(authority.tls(Some(&client))),
    ))
    .await
    .unwrap();
    let refused = within(subscribe(endpoint.with_tls(authority.tls(None)))).await;
    assert!(
        refused.is_err(),
        "a server that wants a certificate took a client without one"
    );
}

#[tokio::test]
async fn a_unix_socket_carries_a_link_with_authority_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slim.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let serving = Arc::clone(&seen);
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve(socket, Script::default(), serving).await;
    });
    let endpoint: Endpoint = format!("unix://{}", path.display()).parse().unwrap();
    within(subscribe(endpoint)).await.unwrap();
    let authority = seen.lock().unwrap().requests[0]
        .uri()
        .authority()
        .unwrap()
        .to_string();
    assert_eq!(authority, "localhost");
}
