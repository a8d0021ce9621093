//! What must hold for any two files whatever: called by the fuzz target, by the replay of its
//! corpus and by property tests.

use std::path::Path;

use slipring::cli::Files;
use slipring::cli::check::{COLUMNS, write_check};
use slipring::config::{
    Certificate, Config, Errors, HostFacts, LIMITS, Lookup, Secret, Source, Sources, load,
};

/// Parts the node's file from the overlay within one input.
pub(crate) const SEAM: &[u8] = b"\n%%\n";
/// Errors, or warnings, one report may hold: its cap and the line that says how many more.
const FINDINGS_MAX: usize = 101;

/// Loads `input` leniently and strictly and checks what comes out.
pub(crate) fn config(input: &[u8]) {
    let seam = input.windows(SEAM.len()).position(|part| part == SEAM);
    let (base, overlay) = match seam {
        Some(at) => (&input[..at], Some(&input[at + SEAM.len()..])),
        None => (input, None),
    };
    let lenient = loaded(base, overlay, false);
    match &lenient {
        Ok(config) => assert_sound(config),
        Err(errors) => assert_told(errors),
    }
    match (loaded(base, overlay, true), lenient) {
        (Ok(strict), Ok(lenient)) => assert_eq!(strict, lenient),
        (Ok(_), Err(errors)) => panic!("strict loads what lenient refuses: {errors}"),
        (Err(errors), _) => assert_told(&errors),
    }
}

fn loaded(base: &[u8], overlay: Option<&[u8]>, strict: bool) -> Result<Config, Errors> {
    let host = HostFacts {
        cpus: vec![0, 1, 2, 3],
        memory_bytes: None,
        control: "/run/slipring/control.sock".into(),
        node_id: 7,
    };
    let lookup = Lookup {
        environment: &|name| match name.len() {
            0..4 => Some("1".to_owned()),
            4..8 => Some(name.to_owned()),
            _ => None,
        },
        file: &|path: &Path| match path.to_str() {
            Some(text) if text.len() < 8 => Ok(format!("{text}\n")),
            _ => Err("no such file".to_owned()),
        },
    };
    let sources = Sources {
        base: Some(Source {
            name: "base",
            bytes: base,
        }),
        overlay: overlay.map(|bytes| Source {
            name: "overlay",
            bytes,
        }),
        strict,
    };
    load(&sources, &lookup, &host)
}

/// A configuration that loaded keeps every promise of its types, prints, and loads from its print.
fn assert_sound(config: &Config) {
    assert!(!config.servers.is_empty());
    assert_eq!(config.cpus.len(), usize::from(config.shards.get()));
    assert!(config.cpus.iter().all(|cpu| *cpu < 4));
    assert!(config.drain.spread <= config.drain.deadline);
    assert!(config.warnings.len() <= FINDINGS_MAX);
    for bound in LIMITS {
        let value = config.limits.find(bound.name).expect("the bound is there");
        assert!(
            (bound.least..=bound.most).contains(&value),
            "{}",
            bound.name
        );
    }
    let limits = &config.limits;
    assert!(limits.window_idle_bytes <= limits.window_stream_bytes);
    assert!(limits.window_stream_bytes <= limits.window_connection_bytes);
    assert!(limits.egress_bytes_max <= limits.egress_node_bytes_max);
    assert!(limits.egress_node_bytes_max <= limits.egress_pool_bytes);
    for server in &config.servers {
        assert!(server.streams_max >= 1 && server.streams_max <= limits.streams_per_transport);
    }

    let mut page = Vec::new();
    write_check(config, &Files::default(), &mut page).expect("memory takes it");
    let page = String::from_utf8(page).expect("it is text");
    assert!(
        page.lines().all(|line| line.chars().count() <= COLUMNS),
        "{page}"
    );

    let printed = config.to_yaml();
    let again = loaded(printed.as_bytes(), None, true)
        .unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
    assert_eq!(comparable(again), comparable(config.clone()), "{printed}");
}

/// Without what a print leaves out: warnings, and private keys that stood in the file.
fn comparable(mut config: Config) -> Config {
    config.warnings.clear();
    for tls in config
        .servers
        .iter_mut()
        .filter_map(|server| server.tls.as_mut())
    {
        if let Certificate::Pem { key, .. } = &mut tls.certificate {
            *key = Secret::new(String::new());
        }
    }
    config
}

/// A refusal says why, in order, and not without end.
fn assert_told(errors: &Errors) {
    assert!(!errors.findings.is_empty());
    assert!(errors.findings.len() <= FINDINGS_MAX && errors.warnings.len() <= FINDINGS_MAX);
    for finding in errors.findings.iter().chain(&errors.warnings) {
        assert!(["base", "overlay"].contains(&finding.file.as_str()));
        assert!(!finding.message.is_empty());
        assert!(!finding.to_string().chars().any(char::is_control));
        assert!(
            finding
                .place
                .is_none_or(|(line, column)| line > 0 && column > 0)
        );
    }
}
