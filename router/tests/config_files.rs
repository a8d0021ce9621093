//! Files that load and files that do not, with every word that is said about them.
//!
//! The tables are `config_cases/*.txt`. After a wording changed, `UPDATE_CASES=1` writes what is
//! said now; the difference is then to be read before it is committed.

mod config_support;

use std::path::Path;

use config_support::{Case, cases, host, load_on};

#[test]
fn what_must_not_load_does_not_and_every_mistake_is_named() {
    let refused = replay("refused.txt", false);
    assert!(refused >= 60, "{refused} cases");
}

#[test]
fn what_loads_with_a_remark_says_it() {
    replay("warned.txt", true);
}

/// Loads every case of `file` and compares what is said; returns how many there were.
fn replay(file: &str, loads: bool) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config_cases")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("the case file can be read");
    let all = cases(&text);
    let mut renewed = text.lines().next().unwrap_or_default().to_owned() + "\n";
    let mut differing = Vec::new();
    for case in &all {
        let said = said_about(case, loads);
        if said != case.expected {
            differing.push(format!(
                "{}\nexpected:\n{}\nsaid:\n{said}",
                case.name, case.expected
            ));
        }
        renewed.push_str(&format!("\n=== {}\n{}", case.name, case.base));
        if let Some(overlay) = &case.overlay {
            renewed.push_str(&format!("+++\n{overlay}"));
        }
        renewed.push_str(&format!(">>>\n{said}\n"));
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, renewed).expect("the case file can be written");
    } else {
        assert!(differing.is_empty(), "{}", differing.join("\n\n"));
    }
    all.len()
}

fn said_about(case: &Case, loads: bool) -> String {
    let overlay = case.overlay.as_ref().map(String::as_bytes);
    let loaded = load_on(&host(), Some(case.base.as_bytes()), overlay, case.strict);
    assert_eq!(loaded.is_ok(), loads, "{}: {loaded:?}", case.name);
    let (errors, warnings) = match loaded {
        Ok(config) => (Vec::new(), config.warnings),
        Err(errors) => (errors.findings, errors.warnings),
    };
    let errors = errors.iter().map(ToString::to_string);
    let warnings = warnings.iter().map(|finding| format!("warning: {finding}"));
    errors.chain(warnings).collect::<Vec<_>>().join("\n")
}
