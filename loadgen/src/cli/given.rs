//! Values as they were given, and how they join into a plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Parser, ValueExt};
use slipring_sdk::Endpoint;
use slipring_sdk::endpoint::{ClientIdentity, Tls};
use slipring_sdk::io::transport::TransportOptions;

use crate::cli::targets::Entry;
use crate::cli::{Word, text};
use crate::compare::{ComparePlan, Contestant};
use crate::pace::Load;
use crate::plan::{Links, Plan, Reporting, Shape, StormPlan, Threads};
use crate::target::Target;

/// Values as given, before they are joined into a plan.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) targets: Vec<Entry>,
    pub(super) rounds: Option<usize>,
    pub(super) target_cpu: Option<usize>,
    pub(super) pairs: Option<usize>,
    pub(super) fanout: Option<usize>,
    pub(super) stalled: usize,
    pub(super) incast: Option<usize>,
    pub(super) instances: Option<usize>,
    pub(super) links: Option<usize>,
    pub(super) names: usize,
    pub(super) size: Option<usize>,
    pub(super) window: Option<u64>,
    pub(super) rate: Option<f64>,
    pub(super) duration: Option<f64>,
    pub(super) messages: Option<u64>,
    pub(super) warmup: Option<f64>,
    pub(super) identity_bytes: usize,
    pub(super) concurrency: Option<usize>,
    pub(super) hold: Option<f64>,
    pub(super) threads: Option<usize>,
    pub(super) cpus: Vec<usize>,
    pub(super) frame_bytes: Option<u32>,
    pub(super) unsigned: bool,
    pub(super) sources: u32,
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) server_name: Option<String>,
    pub(super) reporting: Reporting,
}

impl Given {
    /// Takes the value of one flag.
    pub(super) fn take(
        &mut self,
        word: Word,
        name: &str,
        parser: &mut Parser,
    ) -> Result<(), String> {
        let known = word.flags().any(|flag| flag.name == name);
        if !known && name != "shards-threads" {
            return Err(format!(
                "there is no flag --{name} here; try loadgen --help"
            ));
        }
        if name == "spawn" {
            self.targets.push(Entry::ours());
            return Ok(());
        }
        let value = parser.value().map_err(text)?.string().map_err(text)?;
        let flag = Setting {
            name,
            value: &value,
        };
        match name {
            "pairs" => self.pairs = Some(flag.number()?),
            "fanout" => self.fanout = Some(flag.number()?),
            "stalled" => self.stalled = flag.number()?,
            "incast" => self.incast = Some(flag.number()?),
            "instances" => self.instances = Some(flag.number()?),
            "links" => self.links = Some(flag.number()?),
            "names" => self.names = flag.number()?,
            "size" => self.size = Some(flag.number()?),
            "window" => self.window = Some(flag.number()?),
            "rate" => self.rate = Some(flag.number()?),
            "duration" => self.duration = Some(flag.number()?),
            "messages" => self.messages = Some(flag.number()?),
            "warmup" => self.warmup = Some(flag.number()?),
            "identity-bytes" => self.identity_bytes = flag.number()?,
            "concurrency" => self.concurrency = Some(flag.number()?),
            "hold" => self.hold = Some(flag.number()?),
            "threads" | "shards-threads" => self.threads = Some(flag.number()?),
            "cpus" => self.cpus = flag.cpus()?,
            "frame-bytes" => self.frame_bytes = Some(flag.number()?),
            "mac" => self.unsigned = !flag.switch()?,
            "sources" => self.sources = flag.number()?,
            "ca" => self.ca = Some(value.into()),
            "cert" => self.cert = Some(value.into()),
            "key" => self.key = Some(value.into()),
            "server-name" => self.server_name = Some(value),
            "rounds" => self.rounds = Some(flag.number()?),
            "target-cpu" => self.target_cpu = Some(flag.number()?),
            _ if name.starts_with("spawn-") => self.targets.push(Entry::spawn(name, &value)?),
            "pid" => self.reporting.pid = Some(flag.number()?),
            "json" => self.reporting.json = Some(value.into()),
            _ => return Err(format!("--{name} is documented but not read")),
        }
        Ok(())
    }

