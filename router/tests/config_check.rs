//! The pages made from a configuration: `slipring check`, `slipring config` and the error page.

mod config_support;

use std::path::Path;

use config_support::{FILE, host, load_on, load_text};
use slipring::cli::check::{COLUMNS, write_check, write_errors};
use slipring::cli::{Files, exit};
use slipring::config::Config;

/// A node with everything long in it.
const LONG_NODE: &str = r#"
tracing: {log_level: trace, filters: [a, b=warn]}
services:
  slim/0:
    node_id: "a node identity that goes on and on, well beyond the width of any terminal there is"
    domain_name: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    dataplane:
      enforce_pqc: true
      servers:
        - endpoint: "0.0.0.0:46357"
          no_such_key_here_or_anywhere_else_in_the_whole_wide_world_of_configuration_files: 1
          tls: {insecure: true}
        - endpoint: unix:///run/a/path/that/is/as/long/as/a/unix/socket/address/allows/it/to/be/nearly.sock
          tls: {insecure: true}
        - endpoint: "[::1]:46358"
          require_header_mac: false
          tls:
            source: {type: file, cert: /a, key: /b}
            client_ca: {type: file, path: /c}
slipring: {admin: {http: off}, limits: {memory_bytes_max: 1GiB}}
"#;

fn page(config: &Config, files: &Files) -> (String, u8) {
    let mut out = Vec::new();
    let code = write_check(config, files, &mut out).expect("memory takes it");
    (String::from_utf8(out).expect("it is text"), code)
}

fn assert_fits(page: &str) {
    for line in page.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_page_of_the_built_in_node_is_the_golden_one() {
    let config = load_on(&host(), None, None, false).expect("it loads");
    let (page, code) = page(&config, &Files::default());
    assert_eq!(code, exit::OK);
    assert_fits(&page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_cases/check.txt");
    let page = page.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &page).expect("the golden page can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden page can be read");
    assert_eq!(page, golden);
}

#[test]
fn every_page_fits_a_terminal_and_a_node_short_of_memory_is_refused() {
    let config = load_text(LONG_NODE).expect("it loads");
    let files = Files {
        config: Some(FILE.into()),
        overlay: Some(
            "/etc/a/very/long/path/of/directories/that/never/ends/until/overlay.yaml".into(),
        ),
        strict: false,
    };
    let (page, code) = page(&config, &files);
    assert_fits(&page);
    assert_eq!(code, exit::CONFIG, "{page}");
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains("would not start: the worst case needs"),
        "{page}"
    );
    assert!(page.contains("of at most 1.0 GiB"), "{page}");
    assert!(
        page.contains("tls1.3, client certificate required"),
        "{page}"
    );
    assert!(
        page.contains("header MAC optional, post-quantum hybrid only"),
        "{page}"
    );
}

#[test]
fn the_page_of_a_very_wide_host_fits_too() {
    let mut host = host();
    host.cpus = (0..255).collect();
    let config = load_on(&host, None, None, false).expect("it loads");
    let (page, _) = page(&config, &Files::default());
    assert_fits(&page);
    assert!(page.contains("254->254"));
}

#[test]
fn the_sum_on_the_page_is_the_sum_of_its_lines() {
    let config = load_on(&host(), None, None, false).expect("it loads");
    let sum = config.memory_worst_case();
    let (page, _) = page(&config, &Files::default());
    for line in &sum.lines {
        let shown = page
            .lines()
            .any(|row| row.starts_with(&format!("  {:<13}", line.account)));
        assert!(shown, "{}", line.account);
    }
    let added: u64 = sum.lines.iter().map(|line| line.bytes).sum();
    assert_eq!(added, sum.total_bytes());
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let text = "services: {slim/0: {dataplane: {servers: [{endpoint: '127.0.0.1:1', \
                \"\\e[31mred\\n\": 1, tls: {insecure: true}}]}}}\n";
    let config = load_text(text).expect("it loads");
    let (page, _) = page(&config, &Files::default());
    assert!(!page.contains('\u{1b}'), "{page:?}");
    let errors = load_on(&host(), Some(text.as_bytes()), None, true).unwrap_err();
    let mut out = Vec::new();
    write_errors(&errors, &mut out).expect("memory takes it");
    assert!(!out.contains(&0x1b), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn the_error_page_has_every_error_every_warning_and_a_count() {
    let errors = load_text("servces: {}\nruntime: {n_cores: x}\n").unwrap_err();
    let mut out = Vec::new();
    let code = write_errors(&errors, &mut out).expect("memory takes it");
    assert_eq!(code, exit::CONFIG);
    assert_eq!(
        String::from_utf8(out).expect("it is text"),
        "error: node.yaml:1:1: the key \"services\" is missing\n\
         error: node.yaml:1:1: servces: unknown key; did you mean \"services\"?\n\
         error: node.yaml:2:11: runtime.n_cores: expected a whole number, found text\n\
         slipring: no usable configuration: 3 errors, 0 warnings\n"
    );
}

#[test]
fn the_printed_configuration_loads_to_itself() {
    for text in [
        LONG_NODE,
        "services: {slim/0: {dataplane: {servers: [{endpoint: '[::1]:2', tls: {insecure: true}}]}}}",
    ] {
        let mut config = load_text(text).expect("it loads");
        let printed = config.to_yaml();
        let mut again = load_on(&host(), Some(printed.as_bytes()), None, true)
            .unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
        config.warnings.clear();
        again.warnings.clear();
        assert_eq!(again, config, "{printed}");
    }
}
