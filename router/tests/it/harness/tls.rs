//! Certificates of one test, and routers and clients that use them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use slipring_sdk::Tls;
use slipring_sdk::endpoint::ClientIdentity;

/// The name in every server certificate.
pub(crate) const SERVER_NAME: &str = "router.test";

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with what leads up to its root, and its key; both PEM.
pub(crate) struct Leaf {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    /// A root.
    pub(crate) fn root() -> Self {
        let params = authority_params();
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// An authority whose own certificate this one signed.
    pub(crate) fn intermediate(&self) -> Self {
        let params = authority_params();
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// A certificate for `name`, good for both sides.
    pub(crate) fn leaf(&self, name: &str) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        Leaf {
            chain_pem: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// What a client needs to trust this authority and to show `identity`.
    pub(crate) fn tls(&self, identity: Option<&Leaf>) -> Tls {
        let identity = identity.map(|leaf| ClientIdentity {
            chain_pem: leaf.chain_pem.as_bytes(),
            key_pem: leaf.key_pem.as_bytes(),
        });
        Tls::from_pem(self.pem.as_bytes(), identity)
            .unwrap()
            .with_server_name(SERVER_NAME)
    }

    /// A client that trusts this authority, with everything else open to choice.
    pub(crate) fn client(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.pem));
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Tls::from_config(config).with_server_name(SERVER_NAME)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.collect::<Result<_, _>>().unwrap()
}

impl Leaf {
    /// Writes both files, the key for the owner only.
    pub(crate) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        // Written beside and moved, so that nobody ever reads half a file.
        for (path, pem) in [(&key, &self.key_pem), (&cert, &self.chain_pem)] {
            let fresh = path.with_extension("new");
            std::fs::write(&fresh, pem).unwrap();
            std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o600)).unwrap();
            std::fs::rename(&fresh, path).unwrap();
        }
        (cert, key)
    }

    /// A listener that shows this certificate, whose files go into `folder`; with further keys of
    /// its `tls` section.
    pub(crate) fn listener(&self, folder: &Path, keys: &str) -> String {
        let (cert, key) = self.write(folder);
        let (cert, key) = (cert.display(), key.display());
        format!(
            "{{endpoint: \"127.0.0.1:0\", tls: {{source: {{type: file, cert: \"{cert}\", key: \
             \"{key}\"}}, {keys}}}}}"
        )
    }
}
