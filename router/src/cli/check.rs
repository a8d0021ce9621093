//! What `slipring check` prints: what would run, on which CPUs, in how much memory, and what to
//! look at; or why nothing would.
//!
//! Every line fits [`COLUMNS`], whatever the configuration holds.

use std::io::{self, Write};

use super::{Files, exit};
use crate::config::{
    BUILT_IN, Config, Errors, Finding, IO_CHOICES, LEVELS, LOG_FORMATS, Server, TLS_VERSIONS,
    about, show_duration, word,
};

/// The width of a terminal.
pub const COLUMNS: usize = 80;
/// Where the second column of a section begins.
const INDENT: usize = 14;
/// Where the reckoning of an account begins.
const MEMORY_INDENT: usize = 26;

/// Writes what would run with `config`, which came from `files`. Returns the exit code: that of a
/// wrong configuration when the node would refuse to start for want of memory.
///
/// # Errors
/// Those of `out`.
pub fn write_check(config: &Config, files: &Files, out: &mut dyn Write) -> io::Result<u8> {
    let memory = config.memory_worst_case();
    let verdict = memory.allow(&config.limits);
    let heading = match &verdict {
        Ok(()) => "the configuration is sound".to_owned(),
        Err(refusal) => format!("the node would not start: {refusal}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    wrapped(out, "", 0, &format!("slipring {version}: {heading}"))?;
    write_files(files, out)?;
    write_node(config, out)?;
    write_listeners(config, out)?;
    write_shards(config, out)?;
    write_memory(config, out)?;
    write_warnings(&config.warnings, out)?;
    Ok(if verdict.is_ok() {
        exit::OK
    } else {
        exit::CONFIG
    })
}

/// Writes why there is no configuration: one line an error, wrapped by whoever shows it, so that
/// tools find `file:line:column` at its start.
///
/// # Errors
/// Those of `out`.
pub fn write_errors(errors: &Errors, out: &mut dyn Write) -> io::Result<u8> {
    for finding in &errors.findings {
        writeln!(out, "error: {finding}")?;
    }
    for finding in &errors.warnings {
        writeln!(out, "warning: {finding}")?;
    }
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    let failed = count(errors.findings.len(), "error");
    let warned = count(errors.warnings.len(), "warning");
    writeln!(out, "slipring: no usable configuration: {failed}, {warned}")?;
    Ok(exit::CONFIG)
}

fn write_files(files: &Files, out: &mut dyn Write) -> io::Result<()> {
    let file = files
        .config
        .as_ref()
        .map_or_else(|| BUILT_IN.to_owned(), |path| path.display().to_string());
    row(out, "file", &file)?;
    match &files.overlay {
        Some(path) => row(out, "overlay", &path.display().to_string()),
        None => Ok(()),
    }
}

fn write_node(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nnode")?;
    row(out, "service", &config.node.service)?;
    row(out, "id", &config.node.node_id)?;
    if !config.node.deployment_name.is_empty() {
        row(out, "deployment", &config.node.deployment_name)?;
    }
    let (deadline, spread) = (config.drain.deadline, config.drain.spread);
    let (deadline, spread) = (show_duration(deadline), show_duration(spread));
    row(
        out,
        "drain",
        &format!("within {deadline}, farewells spread over {spread}"),
    )?;
    let level = word(LEVELS, config.log.level);
    let format = word(LOG_FORMATS, config.log.format);
    let filters = config.log.filters.len();
    let filters = match filters {
        0 => String::new(),
        filters => format!(", {filters} modules with a level of their own"),
    };
    row(out, "log", &format!("{level}, as {format}{filters}"))?;
    let http = config.admin.http;
    let http = http.map_or_else(|| "off".to_owned(), |address| address.to_string());
    row(out, "admin", &format!("{http}, read-only HTTP"))?;
    row(out, "control", &config.admin.control.display().to_string())
}

fn write_listeners(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nlisteners")?;
    for server in &config.servers {
        wrapped(out, "", 2, &server.endpoint.to_string())?;
        wrapped(out, "", 4, &listener(server, config.enforce_pqc))?;
    }
    Ok(())
}

fn listener(server: &Server, enforce_pqc: bool) -> String {
    let protection = match &server.tls {
        None => "clear text".to_owned(),
        Some(tls) => {
            let client = match &tls.client_ca {
                Some(_) => "client certificate required",
                None => "no client certificate",
            };
            format!("{}, {client}", word(TLS_VERSIONS, tls.version))
        }
    };
    let mac = if server.require_header_mac {
        "required"
    } else {
        "optional"
    };
    let hybrid = if enforce_pqc {
        ", post-quantum hybrid only"
    } else {
        ""
    };
    let (time, timeout) = (server.keepalive.time, server.keepalive.timeout);
    format!(
        "{protection}; header MAC {mac}{hybrid}; negotiation within {}; at most {} streams a \
         transport; silence of {} is probed for {}",
        show_duration(server.negotiation_timeout),
        server.streams_max,
        show_duration(time),
        show_duration(timeout),
    )
}

fn write_shards(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let io = word(IO_CHOICES, config.io);
    writeln!(
        out,
        "\nshards: {} on {io} I/O; shard 0 is the control shard",
        config.shards
    )?;
    let map: Vec<String> = config
        .cpus
        .iter()
        .enumerate()
        .map(|(shard, cpu)| format!("{shard}->{cpu}"))
        .collect();
    row(out, "shard->CPU", &map.join(" "))
}

fn write_memory(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let memory = config.memory_worst_case();
    writeln!(
        out,
        "\nmemory at worst, kernel's socket buffers not included"
    )?;
    for line in &memory.lines {
        let left = format!("  {:<13}{:>9}", line.account, about(line.bytes));
        wrapped(
            out,
            &left,
            MEMORY_INDENT,
            &format!("{}: {}", line.sum, line.reason),
        )?;
    }
    let granted = match config.limits.memory_bytes_max {
        Some(bytes) => format!("of at most {}", about(bytes)),
        None => "no bound is set".to_owned(),
    };
    let left = format!("  {:<13}{:>9}", "total", about(memory.total_bytes()));
    wrapped(out, &left, MEMORY_INDENT, &granted)
}

fn write_warnings(warnings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    if warnings.is_empty() {
        return writeln!(out, "\nno warnings");
    }
    writeln!(out, "\nwarnings")?;
    for warning in warnings {
        wrapped(out, "  -", 4, &warning.to_string())?;
    }
    Ok(())
}

/// A name and what there is to say about it.
fn row(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    wrapped(out, &format!("  {name}"), INDENT, text)
}

/// `left`, then `text` from column `indent` on, broken at blanks or, where a word is longer than
/// a line, within it. Control characters are shown, not obeyed.
pub(crate) fn wrapped(
    out: &mut dyn Write,
    left: &str,
    indent: usize,
    text: &str,
) -> io::Result<()> {
    let width = COLUMNS.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let letters: Vec<char> = printable(word);
        if used > 0 && used + 1 + letters.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        for letter in letters {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(letter);
            used += 1;
        }
    }
    lines.push(line);
    let mut left = left;
    for line in lines {
        writeln!(out, "{left:<indent$}{line}")?;
        left = "";
    }
    Ok(())
}

fn printable(word: &str) -> Vec<char> {
    let shown = |letter: char| -> Vec<char> {
        if letter.is_control() {
            letter.escape_default().collect()
        } else {
            vec![letter]
        }
    };
    word.chars().flat_map(shown).collect()
}
