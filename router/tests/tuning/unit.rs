//! The systemd unit.

use std::process::Command;

use slipring::cli::parse;

use crate::{path, settings, tuning};

const UNIT: &str = "systemd/slipring.service";

/// Keys that the unit may use, for hosts without a systemd to ask.
const KEYS: &[&str] = &[
    "After",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "ConfigurationDirectory",
    "Description",
    "Documentation",
    "DynamicUser",
    "ExecReload",
    "ExecStart",
    "ExecStartPre",
    "KillMode",
    "LimitCORE",
    "LimitMEMLOCK",
    "LimitNOFILE",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "MemoryMax",
    "MemorySwapMax",
    "NoNewPrivileges",
    "NotifyAccess",
    "PrivateDevices",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "RemoveIPC",
    "Restart",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TasksMax",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "UMask",
    "User",
    "WantedBy",
    "Wants",
    "WatchdogSec",
];

/// What must stand in it: the promises of the page.
const PROMISES: &[&str] = &[
    "Type=notify",
    "WatchdogSec=10",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "CapabilityBoundingSet=",
    "DynamicUser=yes",
    "MemorySwapMax=0",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestartPreventExitStatus=64 78",
];

#[test]
fn every_line_is_a_section_or_a_known_key() {
    let text = tuning(UNIT);
    let lines = settings(&text);
    for line in &lines {
        if matches!(*line, "[Unit]" | "[Service]" | "[Install]") {
            continue;
        }
        let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(KEYS.contains(&key), "{line}");
    }
    for promise in PROMISES {
        assert!(lines.contains(promise), "{promise}");
    }
    let filter = lines
        .iter()
        .find(|line| line.starts_with("SystemCallFilter=@"));
    for name in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "sched_setaffinity",
    ] {
        assert!(
            filter.unwrap().split([' ', '=']).any(|word| word == name),
            "{name}"
        );
    }
}

#[test]
fn the_commands_are_ones_that_the_program_understands() {
    let text = tuning(UNIT);
    let commands: Vec<&str> = settings(&text)
        .into_iter()
        .filter_map(|line| {
            line.split_once("=")?
                .1
                .trim_start_matches('-')
                .strip_prefix("/usr/bin/slipring ")
        })
        .collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        parse(command.split_whitespace(), None)
            .unwrap_or_else(|usage| panic!("{command}: {usage}"));
    }
}

/// The manager's own opinion, with a program that is there in the place of the one that is not.
#[test]
fn systemd_takes_the_unit() {
    let asked = Command::new("systemd-analyze").arg("--version").output();
    if asked.is_err() {
        // The list above is what is left then.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("slipring.service");
    let program = env!("CARGO_BIN_EXE_slipring");
    std::fs::write(&place, tuning(UNIT).replace("/usr/bin/slipring", program)).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&place)
        .env("SYSTEMD_UNIT_PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let about_it: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("slipring"))
        .collect();
    assert!(about_it.is_empty(), "{said}");
    assert!(path("tuning").join(UNIT).exists());
}
