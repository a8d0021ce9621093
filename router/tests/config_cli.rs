//! Command lines: what each asks for, and what is said about one that makes no sense.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use slipring::cli::flags::{FLAGS, VERBS};
use slipring::cli::help::{write_help, write_version};
use slipring::cli::{Command, Files, Reach, parse};
use slipring::config::Level;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace(), None).map_err(|usage| usage.to_string())
}

fn files(config: Option<&str>, overlay: Option<&str>, strict: bool) -> Files {
    Files {
        config: config.map(Into::into),
        overlay: overlay.map(Into::into),
        strict,
    }
}

fn reach() -> Reach {
    Reach::default()
}

#[test]
fn a_node_is_started_as_the_reference_is_and_without_anything() {
    for (line, expected) in [
        ("", files(None, None, false)),
        ("run", files(None, None, false)),
        ("--config a.yaml", files(Some("a.yaml"), None, false)),
        ("-c a.yaml", files(Some("a.yaml"), None, false)),
        ("-ca.yaml", files(Some("a.yaml"), None, false)),
        ("--config=a.yaml run", files(Some("a.yaml"), None, false)),
        (
            "run --strict -c a --overlay b",
            files(Some("a"), Some("b"), true),
        ),
    ] {
        assert_eq!(parsed(line), Ok(Command::Run(expected)), "{line}");
    }
}

#[test]
fn the_variable_names_the_file_unless_the_flag_does() {
    let with = |line: &str, variable: &str| {
        parse(line.split_whitespace(), Some(variable.into())).expect("it makes sense")
    };
    assert_eq!(with("", "a"), Command::Run(files(Some("a"), None, false)));
    assert_eq!(
        with("-c b", "a"),
        Command::Run(files(Some("b"), None, false))
    );
    assert_eq!(
        with("check", "a"),
        Command::Check(files(Some("a"), None, false))
    );
    assert_eq!(with("", ""), Command::Run(files(None, None, false)));
    let Command::Status { reach, .. } = with("status", "a") else {
        panic!("status");
    };
    assert_eq!(reach.files, files(Some("a"), None, false));
}

#[test]
fn commands_that_look_take_an_address_and_say_how_to_print() {
    let admin = Reach {
        admin: Some(([127, 0, 0, 1], 5).into()),
        ..Reach::default()
    };
    let links = |rows_max| Command::Links {
        reach: reach(),
        json: false,
        rows_max,
    };
    let status = |reach, json| Command::Status { reach, json };
    let doctor = |config, json| Command::Doctor {
        files: files(config, None, false),
        json,
    };
    let fib = Command::Fib {
        reach: reach(),
        json: true,
    };
    for (line, expected) in [
        ("check -c a", Command::Check(files(Some("a"), None, false))),
        (
            "config --overlay b",
            Command::Config(files(None, Some("b"), false)),
        ),
        ("doctor", doctor(None, false)),
        ("doctor --json -c a", doctor(Some("a"), true)),
        ("status", status(reach(), false)),
        ("status --json --admin 127.0.0.1:5", status(admin, true)),
        ("links", links(50)),
        ("links --rows 7", links(7)),
        ("fib --json", fib),
        ("health", Command::Health { reach: reach() }),
        ("version", Command::Version),
        ("--version", Command::Version),
        ("-V", Command::Version),
        ("help", Command::Help(None)),
        ("--help", Command::Help(None)),
        ("-h", Command::Help(None)),
    ] {
        assert_eq!(parsed(line), Ok(expected), "{line}");
    }
}

#[test]
fn commands_that_change_take_a_socket() {
    let control = Reach {
        control: Some("/c".into()),
        ..Reach::default()
    };
    let drain = |reach, deadline| Command::Drain { reach, deadline };
    let log_level = |module: Option<&str>, level| Command::LogLevel {
        reach: reach(),
        module: module.map(str::to_owned),
        level,
    };
    let deadline = Some(Duration::from_secs(90));
    for (line, expected) in [
        ("drain", drain(reach(), None)),
        (
            "drain --deadline 1m30s --control /c",
            drain(control.clone(), deadline),
        ),
        ("reload --control /c", Command::Reload { reach: control }),
        ("log-level debug", log_level(None, Level::Debug)),
        (
            "log-level slipring::io=off",
            log_level(Some("slipring::io"), Level::Off),
        ),
    ] {
        assert_eq!(parsed(line), Ok(expected), "{line}");
    }
}

