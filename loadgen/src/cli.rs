//! The command line: flags in, a checked plan out.
//!
//! Every flag stands once in [`flags`]; the help text is printed from there, and a test holds the
//! parser to it.

mod flags;
mod given;

use std::net::{IpAddr, Ipv4Addr};

use lexopt::prelude::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

use crate::cli::given::Given;
use crate::plan::{Plan, StormPlan};

pub(crate) use crate::cli::flags::help;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Print the version.
    Version,
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
    let storm = match parser.next().map_err(text)? {
        Some(Value(word)) if word == "run" => false,
        Some(Value(word)) if word == "storm" => true,
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
                given.take(storm, &name, &mut parser)?;
            }
            Value(target) if given.target.is_none() => {
                given.target = Some(target.string().map_err(text)?);
            }
            Short(_) | Value(_) => return Err(text(argument.unexpected())),
        }
    }
    if storm {
        given.storm().map(Command::Storm)
    } else {
        given.run().map(Command::Run)
    }
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
    use crate::cli::flags::{Flag, RUN_FLAGS, SHARED_FLAGS, STORM_FLAGS};
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
        for (command, flags) in [("run", RUN_FLAGS), ("storm", STORM_FLAGS)] {
            for Flag { name, value, .. } in flags.iter().chain(SHARED_FLAGS) {
                let value = if *value == "on|off" { "on" } else { "99999" };
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
        ] {
            let refused = parse_words(words).unwrap_err();
            assert!(refused.contains(expected), "{words}: {refused}");
        }
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