    /// How links to `target` are made; `resumes` allows a TLS session to be taken up again.
    fn links(&self, target: Target, resumes: bool) -> Result<Links, String> {
        let target = match target {
            Target::Slim(endpoint) => Target::Slim(Box::new(self.secured(*endpoint, resumes)?)),
            Target::Mqtt(_) | Target::Nats(_) if self.ca.is_some() => {
                return Err(format!(
                    "{target}: brokers are measured in clear text, without --ca"
                ));
            }
            broker @ (Target::Mqtt(_) | Target::Nats(_)) => broker,
        };
        let mut transport = match self.frame_bytes {
            Some(16_384) => TransportOptions::published(),
            _ => TransportOptions::default(),
        };
        if let Some(bytes) = self.frame_bytes {
            if !(16_384..=16_777_215).contains(&bytes) {
                return Err("--frame-bytes must be 16384 to 16777215 (RFC 9113)".to_owned());
            }
            transport.frame_bytes_max = bytes;
            transport.data_bytes_max = bytes as usize;
        }
        Ok(Links {
            target,
            transport,
            signed: !self.unsigned,
            sources: self.sources,
        })
    }

    fn secured(&self, mut endpoint: Endpoint, resumes: bool) -> Result<Endpoint, String> {
        if let Some(ca) = &self.ca {
            let mut tls = self.tls(ca)?;
            if let Some(name) = &self.server_name {
                tls = tls.with_server_name(name);
            }
            if !resumes {
                tls = tls.without_resumption();
            }
            endpoint = endpoint.with_tls(tls);
        }
        endpoint.tls().map_err(|e| format!("{e} (--ca FILE)"))?;
        Ok(endpoint)
    }

