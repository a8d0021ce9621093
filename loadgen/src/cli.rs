//! The command line: flags and plan files in, a checked plan out.
//!
//! Every setting stands once in [`flags`]; the help text and the keys of plan files come from
//! there, and tests hold the parser to it.

mod build;
mod file;
mod flags;
mod given;
mod help;
mod linking;
mod targets;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};

use lexopt::prelude::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

use crate::cli::file::{Source, contents};
use crate::cli::flags::nearest;
use crate::cli::given::Given;
use crate::compare::ComparePlan;
use crate::page::PagePlan;
use crate::plan::{Plan, SoakPlan, StormPlan};
use crate::plans::PLANS;

pub(crate) use crate::cli::flags::Verb;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Offer the same load to several targets in turn.
    Compare(Box<ComparePlan>),
    /// Print a text: help, or the list of plans.
    Print(String),
    /// Draw results that were kept.
    Report(PagePlan),
    /// Offer load and measure.
    Run(Box<Plan>),
    /// Offer load for hours.
    Soak(Box<SoakPlan>),
    /// Open many links at once.
    Storm(Box<StormPlan>),
}

/// Reads the command line, program name excluded.
///
/// # Errors
/// Everything that has to be changed, one sentence per line.
pub(crate) fn parse<I>(arguments: I) -> Result<Command, String>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = Parser::from_args(arguments);
    let verb = match parser.next().map_err(text)? {
        Some(Long("help") | Short('h')) | None => return Ok(Command::Print(help::overview())),
        Some(Long("version") | Short('V')) => {
            let version = concat!("loadgen ", env!("CARGO_PKG_VERSION"), "\n");
            return Ok(Command::Print(version.to_owned()));
        }
        Some(Value(word)) => match word.to_str() {
            Some("help") => return explain(&mut parser),
            Some("plans") => return Ok(Command::Print(plans()?)),
            _ => verb(&word)?,
        },
        Some(other) => return Err(format!("{}; try loadgen --help", other.unexpected())),
    };
    let mut given = Given::new(verb);
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Print(help::on(verb))),
            Long(name) => {
                let name = name.to_owned();
                let value = if given.has_value(&name) {
                    parser.value().map_err(text)?.string().map_err(text)?
                } else {
                    String::new()
                };
                given.take_flag(&name, value);
            }
            Value(word) => given.take_word(word),
            Short(_) => given.problem(text(argument.unexpected())),
        }
    }
    finish(given)
}

/// Joins the plan file, if one was named, and builds.
fn finish(mut given: Given) -> Result<Command, String> {
    if let Some(source) = given.parsed("plan", Source::find) {
        let contents = contents(given.verb(), &source);
        given.take_file(contents.values);
        for problem in contents.problems {
            given.problem(problem);
        }
    }
    match given.verb() {
        Verb::Run => build::run(given).map(Command::Run),
        Verb::Compare => build::compare(given).map(Command::Compare),
        Verb::Soak => build::soak(given).map(Command::Soak),
        Verb::Storm => build::storm(given).map(Command::Storm),
        Verb::Report => build::report(given).map(Command::Report),
    }
}

fn verb(word: &OsString) -> Result<Verb, String> {
    let word = word.to_string_lossy();
    let found = Verb::ALL.into_iter().find(|verb| verb.name() == word);
    found.ok_or_else(|| {
        let words = Verb::ALL.into_iter().map(Verb::name);
        let hint = nearest(&word, words.chain(["plans", "help"]))
            .map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
        format!("there is no command \"{word}\"{hint}; try loadgen --help")
    })
}

/// `loadgen help [COMMAND]`.
fn explain(parser: &mut Parser) -> Result<Command, String> {
    let text = match parser.next().map_err(text)? {
        Some(Value(word)) => help::on(verb(&word)?),
        _ => help::overview(),
    };
    Ok(Command::Print(text))
}

/// `loadgen plans`: a line for each ready-made plan.
fn plans() -> Result<String, String> {
    let mut out =
        String::from("ready-made plans, used as in loadgen run TARGET --plan pairs-256:\n\n");
    for plan in PLANS {
        let source = Source::find(plan.name)?;
        let contents = contents(plan.verb, &source);
        let about = contents.about.unwrap_or_default();
        out.push_str(&format!(
            "  {:<5} {:<16} {about}\n",
            plan.verb.name(),
            plan.name
        ));
    }
    out.push_str(
        "\nA file of your own does as well: --plan FILE. Their text: loadgen/plans/*.toml.\n",
    );
    Ok(out)
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
