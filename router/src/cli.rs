//! The command line: what was asked for, as one [`Command`].
//!
//! What enters: arguments and the one environment variable the reference reads. What leaves: a
//! command with everything it needs, or a [`Usage`] that says what was wrong. Commands, flags and
//! their help stand once, in [`flags`]; parsing, `--help` and the man page follow that table.
//! Nothing here opens a file, a socket or prints.

pub mod check;
pub mod flags;
pub mod help;
pub mod remote;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{LEVELS, Level, nearest, parse_duration};
use flags::{FLAGS, Flag, VERBS, Verb};

/// Exit codes, as in `sysexits.h`.
pub mod exit {
    /// All went well.
    pub const OK: u8 = 0;
    /// `health` found the node not serving, or `doctor` what keeps it from starting.
    pub const UNHEALTHY: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// The node does not answer.
    pub const UNAVAILABLE: u8 = 69;
    /// The program is wrong.
    pub const SOFTWARE: u8 = 70;
    /// The configuration is wrong.
    pub const CONFIG: u8 = 78;
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Be a node.
    Run(Files),
    /// Say what a node would be, and whether it could start.
    Check(Files),
    /// Print the effective configuration as YAML.
    Config(Files),
    /// Say what this host does to a node, and what to do about it.
    Doctor {
        /// Which node.
        files: Files,
        /// As JSON.
        json: bool,
    },
    /// Print a summary of a running node.
    Status {
        /// Which node.
        reach: Reach,
        /// As JSON.
        json: bool,
    },
    /// Print a running node's links.
    Links {
        /// Which node.
        reach: Reach,
        /// As JSON.
        json: bool,
        /// At most so many.
        rows_max: u32,
    },
    /// Print the size of a running node's tables and whether its shards agree on them.
    Fib {
        /// Which node.
        reach: Reach,
        /// As JSON.
        json: bool,
    },
    /// Make a running node drain and stop.
    Drain {
        /// Which node.
        reach: Reach,
        /// Within this time, instead of the configured one.
        deadline: Option<Duration>,
    },
    /// Make a running node read its certificates again.
    Reload {
        /// Which node.
        reach: Reach,
    },
    /// Change what a running node logs.
    LogLevel {
        /// Which node.
        reach: Reach,
        /// The module; everything when absent.
        module: Option<String>,
        /// The level.
        level: Level,
    },
    /// Say by exit code whether a running node is serving.
    Health {
        /// Which node.
        reach: Reach,
    },
    /// Print the version.
    Version,
    /// Print help, on one command or on all.
    Help(Option<&'static Verb>),
}

/// Which files hold the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The node's file; the built-in configuration when absent.
    pub config: Option<PathBuf>,
    /// The overlay.
    pub overlay: Option<PathBuf>,
    /// Whether keys nobody reads are errors.
    pub strict: bool,
}

/// How to reach a running node: an address given by name wins over the files' one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Its read-only HTTP address.
    pub admin: Option<SocketAddr>,
    /// Its control socket.
    pub control: Option<PathBuf>,
    /// The files it was started with, which hold both.
    pub files: Files,
}

/// What was wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; try \"slipring help\"")]
pub struct Usage(String);

/// What a command line holds before anybody knows what it means.
struct Words {
    verb: &'static Verb,
    operands: Vec<OsString>,
    values: Vec<(&'static Flag, OsString)>,
}

/// Reads the arguments that follow the program's name. `config_variable` is the environment's
/// `CONFIG`, which names the node's file where `--config` does not.
///
/// # Errors
/// [`Usage`] names the first word that makes no sense.
pub fn parse<I>(arguments: I, config_variable: Option<OsString>) -> Result<Command, Usage>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let words = match split(lexopt::Parser::from_args(arguments))? {
        Split::Words(words) => words,
        Split::Done(command) => return Ok(command),
    };
    words.allow_flags()?;
    words.command(config_variable)
}

/// A command line that says all there is with one word, or one to look into.
enum Split {
    Done(Command),
    Words(Words),
}

fn split(mut parser: lexopt::Parser) -> Result<Split, Usage> {
    let mut verb: Option<&'static Verb> = None;
    let mut operands = Vec::new();
    let mut values: Vec<(&'static Flag, OsString)> = Vec::new();
    let mut help = false;
    loop {
        let flag = match parser.next().map_err(|fault| Usage(fault.to_string()))? {
            None => break,
            Some(lexopt::Arg::Value(word)) if verb.is_none() => {
                verb = Some(verb_named(&word.to_string_lossy())?);
                continue;
            }
            Some(lexopt::Arg::Value(word)) => {
                operands.push(word);
                continue;
            }
            Some(lexopt::Arg::Short(letter)) => {
                let named = FLAGS.iter().find(|flag| flag.short == Some(letter));
                named.ok_or_else(|| Usage(format!("unknown flag -{letter}")))?
            }
            Some(lexopt::Arg::Long(name)) => flag_named(name)?,
        };
        match flag.long {
            "help" => help = true,
            "version" => return Ok(Split::Done(Command::Version)),
            name => {
                if values.iter().any(|(given, _)| given.long == name) {
                    return Err(Usage(format!("--{name} is given twice")));
                }
                let value = match flag.value {
                    Some(_) => parser.value().map_err(|fault| Usage(fault.to_string()))?,
                    None => OsString::new(),
                };
                values.push((flag, value));
            }
        }
    }
    if help {
        return Ok(Split::Done(Command::Help(verb)));
    }
    Ok(Split::Words(Words {
        verb: verb.map_or_else(|| verb_named("run"), Ok)?,
        operands,
        values,
    }))
}

fn verb_named(word: &str) -> Result<&'static Verb, Usage> {
    if let Some(verb) = VERBS.iter().find(|verb| verb.name == word) {
        return Ok(verb);
    }
    let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let hint = nearest(word, &names)
        .map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
    Err(Usage(format!("unknown command \"{word}\"{hint}")))
}

