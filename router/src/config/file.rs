//! Files to configuration: [`load`], and the sections of the reference's file that are small.
//!
//! The order is: both texts to trees, references replaced, sections read, relations checked. A
//! text that is no YAML ends its own file only; everything else is read to the end, so that one
//! run names every mistake.

use super::own::{Own, Placed};
use super::report::{At, Report};
use super::resolve::{Draft, Runtime};
use super::section::{Field, Section, Unknown};
use super::service;
use super::shape::check;
use super::substitute::Outside;
use super::tree;
use super::unserved::TELEMETRY;
use super::value::Value;
use super::{Config, Errors, Filter, HostFacts, Level, Log, LogFormat, Lookup, Source, Sources};

/// What the built-in configuration is called in findings.
pub const BUILT_IN: &str = "built-in";
/// The configuration of a node that is given no file.
pub const BUILT_IN_TEXT: &str = include_str!("default.yaml");
/// What the overlay holds and nothing else.
const OWN_KEY: &str = "slipring";
/// Thread names longer than this are cut by the kernel, with the shard's number in mind.
const THREAD_NAME_BYTES_MAX: usize = 255;

/// Reads the node's file and the overlay into one configuration.
///
/// Nothing is read but what is passed in: `lookup` answers for the environment and for files that
/// the texts refer to, `host` for the machine. Without a node's file the built-in one is used.
///
/// # Errors
/// Every mistake found in either file.
pub fn load(
    sources: &Sources<'_>,
    lookup: &Lookup<'_>,
    host: &HostFacts,
) -> Result<Config, Errors> {
    let built_in = Source {
        name: BUILT_IN,
        bytes: BUILT_IN_TEXT.as_bytes(),
    };
    let base = sources.base.unwrap_or(built_in);
    let mut names = vec![base.name.to_owned()];
    names.extend(sources.overlay.map(|overlay| overlay.name.to_owned()));
    let mut report = Report::new(names, sources.strict);
    let mut outside = Outside::new(lookup.environment, lookup.file);
    let mut read = |bytes: &[u8], file: usize| {
        let mut tree = tree::parse(bytes, file, &mut report)?;
        outside.substitute(&mut tree, "", &mut report);
        Some(tree)
    };
    let base = read(base.bytes, 0);
    let overlay = sources.overlay.map(|overlay| read(overlay.bytes, 1));
    let overlay = overlay.flatten();
    let draft = read_files(base.as_ref(), overlay.as_ref(), &mut report);
    let Some(config) = draft.resolve(host, &mut report) else {
        if report.is_sound() {
            // Whoever returns nothing has said why; were it otherwise, refusing is the safe side.
            report.error(At::whole(0), "", || "no usable configuration".to_owned());
        }
        return Err(report.into_errors());
    };
    let warnings = report.finish()?;
    Ok(Config { warnings, ..config })
}

/// A tree that is missing was no YAML, which has been reported: the other one is still read.
fn read_files(base: Option<&Value>, overlay: Option<&Value>, report: &mut Report) -> Draft {
    let mut own = Own::default();
    let mut sections = base.and_then(|base| Field::root(base).section(report));
    if let Some(field) = sections.as_mut().and_then(|top| top.take(OWN_KEY)) {
        own.read(&field, report);
    }
    if let Some(overlay) = overlay {
        read_overlay(overlay, &mut own, report);
    }
    let mut draft = Draft {
        log: default_log(),
        runtime: Runtime::default(),
        service: None,
        own,
    };
    let Some(mut top) = sections else {
        return draft;
    };
    let tracing = top.take("tracing").and_then(|field| field.section(report));
    if let Some(section) = tracing {
        read_tracing(section, &mut draft.log, report);
    }
    let runtime = top.take("runtime").and_then(|field| field.section(report));
    if let Some(section) = runtime {
        draft.runtime = read_runtime(section, report);
    }
    if let Some(field) = top.require("services", report) {
        let streams_max = draft.own.limits.streams_per_transport;
        draft.service = service::read(&field, streams_max, report);
    }
    top.close(Unknown::Refuse, report);
    draft
}

fn read_overlay(overlay: &Value, own: &mut Own, report: &mut Report) {
    let Some(mut top) = Field::root(overlay).section(report) else {
        return;
    };
    if let Some(field) = top.take(OWN_KEY) {
        own.read(&field, report);
    }
    top.close(Unknown::Refuse, report);
}

const fn default_log() -> Log {
    Log {
        level: Level::Info,
        filters: Vec::new(),
        format: LogFormat::Text,
        thread_names: true,
        thread_ids: false,
    }
}

fn read_tracing(mut section: Section<'_>, log: &mut Log, report: &mut Report) {
    if let Some(field) = section.take("log_level")
        && field.text(report).is_some()
    {
        match level_of(field.word()) {
            Some(level) => log.level = level,
            // The reference takes a level it does not know for info; so do we, aloud.
            None => field.warn(report, || {
                format!("{} is no log level; \"info\" is used", field.shown())
            }),
        }
    }
    if let Some(field) = section.take("filters") {
        log.filters = read_filters(&field, report);
    }
    for (key, target) in [
        ("display_thread_names", &mut log.thread_names),
        ("display_thread_ids", &mut log.thread_ids),
    ] {
        let written = section.take(key).and_then(|field| field.boolean(report));
        *target = written.unwrap_or(*target);
    }
    if let Some(field) = section.take("opentelemetry") {
        check(&field, &TELEMETRY, report);
        let enabled = field
            .section(report)
            .and_then(|mut inner| inner.take("enabled"));
        if enabled.is_some_and(|field| field.word() == "true") {
            field.warn(report, || {
                "not supported yet: nothing is exported; metrics are served on the admin address"
                    .to_owned()
            });
        }
    }
    section.close(Unknown::Refuse, report);
}

fn level_of(word: &str) -> Option<Level> {
    let named = |(name, _): &&(&str, Level)| name.eq_ignore_ascii_case(word);
    super::LEVELS.iter().find(named).map(|(_, level)| *level)
}

/// Items are `module` or `module=level`.
fn read_filters(field: &Field<'_>, report: &mut Report) -> Vec<Filter> {
    let mut filters = Vec::new();
    for item in field.items(report) {
        let Some(text) = item.text(report) else {
            continue;
        };
        let (module, level) = match text.split_once('=') {
            Some((module, level)) => (module.trim(), Some(level.trim())),
            None => (text.trim(), None),
        };
        let known = level.map(level_of);
        if module.is_empty() || known == Some(None) {
            item.refuse(report, || {
                format!("expected module or module=level, found {}", item.shown())
            });
            continue;
        }
        filters.push(Filter {
            module: module.to_owned(),
            level: known.flatten(),
        });
    }
    filters
}

fn read_runtime(mut section: Section<'_>, report: &mut Report) -> Runtime {
    let mut runtime = Runtime::default();
    if let Some(field) = section.take("n_cores")
        && let Some(cores) = field.whole(0..=u64::from(u32::MAX), report)
    {
        runtime.cores = Some(Placed::new(cores, &field));
    }
    if let Some(field) = section.take("thread_name")
        && let Some(name) = field.text(report)
    {
        if name.is_empty() || name.len() > THREAD_NAME_BYTES_MAX || name.contains('\0') {
            field.refuse(report, || {
                format!("expected 1 to {THREAD_NAME_BYTES_MAX} bytes, none of them zero")
            });
        } else {
            runtime.thread_name = Some(name.to_owned());
        }
    }
    if let Some(field) = section.take("drain_timeout") {
        runtime.drain_timeout = field.duration(report);
    }
    section.close(Unknown::Refuse, report);
    runtime
}
