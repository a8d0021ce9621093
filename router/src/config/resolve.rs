//! From what the files say to what the program uses: defaults filled in, the host's facts taken
//! into account, relations between keys checked.

use std::num::NonZeroU16;
use std::time::Duration;

use super::memory::{self, about};
use super::own::{Own, Placed, SHARDS_MAX};
use super::report::{At, Report};
use super::service::Service;
use super::text::show_duration;
use super::{Admin, Bound, Config, Drain, HostFacts, IoChoice, Limits, Log, LogFormat, Node};

/// How long a drain may take unless configured.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);
/// Over how long a drain spreads its farewells unless configured.
const DRAIN_SPREAD: Duration = Duration::from_secs(10);
/// What thread names begin with unless configured.
const THREAD_NAME: &str = "slipring";
/// What must not be larger than what, beyond each bound's own range.
const ASCENDING: &[(&str, &str)] = &[
    ("window_idle_bytes", "window_stream_bytes"),
    ("window_stream_bytes", "window_connection_bytes"),
    ("window_idle_bytes", "window_connection_bytes"),
    ("egress_bytes_max", "egress_node_bytes_max"),
    ("egress_node_bytes_max", "egress_pool_bytes"),
    ("egress_bytes_max", "egress_pool_bytes"),
];

/// What the `runtime` section says.
#[derive(Default)]
pub(super) struct Runtime {
    /// `n_cores`; 0 is every core.
    pub(super) cores: Option<Placed<u64>>,
    /// `thread_name`.
    pub(super) thread_name: Option<String>,
    /// `drain_timeout`.
    pub(super) drain_timeout: Option<Duration>,
}

/// Everything the files say.
pub(super) struct Draft {
    /// `tracing`, with our own format still to come.
    pub(super) log: Log,
    /// `runtime`.
    pub(super) runtime: Runtime,
    /// `services`; `None` when it was unusable and has been reported.
    pub(super) service: Option<Service>,
    /// `slipring`, both files together.
    pub(super) own: Own,
}

impl Draft {
    /// The configuration, unless something is missing, which has been reported then.
    pub(super) fn resolve(mut self, host: &HostFacts, report: &mut Report) -> Option<Config> {
        let (shards, cpus) = shards(&self.own, &self.runtime, host, report);
        let drain = self.drain(report);
        let service = self.service.take();
        let tls = service
            .as_ref()
            .is_some_and(|service| service.servers.iter().any(|server| server.tls.is_some()));
        let limits = self.limits(host, shards, tls, report);
        let service = service?;
        let node_id = service.node_id;
        let thread_name = self.runtime.thread_name;
        Some(Config {
            node: Node {
                service: service.key,
                node_id: node_id.unwrap_or_else(|| node_name(host.node_id)),
                deployment_name: service.domain_name.unwrap_or_default(),
            },
            servers: service.servers,
            shards,
            cpus,
            thread_name: thread_name.unwrap_or_else(|| THREAD_NAME.to_owned()),
            io: self.own.io.unwrap_or(IoChoice::Auto),
            limits,
            admin: Admin {
                http: self.own.http.unwrap_or(Some(super::ADMIN_HTTP)),
                control: self.own.control.unwrap_or_else(|| host.control.clone()),
            },
            drain,
            log: Log {
                format: self.own.format.unwrap_or(LogFormat::Text),
                ..self.log
            },
            enforce_pqc: service.enforce_pqc,
            warnings: Vec::new(),
        })
    }

    /// The farewells must be over before the deadline; unless configured they take at most half.
    fn drain(&self, report: &mut Report) -> Drain {
        let deadline = self.runtime.drain_timeout.unwrap_or(DRAIN_DEADLINE);
        let Some(spread) = &self.own.spread else {
            return Drain {
                deadline,
                spread: DRAIN_SPREAD.min(deadline / 2),
            };
        };
        if spread.value > deadline {
            report.error(spread.at, &spread.path, || {
                let deadline = show_duration(deadline);
                format!("longer than the drain itself: runtime.drain_timeout is {deadline}")
            });
        }
        Drain {
            deadline,
            spread: spread.value,
        }
    }

    /// The bounds: related ones agree, and together they fit what the cgroup grants.
    fn limits(
        &self,
        host: &HostFacts,
        shards: NonZeroU16,
        tls: bool,
        report: &mut Report,
    ) -> Limits {
        let mut limits = self.own.limits.clone();
        for (small, large) in ASCENDING {
            self.ascend(&mut limits, small, large, report);
        }
        if limits.memory_bytes_max.is_none()
            && let Some(granted) = host.memory_bytes
        {
            limits.memory_bytes_max = Some(granted);
            let is_written = |name: &str| self.own.limit_written(name).is_some();
            let divisor = memory::fit(&mut limits, granted, shards.get(), tls, is_written);
            if let Some(divisor) = divisor.filter(|divisor| *divisor > 1) {
                report.warn(At::default(), "slipring.limits", || {
                    format!(
                        "the cgroup grants {}: links_max is {}, and pools and tables are \
                         1/{divisor} of their defaults where nothing else is written",
                        about(granted),
                        limits.links_max
                    )
                });
            }
        }
        limits.links_per_address_max = limits.links_per_address_max.min(limits.links_max);
        limits
    }

