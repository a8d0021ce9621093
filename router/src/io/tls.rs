//! TLS for listeners: TLS 1.3 unless told otherwise, post-quantum key exchange first, ALPN `h2`, the
//! whole certificate chain, and certificates that can be replaced while links live (WIRE §1.3).

use std::{
    cell::RefCell, fmt, fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path, rc::Rc,
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;

use crate::config::{Authority, Certificate, Config, TlsServer, TlsVersion};

/// The one protocol that is spoken above TLS.
const ALPN: &[u8] = b"h2";

/// Certificate files larger than this, in bytes, are a mistake.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Permission bits that let others read a key.
const READABLE_BY_OTHERS: u32 = 0o077;

/// What keeps a listener from speaking TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The file holds no certificate.
    #[error("{0} holds no certificate")]
    NoCertificate(String),
    /// The file or text is not PEM of what it should be.
    #[error("{place}: {source}")]
    Pem {
        /// The file, or where the text stands.
        place: String,
        /// What the parser said.
        source: rustls_pki_types::pem::Error,
    },
    /// The key can be read by others.
    #[error("{0} can be read by group or others (mode {1:o}); use chmod 600")]
    Permissions(String, u32),
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Read(String, std::io::Error),
    /// The certificates, key and settings do not fit together.
    #[error("{0}: {1}")]
    Rustls(String, rustls::Error),
    /// The client authorities cannot be used.
    #[error("client_ca: {0}")]
    Verifier(rustls::server::VerifierBuilderError),
}

/// What a listener shows and demands. Cloned freely; replaced as a whole.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(..)")
    }
}

impl ServerTls {
    /// Reads certificates and keys as `server` says.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which file.
    pub fn load(server: &TlsServer, enforce_pqc: bool) -> Result<Self, TlsFault> {
        let (place, chain, key) = read_certificate(&server.certificate)?;
        let builder = ServerConfig::builder_with_provider(provider(enforce_pqc))
            .with_protocol_versions(versions(server.version))
            .map_err(|error| TlsFault::Rustls(place.clone(), error))?;
        let builder = match &server.client_ca {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(read_authority(authority)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, provider(enforce_pqc))
                        .build()
                        .map_err(TlsFault::Verifier)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsFault::Rustls(place.clone(), error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // WIRE §1.3: replayable data is never taken.
        config.max_early_data_size = 0;
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| TlsFault::Rustls(place, error))?;
        Ok(Self(Arc::new(config)))
    }

    /// The settings, for one handshake.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

/// The TLS of every listener of a configuration; `None` for those in clear text.
///
/// # Errors
///
/// The first listener whose TLS cannot be set up, by its endpoint, and why.
pub fn load_all(config: &Config) -> Result<Vec<Option<ServerTls>>, (String, TlsFault)> {
    let load = |server: &crate::config::Server| {
        let tls = server
            .tls
            .as_ref()
            .map(|tls| ServerTls::load(tls, config.enforce_pqc));
        tls.transpose()
            .map_err(|fault| (server.endpoint.to_string(), fault))
    };
    config.servers.iter().map(load).collect()
}

/// The TLS of every listener as one shard sees it; new handshakes use what is there when they begin.
#[derive(Clone, Debug, Default)]
pub struct TlsSlots(Rc<RefCell<Vec<Option<ServerTls>>>>);

impl TlsSlots {
    /// One slot for each listener, in the order of the configuration.
    #[must_use]
    pub fn new(listeners: Vec<Option<ServerTls>>) -> Self {
        Self(Rc::new(RefCell::new(listeners)))
    }

    /// What the listener with index `server` shows now; `None` in clear text.
    #[must_use]
    pub fn find(&self, server: usize) -> Option<ServerTls> {
        self.0.borrow().get(server).cloned().flatten()
    }

    /// Replaces what the listener with index `server` shows. Links that are there keep theirs.
    pub fn replace(&self, server: usize, tls: ServerTls) {
        if let Some(slot) = self.0.borrow_mut().get_mut(server) {
            *slot = Some(tls);
        }
    }
}

/// The cryptography: hybrid key exchange first, and nothing else if it is enforced.
fn provider(enforce_pqc: bool) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    if !enforce_pqc {
        provider.kx_groups.extend([
            aws_lc_rs::kx_group::X25519,
            aws_lc_rs::kx_group::SECP256R1,
            aws_lc_rs::kx_group::SECP384R1,
        ]);
    }
    Arc::new(provider)
}

fn versions(version: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
    static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    match version {
        TlsVersion::Tls12 => TLS12,
        TlsVersion::Tls13 => TLS13,
    }
}

type Material = (String, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_certificate(certificate: &Certificate) -> Result<Material, TlsFault> {
    match certificate {
        Certificate::File { cert, key } => {
            let place = cert.display().to_string();
            let chain = parse_chain(&place, &read(cert)?)?;
            Ok((place, chain, read_key(key)?))
        }
        Certificate::Pem { cert, key } => {
            let place = "tls.source".to_owned();
            let chain = parse_chain(&place, cert.as_bytes())?;
            let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes());
            let key = key.map_err(|source| TlsFault::Pem {
                place: place.clone(),
                source,
            })?;
            Ok((place, chain, key))
        }
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let place = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| TlsFault::Read(place.clone(), error))?;
    let mode = metadata.permissions().mode();
    if mode & READABLE_BY_OTHERS != 0 {
        return Err(TlsFault::Permissions(place, mode & 0o777));
    }
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|source| TlsFault::Pem { place, source })
}

fn read_authority(authority: &Authority) -> Result<RootCertStore, TlsFault> {
    let (place, pem) = match authority {
        Authority::File(path) => (path.display().to_string(), read(path)?),
        Authority::Pem(text) => ("tls.client_ca".to_owned(), text.as_bytes().to_vec()),
    };
    let mut roots = RootCertStore::empty();
    for certificate in parse_chain(&place, &pem)? {
        roots
            .add(certificate)
            .map_err(|error| TlsFault::Rustls(place.clone(), error))?;
    }
    Ok(roots)
}

fn parse_chain(place: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|source| TlsFault::Pem {
        place: place.to_owned(),
        source,
    })?;
    if chain.is_empty() {
        return Err(TlsFault::NoCertificate(place.to_owned()));
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let place = || path.display().to_string();
    let file = File::open(path).map_err(|error| TlsFault::Read(place(), error))?;
    let mut pem = Vec::new();
    file.take(PEM_BYTES_MAX)
        .read_to_end(&mut pem)
        .map_err(|error| TlsFault::Read(place(), error))?;
    Ok(pem)
}
