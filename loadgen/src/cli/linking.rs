//! How targets are reached, or started: transport, TLS and the CPU of what is started.

use slipring_sdk::Endpoint;
use slipring_sdk::endpoint::{ClientIdentity, Tls};
use slipring_sdk::io::transport::TransportOptions;

use crate::cli::given::Given;
use crate::cli::targets::{Starting, TargetEntry};
use crate::cli::text;
use crate::plan::{Links, Threads};
use crate::spawn::{Certificate, Recipe};
use crate::target::Target;

/// h2 frame sizes of RFC 9113.
const FRAME_BYTES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;

/// What links have in common, whatever they lead to.
pub(super) struct Linking {
    transport: TransportOptions,
    sources: u32,
    /// TLS to targets that run already; `None` if it was asked for and cannot be used.
    tls: Option<Option<Tls>>,
    server_name: Option<String>,
    starting: Starting,
}

/// Reads what links have in common.
pub(super) fn linking(given: &mut Given) -> Linking {
    let certificate = match given.switch("spawn-tls") {
        Some(true) => Certificate::make().map_err(|why| given.problem(why)).ok(),
        Some(false) | None => None,
    };
    let asked = given.given_of(&["target-cpu", "spawn-tls"]);
    if let (Some(first), false) = (
        asked.first(),
        given.targets.iter().any(TargetEntry::is_spawned),
    ) {
        given.problem_with(first, "it needs a target that is spawned");
    }
    Linking {
        transport: transport(given),
        sources: given.count("sources", 0..=16_000_000).unwrap_or(0),
        tls: tls(given),
        server_name: given.text("server-name"),
        starting: Starting {
            cpu: given.count("target-cpu", 0..=65_535),
            signed: given.switch("mac").unwrap_or(true),
            certificate,
        },
    }
}

/// How one target is reached.
pub(super) struct Led {
    pub(super) links: Links,
    pub(super) spawn: Option<Recipe>,
    pub(super) threads: Threads,
}

/// How links to a target are made; `resumes` allows a TLS session to be taken up again. `None` if
/// they cannot be made, which is a problem then.
pub(super) fn lead(
    given: &mut Given,
    linking: &Linking,
    entry: &TargetEntry,
    threads: &Threads,
    resumes: bool,
) -> Option<Led> {
    let mut threads = threads.clone();
    let target = entry.target(&linking.starting, &mut threads);
    let (mut target, spawn) = target.map_err(|why| given.problem(why)).ok()?;
    let tls = linking.tls.clone()?;
    match (&mut target, tls) {
        (Target::Mqtt(_) | Target::Nats(_), Some(_)) => {
            let why = format!("{target}: brokers are measured in clear text, without --ca");
            given.problem(why);
        }
        (Target::Slim(endpoint), Some(mut tls)) if spawn.is_none() => {
            if let Some(name) = &linking.server_name {
                tls = tls.with_server_name(name);
            }
            if !resumes {
                tls = tls.without_resumption();
            }
            **endpoint = endpoint.as_ref().clone().with_tls(tls);
        }
        _ => {}
    }
    if let Some(Err(error)) = target.slim().map(Endpoint::tls) {
        given.problem(format!("{error} (--ca FILE)"));
    }
    Some(Led {
        links: Links {
            target,
            transport: linking.transport.clone(),
            signed: linking.starting.signed,
            sources: linking.sources,
        },
        spawn,
        threads,
    })
}

fn transport(given: &mut Given) -> TransportOptions {
    let Some(bytes) = given.count("frame-bytes", FRAME_BYTES) else {
        return TransportOptions::default();
    };
    let mut transport = match bytes {
        16_384 => TransportOptions::published(),
        _ => TransportOptions::default(),
    };
    transport.frame_bytes_max = bytes;
    transport.data_bytes_max = bytes as usize;
    transport
}

/// TLS material: absent, or `Some(None)` if none was asked for. `None` if it cannot be used.
fn tls(given: &mut Given) -> Option<Option<Tls>> {
    let read = |given: &mut Given, name: &str| {
        given.parsed(name, |path| std::fs::read(path).map_err(text))
    };
    let asked = given.given_of(&["ca", "cert", "key"]);
    let (ca, cert, key) = (read(given, "ca"), read(given, "cert"), read(given, "key"));
    match asked[..] {
        [] => return Some(None),
        ["ca"] | ["ca", "cert", "key"] => {}
        [first, ..] => {
            given.problem_with(first, "TLS takes ca alone, or ca, cert and key together");
            return None;
        }
    }
    let identity = cert.as_deref().zip(key.as_deref());
    let identity = identity.map(|(chain_pem, key_pem)| ClientIdentity { chain_pem, key_pem });
    match Tls::from_pem(&ca?, identity) {
        Ok(tls) => Some(Some(tls)),
        Err(error) => {
            given.problem_with("ca", error);
            None
        }
    }
}
