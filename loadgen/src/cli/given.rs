//! Values as they were given, and how they join into a plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Parser, ValueExt};
use slipring_sdk::Endpoint;
use slipring_sdk::endpoint::{ClientIdentity, Tls};
use slipring_sdk::io::transport::TransportOptions;

use crate::cli::flags::{RUN_FLAGS, SHARED_FLAGS, STORM_FLAGS};
use crate::cli::text;
use crate::pace::Load;
use crate::plan::{Links, Plan, Reporting, Shape, StormPlan, Threads};

/// Values as given, before they are joined into a plan.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) target: Option<String>,
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
        storm: bool,
        name: &str,
        parser: &mut Parser,
    ) -> Result<(), String> {
        let own = if storm { STORM_FLAGS } else { RUN_FLAGS };
        let known = own.iter().chain(SHARED_FLAGS).any(|flag| flag.name == name);
        if !known && name != "shards-threads" {
            return Err(format!(
                "there is no flag --{name} here; try loadgen --help"
            ));
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
            "pid" => self.reporting.pid = Some(flag.number()?),
            "json" => self.reporting.json = Some(value.into()),
            _ => return Err(format!("--{name} is documented but not read")),
        }
        Ok(())
    }

    /// How links are made; `resumes` allows a TLS session to be taken up again.
    fn links(&self, resumes: bool) -> Result<Links, String> {
        let target = self
            .target
            .as_deref()
            .ok_or("which TARGET? for instance 127.0.0.1:46357")?;
        let mut target: Endpoint = target.parse().map_err(text)?;
        if let Some(ca) = &self.ca {
            let mut tls = self.tls(ca)?;
            if let Some(name) = &self.server_name {
                tls = tls.with_server_name(name);
            }
            if !resumes {
                tls = tls.without_resumption();
            }
            target = target.with_tls(tls);
        }
        target.tls().map_err(|e| format!("{e} (--ca FILE)"))?;
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

    pub(super) fn run(self) -> Result<Box<Plan>, String> {
        let shape = self.shape()?;
        let load = match (self.window, self.rate) {
            (Some(_), Some(_)) => return Err("choose --window or --rate".to_owned()),
            (_, Some(rate)) => Load::Open { rate },
            (window, None) => Load::Closed {
                window: window.unwrap_or(1_024),
            },
        };
        let counts_idle = !matches!(shape, Shape::Instances { .. });
        let plan = Plan {
            links: self.links(true)?,
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
            threads: self.threads()?,
            reporting: self.reporting,
        };
        plan.check()?;
        Ok(Box::new(plan))
    }

    pub(super) fn storm(self) -> Result<Box<StormPlan>, String> {
        let plan = StormPlan {
            links: self.links(false)?,
            count: self.links.unwrap_or(1_000),
            concurrency: self.concurrency.unwrap_or(64),
            hold: seconds("hold", self.hold.unwrap_or(1.0))?,
            names: self.names,
            threads: self.threads()?,
            reporting: self.reporting,
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
