//! How findings are shown: to people in 80 columns, to programs as JSON.

use std::io::{self, Write};

use super::{Finding, LEVELS, Level, count};
use crate::{
    cli::{check::wrapped, exit},
    json::{Object, push_list},
};

/// Where what was found begins.
const FOUND: usize = 20;
/// Where reasons and remedies begin.
const REASON: usize = 11;

/// Writes `findings`, the worst first. Returns the exit code: 1 when something fails.
///
/// # Errors
/// Those of `out`.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<u8> {
    let sums: Vec<String> = LEVELS
        .iter()
        .map(|(word, level)| format!("{} {word}", of(findings, *level).count()))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let looked = count(findings.len(), "finding");
    writeln!(out, "slipring {version}: {looked}: {}", sums.join(", "))?;
    for (word, level) in LEVELS {
        for finding in of(findings, *level) {
            if *level != Level::Ok {
                writeln!(out)?;
            }
            write_finding(finding, word, out)?;
        }
        if *level == Level::Note {
            writeln!(out)?;
        }
    }
    Ok(exit_code(findings))
}

fn write_finding(finding: &Finding, word: &str, out: &mut dyn Write) -> io::Result<()> {
    let left = format!("{word:<4}  {}", finding.name);
    wrapped(out, &left, FOUND, &finding.found)?;
    if finding.level == Level::Ok {
        return Ok(());
    }
    wrapped(out, "      why", REASON, finding.reason)?;
    wrapped(out, "      read", REASON, finding.source)?;
    match &finding.remedy {
        Some(remedy) => wrapped(out, "      do", REASON, remedy),
        None => Ok(()),
    }
}

/// Writes `findings` as one JSON object. Returns the exit code, as [`write()`] does.
///
/// # Errors
/// Those of `out`.
pub fn write_json(findings: &[Finding], out: &mut dyn Write) -> io::Result<u8> {
    let mut text = String::new();
    let mut object = Object::begin(&mut text);
    object.text("version", env!("CARGO_PKG_VERSION"));
    for (word, level) in LEVELS {
        object.plain(word, of(findings, *level).count());
    }
    object.nested("findings", |out| {
        push_list(out, findings, |out, finding| push_finding(finding, out));
    });
    object.end();
    writeln!(out, "{text}")?;
    Ok(exit_code(findings))
}

fn push_finding(finding: &Finding, out: &mut String) {
    let mut object = Object::begin(out);
    let level = LEVELS.iter().find(|(_, level)| *level == finding.level);
    object
        .text("name", finding.name)
        .text("level", level.map_or("", |(word, _)| word))
        .text("found", &finding.found)
        .text("source", finding.source)
        .text("why", finding.reason);
    match &finding.remedy {
        Some(remedy) => object.text("remedy", remedy),
        None => object.plain("remedy", "null"),
    };
    object.end();
}

fn of(findings: &[Finding], level: Level) -> impl Iterator<Item = &Finding> {
    findings
        .iter()
        .filter(move |finding| finding.level == level)
}

fn exit_code(findings: &[Finding]) -> u8 {
    if of(findings, Level::Fail).next().is_some() {
        exit::UNHEALTHY
    } else {
        exit::OK
    }
}
