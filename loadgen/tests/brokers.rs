//! Brokers are measured with the same probes and the same verdict as routers, compared with each
//! other, started and ended; and what is wrong with one of them is said in words.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::small_broker::{Manner, mqtt, nats, nats_on};

mod small_broker;

/// 960 messages with a window of 32, no waiting beside.
const PLAN: &str = "--messages 960 --window 32 --warmup 0 --duration 30";
/// Enough to have figures, and no end before the time is up.
const TIMED: &str = "--window 32 --warmup 0.1 --duration 0.4";
/// Where the server that a test started finds its port.
const SETTINGS: &str = "SMALL_BROKER_SETTINGS";
/// Far above what anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

fn loadgen(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(words.split_whitespace()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs the load generator and answers what it said, which must hold all of `expected`.
fn expect(words: &str, code: i32, expected: &[&str]) -> String {
    let output = loadgen(words);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{words}: {said}");
    for part in expected {
        assert!(said.contains(part), "{words}: no `{part}` in {said}");
    }
    said
}

#[test]
fn every_shape_through_a_sound_broker_is_clean() {
    for target in [
        format!("nats://{}", nats(Manner::Sound)),
        format!("mqtt://{}", mqtt(Manner::Sound)),
    ] {
        let sent = "2,880 sent, 2,880 due, 2,880 delivered";
        expect(
            &format!("run {target} {PLAN} --pairs 3"),
            0,
            &[sent, "clean"],
        );
        let sent = "960 sent, 4,800 due, 4,800 delivered";
        expect(&format!("run {target} {PLAN} --fanout 5"), 0, &[sent]);
        let sent = "3,840 sent, 3,840 due, 3,840 delivered";
        expect(
            &format!("run {target} {PLAN} --incast 4 --threads 2"),
            0,
            &[sent],
        );
        let words = "--rate 2000 --warmup 0 --messages 100 --duration 30 --links 3 --names 2";
        expect(
            &format!("run {target} {words}"),
            0,
            &["100 delivered", "p99.9"],
        );
        // Longer than any buffer at its beginning.
        let words = "--size 300000 --messages 20 --window 4 --warmup 0 --sources 2";
        expect(&format!("run {target} {words}"), 0, &["20 delivered"]);
    }
}

#[test]
fn loss_and_broken_links_are_the_verdict() {
    for target in [
        format!("nats://{}", nats(Manner::Losing(96))),
        format!("mqtt://{}", mqtt(Manner::Losing(96))),
    ] {
        expect(
            &format!("run {target} {PLAN}"),
            1,
            &["NOT A RESULT: 10 lost"],
        );
    }
    let target = nats(Manner::Failing(100));
    expect(
        &format!("run nats://{target} {TIMED}"),
        1,
        &["NOT A RESULT", "Slow Consumer"],
    );
    let target = mqtt(Manner::Failing(100));
    expect(
        &format!("run mqtt://{target} {TIMED}"),
        1,
        &["NOT A RESULT", "publisher: the link ended"],
    );
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the time it takes is what is judged"
)]
fn a_closed_loop_whose_link_ends_does_not_wait_for_the_end_of_its_time() {
    let (nats, mqtt) = (nats(Manner::Failing(100)), mqtt(Manner::Failing(100)));
    for target in [format!("nats://{nats}"), format!("mqtt://{mqtt}")] {
        let begun = Instant::now();
        let words = format!("run {target} --window 32 --warmup 0 --duration 600");
        expect(&words, 1, &["NOT A RESULT"]);
        assert!(begun.elapsed() < WAIT_MAX, "{target}");
    }
}

#[test]
fn a_target_that_is_missing_refuses_or_is_another_is_said_in_words() {
    let absent = absent();
    for scheme in ["nats", "mqtt"] {
        let words = format!("run {scheme}://{absent}");
        expect(
            &words,
            69,
            &["refused", "check that a broker listens there"],
        );
    }
    let locked = nats(Manner::Locked);
    expect(
        &format!("run nats://{locked}"),
        69,
        &["refused", "credentials"],
    );
    let locked = mqtt(Manner::Locked);
    expect(
        &format!("run mqtt://{locked}"),
        69,
        &["refused", "credentials"],
    );
    let server = nats(Manner::Sound);
    expect(
        &format!("run mqtt://{server}"),
        69,
        &["does not speak MQTT", "NATS"],
    );
    let silent = nats(Manner::Silent);
    let words = format!("run mqtt://{silent}");
    expect(&words, 69, &["CONNACK", "within 5 s", "does it speak MQTT"]);
    let broker = mqtt(Manner::Sound);
    expect(
        &format!("run nats://{broker}"),
        69,
        &["greeting", "does it speak NATS"],
    );
    let server = nats(Manner::Sound);
    expect(&format!("run {server}"), 69, &["HTTP/2", "nats://"]);
    let words = format!("run nats://{server} --size 600000 --warmup 0 --duration 0.2");
    expect(&words, 69, &["600000 bytes", "takes 500000"]);
}

#[test]
fn a_comparison_prints_the_ratio_and_keeps_what_a_report_draws() {
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("c.json"), folder.path().join("c.html"));
    let (a, b) = (nats(Manner::Sound), mqtt(Manner::Sound));
    let pid = std::process::id();
    let words = format!(
        "compare <a>=nats://{a},pid={pid} nats://{a},pid={pid} mqtt://{b} {TIMED} --rounds 3 --json {}",
        json.display()
    );
    // What is no word is no label.
    expect(&words, 64, &["<a>"]);
    let words = words.replace("<a>", "first");
    let said = expect(
        &words,
        0,
        &[
            "first : nats",
            "first : mqtt",
            "deliveries/CPU second",
            "round 3 of 3: mqtt",
            "clean",
        ],
    );
    assert!(said.contains("mqtt has no pid"), "{said}");
    let words = format!("report {} --html {}", json.display(), html.display());
    expect(&words, 0, &["first", "mqtt", "first : nats"]);
    let page = fs::read_to_string(html).unwrap();
    for part in [
        "<svg",
        "<polyline",
        "deliveries per second",
        "percentile",
        "--rounds 3",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Nothing is fetched, and no folder of this host is told.
    for part in ["http://", "https://", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(part), "{part}");
    }
    assert!(!page.contains(&folder.path().display().to_string()));
}