    /// Makes the bound `small` at most `large`: of the two, the one nobody wrote follows.
    fn ascend(&self, limits: &mut Limits, small: &str, large: &str, report: &mut Report) {
        let (Some(least), Some(most)) = (limits.find(small), limits.find(large)) else {
            return;
        };
        if least <= most {
            return;
        }
        let written = (self.own.limit_written(small), self.own.limit_written(large));
        let followed = match written {
            (_, None) => limits.put(large, least),
            (None, Some(_)) => limits.put(small, most),
            (Some(small), Some(_)) => {
                report.error(small.at, &small.path, || {
                    let shown = Bound::named(large).map_or_else(String::new, |row| row.show(most));
                    format!("must not be larger than {large}, which is {shown}")
                });
                true
            }
        };
        debug_assert!(followed, "bounds of one unit hold each other's values");
    }
}

/// How many shards there are and which CPU each has.
fn shards(
    own: &Own,
    runtime: &Runtime,
    host: &HostFacts,
    report: &mut Report,
) -> (NonZeroU16, Vec<usize>) {
    let mut available = host.cpus.clone();
    available.sort_unstable();
    available.dedup();
    if available.is_empty() {
        // A mask that cannot be read is no reason not to run.
        available.push(0);
    }
    let mut cpus = match (&own.cpus, &own.shards) {
        (Some(cpus), shards) => named_cpus(cpus, shards.as_ref(), &available, report),
        (None, Some(shards)) => first_cpus(shards, &available, report),
        (None, None) => all_cpus(runtime.cores.as_ref(), &available, report),
    };
    cpus.truncate(usize::try_from(SHARDS_MAX).unwrap_or(usize::MAX));
    let count = u16::try_from(cpus.len()).ok().and_then(NonZeroU16::new);
    match count {
        Some(count) => (count, cpus),
        None => (NonZeroU16::MIN, available.into_iter().take(1).collect()),
    }
}

/// `cpus` says which.
fn named_cpus(
    cpus: &Placed<Vec<usize>>,
    shards: Option<&Placed<u64>>,
    available: &[usize],
    report: &mut Report,
) -> Vec<usize> {
    let named = &cpus.value;
    if let Some(shards) = shards
        && usize::try_from(shards.value).ok() != Some(named.len())
    {
        report.error(shards.at, &shards.path, || {
            let (shards, cpus) = (shards.value, named.len());
            format!("{shards} asked for, but slipring.cpus names {cpus}")
        });
    }
    if let Some(missing) = named.iter().find(|cpu| !available.contains(cpu)) {
        report.error(cpus.at, &cpus.path, || {
            let available = ranges(available);
            format!("CPU {missing} is not among those this process may run on: {available}")
        });
    }
    let mut distinct = named.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < named.len() {
        report.warn(cpus.at, &cpus.path, || {
            "shards that share a CPU wait for each other".to_owned()
        });
    }
    named.clone()
}

/// `shards` says how many, and means it.
fn first_cpus(shards: &Placed<u64>, available: &[usize], report: &mut Report) -> Vec<usize> {
    let count = usize::try_from(shards.value).unwrap_or(usize::MAX);
    if count > available.len() {
        report.error(shards.at, &shards.path, || {
            let available = ranges(available);
            format!(
                "a shard needs a CPU of its own, and this process may run on {available}; \
                 name slipring.cpus to share one"
            )
        });
    }
    available.iter().copied().take(count).collect()
}

/// `n_cores` says how many at most; without it, or with 0, every CPU.
fn all_cpus(cores: Option<&Placed<u64>>, available: &[usize], report: &mut Report) -> Vec<usize> {
    let Some(cores) = cores.filter(|cores| cores.value > 0) else {
        return available.to_vec();
    };
    let count = usize::try_from(cores.value).unwrap_or(usize::MAX);
    if count > available.len() {
        report.warn(cores.at, &cores.path, || {
            let (asked, there) = (cores.value, available.len());
            format!("{asked} cores asked for, {there} there; {there} are used")
        });
    }
    available.iter().copied().take(count).collect()
}

/// CPUs as text: `0-3,8`.
pub(super) fn ranges(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let shown: Vec<String> = parts
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    shown.join(",")
}

/// The name of a node that has none: `node-` and a random uuid (version 4).
fn node_name(random: u128) -> String {
    let versioned = (random & !(0xf << 76)) | (0x4 << 76);
    let uuid = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{uuid:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Vec<&str> = parts
        .iter()
        .filter_map(|(start, end)| digits.get(*start..*end))
        .collect();
    format!("node-{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_name_gets_a_version_four_uuid() {
        assert_eq!(
            node_name(u128::MAX),
            "node-ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        assert_eq!(node_name(0), "node-00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn cpus_are_shown_as_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
