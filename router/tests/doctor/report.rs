//! The report: for people, for programs, and by exit code.

use slipring::doctor::report::{write, write_json};
use slipring::doctor::{Finding, Level};

use crate::host::Change::Text;
use crate::host::{findings, node, refused};

/// What is found on a host with much to complain about.
fn complaints() -> Vec<Finding> {
    let changes = [
        (
            "proc/swaps",
            Text("Filename Type\n/dev/sdb1 partition 1 0 -2"),
        ),
        ("sys/devices/system/cpu/isolated", Text("")),
        ("proc/sys/kernel/io_uring_disabled", Text("2")),
        ("proc/sys/net/core/busy_poll", Text("50\u{1b}[2J")),
    ];
    let config = node("cpus: [2, 3]", "cpus: [2, 3]\n  io: uring");
    findings(&changes, &config, &refused())
}

fn text(findings: &[Finding]) -> (u8, String) {
    let mut out = Vec::new();
    let code = write(findings, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn the_text_fits_a_terminal_and_tells_the_worst_first() {
    let (code, text) = text(&complaints());
    assert_eq!(code, 1);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let heading = format!("slipring {version}: 22 findings: 1 fail, 1 warn, 2 note, 18 ok");
    assert_eq!(text.lines().next(), Some(heading.as_str()));
    let starts: Vec<usize> = [
        "\nfail  io_uring",
        "\nwarn  swap",
        "\nnote  isolated",
        "\nok  ",
    ]
    .iter()
    .map(|start| {
        text.find(start)
            .unwrap_or_else(|| panic!("{start}: {text}"))
    })
    .collect();
    assert!(starts.is_sorted(), "{text}");
    let finding = "\
fail  io_uring      no ring: kernel.io_uring_disabled is 2; io_uring_disabled is
                    2, no seccomp filter
      why  without rings the node runs on epoll: the same service, more system
           calls
      read a ring made and dropped, /proc/sys/kernel/io_uring_disabled,
           /proc/self/status
      do   sysctl -w kernel.io_uring_disabled=0
";
    assert!(text.contains(finding), "{text}");
}

#[test]
fn only_what_fails_is_a_failure() {
    let all = complaints();
    let without = |level: Level| {
        let findings: Vec<Finding> = (all.iter())
            .filter(|finding| finding.level != level)
            .cloned()
            .collect();
        text(&findings).0
    };
    assert_eq!(without(Level::Fail), 0);
    assert_eq!(without(Level::Warn), 1);
}

#[test]
fn the_json_holds_everything() {
    let findings = complaints();
    let mut out = Vec::new();
    assert_eq!(write_json(&findings, &mut out).unwrap(), 1);
    let text = String::from_utf8(out).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let start = format!(
        "{{\"version\":\"{version}\",\"fail\":1,\"warn\":1,\"note\":2,\"ok\":18,\"findings\":["
    );
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(text.matches("\"name\":").count(), findings.len());
    assert!(text.ends_with("]}\n"), "{text}");
    let swap =
        "{\"name\":\"swap\",\"level\":\"warn\",\"found\":\"/dev/sdb1\",\"source\":\"/proc/swaps\",";
    assert!(text.contains(swap), "{text}");
    assert!(text.contains("\"remedy\":null"), "{text}");
    assert!(
        text.contains("50\\u001b[2J"),
        "what a file holds is escaped: {text}"
    );
}
