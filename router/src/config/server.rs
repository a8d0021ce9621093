//! One entry of `dataplane.servers`: where it listens and how.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::report::Report;
use super::section::{Field, Section, Unknown};
use super::shape::check_tagged;
use super::tls::{self, TlsChoice};
use super::unserved::SERVER_AUTH;
use super::{Endpoint, Keepalive, Server};

/// What the reference takes when `keepalive.time` is absent.
const KEEPALIVE_TIME: Duration = Duration::from_secs(120);
/// What the reference takes when `keepalive.timeout` is absent.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What the reference takes when `negotiation_timeout_secs` is absent.
const NEGOTIATION_TIMEOUT_SECONDS: u64 = 5;
/// HTTP/2's smallest and largest legal frame size (RFC 9113, section 6.5.2).
const FRAME_BYTES: (u32, u32) = (1 << 14, (1 << 24) - 1);
/// The longest path a Unix socket address can hold, in bytes.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Reads one entry. `streams_max` is the bound `slipring.limits` sets for every listener. `None`
/// means that something was wrong and has been reported.
pub(super) fn read(
    field: &Field<'_>,
    enforce_pqc: bool,
    streams_max: u32,
    report: &mut Report,
) -> Option<Server> {
    let mut section = field.section(report)?;
    let endpoint_field = section.require("endpoint", report);
    let endpoint = endpoint_field
        .as_ref()
        .and_then(|field| read_endpoint(field, report));
    let tls = tls::read(&mut section, enforce_pqc, report);
    let require_header_mac = read_boolean(&mut section, "require_header_mac", true, report);
    let negotiation_timeout = read_negotiation_timeout(&mut section, report);
    let max_frame_bytes = read_frame_bytes(&mut section, report);
    let max_header_list_bytes = section
        .take("max_header_list_size")
        .and_then(|field| field.whole(1..=u64::from(u32::MAX), report))
        .and_then(|bytes| u32::try_from(bytes).ok());
    let streams_max = read_streams(&mut section, streams_max, report);
    let keepalive = read_keepalive(&mut section, report);
    read_auth(&mut section, report);
    read_idle_keys(&mut section, report);
    section.close(Unknown::Warn, report);

    let (endpoint, endpoint_field, tls) = (endpoint?, endpoint_field?, tls?);
    let tls = agree(&endpoint, &endpoint_field, tls, report)?;
    Some(Server {
        endpoint,
        tls,
        require_header_mac,
        negotiation_timeout,
        max_frame_bytes,
        max_header_list_bytes,
        streams_max,
        keepalive,
    })
}

/// What an address and its protection demand of each other.
fn agree(
    endpoint: &Endpoint,
    field: &Field<'_>,
    tls: TlsChoice,
    report: &mut Report,
) -> Option<Option<super::TlsServer>> {
    match (endpoint, tls) {
        (Endpoint::Unix(_), TlsChoice::Tls(_)) => {
            field.refuse(report, || {
                "a Unix socket speaks clear text: set tls.insecure: true".to_owned()
            });
            None
        }
        (_, TlsChoice::Tls(tls)) => Some(Some(*tls)),
        (_, TlsChoice::Clear) => {
            if !endpoint.is_local() {
                field.warn(report, || {
                    "clear text on an address that other hosts reach".to_owned()
                });
            }
            Some(None)
        }
    }
}

fn read_endpoint(field: &Field<'_>, report: &mut Report) -> Option<Endpoint> {
    let text = field.text(report)?.trim();
    if text.starts_with("ws://") || text.starts_with("wss://") {
        field.refuse(report, || {
            "WebSocket listeners (ws://, wss://) are not supported yet".to_owned()
        });
        return None;
    }
    if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') || path.len() > UNIX_PATH_BYTES_MAX || path.contains('\0') {
            field.refuse(report, || {
                format!("expected unix:///path of at most {UNIX_PATH_BYTES_MAX} bytes")
            });
            return None;
        }
        return Some(Endpoint::Unix(PathBuf::from(path)));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) => Some(Endpoint::Tcp(address)),
        Err(_) => {
            field.refuse(report, || {
                let shown = field.shown();
                format!(
                    "expected an IP address and port such as \"127.0.0.1:46357\", or \
                     unix:///path, found {shown}"
                )
            });
            None
        }
    }
}

