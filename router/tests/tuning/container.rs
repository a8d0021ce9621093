//! The seccomp profile and the image.

use std::collections::BTreeSet;

use crate::json::{Json, parse};
use crate::{path, settings, tuning};

#[test]
fn the_profile_is_json_that_refuses_by_default_and_allows_rings_with_a_reason() {
    let profile = parse(&tuning("container/seccomp.json")).unwrap();
    assert_eq!(profile.member("defaultAction").text(), "SCMP_ACT_ERRNO");
    let mut allowed = BTreeSet::new();
    for rule in profile.member("syscalls").items() {
        assert_eq!(rule.member("action").text(), "SCMP_ACT_ALLOW");
        assert!(rule.member("comment").text().len() > 10, "{rule:?}");
        for name in rule.member("names").items().iter().map(Json::text) {
            assert!(allowed.insert(name.to_owned()), "{name} is allowed twice");
        }
    }
    for name in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        assert!(allowed.contains(name), "{name}");
    }
    // What a router never needs, and whoever broke into one would.
    for name in [
        "ptrace",
        "mount",
        "bpf",
        "keyctl",
        "init_module",
        "kexec_load",
        "unshare",
        "setns",
        "process_vm_writev",
        "userfaultfd",
        "perf_event_open",
        "personality",
        "chroot",
        "reboot",
    ] {
        assert!(!allowed.contains(name), "{name}");
    }
    // What both runtimes make, whatever the configuration.
    for name in [
        "epoll_wait",
        "accept4",
        "sendmsg",
        "recvfrom",
        "sched_setaffinity",
        "futex",
    ] {
        assert!(allowed.contains(name), "{name}");
    }
}

#[test]
fn the_image_runs_the_program_that_it_copies_and_not_as_root() {
    let text = tuning("container/Containerfile");
    let lines = settings(&text);
    let after = |word: &str| -> Vec<&str> {
        let lines = lines.iter().filter_map(|line| line.strip_prefix(word));
        lines.map(str::trim).collect()
    };
    assert_eq!(
        after("FROM ").len(),
        2,
        "it is built in one stage and run in another"
    );
    let user = after("USER ");
    assert!(
        user.len() == 1 && !user[0].starts_with("0") && user[0] != "root",
        "{user:?}"
    );
    let copied = after("COPY --from=build ");
    let target = copied[0].split_whitespace().nth(1).unwrap();
    assert_eq!(after("ENTRYPOINT "), [format!("[\"{target}\"]")]);
    let toolchain = std::fs::read_to_string(path("rust-toolchain.toml")).unwrap();
    let channel = toolchain.split('"').nth(1).unwrap();
    let minor = channel.rsplit_once('.').unwrap().0;
    assert!(
        after("FROM ")[0].contains(&format!("rust:{minor}-")),
        "{minor}"
    );
    let pod = tuning("container/slipring.k8s.yaml");
    let id = user[0].split(':').next().unwrap();
    assert!(pod.contains(&format!("runAsUser: {id}")), "{id}");
}
