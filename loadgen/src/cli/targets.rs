//! Targets as they were given: running ones by their address, others by their program.

use std::fmt;
use std::path::PathBuf;

use core_affinity::CoreId;

use crate::plan::Threads;
use crate::spawn::{Certificate, Kind, Recipe, locate};
use crate::target::Target;

/// One target of the command line.
#[derive(Clone, Debug)]
pub(super) struct TargetEntry {
    label: Option<String>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Running { target: String, pid: Option<u32> },
    Spawned { kind: Kind, program: PathBuf },
}

impl TargetEntry {
    /// `[LABEL=]TARGET[,pid=PID]`.
    pub(super) fn running(text: &str) -> Result<Self, String> {
        let (label, rest) = labelled(text);
        let (target, pid) = match rest.rsplit_once(",pid=") {
            None => (rest, None),
            Some((target, pid)) => {
                let pid = pid
                    .parse()
                    .map_err(|_| format!("{text}: `{pid}` is not a pid"))?;
                (target, Some(pid))
            }
        };
        Ok(Self {
            label,
            what: What::Running {
                target: target.to_owned(),
                pid,
            },
        })
    }

    /// The target that a flag asks to be started, if it is such a flag; `flag` without the dashes,
    /// `value` is `[LABEL=]PATH`.
    pub(super) fn started(flag: &str, value: &str) -> Option<Self> {
        let kind = match flag {
            "spawn" | "spawn-slipring" => Kind::Slipring,
            "spawn-mqtt" => Kind::Mosquitto,
            "spawn-nats" => Kind::Nats,
            "spawn-reference" => Kind::Reference,
            _ => return None,
        };
        let (label, program) = match flag {
            "spawn" => (None, kind.program()),
            _ => labelled(value),
        };
        Some(Self {
            label,
            what: What::Spawned {
                kind,
                program: program.into(),
            },
        })
    }

    pub(super) fn is_spawned(&self) -> bool {
        matches!(self.what, What::Spawned { .. })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match self.what {
            What::Running { pid, .. } => pid,
            What::Spawned { .. } => None,
        }
    }

    /// The name under which it is reported, which no other target has.
    pub(super) fn label(
        &self,
        target: &Target,
        taken: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        if let Some(label) = &self.label {
            return if taken(label) {
                Err(format!("two targets have the label {label}"))
            } else {
                Ok(label.clone())
            };
        }
        let plain = match &self.what {
            What::Running { .. } => target.protocol(),
            What::Spawned { kind, .. } => kind.label(),
        };
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let mut free = std::iter::once(plain.to_owned()).chain(numbered);
        free.find(|label| !taken(label))
            .ok_or_else(|| "too many targets".to_owned())
    }

    /// The target, and how it is started if it is. What is started gets a CPU of its own, and the
    /// threads of the load generator another.
    pub(super) fn target(
        &self,
        starting: &Starting,
        threads: &mut Threads,
    ) -> Result<(Target, Option<Recipe>), String> {
        let (kind, program) = match &self.what {
            What::Running { target, .. } => return Ok((Target::parse(target)?, None)),
            What::Spawned { kind, program } => (*kind, locate(program)?),
        };
        let recipe = Recipe {
            kind,
            program,
            cpu: place(starting.cpu, threads)?,
            signed: starting.signed,
            certificate: starting.certificate.clone().filter(|_| kind.is_slim()),
        };
        // Which port it gets is known when it is started.
        Ok((recipe.target(0), Some(recipe)))
    }
}

/// How targets are started.
pub(super) struct Starting {
    /// The CPU to pin them to, if one was named.
    pub(super) cpu: Option<usize>,
    /// Whether links sign headers.
    pub(super) signed: bool,
    /// For TLS.
    pub(super) certificate: Option<Certificate>,
}

impl fmt::Display for TargetEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Running { target, .. } => f.write_str(target),
            What::Spawned { program, .. } => write!(f, "{}", program.display()),
        }
    }
}

/// A label, if there is one, and the rest.
fn labelled(text: &str) -> (Option<String>, &str) {
    let is_word = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    match text.split_once('=') {
        Some((label, rest)) if is_word(label) => (Some(label.to_owned()), rest),
        _ => (None, text),
    }
}

/// Chooses the target's CPU, and a CPU for the threads if none was named: figures per CPU second
/// mean little if the two push each other around. A host with one CPU leaves all to the kernel.
fn place(target_cpu: Option<usize>, threads: &mut Threads) -> Result<Option<usize>, String> {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(cpu) = target_cpu {
        if !allowed.contains(&CoreId { id: cpu }) {
            return Err(format!(
                "--target-cpu {cpu}: there is no such CPU to pin to"
            ));
        }
        if threads.cpus.contains(&cpu) {
            return Err(format!(
                "--target-cpu {cpu} is one of --cpus: they would share it"
            ));
        }
    }
    let mut free = allowed.iter().map(|core| core.id);
    let chosen = target_cpu.or_else(|| free.find(|cpu| !threads.cpus.contains(cpu)));
    if allowed.len() < 2 {
        return Ok(target_cpu);
    }
    if threads.cpus.is_empty() {
        let others = allowed.iter().map(|core| core.id);
        let others = others.filter(|cpu| Some(*cpu) != chosen);
        threads.cpus = others.take(threads.count).collect();
    }
    Ok(chosen)
}
