//! Sizes, names, dependencies, and what a tree must not tell.

use std::{collections::BTreeSet, process::Command};

use crate::tree::{files, nothing, root};

/// Lines that no file may pass, tests and generated code apart; and the share that stays below 400.
const LINES_MAX: usize = 600;
const LINES_GOOD: usize = 400;
const GOOD_PERCENT: usize = 90;

/// Lines of a file on average.
const LINES_MEAN: usize = 250;

/// Crates in the router's tree, our own and build scripts included.
const CRATES_MAX: usize = 130;

/// Hosts that texts may name.
const HOSTS: &[&str] = &[
    "github.com",
    "host",
    "localhost",
    "127.0.0.1",
    "router",
    "a",
    "x",
];

/// Words that say nothing in a name.
const EMPTY_WORDS: &[&str] = &["manager", "handler", "helper", "util", "utils", "impl"];

/// T-01. The compiler forbids it; this says so where somebody looks for the number.
#[test]
fn nothing_is_unsafe() {
    let word = concat!("un", "safe");
    let mut found = Vec::new();
    for (path, text) in files(&[".rs"]) {
        for (number, line) in (1..).zip(text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '`');
            if words.any(|candidate| candidate == word) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    for (path, manifest) in files(&["Cargo.toml"]) {
        let is_fuzz = path.components().any(|part| part.as_os_str() == "fuzz");
        let is_bound = manifest.contains("[lints]\nworkspace = true")
            || manifest.contains("_code = \"forbid\"");
        if !is_bound && !is_fuzz {
            found.push(format!(
                "{} takes no lints from the workspace",
                path.display()
            ));
        }
    }
    nothing("what the compiler forbids was found", &found);
}

/// T-03.
#[test]
fn the_routers_tree_keeps_its_budget() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "slipring"])
        .args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<String> = tree
        .lines()
        .map(|line| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|name| !name.is_empty())
        .collect();
    println!("{} of {CRATES_MAX} crates", crates.len());
    assert!(
        crates.len() <= CRATES_MAX,
        "{} crates: {crates:#?}",
        crates.len()
    );
    assert!(crates.len() > 10, "the tree was read");
}

#[test]
fn files_stay_small_and_say_what_they_are_for() {
    let mut found = Vec::new();
    let mut sizes = Vec::new();
    for (path, text) in files(&[".rs"]) {
        if path.ends_with("generated.rs") {
            continue;
        }
        let lines = text.lines().count();
        sizes.push(lines);
        if lines > LINES_MAX {
            found.push(format!("{}: {lines} lines", path.display()));
        }
        // Tests that stand beside their file are explained by it.
        let is_beside = path.to_string_lossy().ends_with("tests.rs");
        if !is_beside && !text.starts_with("//!") && !text.starts_with("#!") {
            found.push(format!(
                "{} does not begin with what it is for",
                path.display()
            ));
        }
    }
    nothing("files are too long or say nothing", &found);
    let mean = sizes.iter().sum::<usize>() / sizes.len();
    let good = sizes.iter().filter(|lines| **lines <= LINES_GOOD).count() * 100 / sizes.len();
    println!(
        "{} files, {mean} lines on average, {good} % at most {LINES_GOOD}",
        sizes.len()
    );
    assert!(mean <= LINES_MEAN && good >= GOOD_PERCENT);
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for (path, text) in files(&[".rs"]) {
        if path.ends_with("generated.rs") {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let code = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let Some((word, rest)) = code.split_once(' ') else {
                continue;
            };
            if !matches!(word, "fn" | "struct" | "enum" | "trait" | "mod" | "type") {
                continue;
            }
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let name = &rest[..end];
            if is_empty_name(name) {
                found.push(format!("{}:{number}: {name}", path.display()));
            }
        }
    }
    nothing("names that say nothing", &found);
}

fn is_empty_name(name: &str) -> bool {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    let begins = ["get_", "do_", "process_"]
        .iter()
        .any(|prefix| snake.starts_with(prefix));
    begins || snake.split('_').any(|word| EMPTY_WORDS.contains(&word))
}

#[test]
fn the_tree_tells_nothing_of_the_machines_it_was_made_on() {
    // Written in parts, so that this file does not find itself.
    let homes = ["/ho", "/ro", "/Us"]
        .into_iter()
        .zip(["me/", "ot/", "ers/"]);
    let mut forbidden: Vec<String> = homes
        .map(|(left, right)| format!("{left}{right}"))
        .collect();
    forbidden.push(format!("{}{}", "/wo", "rk/"));
    let mut found = Vec::new();
    let endings = [
        ".rs", ".md", ".toml", ".yaml", ".yml", ".py", ".sh", ".lock", ".json", "run",
    ];
    for (path, text) in files(&endings) {
        for (number, line) in (1..).zip(text.lines()) {
            let place = || format!("{}:{number}", path.display());
            found.extend(
                forbidden
                    .iter()
                    .filter(|path| line.contains(path.as_str()))
                    .map(|path| format!("{}: {path}", place())),
            );
            for after in line.split("://").skip(1) {
                let before = line.split("://").next().unwrap_or_default();
                let is_web = before.ends_with("http") || before.ends_with("https");
                let host = after.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '-');
                let host = host.into_iter().next().unwrap_or_default();
                if is_web && !host.is_empty() && !HOSTS.contains(&host) {
                    found.push(format!("{}: {host}", place()));
                }
            }
        }
    }
    nothing("machines and hosts that do not belong here", &found);
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut found = Vec::new();
    for (path, text) in files(&[".md"]) {
        for after in text.split("](").skip(1) {
            let target = after.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let place = root().join(path.parent().unwrap()).join(target);
            if !place.exists() {
                found.push(format!("{}: {target}", path.display()));
            }
        }
    }
    nothing("links that lead nowhere", &found);
}
