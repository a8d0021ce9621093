//! The manual pages say what the tables say: generated parts are fresh, every key is described, and
//! the example loads. `UPDATE_CASES=1` writes the generated parts anew.

mod config_support;

use std::path::{Path, PathBuf};

use config_support::load_text;
use slipring::cli::flags::{FLAGS, VERBS};
use slipring::config::{IO_CHOICES, LIMITS, LOG_FORMATS, TLS_VERSIONS};

const END: &str = "<!-- end -->";

fn page(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/man")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the page can be read");
    (path, text)
}

/// Compares the part of the page that follows the marker `name` with `rows`.
fn assert_fresh(file: &str, name: &str, rows: &str) {
    let (path, text) = page(file);
    let marker = format!("<!-- {name}: ");
    let start = text.find(&marker).expect("the marker is there");
    let start = start + text[start..].find('\n').expect("the marker ends") + 1;
    let end = start + text[start..].find(END).expect("the part ends");
    if std::env::var_os("UPDATE_CASES").is_some() {
        let renewed = format!("{}{rows}{}", &text[..start], &text[end..]);
        std::fs::write(&path, renewed).expect("the page can be written");
    } else {
        assert_eq!(&text[start..end], rows, "{file}: {name}");
    }
}

#[test]
fn the_command_and_flag_tables_are_those_of_the_program() {
    let mut commands = "| command | effect |\n|---|---|\n".to_owned();
    for verb in VERBS {
        let synopsis = format!("{} {}", verb.name, verb.operands);
        commands.push_str(&format!(
            "| `{}` | {} |\n",
            synopsis.trim_end(),
            verb.summary
        ));
    }
    assert_fresh("slipring.8.md", "commands", &commands);
    let mut flags = "| flag | meaning | taken by |\n|---|---|---|\n".to_owned();
    for flag in FLAGS {
        let letter = flag
            .short
            .map_or_else(String::new, |letter| format!("`-{letter}`, "));
        let value = flag
            .value
            .map_or_else(String::new, |value| format!(" {value}"));
        let takers: Vec<&str> = VERBS
            .iter()
            .filter(|verb| verb.flags.contains(&flag.long))
            .map(|verb| verb.name)
            .collect();
        let takers = if takers.is_empty() {
            "all".to_owned()
        } else {
            takers.join(", ")
        };
        let row = format!(
            "| {letter}`--{}{value}` | {} | {takers} |\n",
            flag.long, flag.summary
        );
        flags.push_str(&row);
    }
    assert_fresh("slipring.8.md", "flags", &flags);
}

#[test]
fn the_table_of_limits_is_that_of_the_program() {
    let mut rows = "| key | default | least | most | why |\n|---|---|---|---|---|\n".to_owned();
    for bound in LIMITS {
        let [default, least, most] =
            [bound.default, bound.least, bound.most].map(|v| bound.show(v));
        let reason = bound
            .reason
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let name = bound.name;
        rows.push_str(&format!(
            "| `{name}` | {default} | {least} | {most} | {reason} |\n"
        ));
    }
    assert_fresh("slipring.yaml.5.md", "limits", &rows);
}

#[test]
fn every_word_and_key_of_ours_is_described() {
    let (_, text) = page("slipring.yaml.5.md");
    let words = IO_CHOICES.iter().map(|(word, _)| *word);
    let words = words.chain(LOG_FORMATS.iter().map(|(word, _)| *word));
    let words = words.chain(TLS_VERSIONS.iter().map(|(word, _)| *word));
    let keys = [
        "shards",
        "cpus",
        "admin.http",
        "admin.control",
        "drain.spread",
        "log.format",
    ];
    for word in words.chain(keys) {
        assert!(text.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn the_example_loads_without_a_remark() {
    let (_, text) = page("slipring.yaml.5.md");
    let example = text.split("## Example\n").nth(1).expect("there is one");
    let example: String = example
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect();
    // The CPUs of the example are not those of the test's host.
    let config = load_text(&example.replace("2-3", "0-1")).expect("it loads");
    assert_eq!(config.warnings, []);
    assert!(config.memory_worst_case().allow(&config.limits).is_ok());
}