fn flag_named(name: &str) -> Result<&'static Flag, Usage> {
    if let Some(flag) = FLAGS.iter().find(|flag| flag.long == name) {
        return Ok(flag);
    }
    let names: Vec<&str> = FLAGS.iter().map(|flag| flag.long).collect();
    let hint = nearest(name, &names)
        .map_or_else(String::new, |meant| format!("; did you mean --{meant}?"));
    Err(Usage(format!("unknown flag --{name}{hint}")))
}

impl Words {
    /// Every flag must mean something to the command.
    fn allow_flags(&self) -> Result<(), Usage> {
        for (flag, _) in &self.values {
            if !self.verb.flags.contains(&flag.long) {
                let (verb, flag) = (self.verb.name, flag.long);
                return Err(Usage(format!("\"{verb}\" does not take --{flag}")));
            }
        }
        Ok(())
    }

    fn command(mut self, config_variable: Option<OsString>) -> Result<Command, Usage> {
        let name = self.verb.name;
        let command = match name {
            "run" => Command::Run(self.files(config_variable)),
            "check" => Command::Check(self.files(config_variable)),
            "config" => Command::Config(self.files(config_variable)),
            "doctor" => Command::Doctor {
                files: self.files(config_variable),
                json: self.has("json"),
            },
            "version" => Command::Version,
            "help" => Command::Help(self.operand()?.map(|word| verb_named(&word)).transpose()?),
            _ => self.remote_command(config_variable)?,
        };
        match self.operands.first() {
            Some(word) => {
                let word = word.to_string_lossy();
                Err(Usage(format!("\"{name}\" does not take \"{word}\"")))
            }
            None => Ok(command),
        }
    }

    /// A command for a running node.
    fn remote_command(&mut self, config_variable: Option<OsString>) -> Result<Command, Usage> {
        let reach = self.reach(config_variable)?;
        let json = self.has("json");
        Ok(match self.verb.name {
            "status" => Command::Status { reach, json },
            "links" => Command::Links {
                reach,
                json,
                rows_max: self.rows_max()?,
            },
            "fib" => Command::Fib { reach, json },
            "drain" => Command::Drain {
                reach,
                deadline: self.deadline()?,
            },
            "reload" => Command::Reload { reach },
            "log-level" => {
                let (module, level) = self.log_level()?;
                Command::LogLevel {
                    reach,
                    module,
                    level,
                }
            }
            _ => Command::Health { reach },
        })
    }

    fn files(&self, config_variable: Option<OsString>) -> Files {
        let variable = config_variable.filter(|path| !path.is_empty());
        Files {
            config: self
                .value("config")
                .cloned()
                .or(variable)
                .map(PathBuf::from),
            overlay: self.value("overlay").map(PathBuf::from),
            strict: self.has("strict"),
        }
    }

    fn reach(&self, config_variable: Option<OsString>) -> Result<Reach, Usage> {
        let admin = self.parsed("admin", "an address such as 127.0.0.1:46380", |text| {
            text.parse().ok()
        })?;
        Ok(Reach {
            admin,
            control: self.value("control").map(PathBuf::from),
            files: self.files(config_variable),
        })
    }

    fn rows_max(&self) -> Result<u32, Usage> {
        let rows_max = self.parsed("rows", "a number", |text| text.parse().ok())?;
        Ok(rows_max.unwrap_or(flags::ROWS_MAX))
    }

    fn deadline(&self) -> Result<Option<Duration>, Usage> {
        self.parsed("deadline", "a duration such as 30s", parse_duration)
    }

    fn log_level(&mut self) -> Result<(Option<String>, Level), Usage> {
        let expected = || {
            let words: Vec<&str> = LEVELS.iter().map(|(word, _)| *word).collect();
            let words = words.join(", ");
            Usage(format!(
                "expected LEVEL or MODULE=LEVEL, LEVEL being one of {words}"
            ))
        };
        let text = self.operand()?.ok_or_else(expected)?;
        let (module, word) = match text.split_once('=') {
            Some((module, word)) if !module.is_empty() => (Some(module.to_owned()), word),
            Some(_) => return Err(expected()),
            None => (None, text.as_str()),
        };
        let level = LEVELS.iter().find(|(name, _)| *name == word);
        let (_, level) = level.ok_or_else(expected)?;
        Ok((module, *level))
    }

    /// The next operand, as text.
    fn operand(&mut self) -> Result<Option<String>, Usage> {
        if self.operands.is_empty() {
            return Ok(None);
        }
        let word = self.operands.remove(0).into_string();
        word.map(Some).map_err(|word| {
            let shown = word.to_string_lossy();
            Usage(format!("\"{shown}\" is not UTF-8"))
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.value(flag).is_some()
    }

    fn value(&self, flag: &str) -> Option<&OsString> {
        self.values
            .iter()
            .find(|(given, _)| given.long == flag)
            .map(|(_, value)| value)
    }

    fn parsed<T>(
        &self,
        flag: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Usage> {
        let Some(value) = self.value(flag) else {
            return Ok(None);
        };
        let text = value.to_string_lossy();
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Usage(format!(
                "--{flag} takes {expected}, found \"{text}\""
            ))),
        }
    }
}