#[test]
fn help_on_one_command_is_asked_for_in_three_ways() {
    for line in ["help drain", "drain --help", "-h drain"] {
        let Ok(Command::Help(Some(verb))) = parsed(line) else {
            panic!("{line}");
        };
        assert_eq!(verb.name, "drain");
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    for (line, expected) in [
        ("chek", "unknown command \"chek\"; did you mean \"check\"?"),
        ("frobnicate", "unknown command \"frobnicate\""),
        (
            "--cofnig a",
            "unknown flag --cofnig; did you mean --config?",
        ),
        ("-x", "unknown flag -x"),
        ("--config", "missing argument for option '--config'"),
        ("-c a --config b", "--config is given twice"),
        (
            "--strict=yes",
            "unexpected argument for option '--strict': \"yes\"",
        ),
        (
            "doctor --admin 127.0.0.1:5",
            "\"doctor\" does not take --admin",
        ),
        ("run --json", "\"run\" does not take --json"),
        ("check --deadline 5s", "\"check\" does not take --deadline"),
        ("version --strict", "\"version\" does not take --strict"),
        ("run now", "\"run\" does not take \"now\""),
        ("fib a", "\"fib\" does not take \"a\""),
        ("fib --rows 5", "\"fib\" does not take --rows"),
        ("links --rows many", "--rows takes a number, found \"many\""),
        ("links --rows -1", "--rows takes a number, found \"-1\""),
        (
            "drain --deadline 5",
            "--deadline takes a duration such as 30s, found \"5\"",
        ),
        (
            "status --admin localhost",
            "--admin takes an address such as 127.0.0.1:46380, found \"localhost\"",
        ),
        (
            "log-level",
            "expected LEVEL or MODULE=LEVEL, LEVEL being one of trace, debug, info, warn, error, off",
        ),
        (
            "log-level =debug",
            "expected LEVEL or MODULE=LEVEL, LEVEL being one of trace, debug, info, warn, error, off",
        ),
        (
            "log-level a=loud",
            "expected LEVEL or MODULE=LEVEL, LEVEL being one of trace, debug, info, warn, error, off",
        ),
        ("help nothing", "unknown command \"nothing\""),
    ] {
        let expected = format!("{expected}; try \"slipring help\"");
        assert_eq!(parsed(line), Err(expected), "{line}");
    }
}

#[test]
fn a_path_need_not_be_text_and_an_operand_must() {
    let strange = OsString::from_vec(vec![b'/', 0xff]);
    let command = parse([OsString::from("-c"), strange.clone()], None);
    assert_eq!(
        command,
        Ok(Command::Run(Files {
            config: Some(strange.clone().into()),
            ..Files::default()
        }))
    );
    assert!(parse([OsString::from("log-level"), strange.clone()], None).is_err());
    assert!(parse([strange], None).is_err());
}

#[test]
fn help_fits_a_terminal_and_names_every_command_and_flag() {
    let mut out = Vec::new();
    write_help(None, &mut out).expect("memory takes it");
    let all = String::from_utf8(out).expect("it is text");
    for verb in VERBS {
        assert!(all.contains(&format!("\n  {}", verb.name)), "{}", verb.name);
        let mut out = Vec::new();
        write_help(Some(verb), &mut out).expect("memory takes it");
        let one = String::from_utf8(out).expect("it is text");
        for flag in FLAGS {
            let shown = one.contains(&format!("--{}", flag.long));
            assert_eq!(
                shown,
                verb.flags.contains(&flag.long),
                "{} {}",
                verb.name,
                flag.long
            );
        }
        for line in one.lines().chain(all.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
    for flag in FLAGS {
        assert!(all.contains(&format!("--{}", flag.long)), "{}", flag.long);
    }
}

#[test]
fn the_version_is_one_line() {
    let mut out = Vec::new();
    write_version(&mut out).expect("memory takes it");
    let expected = format!("slipring {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(out), Ok(expected));
}
