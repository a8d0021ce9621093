//! What keeps a router from starting: an exit code and one clear line each (L-14).

use std::net::TcpListener;

use crate::harness::{Router, Setup, binary, uring};

/// Exit codes of `sysexits.h`.
const USAGE: i32 = 64;
const CONFIG: i32 = 78;

/// A setup that must not start: its exit code is [`CONFIG`], and of the lines on standard error
/// the one that says why contains every one of `words`.
async fn refused(setup: &Setup, words: &[&str]) {
    let Err(ended) = setup.try_start().await else {
        panic!("it starts, although {words:?}")
    };
    assert_eq!(ended.code, Some(CONFIG), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let says = |line: &&str| line.starts_with("slipring: ") || line.starts_with("error: ");
    let lines: Vec<_> = ended.stderr.lines().filter(says).collect();
    let is_clear = |line: &&&str| words.iter().all(|word| line.contains(word));
    assert_eq!(lines.iter().filter(is_clear).count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listener = format!("{{endpoint: \"{address}\", tls: {{insecure: true}}}}");
    let setup = Setup::new().servers([listener]);
    for io in [uring(), "epoll"] {
        refused(&setup.clone().io(io), &[&address, "in use"]).await;
    }
    refused(&setup.shards(2), &[&address, "in use"]).await;
}

#[tokio::test]
async fn a_port_of_the_admin_surface_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&Setup::new().http(&address), &[&address, "in use"]).await;
}

#[tokio::test]
async fn a_control_socket_that_somebody_answers_on_is_left_alone() {
    let running = Router::start().await;
    let path = running.announced("control")[0].to_owned();
    refused(&Setup::new().control(&path), &[&path]).await;
    assert!(running.order("log-level info").starts_with("ok"));
}

#[tokio::test]
async fn too_little_locked_memory_stops_uring_and_makes_auto_fall_back() {
    let wrapper = ["prlimit", "--memlock=65536:65536"];
    let setup = Setup::new().wrapper(&wrapper);
    refused(
        &setup.clone().io("uring"),
        &["locked-memory limit", "65536"],
    )
    .await;
    let router = setup.io("auto").start().await;
    let runtime = router.announced("runtime")[0];
    assert!(
        runtime.starts_with("epoll, because the locked-memory"),
        "{runtime}"
    );
    crate::harness::Client::of(&router).await.is_served().await;
}

#[tokio::test]
async fn the_chosen_runtime_and_the_reason_are_announced() {
    let router = Setup::new().io("epoll").start().await;
    assert_eq!(router.announced("runtime"), ["epoll, as slipring.io says"]);
    let scrape = router.scrape().await;
    assert_eq!(scrape.label("build_info", "io"), "epoll");
}

#[tokio::test]
async fn every_mistake_in_the_file_is_named_at_once() {
    let setup = Setup::new()
        .own("shardz: 3")
        .limit("egress_bytes_max", "12 parsecs");
    refused(&setup, &["shardz", "did you mean \"shards\""]).await;
    refused(&setup, &["egress_bytes_max", "12 parsecs"]).await;
}

#[tokio::test]
async fn what_is_not_supported_yet_is_an_error_and_never_open() {
    let listener = |keys: &str| crate::harness::clear(keys);
    for (keys, word) in [
        ("auth: {type: basic, username: u, password: p}", "basic"),
        ("auth: {type: jwt}", "jwt"),
    ] {
        refused(&Setup::new().servers([listener(keys)]), &["auth", word]).await;
    }
    let websocket = "{endpoint: \"ws://127.0.0.1:0\", tls: {insecure: true}}";
    refused(&Setup::new().servers([websocket]), &["WebSocket"]).await;
    let spire = "{endpoint: \"127.0.0.1:0\", tls: {source: {type: spire}}}";
    refused(&Setup::new().servers([spire]), &["spire"]).await;
}

#[tokio::test]
async fn more_memory_than_is_granted_is_refused() {
    let setup = Setup::new().limit("memory_bytes_max", "64MiB");
    refused(&setup, &["memory"]).await;
}

#[test]
fn a_file_that_is_not_there_and_a_wrong_flag_are_told_apart() {
    let run = |words: &[&str]| {
        let output = std::process::Command::new(binary())
            .args(words)
            .env_remove("CONFIG")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run(&["--config", "/nowhere/node.yaml"]);
    assert_eq!(code, Some(CONFIG), "{said}");
    assert!(said.contains("/nowhere/node.yaml"), "{said}");
    let (code, said) = run(&["--confg", "x"]);
    assert_eq!(code, Some(USAGE), "{said}");
    assert!(said.contains("did you mean --config"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
