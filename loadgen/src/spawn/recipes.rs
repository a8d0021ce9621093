//! The settings that each kind of target is started with. `docs/COMPARE.md` gives the reasons.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::spawn::{Recipe, Settings, secure};
use crate::target::Target;
use crate::target::address::Address;

/// The name of the file with a target's settings.
pub(super) const FILE: &str = "settings";

/// What a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Eclipse Mosquitto.
    Mosquitto,
    /// nats-server.
    Nats,
    /// The reference node, `slim`.
    Reference,
    /// Our router.
    Slipring,
}

impl Kind {
    /// What it is called in reports.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::Reference => "reference",
            Self::Slipring => "slipring",
        }
    }

    /// What its program is called.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats-server",
            Self::Reference => "slim",
            Self::Slipring => "slipring",
        }
    }

    /// Whether it is a SLIM node.
    pub(crate) fn is_slim(self) -> bool {
        matches!(self, Self::Reference | Self::Slipring)
    }

    /// A target of this kind on the loopback, in clear text.
    pub(crate) fn target(self, port: u16) -> Target {
        let address = Address {
            host: "127.0.0.1".to_owned(),
            port,
        };
        match self {
            Self::Mosquitto => Target::Mqtt(address),
            Self::Nats => Target::Nats(address),
            Self::Reference | Self::Slipring => {
                let endpoint = address.to_string().parse();
                // The text is our own.
                Target::Slim(Box::new(
                    endpoint.expect("a loopback address is an endpoint"),
                ))
            }
        }
    }

    /// What it says of its version; `None` if it says nothing.
    pub(super) fn version(self, program: &Path) -> Option<String> {
        let argument = match self {
            Self::Mosquitto => "-h",
            Self::Nats | Self::Reference | Self::Slipring => "--version",
        };
        let output = Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().take(80).collect())
    }

    /// The settings of one that listens on `port` and keeps its files in `folder`.
    pub(super) fn settings(self, recipe: &Recipe, port: u16, folder: &Path) -> Settings {
        let file = folder.join(FILE);
        match self {
            Self::Mosquitto => Settings {
                file: mosquitto(port),
                arguments: vec!["-c".into(), file.into()],
                environment: Vec::new(),
            },
            Self::Nats => Settings {
                file: nats(port),
                arguments: vec!["-c".into(), file.into()],
                environment: vec![("GOMAXPROCS", "1")],
            },
            Self::Reference => Settings {
                file: reference(recipe, port, folder),
                arguments: vec!["--config".into(), file.into()],
                environment: Vec::new(),
            },
            Self::Slipring => Settings {
                file: slipring(recipe, port, folder),
                arguments: vec!["--config".into(), file.into()],
                environment: Vec::new(),
            },
        }
    }
}

/// The part of the file that both SLIM nodes read.
fn reference(recipe: &Recipe, port: u16, folder: &Path) -> String {
    let tls = secure::settings(recipe.certificate.as_ref(), folder);
    format!(
        "runtime:\n  n_cores: 1\ntracing:\n  log_level: error\nservices:\n  slim/0:\n    \
         dataplane:\n      servers:\n        - endpoint: \"127.0.0.1:{port}\"\n          \
         require_header_mac: {}\n          tls:\n            {tls}\n",
        recipe.signed
    )
}

fn slipring(recipe: &Recipe, port: u16, folder: &Path) -> String {
    let mut text = reference(recipe, port, folder);
    text.push_str("slipring:\n  shards: 1\n");
    if let Some(cpu) = recipe.cpu {
        // Writing to a string cannot fail.
        writeln!(text, "  cpus: [{cpu}]").unwrap_or_default();
    }
    let control = folder.join("control.sock");
    text.push_str("  admin:\n    http: off\n    control: \"");
    text.push_str(&control.display().to_string());
    text.push_str("\"\n");
    text
}

fn nats(port: u16) -> String {
    format!(
        "host: 127.0.0.1\nport: {port}\nlog_file: \"/dev/null\"\ndebug: false\ntrace: false\n\
         max_payload: 8388608\nmax_pending: 268435456\nwrite_deadline: \"10s\"\n"
    )
}

fn mosquitto(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
         persistence false\nsys_interval 0\nlog_dest none\nconnection_messages false\n\
         max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\n\
         max_inflight_bytes 0\nmessage_size_limit 0\n"
    )
}

#[cfg(test)]
mod tests {
    use crate::spawn::Certificate;

    use super::*;

    fn recipe(kind: Kind) -> Recipe {
        Recipe {
            kind,
            program: kind.program().into(),
            cpu: Some(3),
            signed: false,
            certificate: None,
        }
    }

    #[test]
    fn every_kind_listens_on_its_port_and_on_the_loopback_only() {
        for kind in [Kind::Mosquitto, Kind::Nats, Kind::Reference, Kind::Slipring] {
            let settings = kind.settings(&recipe(kind), 4_321, Path::new("/folder"));
            assert!(settings.file.contains("4321"), "{}", settings.file);
            assert!(settings.file.contains("127.0.0.1"), "{}", settings.file);
            assert!(kind.target(4_321).to_string().ends_with("127.0.0.1:4321"));
            let file = Path::new("/folder").join(FILE);
            assert!(settings.arguments.contains(&file.into()));
        }
    }

    #[test]
    fn slim_nodes_speak_tls_with_a_certificate_and_brokers_never() {
        for kind in [Kind::Reference, Kind::Slipring, Kind::Nats] {
            let mut recipe = recipe(kind);
            recipe.certificate = Some(Certificate::make().unwrap());
            let text = kind.settings(&recipe, 1, Path::new("/folder")).file;
            assert_eq!(text.contains("/folder/key.pem"), kind.is_slim(), "{text}");
            assert!(!text.contains("insecure"), "{text}");
            assert_eq!(recipe.target(1).is_tls(), kind.is_slim());
        }
    }

    #[test]
    fn slim_nodes_take_keyless_links_when_the_plan_has_them() {
        for kind in [Kind::Reference, Kind::Slipring] {
            let settings = kind.settings(&recipe(kind), 1, Path::new("/folder"));
            assert!(settings.file.contains("require_header_mac: false"));
        }
        let ours = Kind::Slipring.settings(&recipe(Kind::Slipring), 1, Path::new("/folder"));
        assert!(ours.file.contains("cpus: [3]") && ours.file.contains("/folder/control.sock"));
    }
}
