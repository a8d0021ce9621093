//! The `slipring` section: everything the reference's file has no key for.
//!
//! It may stand in the node's file and in the overlay. Both are read into one [`Own`], the
//! overlay second, so that what it says wins key by key and mistakes in either are found.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::report::{At, Report};
use super::section::{Field, Section, Unknown};
use super::text::{show_duration, show_size};
use super::{Bound, IoChoice, LIMITS, Limits, LogFormat, Unit};

/// The most shards a node can have: a link's identity holds the shard in 8 bits.
pub(super) const SHARDS_MAX: u64 = 255;
/// The largest number a CPU can have; Linux stops at 8,192.
const CPU_MAX: u64 = 8_191;
/// The least memory with which any configuration could run.
const MEMORY_BYTES_LEAST: u64 = 16 << 20;
/// The longest path a Unix socket address can hold, in bytes.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// A value and where it was written, for checks that need several keys.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    /// The value.
    pub(super) value: T,
    /// Where its key is.
    pub(super) at: At,
    /// The path of its key.
    pub(super) path: String,
}

impl<T> Placed<T> {
    /// `value`, which was read from `field`.
    pub(super) fn new(value: T, field: &Field<'_>) -> Self {
        Self {
            value,
            at: field.at,
            path: field.path.clone(),
        }
    }
}

/// What the section said; `None` where it said nothing.
#[derive(Default)]
pub(super) struct Own {
    /// `shards`.
    pub(super) shards: Option<Placed<u64>>,
    /// `cpus`, in the order written.
    pub(super) cpus: Option<Placed<Vec<usize>>>,
    /// `io`.
    pub(super) io: Option<IoChoice>,
    /// `limits`, defaults where nothing was written.
    pub(super) limits: Limits,
    /// Which bounds of `limits` were written, and where; a later entry of a name wins.
    pub(super) limits_written: Vec<Placed<&'static str>>,
    /// `admin.http`; the inner `None` switches it off.
    pub(super) http: Option<Option<SocketAddr>>,
    /// `admin.control`.
    pub(super) control: Option<PathBuf>,
    /// `drain.spread`.
    pub(super) spread: Option<Placed<Duration>>,
    /// `log.format`.
    pub(super) format: Option<LogFormat>,
}

impl Own {
    /// Reads one `slipring` section over what was read before.
    pub(super) fn read(&mut self, field: &Field<'_>, report: &mut Report) {
        let Some(mut section) = field.section(report) else {
            return;
        };
        if let Some(field) = section.take("shards")
            && let Some(shards) = field.whole(1..=SHARDS_MAX, report)
        {
            self.shards = Some(Placed::new(shards, &field));
        }
        if let Some(field) = section.take("cpus")
            && let Some(cpus) = read_cpus(&field, report)
        {
            self.cpus = Some(Placed::new(cpus, &field));
        }
        if let Some(field) = section.take("io") {
            self.io = field.choice(super::IO_CHOICES, report).or(self.io);
        }
        for (key, read) in [
            (
                "limits",
                Self::read_limits as fn(&mut Self, Section<'_>, &mut Report),
            ),
            ("admin", Self::read_admin),
            ("drain", Self::read_drain),
            ("log", Self::read_log),
        ] {
            let inner = section.take(key).and_then(|field| field.section(report));
            if let Some(inner) = inner {
                read(self, inner, report);
            }
        }
        section.close(Unknown::Refuse, report);
    }

    /// Where the bound called `name` was written, if it was.
    pub(super) fn limit_written(&self, name: &str) -> Option<&Placed<&'static str>> {
        self.limits_written
            .iter()
            .rfind(|written| written.value == name)
    }

    fn read_limits(&mut self, mut section: Section<'_>, report: &mut Report) {
        for bound in LIMITS {
            let Some(field) = section.take(bound.name) else {
                continue;
            };
            let value = read_bound(bound, &field, report);
            if value.is_some_and(|value| self.limits.put(bound.name, value)) {
                self.limits_written.push(Placed::new(bound.name, &field));
            }
        }
        if let Some(field) = section.take("memory_bytes_max")
            && let Some(bytes) = field.size(report)
        {
            if bytes < MEMORY_BYTES_LEAST {
                field.refuse(report, || {
                    let least = show_size(MEMORY_BYTES_LEAST);
                    format!("must be at least {least}, found {}", field.shown())
                });
            }
            self.limits.memory_bytes_max = Some(bytes);
        }
        section.close(Unknown::Refuse, report);
    }

    fn read_admin(&mut self, mut section: Section<'_>, report: &mut Report) {
        if let Some(field) = section.take("http") {
            self.http = read_http(&field, report).or(self.http);
        }
        if let Some(field) = section.take("control")
            && let Some(path) = field.text(report)
        {
            if path.starts_with('/') && path.len() <= UNIX_PATH_BYTES_MAX && !path.contains('\0') {
                self.control = Some(PathBuf::from(path));
            } else {
                field.refuse(report, || {
                    format!("expected an absolute path of at most {UNIX_PATH_BYTES_MAX} bytes")
                });
            }
        }
        section.close(Unknown::Refuse, report);
    }