fn read_boolean(
    section: &mut Section<'_>,
    key: &'static str,
    default: bool,
    report: &mut Report,
) -> bool {
    section
        .take(key)
        .and_then(|field| field.boolean(report))
        .unwrap_or(default)
}

/// Both names of the key are the reference's; the older one gives way.
fn read_negotiation_timeout(section: &mut Section<'_>, report: &mut Report) -> Duration {
    let older = section.take("link_hmac_timeout_secs");
    let field = section.take("negotiation_timeout_secs");
    if let (Some(_), Some(older)) = (&field, &older) {
        older.refuse(report, || {
            "the older name of negotiation_timeout_secs, which is here too".to_owned()
        });
    }
    let seconds = field
        .or(older)
        .and_then(|field| field.whole(1..=3_600, report))
        .unwrap_or(NEGOTIATION_TIMEOUT_SECONDS);
    Duration::from_secs(seconds)
}

/// The key counts MiB; HTTP/2 ends one byte short of sixteen of them.
fn read_frame_bytes(section: &mut Section<'_>, report: &mut Report) -> Option<u32> {
    let field = section.take("max_frame_size")?;
    let mebibytes = field.whole(1..=16, report)?;
    let (least, most) = FRAME_BYTES;
    let bytes = u32::try_from(mebibytes << 20).unwrap_or(u32::MAX);
    if bytes > most {
        field.warn(report, || {
            format!("HTTP/2 frames end at {most} bytes; that is used")
        });
    }
    Some(bytes.clamp(least, most))
}

fn read_streams(section: &mut Section<'_>, streams_max: u32, report: &mut Report) -> u32 {
    let Some(field) = section.take("max_concurrent_streams") else {
        return streams_max;
    };
    let Some(asked) = field.whole(1..=u64::from(u32::MAX), report) else {
        return streams_max;
    };
    if asked > u64::from(streams_max) {
        field.warn(report, || {
            format!("slipring.limits.streams_per_transport allows {streams_max}; that is used")
        });
    }
    u32::try_from(asked).map_or(streams_max, |asked| asked.min(streams_max))
}

fn read_keepalive(section: &mut Section<'_>, report: &mut Report) -> Keepalive {
    let mut keepalive = Keepalive {
        time: KEEPALIVE_TIME,
        timeout: KEEPALIVE_TIMEOUT,
    };
    let Some(mut section) = section
        .take("keepalive")
        .and_then(|field| field.section(report))
    else {
        return keepalive;
    };
    for (key, target) in [
        ("time", &mut keepalive.time),
        ("timeout", &mut keepalive.timeout),
    ] {
        let Some(field) = section.take(key) else {
            continue;
        };
        match field.duration(report) {
            Some(Duration::ZERO) => field.refuse(report, || "must not be zero".to_owned()),
            Some(duration) => *target = duration,
            None => {}
        }
    }
    for key in ["max_connection_idle", "max_connection_age_grace"] {
        // The reference reads these two and applies neither.
        if let Some(field) = section.take(key) {
            field.duration(report);
        }
    }
    if let Some(field) = section.take("max_connection_age") {
        field.duration(report);
        field.warn(report, || {
            "no effect: a link is not cut because of its age".to_owned()
        });
    }
    section.close(Unknown::Warn, report);
    keepalive
}

fn read_auth(section: &mut Section<'_>, report: &mut Report) {
    let Some(field) = section.take("auth") else {
        return;
    };
    let kind = check_tagged(&field, SERVER_AUTH, Unknown::Warn, report);
    if let Some(kind) = kind.filter(|kind| *kind != "none") {
        field.refuse(report, || {
            format!("the type \"{kind}\" is not supported yet")
        });
    }
}

/// Keys the reference reads without effect; they are checked, and that is all.
fn read_idle_keys(section: &mut Section<'_>, report: &mut Report) {
    if let Some(field) = section.take("http2_only")
        && field.boolean(report) == Some(false)
    {
        field.warn(report, || "no effect: only HTTP/2 is spoken".to_owned());
    }
    for key in [
        "read_buffer_size",
        "write_buffer_size",
        "link_hmac_poll_interval_ms",
    ] {
        if let Some(field) = section.take(key) {
            field.whole(0..=u64::MAX, report);
        }
    }
    section.take("metadata");
}
