//! Any bytes are a configuration or a list of reasons, soon, and never a panic: the committed
//! corpus of the fuzz target, inputs that attack the reader's bounds, and random ones.

mod config_fuzz_logic;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use config_fuzz_logic::{SEAM, config};
use proptest::prelude::*;

/// Fewest inputs the corpus is worth anything with.
const INPUTS_MIN: usize = 40;
/// The largest file that is read.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// No input of the largest size may take longer; it takes well under a second.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn the_corpus_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/config");
    if env::var_os("UPDATE_CORPUS").is_some() {
        for (index, seed) in seeds().iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:03}")), seed).expect("a seed is written");
        }
    }
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is committed")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= INPUTS_MIN, "{}", inputs.len());
    for path in inputs {
        let input = fs::read(&path).expect("an input can be read");
        let checked = panic::catch_unwind(|| config(&input));
        assert!(checked.is_ok(), "{} fails", path.display());
    }
}

/// Every file of the case tables, overlays included.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_cases");
    let mut seeds = Vec::new();
    for file in ["refused.txt", "warned.txt"] {
        let text = fs::read_to_string(folder.join(file)).expect("the cases can be read");
        for part in text.split("\n=== ").skip(1) {
            let body = part.split_once('\n').map_or("", |(_, rest)| rest);
            let files = body.split_once(">>>").map_or(body, |(files, _)| files);
            seeds.push(files.replace("\n+++\n", "\n%%\n").into_bytes());
        }
    }
    seeds
}

/// Units that a hostile file may repeat without end.
const UNITS: &[&str] = &[
    "[",
    "{",
    "[{",
    "{a: ",
    "- ",
    "? ",
    "a:\n ",
    "&a ",
    "!a ",
    "!!str ",
    "*a ",
    "'",
    "\"",
    "|\n",
    ">\n ",
    "#",
    "# a\n",
    "\t",
    "\r",
    "\n",
    " ",
    "---\n",
    "...\n",
    "%TAG ! a\n",
    "a: b\n",
    "[],",
    "${env:a}",
    "a: ${env:${env:",
    "{a: b}, ",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\\",
    "a: - ",
    "&a\n",
    "- &a a\n",
    "- *a\n",
    ",",
    ":",
    ": ",
    "?",
    "-",
    "\"\\U",
    "a: |\n  b\n",
];

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the deadline of this test is one of the wall clock"
)]
fn inputs_that_attack_the_bounds_are_refused_in_time() {
    let units = UNITS
        .iter()
        .map(|unit| unit.repeat(TEXT_BYTES_MAX / unit.len()));
    for input in units.chain(hostile_documents()) {
        let begun = Instant::now();
        config(input.as_bytes());
        let start: String = input.chars().take(20).collect();
        assert!(
            begun.elapsed() < DEADLINE,
            "{start:?}: {:?}",
            begun.elapsed()
        );
    }
}

/// Documents that would cost much if something in them were not bounded.
fn hostile_documents() -> Vec<String> {
    vec![
        alias_bomb(2),
        alias_bomb(200),
        format!("services: {{{}}}", "slim/0: {}, ".repeat(50_000)),
        (0..50_000).map(|key| format!("key{key}: 1\n")).collect(),
        (0..50_000)
            .map(|anchor| format!("- &a{anchor} x\n"))
            .collect(),
        "x".repeat(TEXT_BYTES_MAX + 1),
    ]
}

/// Thirty lists, each holding the one before `width` times.
fn alias_bomb(width: usize) -> String {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); width].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

#[test]
fn the_deepest_tree_the_reader_takes_fits_a_small_stack() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let small = thread::Builder::new().stack_size(256 << 10);
    let reader = small.spawn(move || {
        for levels in [31, 32, 33, 500, 500_000] {
            config(format!("services: {}", deep(levels)).as_bytes());
        }
    });
    assert!(reader.expect("a thread starts").join().is_ok());
}

/// Pieces of configuration, to be strung together.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "services:",
        "slim/0:",
        "dataplane:",
        "servers:",
        "endpoint:",
        "127.0.0.1:1",
        "tls:",
        "insecure: true",
        "slipring:",
        "limits:",
        "links_max: 5",
        "shards: 2",
        "cpus: 0-1",
        "auth:",
        "type: none",
        "runtime:",
        "n_cores: 1",
        "tracing:",
        "filters: [a=debug]",
        "[",
        "]",
        "{",
        "}",
        ",",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        "\n        ",
        "&a",
        "*a",
        "${env:A}",
        "${file:/a}",
        "'",
        "\"",
        "|",
        "null",
        "~",
        "1",
        "1s",
        "1KiB",
        "!!str",
        "\n%%\n",
        "#",
        ": ",
    ]);
    prop_oneof![4 => words.prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

/// A node in which any value may stand anywhere a value can.
fn node() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,12}",
        any::<i64>().prop_map(|number| number.to_string()),
        "[0-9]{1,5}(ms|s|m|h|KiB|MiB)",
        prop::sample::select(vec![
            "true", "false", "null", "[]", "{}", "off", "1.5", "0-1", "/a"
        ])
        .prop_map(str::to_owned),
    ];
    let keys = prop::sample::select(vec![
        "shards",
        "cpus",
        "io",
        "limits: {links_max",
        "limits: {window_idle_bytes",
        "limits: {egress_pool_bytes",
        "limits: {write_deadline",
        "limits: {memory_bytes_max",
        "admin: {http",
        "admin: {control",
        "drain: {spread",
        "log: {format",
    ]);
    (value.clone(), value.clone(), value, keys).prop_map(|(node_id, domain, own, key)| {
        let close = if key.contains('{') { "}" } else { "" };
        let quoted = |text: &str| text.replace('\'', "''");
        format!(
            "services:\n  slim/0:\n    node_id: '{}'\n    domain_name: '{}'\n    dataplane:\n      \
             servers:\n        - endpoint: 127.0.0.1:1\n          tls: {{insecure: true}}\n\
             slipring:\n  {key}: {own}{close}\n",
            quoted(&node_id),
            quoted(&domain)
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(input in prop::collection::vec(any::<u8>(), 0..512)) {
        config(&input);
    }

    #[test]
    fn any_text(input in "\\PC{0,200}") {
        config(input.as_bytes());
    }

    #[test]
    fn any_string_of_pieces(pieces in prop::collection::vec(piece(), 0..60)) {
        config(pieces.concat().as_bytes());
    }

    #[test]
    fn any_value_in_a_node(input in node()) {
        config(input.as_bytes());
    }

    #[test]
    fn any_two_files(base in node(), overlay in node()) {
        let mut input = base.into_bytes();
        input.extend_from_slice(SEAM);
        let at = overlay.find("slipring:").unwrap_or_default();
        input.extend_from_slice(overlay.get(at..).unwrap_or_default().as_bytes());
        config(&input);
    }
}
