//! `loadgen`: offers load to a SLIM router and judges every delivery.
//!
//! The command line becomes a plan ([`cli`], [`plan`]), the plan a fleet of pinned threads
//! ([`fleet`]) whose links carry messages ([`message`]) with probes ([`probe`]) at a pace ([`pace`]),
//! and what was found a table and a JSON document ([`report`]). Exit status: 0 clean, 1 not a result, 64 wrong usage, 69 the
//! target is not available.

mod cast;
mod churn;
mod cli;
mod clock;
mod compare;
mod connect;
mod fleet;
mod flow;
mod histogram;
mod host;
mod identity;
mod instances;
mod message;
mod pace;
mod page;
mod plan;
mod plans;
mod probe;
mod progress;
mod report;
mod run;
mod sizes;
mod soak;
mod spawn;
mod stage;
mod storm;
mod syscalls;
mod target;

use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::Command;
use crate::fleet::Fleet;
use crate::plan::{Plan, Reporting, Shape, SoakPlan, StormPlan};
use crate::report::Report;
use crate::report::json::Json;
use crate::run::Failure;

/// Many small allocations on many threads are what a load generator does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages were lost, doubled, reordered or damaged, or links failed.
const EXIT_FAULTY: u8 = 1;
/// The command line makes no sense (EX_USAGE).
const EXIT_USAGE: u8 = 64;
/// The target cannot be reached or refuses (EX_UNAVAILABLE).
const EXIT_UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|a| a.to_string_lossy().into())
        .collect();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let [word, rest @ ..] = words.as_slice()
        && word == spawn::guard::WORD
    {
        return spawn::guard::guard(rest);
    }
    match cli::parse(words) {
        Ok(Command::Print(text)) => say(&text),
        Ok(Command::Compare(plan)) => {
            let result = on_fleet(&plan.plan().threads, async |fleet: &Fleet| {
                Ok(compare::compare(&plan, fleet).await?.report())
            });
            conclude(result, plan.json(), &plan.plan().reporting, &arguments)
        }
        Ok(Command::Report(plan)) => match page::report(&plan) {
            Ok(table) => say(&table),
            Err(problem) => complain(&problem, EXIT_USAGE),
        },
        Ok(Command::Run(plan)) => {
            let result = on_fleet(&plan.threads, async |fleet: &Fleet| {
                offer(&plan, fleet).await
            });
            conclude(result, plan.json(), &plan.reporting, &arguments)
        }
        Ok(Command::Soak(plan)) => {
            let result = on_fleet(&plan.run.threads, async |fleet: &Fleet| {
                endure(&plan, fleet).await
            });
            conclude(result, plan.json(), &plan.run.reporting, &arguments)
        }
        Ok(Command::Storm(plan)) => {
            let result = on_fleet(&plan.threads, async |fleet: &Fleet| {
                brew(&plan, fleet).await
            });
            conclude(result, plan.json(), &plan.reporting, &arguments)
        }
        Err(problem) => complain(&problem, EXIT_USAGE),
    }
}

/// Starts the threads and runs `work` on a coordinating runtime beside them.
fn on_fleet(
    threads: &plan::Threads,
    work: impl AsyncFnOnce(&Fleet) -> Result<Report, Failure>,
) -> Result<Report, Failure> {
    let fleet = Fleet::start(threads)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work(&fleet))
}

async fn offer(plan: &Plan, fleet: &Fleet) -> Result<Report, Failure> {
    let mut plan = plan.clone();
    // Held until the report is there.
    let spawned = compare::spawn(&mut plan).await?;
    let mut report = offer_to(&plan, fleet).await?;
    if let Some(status) = spawned.as_ref().and_then(spawn::Spawned::ended) {
        report.fault(format!("the target ended: {status}"));
    }
    Ok(report)
}

async fn offer_to(plan: &Plan, fleet: &Fleet) -> Result<Report, Failure> {
    if let Shape::Instances { instances, links } = plan.shape {
        let outcome = instances::instances(plan, fleet, instances, links).await?;
        return Ok(outcome.report(instances, links));
    }
    let outcome = run::run(plan, fleet).await?;
    let links = plan.shape.links() + plan.idle_links;
    Ok(outcome.report(links, plan.sizes.mean_bytes()))
}

/// Each interval is told when it is over, so that whoever looks in sees how it stands.
async fn endure(plan: &SoakPlan, fleet: &Fleet) -> Result<Report, Failure> {
    let tell = |line: &str| {
        say(&format!("{line}\n"));
    };
    let mut plan = plan.clone();
    // Held until the report is there: all intervals are to meet the same process.
    let spawned = compare::spawn(&mut plan.run).await?;
    let mut report = soak::soak(&plan, fleet, tell).await?.report(&plan);
    if let Some(status) = spawned.as_ref().and_then(spawn::Spawned::ended) {
        report.fault(format!("the target ended: {status}"));
    }
    Ok(report)
}

async fn brew(plan: &StormPlan, fleet: &Fleet) -> Result<Report, Failure> {
    Ok(storm::storm(plan, fleet).await?.report(plan.count))
}

/// Prints the table, writes the JSON, and turns the verdict into an exit status.
fn conclude(
    result: Result<Report, Failure>,
    plan: Json,
    reporting: &Reporting,
    arguments: &[String],
) -> ExitCode {
    let report = match result {
        Ok(report) => report,
        Err(failure) => return complain(&failure.to_string(), EXIT_UNAVAILABLE),
    };
    let (clean, unavailable) = (report.faults.is_empty(), report.unavailable);
    say(&report.table());
    if let Some(path) = &reporting.json {
        let document = format!("{}\n", report.json(plan, reporting, arguments));
        if let Err(error) = std::fs::write(path, document) {
            return complain(&format!("{}: {error}", path.display()), EXIT_USAGE);
        }
    }
    match (clean, unavailable) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(EXIT_UNAVAILABLE),
        (false, false) => ExitCode::from(EXIT_FAULTY),
    }
}

/// Writes to standard output; a reader that went away is no failure.
fn say(text: &str) -> ExitCode {
    std::io::stdout()
        .write_all(text.as_bytes())
        .unwrap_or_default();
    ExitCode::SUCCESS
}

fn complain(problem: &str, status: u8) -> ExitCode {
    for line in problem.lines() {
        writeln!(std::io::stderr(), "loadgen: {line}").unwrap_or_default();
    }
    ExitCode::from(status)
}