#[test]
fn a_comparison_with_a_lossy_run_is_void() {
    let (a, b) = (nats(Manner::Sound), nats(Manner::Losing(500)));
    let words = format!("compare nats://{a} lossy=nats://{b} {PLAN} --rounds 2");
    expect(&words, 1, &["VOID", "NOT A RESULT: lossy, round 1: 1 lost"]);
    let words = format!("compare nats://{a} gone=nats://{} {PLAN}", absent());
    expect(&words, 69, &["refused"]);
}

#[test]
fn what_is_no_result_is_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, "{\"a\": 1}").unwrap();
    expect(
        &format!("report {}", file.display()),
        64,
        &["x.json", "no plan"],
    );
    expect("report /no/such.json", 64, &["/no/such.json"]);
}

#[test]
fn a_target_is_started_and_ends_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), &serving(folder.path()));
    let words = format!("run --spawn-nats {program} {PLAN}");
    expect(&words, 0, &["960 delivered", "target CPU", "clean"]);
    assert_eq!(settle(folder.path()), 1);
    let words =
        format!("compare --spawn-nats {program} --spawn-nats b={program} {TIMED} --rounds 2");
    expect(&words, 0, &["nats : b", "round 2 of 2: b"]);
    assert_eq!(settle(folder.path()), 5);
}

#[test]
fn a_target_that_does_not_start_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), "echo no such option; exit 3");
    let words = format!("run --spawn-mqtt {program}");
    expect(
        &words,
        69,
        &["ended before it listened", "3", "no such option"],
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    expect(&words, 69, &["cannot start", "denied"]);
}

#[test]
fn a_signal_that_ends_the_load_generator_ends_its_target() {
    for signal in ["TERM", "INT", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), &serving(folder.path()));
        let mut running = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(["run", "--duration", "600", "--rate", "10", "--spawn-nats"])
            .arg(&program)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait(|| pids(folder.path()).len() == 1);
        kill(&running, signal);
        running.wait().unwrap();
        assert_eq!(settle(folder.path()), 1, "{signal}");
    }
}

/// Not a test: the server that a script of [`serving`] starts.
#[test]
#[ignore = "a server that other tests start as a process of its own"]
fn serve() {
    let Some(settings) = std::env::var_os(SETTINGS) else {
        return;
    };
    let settings = fs::read_to_string(settings).unwrap();
    let port = settings
        .lines()
        .find_map(|line| line.strip_prefix("port: "));
    nats_on(port.unwrap().parse().unwrap());
    // Until it is killed; a bound for the case that nobody does, which is what fails the test.
    thread::sleep(WAIT_MAX * 4);
}

/// A script that notes its process and becomes a NATS server.
fn serving(folder: &Path) -> String {
    let this = std::env::current_exe().unwrap();
    format!(
        "[ \"$1\" = -c ] || exit 0\necho $$ >> {}/pids\n{SETTINGS}=\"$2\" exec {} --exact serve --ignored",
        folder.display(),
        this.display()
    )
}

fn program(folder: &Path, script: &str) -> String {
    let path = folder.join("server");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.display().to_string()
}

/// The processes that were started, in order.
fn pids(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until every process that was started is gone, and answers how many they were.
fn settle(folder: &Path) -> usize {
    let all = pids(folder);
    for pid in &all {
        wait(|| !PathBuf::from(format!("/proc/{pid}")).exists());
    }
    all.len()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test waits for another process by the clock"
)]
fn wait(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to pass");
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill(child: &Child, signal: &str) {
    let command = format!("kill -{signal} {}", child.id());
    let status = Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success());
}

/// An address where nobody listens.
fn absent() -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(TcpStream::connect(address).is_err());
    address
}
