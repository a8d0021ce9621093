//! Targets as they were given: running ones by their address, others by their program.

use std::fmt;
use std::path::PathBuf;

use core_affinity::CoreId;

use crate::plan::Threads;
use crate::spawn::{Kind, Recipe, locate};
use crate::target::Target;

/// One target of the command line.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    label: Option<String>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Running { target: String, pid: Option<u32> },
    Spawned { kind: Kind, program: PathBuf },
}

impl Entry {
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

    /// Our router, wherever it lies.
    pub(super) fn ours() -> Self {
        let kind = Kind::Slipring;
        Self {
            label: None,
            what: What::Spawned {
                kind,
                program: kind.program().into(),
            },
        }
    }

    /// `--spawn-KIND [LABEL=]PATH`; `flag` without the dashes.
    pub(super) fn spawn(flag: &str, value: &str) -> Result<Self, String> {
        let kind = match flag {
            "spawn-mqtt" => Kind::Mosquitto,
            "spawn-nats" => Kind::Nats,
            "spawn-reference" => Kind::Reference,
            "spawn-slipring" => Kind::Slipring,
            _ => return Err(format!("--{flag} is documented but not read")),
        };
        let (label, program) = labelled(value);
        Ok(Self {
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
        target_cpu: Option<usize>,
        threads: &mut Threads,
        signed: bool,
    ) -> Result<(Target, Option<Recipe>), String> {
        let (kind, program) = match &self.what {
            What::Running { target, .. } => return Ok((Target::parse(target)?, None)),
            What::Spawned { kind, program } => (*kind, locate(program)?),
        };
        let cpu = place(target_cpu, threads)?;
        let recipe = Recipe {
            kind,
            program,
            cpu,
            signed,
        };
        // Which port it gets is known when it is started.
        Ok((kind.target(0), Some(recipe)))
    }
}

impl fmt::Display for Entry {
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