    fn read_drain(&mut self, mut section: Section<'_>, report: &mut Report) {
        if let Some(field) = section.take("spread")
            && let Some(spread) = field.duration(report)
        {
            self.spread = Some(Placed::new(spread, &field));
        }
        section.close(Unknown::Refuse, report);
    }

    fn read_log(&mut self, mut section: Section<'_>, report: &mut Report) {
        if let Some(field) = section.take("format") {
            self.format = field.choice(super::LOG_FORMATS, report).or(self.format);
        }
        section.close(Unknown::Refuse, report);
    }
}

/// A bound's value in its own unit, when it is in its range.
fn read_bound(bound: &Bound, field: &Field<'_>, report: &mut Report) -> Option<u64> {
    let value = match bound.unit {
        Unit::Count => return field.whole(bound.least..=bound.most, report),
        Unit::Bytes => field.size(report)?,
        Unit::Time => {
            let milliseconds = field.duration(report)?.as_millis();
            u64::try_from(milliseconds).unwrap_or(u64::MAX)
        }
    };
    let fits = (bound.least..=bound.most).contains(&value);
    if !fits {
        field.refuse(report, || {
            let (least, most) = (bound.show(bound.least), bound.show(bound.most));
            format!("must be from {least} to {most}, found {}", field.shown())
        });
    }
    fits.then_some(value)
}

impl Bound {
    /// A value of this bound as it is written in a file.
    #[must_use]
    pub fn show(&self, value: u64) -> String {
        match self.unit {
            Unit::Count => value.to_string(),
            Unit::Bytes => show_size(value),
            Unit::Time => show_duration(Duration::from_millis(value)),
        }
    }
}

/// An address, or the word `off`.
fn read_http(field: &Field<'_>, report: &mut Report) -> Option<Option<SocketAddr>> {
    if matches!(field.word(), "off" | "false") {
        return Some(None);
    }
    let Ok(address) = field.word().parse::<SocketAddr>() else {
        field.refuse(report, || {
            let shown = field.shown();
            format!("expected an address such as \"127.0.0.1:46380\", or off, found {shown}")
        });
        return None;
    };
    if !address.ip().is_loopback() {
        field.warn(report, || {
            "everyone who reaches this address may read metrics, links and names".to_owned()
        });
    }
    Some(Some(address))
}

/// A list of numbers, or text such as `0-3,8`.
fn read_cpus(field: &Field<'_>, report: &mut Report) -> Option<Vec<usize>> {
    let numbers: Option<Vec<u64>> = if field.is_list() {
        let items = field.items(report);
        let numbers = items.iter().map(|item| item.whole(0..=CPU_MAX, report));
        // Every item is read, so that every mistake is found.
        let numbers: Vec<Option<u64>> = numbers.collect();
        let sound = numbers.iter().all(Option::is_some);
        if !sound {
            return None;
        }
        numbers.into_iter().collect()
    } else {
        cpu_list(field.word())
    };
    let shards_max = usize::try_from(SHARDS_MAX).unwrap_or(usize::MAX);
    let fitting = numbers.filter(|numbers| (1..=shards_max).contains(&numbers.len()));
    if fitting.is_none() {
        field.refuse(report, || {
            format!("expected 1 to {SHARDS_MAX} CPUs, as a list or as text such as \"0-3,8\"")
        });
    }
    let numbers = fitting?.into_iter();
    Some(
        numbers
            .filter_map(|cpu| usize::try_from(cpu).ok())
            .collect(),
    )
}

/// The CPUs of a text such as `0-3,8`, in the order written.
fn cpu_list(text: &str) -> Option<Vec<u64>> {
    let number = |text: &str| {
        let number = text.trim().parse::<u64>().ok()?;
        (number <= CPU_MAX).then_some(number)
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => cpus.extend(number(first)?..=number(last)?),
            None => cpus.push(number(part)?),
        }
        if cpus.len() > usize::try_from(CPU_MAX).unwrap_or(usize::MAX) {
            return None;
        }
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_numbers_and_ranges() {
        for (text, expected) in [
            ("0", Some(vec![0])),
            ("0-3,8", Some(vec![0, 1, 2, 3, 8])),
            (" 2 , 0 ", Some(vec![2, 0])),
            ("3-1", Some(vec![])),
            ("", None),
            ("a", None),
            ("0-", None),
            ("-1", None),
            ("8192", None),
            ("0-8191,0-8191,0-8191", None),
        ] {
            assert_eq!(cpu_list(text), expected, "{text}");
        }
    }
}
