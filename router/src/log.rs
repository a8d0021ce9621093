//! What the process says about itself, line by line, on standard error.
//!
//! What enters: `tracing` events of any thread. What leaves: one line each, text or JSON. There is
//! no event per message anywhere in the router; what happens to messages is counted, not told.
//!
//! 1. A shard never waits for the log: lines go through a bounded channel to a thread of their own,
//!    and are lost, and counted, when whoever reads standard error does not.
//! 2. A closed standard error is not a fault. Lines go nowhere and the node goes on.
//! 3. The level can be changed while the node runs.

mod filter;
mod json;
mod output;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt as layer, layer::SubscriberExt, registry::LookupSpan,
    reload,
};

use crate::config::{LEVELS, Level, Log, LogFormat};
use filter::Levels;
use json::JsonLines;
use output::Output;

/// Why nothing can be logged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogFault {
    /// The process logs already.
    #[error("logging has been set up already")]
    Started,
    /// The thread that writes cannot be started.
    #[error("log thread: {0}")]
    Thread(io::Error),
}

/// The running log.
#[derive(Clone)]
pub struct LogHandle {
    levels: Arc<Mutex<Levels>>,
    handle: reload::Handle<Targets, Registry>,
    output: Output,
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl LogHandle {
    /// Changes the level of `module`, or of everything that has no level of its own. Says what is
    /// in force now.
    ///
    /// # Errors
    /// A sentence, when the log has ended.
    pub fn set_level(&self, module: Option<&str>, level: Level) -> Result<String, String> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.set(module, level);
        self.handle
            .reload(levels.targets())
            .map_err(|error| error.to_string())?;
        Ok(levels.to_string())
    }

    /// Waits until what was logged so far is written, or until `patience` ends.
    pub fn flush(&self, patience: Duration) {
        self.output.flush(patience);
    }

    /// Lines that nobody read in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.output.lost()
    }
}

/// Starts to log as `config` says; every thread's events from here on are written.
///
/// # Errors
/// [`LogFault`], when there is a log already or no thread for it.
pub fn start(config: &Log) -> Result<LogHandle, LogFault> {
    let output = Output::start(io::stderr()).map_err(LogFault::Thread)?;
    let (subscriber, logs) = assemble(config, output);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogFault::Started)?;
    Ok(logs)
}

fn assemble(
    config: &Log,
    output: Output,
) -> (impl tracing::Subscriber + Send + Sync + use<>, LogHandle) {
    let levels = Levels::new(config);
    let (targets, handle) = reload::Layer::new(levels.targets());
    let lines = lines(config, output.clone());
    let subscriber = Registry::default().with(targets).with(lines);
    (
        subscriber,
        LogHandle {
            levels: Arc::new(Mutex::new(levels)),
            handle,
            output,
        },
    )
}

fn lines<S>(config: &Log, output: Output) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = layer::layer()
        .with_writer(output)
        .with_ansi(false)
        .with_thread_names(config.thread_names)
        .with_thread_ids(config.thread_ids)
        // It would say so on standard error, and panic if that is closed.
        .log_internal_errors(false);
    match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            let format = JsonLines {
                names: config.thread_names,
                ids: config.thread_ids,
            };
            lines.event_format(format).boxed()
        }
    }
}

/// How `level` is written.
fn word(level: Level) -> &'static str {
    LEVELS
        .iter()
        .find(|(_, known)| *known == level)
        .map_or("", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Filter;

    fn config(format: LogFormat, filters: &[(&str, Option<Level>)]) -> Log {
        let filter = |(module, level): &(&str, Option<Level>)| Filter {
            module: (*module).to_owned(),
            level: *level,
        };
        Log {
            level: Level::Info,
            filters: filters.iter().map(filter).collect(),
            format,
            thread_names: true,
            thread_ids: false,
        }
    }

    fn logged(config: &Log, emit: impl FnOnce(&LogHandle)) -> String {
        let sink = output::Sink::default();
        let (subscriber, logs) = assemble(config, Output::start(sink.clone()).unwrap());
        tracing::subscriber::with_default(subscriber, || emit(&logs));
        logs.flush(Duration::from_secs(10));
        sink.text()
    }

    #[test]
    fn text_lines_carry_level_target_message_and_fields() {
        let text = logged(&config(LogFormat::Text, &[]), |_| {
            tracing::info!(target: "slipring::boot", links = 3, "up");
            tracing::debug!("unseen");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in ["INFO", "slipring::boot: up links=3"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn json_lines_hold_anything_and_stay_one_line() {
        let text = logged(&config(LogFormat::Json, &[]), |_| {
            let peer = "node\"\n{}";
            tracing::warn!(target: "slipring::io", peer, count = 7_u64, ok = true, "closed\n");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("{\"timestamp\":\"2"), "{text}");
        for part in [
            r#""level":"WARN","target":"slipring::io","#,
            r#""thread":"#,
            r#""message":"closed\n""#,
            r#""peer":"node\"\n{}","count":7,"ok":true}"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_level_can_be_changed_while_it_runs() {
        let config = config(LogFormat::Text, &[("slipring::io", Some(Level::Error))]);
        let text = logged(&config, |logs| {
            tracing::info!(target: "slipring::io", "a");
            tracing::debug!(target: "slipring::boot", "b");
            assert_eq!(
                logs.set_level(None, Level::Debug).unwrap(),
                "debug,slipring::io=error"
            );
            tracing::debug!(target: "slipring::io", "c");
            tracing::debug!(target: "slipring::boot", "d");
            logs.set_level(Some("slipring::io"), Level::Trace).unwrap();
            tracing::trace!(target: "slipring::io::link", "e");
            logs.set_level(None, Level::Off).unwrap();
            tracing::error!(target: "slipring::boot", "f");
        });
        let said: String = text
            .lines()
            .filter_map(|line| line.chars().last())
            .collect();
        assert_eq!(said, "de", "{text}");
    }
}
