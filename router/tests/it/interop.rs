//! wire_59: unmodified published clients, through the real router.
//!
//! The scenarios are written in Python, in `router/tests/python`, because that is where the published
//! client lives. The first test makes a virtual environment and installs the client into it. Without
//! Python or the wheel the tests say so and pass, except where `CI=true`: there that is a failure.

use std::{path::PathBuf, process::Stdio, sync::OnceLock, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::harness::{Authority, PATIENCE, Router, Setup, eventually, within};

/// The published client, at the version that the wire was checked against.
const CLIENT: &str = "slim-bindings==3.3.8";

/// How long one scenario may take.
const SCENARIO_PATIENCE: Duration = Duration::from_secs(120);

/// The Python of the virtual environment, or why there is none.
fn python() -> Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(make_environment).clone()
}

fn make_environment() -> Result<PathBuf, String> {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("interop-venv");
    let python = home.join("bin/python");
    let installed = |python: &PathBuf| run(python, &["-c", "import slim_bindings"]).is_ok();
    if installed(&python) {
        return Ok(python);
    }
    run(
        &PathBuf::from("python3"),
        &["-m", "venv", &home.display().to_string()],
    )?;
    run(
        &python,
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            CLIENT,
        ],
    )?;
    Ok(python)
}

fn run(program: &PathBuf, arguments: &[&str]) -> Result<(), String> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A scenario that runs against a router.
struct Scenario {
    name: &'static str,
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Scenario {
    /// Starts it; `None` if the client cannot be had and need not be.
    fn start(name: &'static str, address: &str, tls: Option<&str>) -> Option<Self> {
        let python = match python() {
            Ok(python) => python,
            Err(why) => {
                let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
                assert!(!is_ci, "the published client cannot be had: {why}");
                return None;
            }
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/interop.py");
        let mut child = Command::new(python)
            .args([script, address, name])
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { name, child, lines })
    }

    /// Waits until it says `line`.
    async fn says(&mut self, line: &str) {
        let hearing = async {
            while let Some(said) = self.lines.next_line().await.unwrap() {
                if said == line {
                    return true;
                }
            }
            false
        };
        let heard = tokio::time::timeout(SCENARIO_PATIENCE, hearing).await;
        assert_eq!(heard, Ok(true), "{} did not say \"{line}\"", self.name);
    }

    async fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        input.flush().await.unwrap();
    }

    async fn passes(mut self) {
        self.says(&format!("passed {}", self.name)).await;
        within("end of the scenario", self.child.wait())
            .await
            .unwrap();
    }
}

/// Runs a scenario through a router with so many shards, and sees nothing lost.
async fn through(shards: usize, scenario: &'static str) {
    let router = Setup::new().shards(shards).start().await;
    if let Some(scenario) = Scenario::start(scenario, &router.address(0).to_string(), None) {
        scenario.passes().await;
    }
}

macro_rules! scenarios {
    ($($test:ident: $shards:literal $scenario:literal;)+) => {
        $(#[tokio::test]
        async fn $test() {
            through($shards, $scenario).await;
        })+
    };
}

scenarios! {
    wire_59_pair_with_mls_through_1_shard: 1 "pair_mls";
    wire_59_pair_with_mls_through_2_shards: 2 "pair_mls";
    wire_59_pair_with_mls_through_4_shards: 4 "pair_mls";
    wire_59_pair_without_mls_through_1_shard: 1 "pair_clear";
    wire_59_pair_without_mls_through_2_shards: 2 "pair_clear";
    wire_59_pair_without_mls_through_4_shards: 4 "pair_clear";
    wire_59_order_through_1_shard: 1 "order";
    wire_59_order_through_2_shards: 2 "order";
    wire_59_order_through_4_shards: 4 "order";
    wire_59_group_of_5_through_1_shard: 1 "group5";
    wire_59_group_of_5_through_2_shards: 2 "group5";
    wire_59_group_of_5_through_4_shards: 4 "group5";
    wire_59_group_of_10_through_1_shard: 1 "group10";
    wire_59_group_of_10_through_4_shards: 4 "group10";
    wire_59_anycast_through_1_shard: 1 "anycast";
    wire_59_anycast_through_2_shards: 2 "anycast";
    wire_59_anycast_through_4_shards: 4 "anycast";
    wire_59_a_session_to_nobody_fails: 2 "nobody";
}

#[tokio::test]
async fn wire_59_pair_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::root();
    let leaf = authority.leaf("localhost");
    let listener = leaf.listener(folder.path(), "");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let router = Setup::new().servers([listener]).start().await;
    let tls = format!("{{\"ca\": \"{}\"}}", ca.display());
    let address = router.address(0).to_string();
    if let Some(scenario) = Scenario::start("pair_mls", &address, Some(&tls)) {
        scenario.passes().await;
    }
}

#[tokio::test]
async fn wire_59_pair_over_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    let clients = tempfile::tempdir().unwrap();
    let authority = Authority::root();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let keys = format!("client_ca: {{type: file, path: \"{}\"}}", ca.display());
    let listener = authority.leaf("localhost").listener(folder.path(), &keys);
    let (cert, key) = authority.leaf("client").write(clients.path());
    let router = Setup::new().servers([listener]).start().await;
    let tls = format!(
        "{{\"ca\": \"{}\", \"cert\": \"{}\", \"key\": \"{}\"}}",
        ca.display(),
        cert.display(),
        key.display()
    );
    let address = router.address(0).to_string();
    if let Some(scenario) = Scenario::start("pair_mls", &address, Some(&tls)) {
        scenario.passes().await;
    }
}

#[tokio::test]
async fn wire_59_clients_carry_on_after_a_restart() {
    let mut router = Router::start().await;
    let address = router.address(0).to_string();
    let Some(mut scenario) = Scenario::start("restart", &address, None) else {
        return;
    };
    scenario.says("restart").await;
    router.signal("KILL");
    router.exit(PATIENCE).await;
    let listener = format!("{{endpoint: \"{address}\", tls: {{insecure: true}}}}");
    let again = Setup::new().servers([listener]).start().await;
    // A published client loses what its application sends while it has no connection.
    eventually("both clients back", async || {
        (again.scrape().await.sum("subscriptions") == 2).then_some(())
    })
    .await;
    scenario.tell("restarted").await;
    scenario.passes().await;
    drop(again);
}
