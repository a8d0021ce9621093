//! The command line: flags in, a checked plan out.
//!
//! Every flag stands once in [`flags`]; the help text is printed from there, and a test holds the
//! parser to it.

mod flags;
mod given;
mod targets;

use std::net::{IpAddr, Ipv4Addr};

use lexopt::prelude::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

use crate::cli::flags::{COMPARE_FLAGS, Flag, RUN_FLAGS, SHARED_FLAGS, SPAWN_FLAGS, STORM_FLAGS};
use crate::cli::given::Given;
use crate::cli::targets::Entry;
use crate::compare::ComparePlan;
use crate::page::PagePlan;
use crate::plan::{Plan, StormPlan};

pub(crate) use crate::cli::flags::help;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Offer the same load to several targets in turn.
    Compare(Box<ComparePlan>),
    /// Print the help text.
    Help,
    /// Print the version.
    Version,
    /// Draw results that were kept.
    Report(PagePlan),
    /// Offer load and measure.
    Run(Box<Plan>),
    /// Open many links at once.
    Storm(Box<StormPlan>),
}

/// Reads the command line, program name excluded.
///
/// # Errors
/// One sentence saying what to change.
pub(crate) fn parse<I>(arguments: I) -> Result<Command, String>
where
    I: IntoIterator,
    I::Item: Into<std::ffi::OsString>,
{
    let mut parser = Parser::from_args(arguments);
    let word = match parser.next().map_err(text)? {
        Some(Value(word)) if word == "run" => Word::Run,
        Some(Value(word)) if word == "compare" => Word::Compare,
        Some(Value(word)) if word == "storm" => Word::Storm,
        Some(Value(word)) if word == "report" => return report(&mut parser),
        Some(Long("help") | Short('h')) | None => return Ok(Command::Help),
        Some(Value(word)) if word == "help" => return Ok(Command::Help),
        Some(Long("version") | Short('V')) => return Ok(Command::Version),
        Some(other) => return Err(format!("{}; try loadgen --help", other.unexpected())),
    };
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long(name) => {
                let name = name.to_owned();
                given.take(word, &name, &mut parser)?;
            }
            Value(target) => {
                let target = target.string().map_err(text)?;
                given.targets.push(Entry::running(&target)?);
            }
            Short(_) => return Err(text(argument.unexpected())),
        }
    }
    match word {
        Word::Compare => given.compare().map(Command::Compare),
        Word::Run => given.run().map(Command::Run),
        Word::Storm => given.storm().map(Command::Storm),
    }
}

/// A command that offers load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Compare,
    Run,
    Storm,
}

impl Word {
    /// Its flags.
    fn flags(self) -> impl Iterator<Item = &'static Flag> {
        let own: [&[Flag]; 3] = match self {
            Self::Compare => [RUN_FLAGS, COMPARE_FLAGS, SPAWN_FLAGS],
            Self::Run => [RUN_FLAGS, SPAWN_FLAGS, &[]],
            Self::Storm => [STORM_FLAGS, &[], &[]],
        };
        own.into_iter().flatten().chain(SHARED_FLAGS)
    }
}

/// The rest of a `report` command line.
fn report(parser: &mut Parser) -> Result<Command, String> {
    let mut plan = PagePlan::default();
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("html") => plan.html = Some(parser.value().map_err(text)?.into()),
            Value(file) => plan.files.push(file.into()),
            Long(_) | Short(_) => return Err(text(argument.unexpected())),
        }
    }
    if plan.files.is_empty() {
        return Err("which FILES? results that run, compare or storm wrote with --json".to_owned());
    }
    Ok(Command::Report(plan))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The local address of link number `index`, if links are spread over several.
pub(crate) fn source_of(index: usize, sources: u32) -> Option<IpAddr> {
    let turn = u32::try_from(index)
        .unwrap_or(u32::MAX)
        .checked_rem(sources)?;
    Some(IpAddr::V4(Ipv4Addr::from_bits(
        Ipv4Addr::new(127, 0, 0, 2).to_bits() + turn,
    )))
}

#[cfg(test)]
mod tests {
    use crate::pace::Load;
    use crate::plan::Shape;

    use super::*;

    fn parse_words(words: &str) -> Result<Command, String> {
        parse(words.split_whitespace())
    }

    fn plan(words: &str) -> Plan {
        let Command::Run(plan) = parse_words(words).unwrap() else {
            panic!("not a run")
        };
        *plan
    }

