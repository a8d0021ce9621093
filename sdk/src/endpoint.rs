//! Where a router listens and how to reach it: address, authority, TLS.
//!
//! Text comes in (`host:port`, `http://…`, `https://…`, `unix:///path`), a checked [`Endpoint`]
//! leaves. TLS settings are turned into a rustls configuration once and shared by every link.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// A router's address, checked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    place: Place,
    authority: String,
    secure: bool,
    tls: Option<Tls>,
}

/// The socket behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host (name or address) and its port.
    Tcp {
        /// Name or literal address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Uses these TLS settings; the endpoint is secure from now on, whatever its scheme said.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.secure = true;
        self.tls = Some(tls);
        self
    }

    /// Replaces the `:authority` of the request, `host:port` by default.
    #[must_use]
    pub fn with_authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// The socket to connect to.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The `:authority` of requests. A unix socket has `localhost` (WIRE §1.3).
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The TLS settings, `None` in clear text.
    ///
    /// # Errors
    /// An `https` endpoint that was given no settings.
    pub fn tls(&self) -> Result<Option<&Tls>> {
        if self.secure && self.tls.is_none() {
            let text = "an https endpoint needs TLS settings: give the CA that signed the server";
            return Err(Error::TlsSettings(text.to_owned()));
        }
        Ok(self.tls.as_ref())
    }

    /// The name the server's certificate must carry.
    ///
    /// # Errors
    /// A host that can be no certificate name.
    pub fn server_name(&self) -> Result<ServerName<'static>> {
        let configured = self.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        let name = match (&self.place, configured) {
            (_, Some(name)) => name,
            (Place::Tcp { host, .. }, None) => host,
            (Place::Unix(_), None) => "localhost",
        };
        ServerName::try_from(name.to_owned())
            .map_err(|_| Error::TlsSettings(format!("`{name}` cannot be a server name")))
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem| Error::BadEndpoint {
            text: text.to_owned(),
            problem,
        };
        if let Some(path) = text.strip_prefix("unix://") {
            if path.is_empty() {
                return Err(bad("the path is missing"));
            }
            let place = Place::Unix(PathBuf::from(path));
            return Ok(Self {
                place,
                authority: "localhost".to_owned(),
                secure: false,
                tls: None,
            });
        }
        let (secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(bad("unknown scheme")),
            None => (false, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority
            .rsplit_once(':')
            .ok_or_else(|| bad("the port is missing"))?;
        let port = port
            .parse()
            .map_err(|_| bad("the port is not a number up to 65535"))?;
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() || host.contains('/') {
            return Err(bad("the host is missing"));
        }
        let place = Place::Tcp {
            host: host.to_owned(),
            port,
        };
        Ok(Self {
            place,
            authority: authority.to_owned(),
            secure,
            tls: None,
        })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Tcp { .. } => write!(f, "{}://{}", self.scheme(), self.authority),
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// TLS settings of the dialling side, ready to use. Cheap to clone; every clone shares one
/// session cache.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

/// Key and certificate chain of a client, PEM.
#[derive(Clone, Copy)]
pub struct ClientIdentity<'a> {
    /// The certificate, then its intermediates.
    pub chain_pem: &'a [u8],
    /// The private key.
    pub key_pem: &'a [u8],
}

impl Tls {
    /// Trusts the certificates in `ca_pem`; presents `identity` to servers that ask (mutual TLS).
    /// TLS 1.3 only, ALPN `h2` offered and its absence in the answer tolerated (WIRE §1.3).
    ///
    /// # Errors
    /// PEM that holds no usable certificate or key.
    pub fn from_pem(ca_pem: &[u8], identity: Option<ClientIdentity<'_>>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca_pem, "the CA file")? {
            roots
                .add(certificate)
                .map_err(|e| Error::TlsSettings(format!("the CA file: {e}")))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| Error::TlsSettings(e.to_string()))?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { chain_pem, key_pem }) => {
                let chain = certificates(chain_pem, "the client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key_pem)
                    .map_err(|e| Error::TlsSettings(format!("the client key: {e}")))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| Error::TlsSettings(format!("the client certificate: {e}")))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self::from_config(config))
    }

    /// [`Tls::from_pem`] with the CA read from a file.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate.
    pub fn from_ca_file(path: &Path) -> Result<Self> {
        let pem = std::fs::read(path)
            .map_err(|e| Error::TlsSettings(format!("{}: {e}", path.display())))?;
        Self::from_pem(&pem, None)
    }

    /// Takes a rustls configuration as it is: other versions, groups, suites or ALPN.
    pub fn from_config(config: ClientConfig) -> Self {
        Self {
            config: Arc::new(config),
            server_name: None,
        }
    }

    /// Expects this name in the server's certificate (and sends it as SNI) in place of the host.
    #[must_use]
    pub fn with_server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.to_owned());
        self
    }

    /// Every connection makes a full handshake: no session is resumed.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::disabled();
        self.config = Arc::new(config);
        self
    }

    /// The rustls configuration.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

/// All certificates in a PEM text.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => Err(Error::TlsSettings(format!(
            "{what} holds no PEM certificate"
        ))),
        Ok(found) => Ok(found),
        Err(e) => Err(Error::TlsSettings(format!("{what}: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn every_documented_form_parses() {
        let tcp = |host: &str, port| Place::Tcp {
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            *endpoint("127.0.0.1:46357").place(),
            tcp("127.0.0.1", 46357)
        );
        assert_eq!(*endpoint("http://router:1/").place(), tcp("router", 1));
        assert_eq!(*endpoint("https://[::1]:443").place(), tcp("::1", 443));
        assert_eq!(endpoint("https://[::1]:443").authority(), "[::1]:443");
        let unix = endpoint("unix:///run/slim.sock");
        assert_eq!(*unix.place(), Place::Unix("/run/slim.sock".into()));
        assert_eq!(unix.authority(), "localhost");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_said() {
        for text in [
            "router",
            "ftp://a:1",
            "a:99999",
            ":1",
            "unix://",
            "http://a/b:1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(
                error.to_string().contains("is not an endpoint"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn https_without_settings_is_an_error_that_says_so() {
        let error = endpoint("https://a:1").tls().unwrap_err();
        assert!(error.to_string().contains("CA"), "{error}");
        assert!(endpoint("http://a:1").tls().unwrap().is_none());
    }

    #[test]
    fn pem_without_certificates_is_refused() {
        assert!(matches!(
            Tls::from_pem(b"nothing", None),
            Err(Error::TlsSettings(_))
        ));
    }
}
