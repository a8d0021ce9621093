//! Which events are told: a general level and modules with a level of their own.

use std::fmt;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::word;
use crate::config::{Level, Log};

/// The levels in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    general: Level,
    /// A module that stands after another and holds it has replaced it.
    modules: Vec<(String, Level)>,
}

impl Levels {
    /// Those of the configuration, where the last match wins.
    pub(super) fn new(config: &Log) -> Self {
        let mut levels = Self {
            general: config.level,
            modules: Vec::new(),
        };
        for filter in &config.filters {
            levels.set(Some(&filter.module), filter.level.unwrap_or(config.level));
        }
        levels
    }

    /// Sets the level of `module` and of everything in it, or of all that no module names.
    pub(super) fn set(&mut self, module: Option<&str>, level: Level) {
        let Some(module) = module else {
            self.general = level;
            return;
        };
        // The subscriber prefers the longer name; here the later word counts.
        self.modules.retain(|(known, _)| !known.starts_with(module));
        self.modules.push((module.to_owned(), level));
    }

    /// The same, as the subscriber wants it.
    pub(super) fn targets(&self) -> Targets {
        let modules = self
            .modules
            .iter()
            .map(|(module, level)| (module.clone(), filter(*level)));
        Targets::new()
            .with_default(filter(self.general))
            .with_targets(modules)
    }
}

/// As `RUST_LOG` would have it.
impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(self.general))?;
        for (module, level) in &self.modules {
            write!(f, ",{module}={}", word(*level))?;
        }
        Ok(())
    }
}

const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level as Severity;

    use super::*;

    #[test]
    fn the_later_word_counts() {
        let mut levels = Levels {
            general: Level::Info,
            modules: Vec::new(),
        };
        levels.set(Some("slipring::io"), Level::Debug);
        levels.set(Some("slipring"), Level::Warn);
        assert_eq!(levels.to_string(), "info,slipring=warn");
        assert!(
            !levels
                .targets()
                .would_enable("slipring::io::tls", &Severity::INFO)
        );
        levels.set(Some("slipring::io"), Level::Trace);
        assert!(
            levels
                .targets()
                .would_enable("slipring::io::tls", &Severity::TRACE)
        );
        assert!(
            !levels
                .targets()
                .would_enable("slipring::boot", &Severity::INFO)
        );
        assert!(levels.targets().would_enable("h2", &Severity::INFO));
    }
}
