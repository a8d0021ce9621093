//! What `slipring help` and `slipring version` print, made from the table in `flags`.

use std::io::{self, Write};

use super::flags::{FLAGS, Flag, VERBS, Verb};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes help on `verb`, or on everything.
///
/// # Errors
/// Those of `out`.
pub fn write_help(verb: Option<&Verb>, out: &mut dyn Write) -> io::Result<()> {
    match verb {
        Some(verb) => write_verb(verb, out),
        None => write_all(out),
    }
}

/// Writes name and version.
///
/// # Errors
/// Those of `out`.
pub fn write_version(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "slipring {VERSION}")
}

fn write_all(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "slipring {VERSION}: a routing appliance for SLIM")?;
    writeln!(out, "\nusage: slipring [COMMAND] [FLAGS]\n\ncommands")?;
    for verb in VERBS {
        writeln!(out, "  {:<26}{}", synopsis(verb), verb.summary)?;
    }
    writeln!(out, "\nflags")?;
    for flag in FLAGS {
        write_flag(flag, out)?;
    }
    writeln!(
        out,
        "\nWithout a file the node listens on 127.0.0.1:46357 in clear text.\n\
         Exit codes: 0 well, 1 unwell, 64 usage, 69 no answer, 70 fault, 78 file."
    )
}

fn write_verb(verb: &Verb, out: &mut dyn Write) -> io::Result<()> {
    let flags = if verb.flags.is_empty() {
        ""
    } else {
        " [FLAGS]"
    };
    writeln!(out, "usage: slipring {}{flags}\n", synopsis(verb))?;
    writeln!(out, "  {}", verb.summary)?;
    if verb.flags.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nflags")?;
    let taken = |flag: &&Flag| verb.flags.contains(&flag.long);
    for flag in FLAGS.iter().filter(taken) {
        write_flag(flag, out)?;
    }
    Ok(())
}

fn synopsis(verb: &Verb) -> String {
    format!("{} {}", verb.name, verb.operands)
        .trim_end()
        .to_owned()
}

fn write_flag(flag: &Flag, out: &mut dyn Write) -> io::Result<()> {
    let letter = match flag.short {
        Some(letter) => format!("-{letter}, "),
        None => "    ".to_owned(),
    };
    let value = flag
        .value
        .map_or_else(String::new, |value| format!(" {value}"));
    let left = format!("{letter}--{}{value}", flag.long);
    writeln!(out, "  {left:<26}{}", flag.summary)
}
