//! A certificate for targets that are started here: made in memory, valid on the loopback, gone with
//! the run. Its key is written into the target's folder, which only its owner may enter.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use slipring_sdk::Endpoint;
use slipring_sdk::endpoint::Tls;

/// The name of the file with the certificate.
const CERTIFICATE: &str = "certificate.pem";
/// The name of the file with its key.
const KEY: &str = "key.pem";

/// A certificate that signs itself, and its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    certificate_pem: Arc<str>,
    key_pem: Arc<str>,
    tls: Tls,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate")
    }
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no randomness, or TLS refuses what was made.
    pub(crate) fn make() -> Result<Self, String> {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| format!("cannot make a certificate: {error}"))?;
        let certificate_pem = made.cert.pem();
        let tls = Tls::from_pem(certificate_pem.as_bytes(), None)
            .map_err(|error| format!("cannot use the certificate made: {error}"))?;
        Ok(Self {
            certificate_pem: certificate_pem.into(),
            key_pem: made.signing_key.serialize_pem().into(),
            tls,
        })
    }

    /// Where links to a target that shows it lead.
    pub(super) fn endpoint(&self, port: u16) -> Endpoint {
        let text = format!("https://127.0.0.1:{port}");
        let endpoint: Endpoint = text.parse().expect("a loopback address is an endpoint");
        endpoint.with_tls(self.tls.clone())
    }

    /// Puts both files where the target finds them.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(CERTIFICATE), self.certificate_pem.as_bytes())?;
        let key = OpenOptions::new()
            .write(true)
            .create_new(true)
            // A router refuses a key that others can read.
            .mode(0o600)
            .open(folder.join(KEY));
        key?.write_all(self.key_pem.as_bytes())
    }
}

/// The `tls` section of a SLIM node.
pub(super) fn settings(certificate: Option<&Certificate>, folder: &Path) -> String {
    let file = |name| folder.join(name).display().to_string();
    match certificate {
        None => "insecure: true".to_owned(),
        Some(_) => format!(
            "source: {{type: file, cert: \"{}\", key: \"{}\"}}",
            file(CERTIFICATE),
            file(KEY)
        ),
    }
}
