//! Every finding in every level.

use std::collections::BTreeSet;
use std::io;

use slipring::config::Config;
use slipring::doctor::Level::{self, Fail, Note, Ok, Warn};

use crate::cases::{AS_IT_IS, Case, EVERYWHERE, MACHINE, ON_EPOLL, ON_URING};
use crate::host::Change::{self, Text};
use crate::host::{NODE, findings, node, refused};
use crate::network::NETWORK;

/// The levels that each finding can have, the one for what cannot be read apart.
const LEVELS: &[(&str, &[Level])] = &[
    ("kernel", &[Ok, Note, Warn, Fail]),
    ("io_uring", &[Ok, Note, Warn, Fail]),
    ("memlock", &[Ok, Note, Warn, Fail]),
    ("nofile", &[Ok, Warn, Fail]),
    ("file-max", &[Ok, Warn]),
    ("memory", &[Ok, Note, Warn, Fail]),
    ("swap", &[Ok, Warn]),
    ("huge-pages", &[Ok, Note]),
    ("cpu-quota", &[Ok, Warn]),
    ("governor", &[Ok, Warn]),
    ("isolated", &[Ok, Note, Warn]),
    ("smt", &[Ok, Warn]),
    ("numa", &[Ok, Note, Warn]),
    ("interrupts", &[Ok, Note, Warn]),
    ("backlog", &[Ok, Warn]),
    ("syn-backlog", &[Ok, Note, Warn]),
    ("buffers", &[Ok, Warn]),
    ("ports", &[Ok, Warn]),
    ("conntrack", &[Ok, Note, Warn]),
    ("busy-poll", &[Ok, Note]),
    ("clock", &[Ok, Warn]),
    ("mitigations", &[Ok, Note]),
];

/// Every case.
fn cases() -> impl Iterator<Item = &'static Case> {
    MACHINE.iter().chain(NETWORK)
}

/// The one finding called `name`, as level and text, remedy last.
pub(crate) fn found(
    name: &str,
    changes: &[(&str, Change)],
    config: &Config,
    ring: &io::Result<()>,
) -> (Level, String) {
    let findings = findings(changes, config, ring);
    let finding = findings.iter().find(|finding| finding.name == name);
    let finding = finding.unwrap();
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    (finding.level, format!("{} | {remedy}", finding.found))
}

#[test]
fn a_host_that_is_set_up_has_nothing_but_good_news() {
    let findings = findings(&[], &node("cpus", "cpus"), &Result::Ok(()));
    let names: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
    let known: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
    for finding in findings {
        assert_eq!(finding.level, Ok, "{finding:?}");
        assert_eq!(finding.remedy, None, "{finding:?}");
    }
}

#[test]
fn every_case_is_found_with_its_level_its_words_and_its_remedy() {
    for case in cases() {
        // The case of a host with two CPUs, both of which carry shards.
        let mut changes = case.changes.to_vec();
        if case.node.1.contains("all that are online") {
            changes.push(("sys/devices/system/cpu/online", Text("0-1")));
        }
        let config = node(case.node.0, case.node.1);
        let (level, text) = found(case.name, &changes, &config, &Result::Ok(()));
        assert_eq!(level, case.level, "{}: {text}", case.name);
        let mut rest = text.as_str();
        for word in case.words {
            let Some((_, after)) = rest.split_once(word) else {
                panic!("{}: no \"{word}\" in: {text}", case.name);
            };
            rest = after;
        }
    }
}

#[test]
fn a_ring_that_is_refused_names_who_refuses_it() {
    const SECCOMP: (&str, Change) = ("proc/self/status", Text("Seccomp:\t2"));
    const DISABLED: (&str, Change) = ("proc/sys/kernel/io_uring_disabled", Text("2"));
    for (io, level) in [("auto", Warn), ("uring", Fail), ("epoll", Note)] {
        let config = node("cpus: [2, 3]", &format!("cpus: [2, 3]\n  io: {io}"));
        for (changes, words) in [
            (&[DISABLED][..], "io_uring_disabled is 2"),
            (&[DISABLED], "| sysctl -w kernel.io_uring_disabled=0"),
            (&[SECCOMP], "a seccomp filter is in force"),
            (&[SECCOMP], "tuning/container/seccomp.json"),
            (
                &[],
                "no seccomp filter | boot a kernel with CONFIG_IO_URING",
            ),
        ] {
            let (found, text) = found("io_uring", changes, &config, &refused());
            assert_eq!(found, level, "{io}: {text}");
            assert!(text.contains(words), "{io}: {text}");
        }
    }
}

#[test]
fn every_level_of_every_finding_is_shown_by_a_case() {
    let mut shown: BTreeSet<(&str, Level)> = cases().map(|case| (case.name, case.level)).collect();
    // The host as it is, and the rings that are refused.
    shown.extend(LEVELS.iter().map(|(name, _)| (*name, Ok)));
    shown.extend([("io_uring", Warn), ("io_uring", Fail)]);
    let known: BTreeSet<(&str, Level)> = LEVELS
        .iter()
        .flat_map(|(name, levels)| levels.iter().map(move |level| (*name, *level)))
        .collect();
    assert_eq!(shown, known);
}

#[test]
fn the_node_of_these_tests_is_the_one_the_words_are_replaced_in() {
    for (from, _) in [AS_IT_IS, ON_URING, ON_EPOLL, EVERYWHERE] {
        assert_eq!(NODE.matches(from).count(), 1);
    }
}
