//! What the configuration tests share: a host that never changes, an outside that is made up, and
//! the reader of the case files.

#![allow(
    dead_code,
    reason = "each test program uses the part of this module it needs"
)]

use std::path::{Path, PathBuf};

use slipring::config::{Config, Errors, HostFacts, Lookup, Source, Sources, load};

/// What the node's file is called in findings.
pub(crate) const FILE: &str = "node.yaml";
/// What the overlay is called in findings.
pub(crate) const OVERLAY: &str = "site.yaml";

/// A host with two CPUs and all the memory there is.
pub(crate) fn host() -> HostFacts {
    HostFacts {
        cpus: vec![0, 1],
        memory_bytes: None,
        control: PathBuf::from("/run/slipring/control.sock"),
        node_id: 7,
    }
}

/// The environment of the tests.
pub(crate) fn environment(name: &str) -> Option<String> {
    let value = match name {
        "ADDRESS" => "127.0.0.1:5000",
        "CORES" => "1",
        "EMPTY" => "",
        "INSECURE" => "true",
        "PORT" => "46400",
        "TOKEN" => "hunter2",
        _ => return None,
    };
    Some(value.to_owned())
}

/// The files the texts may refer to.
pub(crate) fn file(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("/etc/cores") => Ok("2\n".to_owned()),
        Some("/etc/cert.pem") => Ok("CERTIFICATE\n".to_owned()),
        Some("/etc/key.pem") => Ok("PRIVATE KEY\n".to_owned()),
        _ => Err("no such file".to_owned()),
    }
}

/// Loads texts as the node's file and the overlay.
pub(crate) fn load_on(
    host: &HostFacts,
    base: Option<&[u8]>,
    overlay: Option<&[u8]>,
    strict: bool,
) -> Result<Config, Errors> {
    let source = |name, bytes| Source { name, bytes };
    let sources = Sources {
        base: base.map(|bytes| source(FILE, bytes)),
        overlay: overlay.map(|bytes| source(OVERLAY, bytes)),
        strict,
    };
    let lookup = Lookup {
        environment: &environment,
        file: &file,
    };
    load(&sources, &lookup, host)
}

/// Loads one text on the usual host.
pub(crate) fn load_text(text: &str) -> Result<Config, Errors> {
    load_on(&host(), Some(text.as_bytes()), None, false)
}

/// Loads a node with a clear-text listener on loopback and this `slipring` section.
pub(crate) fn load_own(section: &str) -> Result<Config, Errors> {
    load_on(&host(), None, Some(section.as_bytes()), false)
}

/// One case of a case file.
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: String,
    /// The node's file.
    pub(crate) base: String,
    /// The overlay.
    pub(crate) overlay: Option<String>,
    /// Whether it is loaded with `--strict`.
    pub(crate) strict: bool,
    /// The findings expected, one a line.
    pub(crate) expected: String,
}

/// Reads a case file: `=== name` (or `=== strict: name`) opens a case, `+++` its overlay and
/// `>>>` the findings expected.
pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for part in text.split("\n=== ").skip(1) {
        let (name, rest) = part.split_once('\n').expect("a case has lines");
        let (files, expected) = rest.split_once(">>>").expect("a case has findings");
        let (base, overlay) = match files.split_once("+++\n") {
            Some((base, overlay)) => (base, Some(overlay.to_owned())),
            None => (files, None),
        };
        cases.push(Case {
            strict: name.starts_with("strict: "),
            name: name.to_owned(),
            base: base.to_owned(),
            overlay,
            expected: expected.trim().to_owned(),
        });
    }
    cases
}