    #[test]
    fn defaults_are_one_pair_in_a_closed_loop() {
        let plan = plan("run 127.0.0.1:1");
        assert_eq!(plan.shape, Shape::Pairs { pairs: 1 });
        assert_eq!(plan.load, Load::Closed { window: 1_024 });
        assert_eq!(plan.payload_bytes, 256);
    }

    #[test]
    fn every_documented_flag_is_read() {
        for (command, word) in [
            ("compare", Word::Compare),
            ("run", Word::Run),
            ("storm", Word::Storm),
        ] {
            for Flag { name, value, .. } in word.flags() {
                let value = match *value {
                    "on|off" => "on",
                    "" => "",
                    _ => "99999",
                };
                let words = format!("{command} 127.0.0.1:1 --{name} {value}");
                let read = parse_words(&words);
                let refused = read.as_ref().err().cloned().unwrap_or_default();
                assert!(!refused.contains("documented"), "{words}: {refused}");
                assert!(!refused.contains("no flag"), "{words}: {refused}");
                assert!(help().contains(&format!("--{name} ")), "{name}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, expected) in [
            ("run", "TARGET"),
            ("walk 127.0.0.1:1", "help"),
            ("run 127.0.0.1:1 --size 8", "--size"),
            ("run 127.0.0.1:1 --rate 0", "--rate"),
            ("run 127.0.0.1:1 --window 3 --rate 9", "choose"),
            ("run 127.0.0.1:1 --pairs 1 --fanout 2", "choose"),
            ("run 127.0.0.1:1 --stalled 1", "--fanout"),
            ("run 127.0.0.1:1 --hold 1", "--hold"),
            ("run https://127.0.0.1:1", "--ca"),
            ("run 127.0.0.1:1 --frame-bytes 100", "16384"),
            ("storm 127.0.0.1:1 --links 0", "at least 1"),
            ("run 127.0.0.1:1 127.0.0.1:2", "second"),
            ("run nats://a:1 --stalled 1 --fanout 2", "SLIM"),
            ("run nats://a:1 --instances 9", "SLIM"),
            ("run mqtt://a:1 --identity-bytes 9", "--identity-bytes"),
            ("run nats://a:1 --ca /nowhere", "clear text"),
            ("storm nats://a:1", "SLIM"),
            ("storm 127.0.0.1:1 --spawn", "--spawn"),
            ("run 127.0.0.1:1 --rounds 2", "--rounds"),
            ("run 127.0.0.1:1 --target-cpu 0", "spawned"),
            ("run --spawn-nats /no/such/server", "/no/such/server"),
            ("compare 127.0.0.1:1", "two"),
            ("compare nats://a:1 mqtt://a:1 --mac off", "--mac"),
            ("compare a=nats://a:1 a=mqtt://a:1", "label"),
            ("compare nats://a:1,pid=x mqtt://a:1", "pid"),
            ("compare nats://a:1 mqtt://a:1 --pid 7", "pid="),
            ("compare nats://a:1 mqtt://a:1 --rounds 0", "--rounds"),
            ("report", "FILES"),
            ("report a.json --json b", "--json"),
        ] {
            let refused = parse_words(words).unwrap_err();
            assert!(refused.contains(expected), "{words}: {refused}");
        }
    }

    #[test]
    fn compared_targets_have_labels_pids_and_the_same_plan() {
        let words =
            "compare ours=127.0.0.1:1,pid=7 nats://a:1 mqtt://b mqtt://b --identity-bytes 9";
        let Command::Compare(plan) = parse_words(words).unwrap() else {
            panic!("not a comparison")
        };
        let labels: Vec<_> = plan
            .contestants
            .iter()
            .map(|one| one.label.as_str())
            .collect();
        assert_eq!(labels, ["ours", "nats", "mqtt", "mqtt-2"]);
        let pids: Vec<_> = plan
            .contestants
            .iter()
            .map(|one| one.plan.reporting.pid)
            .collect();
        assert_eq!(pids, [Some(7), None, None, None]);
        assert_eq!(plan.rounds, 5);
    }

    #[test]
    fn published_frames_come_with_published_windows() {
        let plan = plan("run 127.0.0.1:1 --frame-bytes 16384 --cpus 1,3-4");
        assert_eq!(plan.links.transport.stream_window_bytes, 2_097_152);
        assert_eq!(plan.links.transport.data_bytes_max, 16_384);
        assert_eq!((plan.threads.count, plan.threads.cpus), (3, vec![1, 3, 4]));
    }

    #[test]
    fn sources_rotate_and_none_leaves_it_to_the_kernel() {
        assert_eq!(source_of(3, 0), None);
        let third = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
        assert_eq!(source_of(1, 2), Some(third));
        assert_eq!(source_of(3, 2), Some(third));
    }
}