    fn tls(&self, ca: &Path) -> Result<Tls, String> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let ca = read(ca)?;
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let (chain_pem, key_pem) = (read(cert)?, read(key)?);
                let identity = ClientIdentity {
                    chain_pem: &chain_pem,
                    key_pem: &key_pem,
                };
                Tls::from_pem(&ca, Some(identity)).map_err(text)
            }
            (None, None) => Tls::from_pem(&ca, None).map_err(text),
            _ => Err("--cert and --key go together".to_owned()),
        }
    }

    fn threads(&self) -> Result<Threads, String> {
        let count = self.threads.unwrap_or_else(|| self.cpus.len().max(1));
        if count == 0 {
            Err("--threads must be at least 1".to_owned())
        } else {
            Ok(Threads {
                count,
                cpus: self.cpus.clone(),
            })
        }
    }

    fn shape(&self) -> Result<Shape, String> {
        let chosen = [self.pairs, self.fanout, self.incast, self.instances];
        if chosen.iter().flatten().count() > 1 {
            return Err("choose one of --pairs, --fanout, --incast and --instances".to_owned());
        }
        if self.stalled > 0 && self.fanout.is_none() {
            return Err("--stalled needs --fanout".to_owned());
        }
        Ok(match chosen {
            [_, Some(subscribers), ..] => Shape::Fanout {
                subscribers,
                stalled: self.stalled,
            },
            [_, _, Some(publishers), _] => Shape::Incast { publishers },
            [.., Some(instances)] => Shape::Instances {
                instances,
                links: self.links.unwrap_or(1),
            },
            [pairs, ..] => Shape::Pairs {
                pairs: pairs.unwrap_or(1),
            },
        })
    }

    /// The plan for one target.
    fn plan(&self, entry: &Entry, is_alone: bool) -> Result<Plan, String> {
        let shape = self.shape()?;
        let load = match (self.window, self.rate) {
            (Some(_), Some(_)) => return Err("choose --window or --rate".to_owned()),
            (_, Some(rate)) => Load::Open { rate },
            (window, None) => Load::Closed {
                window: window.unwrap_or(1_024),
            },
        };
        let counts_idle = !matches!(shape, Shape::Instances { .. });
        let (mut threads, target_cpu) = (self.threads()?, self.target_cpu);
        let (target, spawn) = entry.target(target_cpu, &mut threads, !self.unsigned)?;
        if is_alone && target.slim().is_none() {
            self.check_broker(&target)?;
        }
        let mut reporting = self.reporting.clone();
        reporting.pid = entry.pid().or(reporting.pid);
        let plan = Plan {
            links: self.links(target, true)?,
            shape,
            load,
            payload_bytes: self.size.unwrap_or(256),
            duration: seconds("duration", self.duration.unwrap_or(10.0))?,
            messages: self.messages,
            warmup: seconds("warmup", self.warmup.unwrap_or(1.0))?,
            idle_links: if counts_idle {
                self.links.unwrap_or(0)
            } else {
                0
            },
            idle_names: self.names,
            identity_bytes: self.identity_bytes,
            threads,
            spawn,
            reporting,
        };
        plan.check()?;
        Ok(plan)
    }

    /// Finds settings of SLIM's own that a broker has no place for.
    fn check_broker(&self, target: &Target) -> Result<(), String> {
        let given = [
            (self.identity_bytes > 0, "--identity-bytes"),
            (self.unsigned, "--mac"),
            (self.frame_bytes.is_some(), "--frame-bytes"),
        ];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, flag)) => Err(format!(
                "{flag} is a matter of SLIM; {target} speaks {}",
                target.protocol()
            )),
            None => Ok(()),
        }
    }

    /// The only target.
    fn alone(&self) -> Result<&Entry, String> {
        if self.target_cpu.is_some() && !self.targets.iter().any(Entry::is_spawned) {
            return Err("--target-cpu needs a target that is spawned".to_owned());
        }
        match self.targets.as_slice() {
            [] => Err("which TARGET? for instance 127.0.0.1:46357".to_owned()),
            [entry] => Ok(entry),
            [_, other, ..] => Err(format!(
                "one TARGET at a time, `{other}` is a second; loadgen compare takes several"
            )),
        }
    }

    pub(super) fn run(self) -> Result<Box<Plan>, String> {
        self.plan(self.alone()?, true).map(Box::new)
    }

    pub(super) fn compare(self) -> Result<Box<ComparePlan>, String> {
        let rounds = self.rounds.unwrap_or(5);
        if self.targets.len() < 2 {
            return Err(
                "which targets? two at least, for instance --spawn nats://host:port".to_owned(),
            );
        }
        if rounds == 0 {
            return Err("--rounds must be at least 1".to_owned());
        }
        if self.reporting.pid.is_some() {
            return Err("--pid names one process; write TARGET,pid=PID for each".to_owned());
        }
        if matches!(self.shape()?, Shape::Instances { .. }) {
            return Err("--instances cannot be compared; run it against each target".to_owned());
        }
        if self.target_cpu.is_some() && !self.targets.iter().any(Entry::is_spawned) {
            return Err("--target-cpu needs a target that is spawned".to_owned());
        }
        let mut contestants: Vec<Contestant> = Vec::new();
        for entry in &self.targets {
            let plan = self.plan(entry, false)?;
            let taken = |label: &str| contestants.iter().any(|one| one.label == label);
            let label = entry.label(&plan.links.target, taken)?;
            contestants.push(Contestant { label, plan });
        }
        if let [first, ..] = contestants.as_slice()
            && contestants
                .iter()
                .all(|one| one.plan.links.target.slim().is_none())
        {
            self.check_broker(&first.plan.links.target)?;
        }
        Ok(Box::new(ComparePlan {
            contestants,
            rounds,
        }))
    }

    pub(super) fn storm(self) -> Result<Box<StormPlan>, String> {
        let mut threads = self.threads()?;
        let (target, _) = self.alone()?.target(None, &mut threads, true)?;
        let mut reporting = self.reporting.clone();
        reporting.pid = self.alone()?.pid().or(reporting.pid);
        let plan = StormPlan {
            links: self.links(target, false)?,
            count: self.links.unwrap_or(1_000),
            concurrency: self.concurrency.unwrap_or(64),
            hold: seconds("hold", self.hold.unwrap_or(1.0))?,
            names: self.names,
            threads,
            reporting,
        };
        plan.check()?;
        Ok(Box::new(plan))
    }
}

/// One flag's value, on its way to a type.
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
}

impl Setting<'_> {
    fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        let plain = self.value.replace('_', "");
        plain
            .parse()
            .map_err(|_| format!("--{} {}: not a number in range", self.name, self.value))
    }

    fn switch(&self) -> Result<bool, String> {
        match self.value {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("--{} {other}: write on or off", self.name)),
        }
    }

    /// `1`, `2,3`, `4-7` and their mixtures.
    fn cpus(&self) -> Result<Vec<usize>, String> {
        let mut cpus = Vec::new();
        for part in self.value.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let at = |value| {
                Setting {
                    name: self.name,
                    value,
                }
                .number::<usize>()
            };
            cpus.extend(at(first)?..=at(last)?);
        }
        Ok(cpus)
    }
}

fn seconds(name: &str, value: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|_| format!("--{name} {value}: not a time"))
}
