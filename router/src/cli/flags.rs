//! The commands and flags there are: the one table that parsing, help and the man page follow.

/// How many rows `links` prints unless asked otherwise.
pub const ROWS_MAX: u32 = 50;

/// The flags of commands that read the configuration.
const FILES: &[&str] = &["config", "overlay", "strict"];
/// The flags of commands that look at a running node.
const LOOK: &[&str] = &["admin", "config", "overlay", "strict", "json"];
/// The flags of commands that change a running node.
const CHANGE: &[&str] = &["control", "config", "overlay", "strict"];

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// What follows the name, as it stands in help.
    pub operands: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The long names of the flags it takes.
    pub flags: &'static [&'static str],
}

/// One flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name after two dashes.
    pub long: &'static str,
    /// Its letter after one dash.
    pub short: Option<char>,
    /// What its value is, when it has one.
    pub value: Option<&'static str>,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// Every command, in the order of help.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "run",
        operands: "",
        summary: "be a node; what slipring does without a command",
        flags: FILES,
    },
    Verb {
        name: "check",
        operands: "",
        summary: "say what would run, and whether it could start",
        flags: FILES,
    },
    Verb {
        name: "config",
        operands: "",
        summary: "print the effective configuration as YAML",
        flags: FILES,
    },
    Verb {
        name: "doctor",
        operands: "",
        summary: "say what this host does to the node, and the remedy",
        flags: &["config", "overlay", "strict", "json"],
    },
    Verb {
        name: "status",
        operands: "",
        summary: "print a summary of the running node",
        flags: LOOK,
    },
    Verb {
        name: "links",
        operands: "",
        summary: "print the running node's links",
        flags: &["admin", "config", "overlay", "strict", "json", "rows"],
    },
    Verb {
        name: "fib",
        operands: "",
        summary: "print sizes of its tables and whether shards agree",
        flags: LOOK,
    },
    Verb {
        name: "drain",
        operands: "",
        summary: "make the running node say goodbye and stop",
        flags: &["control", "config", "overlay", "strict", "deadline"],
    },
    Verb {
        name: "reload",
        operands: "",
        summary: "make the running node read its certificates again",
        flags: CHANGE,
    },
    Verb {
        name: "log-level",
        operands: "[MODULE=]LEVEL",
        summary: "change what the running node logs",
        flags: CHANGE,
    },
    Verb {
        name: "health",
        operands: "",
        summary: "exit with 0 if the node is serving, else with 1",
        flags: &["admin", "config", "overlay", "strict"],
    },
    Verb {
        name: "version",
        operands: "",
        summary: "print the version",
        flags: &[],
    },
    Verb {
        name: "help",
        operands: "[COMMAND]",
        summary: "print this, or help on one command",
        flags: &[],
    },
];

/// Every flag, in the order of help.
pub const FLAGS: &[Flag] = &[
    Flag {
        long: "config",
        short: Some('c'),
        value: Some("FILE"),
        summary: "the node's YAML file; else the environment's CONFIG",
    },
    Flag {
        long: "overlay",
        short: None,
        value: Some("FILE"),
        summary: "a second file with a slipring section, which wins",
    },
    Flag {
        long: "strict",
        short: None,
        value: None,
        summary: "refuse keys that nobody reads instead of warning",
    },
    Flag {
        long: "admin",
        short: None,
        value: Some("ADDRESS"),
        summary: "the node's HTTP address; else the configured one",
    },
    Flag {
        long: "control",
        short: None,
        value: Some("PATH"),
        summary: "the node's control socket; else the configured one",
    },
    Flag {
        long: "json",
        short: None,
        value: None,
        summary: "print JSON instead of text",
    },
    Flag {
        long: "rows",
        short: None,
        value: Some("N"),
        summary: "print at most N rows; 50 unless given",
    },
    Flag {
        long: "deadline",
        short: None,
        value: Some("DURATION"),
        summary: "stop after this time even if links remain",
    },
    Flag {
        long: "help",
        short: Some('h'),
        value: None,
        summary: "print help",
    },
    Flag {
        long: "version",
        short: Some('V'),
        value: None,
        summary: "print the version",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_every_command_exists_and_every_flag_is_taken_by_some_command() {
        for verb in VERBS {
            for name in verb.flags {
                assert!(FLAGS.iter().any(|flag| flag.long == *name), "{name}");
            }
        }
        for flag in FLAGS {
            let everywhere = matches!(flag.long, "help" | "version");
            let taken = VERBS.iter().any(|verb| verb.flags.contains(&flag.long));
            assert!(everywhere || taken, "{}", flag.long);
        }
    }

    #[test]
    fn names_and_letters_are_unique_and_the_default_of_rows_is_the_documented_one() {
        for (index, flag) in FLAGS.iter().enumerate() {
            for other in &FLAGS[index + 1..] {
                assert_ne!(flag.long, other.long);
                assert!(flag.short.is_none() || flag.short != other.short);
            }
        }
        let rows = FLAGS.iter().find(|flag| flag.long == "rows").unwrap();
        assert!(rows.summary.contains(&ROWS_MAX.to_string()));
    }
}
