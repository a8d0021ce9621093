//! The `tls` section of a server entry, and what its keys demand of each other.

use std::path::PathBuf;

use super::report::Report;
use super::section::{Field, Section, Unknown};
use super::shape::check_tagged;
use super::unserved::{TLS_AUTHORITY, TLS_SOURCE};
use super::{Authority, Certificate, Secret, TlsServer, TlsVersion};

/// What a `tls` section asks for.
#[derive(Debug, PartialEq)]
pub(super) enum TlsChoice {
    /// Clear text, by name.
    Clear,
    /// TLS.
    Tls(Box<TlsServer>),
}

/// A mistake that has been reported already.
struct Reported;

/// Reads the `tls` key of `server`. Without the section, and without `insecure: true` in it, TLS
/// is on and needs a certificate. `None` means that something was wrong and has been reported.
pub(super) fn read(
    server: &mut Section<'_>,
    enforce_pqc: bool,
    report: &mut Report,
) -> Option<TlsChoice> {
    let Some(field) = server.take("tls") else {
        report.error(server.at, &server.path, without_certificate);
        return None;
    };
    let mut section = field.section(report)?;
    let insecure = match section.take("insecure") {
        Some(field) => field.boolean(report),
        None => Some(false),
    };
    let source = section.take("source");
    let client_ca = section.take("client_ca");
    let version = section.take("tls_version");
    section.take("reload_interval");
    if let Some(field) = section.take("reload_client_ca_file") {
        field.boolean(report);
    }
    section.close(Unknown::Warn, report);

    let certificate = read_source(source.as_ref(), report);
    let authority = read_authority(client_ca.as_ref(), report);
    let version = read_version(version.as_ref(), enforce_pqc, report);
    if insecure? {
        let demanded = matches!(authority, Ok(Some(_)));
        clear(
            source.as_ref(),
            client_ca.as_ref().filter(|_| demanded),
            report,
        );
        return Some(TlsChoice::Clear);
    }
    let Some(certificate) = certificate.ok()? else {
        field.refuse(report, without_certificate);
        return None;
    };
    Some(TlsChoice::Tls(Box::new(TlsServer {
        certificate,
        client_ca: authority.ok()?,
        version: version?,
    })))
}

/// Clear text was asked for by name: a certificate beside it is idle, a demand for client
/// certificates is a contradiction that must not be resolved in favour of letting everybody in.
fn clear(source: Option<&Field<'_>>, client_ca: Option<&Field<'_>>, report: &mut Report) {
    if let Some(field) = source {
        field.warn(report, || "no effect, because insecure is true".to_owned());
    }
    if let Some(field) = client_ca {
        field.refuse(report, || {
            "client certificates cannot be asked for while insecure is true".to_owned()
        });
    }
}

fn without_certificate() -> String {
    "TLS is on and has no certificate: set tls.source, or tls.insecure: true for clear text"
        .to_owned()
}

fn read_version(
    field: Option<&Field<'_>>,
    enforce_pqc: bool,
    report: &mut Report,
) -> Option<TlsVersion> {
    let Some(field) = field else {
        return Some(TlsVersion::Tls13);
    };
    let version = field.choice(super::TLS_VERSIONS, report)?;
    if enforce_pqc && version == TlsVersion::Tls12 {
        field.refuse(report, || {
            "enforce_pqc needs \"tls1.3\"; TLS 1.2 has no hybrid key exchange".to_owned()
        });
    }
    Some(version)
}

fn read_source(
    field: Option<&Field<'_>>,
    report: &mut Report,
) -> Result<Option<Certificate>, Reported> {
    let Some(field) = field else {
        return Ok(None);
    };
    let kind = check_tagged(field, TLS_SOURCE, Unknown::Warn, report).ok_or(Reported)?;
    let mut text = |key| text_under(field, key, report).ok_or(Reported);
    match kind {
        "none" => Ok(None),
        "file" => Ok(Some(Certificate::File {
            cert: PathBuf::from(text("cert")?.trim()),
            key: PathBuf::from(text("key")?.trim()),
        })),
        "pem" => Ok(Some(Certificate::Pem {
            cert: text("cert")?.to_owned(),
            key: Secret::new(text("key")?.to_owned()),
        })),
        unserved => Err(refuse_unserved(field, unserved, report)),
    }
}

fn read_authority(
    field: Option<&Field<'_>>,
    report: &mut Report,
) -> Result<Option<Authority>, Reported> {
    let Some(field) = field else {
        return Ok(None);
    };
    let kind = check_tagged(field, TLS_AUTHORITY, Unknown::Warn, report).ok_or(Reported)?;
    let mut text = |key| text_under(field, key, report).ok_or(Reported);
    match kind {
        "none" => Ok(None),
        "file" => Ok(Some(Authority::File(PathBuf::from(text("path")?.trim())))),
        "pem" => Ok(Some(Authority::Pem(text("data")?.to_owned()))),
        unserved => Err(refuse_unserved(field, unserved, report)),
    }
}

/// The text under `key`, whose absence or type has been complained about already.
fn text_under<'t>(field: &Field<'t>, key: &'static str, report: &mut Report) -> Option<&'t str> {
    field.section(report)?.take(key)?.raw()
}

fn refuse_unserved(field: &Field<'_>, kind: &str, report: &mut Report) -> Reported {
    field.refuse(report, || {
        format!("the type \"{kind}\" is not supported yet")
    });
    Reported
}
