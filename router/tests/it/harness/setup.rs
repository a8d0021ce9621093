//! The configuration of a router under test.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use slipring::{config::IoChoice, io::runtime::choice::choose};

use super::process::{Ended, Router};

/// As many shards as the largest router of a test has.
const SHARDS_TRIED: u64 = 4;

/// Spreads the routers of parallel tests over the CPUs, since each pins its shards.
static NEXT_CPU: AtomicUsize = AtomicUsize::new(0);

/// What a router is started with. Every method returns the setup with one thing changed.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    shards: usize,
    cpu: Option<usize>,
    io: Option<&'static str>,
    servers: Vec<String>,
    limits: Vec<String>,
    own: Vec<String>,
    dataplane: Vec<String>,
    runtime: Vec<String>,
    wrapper: Vec<String>,
    http: String,
    control: Option<String>,
    level: &'static str,
}

/// A listener in clear text on a free port of loopback, with further keys of its entry.
pub(crate) fn clear(keys: &str) -> String {
    format!("{{endpoint: \"127.0.0.1:0\", tls: {{insecure: true}}, {keys}}}")
}

/// The CPUs that this process, and hence a router, may run on.
pub(crate) fn cpus_allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    list.trim()
        .split(',')
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse::<usize>().unwrap()..=last.parse().unwrap()
        })
        .collect()
}

impl Setup {
    /// One shard, one listener in clear text, default limits.
    pub(crate) fn new() -> Self {
        Self {
            shards: 1,
            cpu: None,
            io: None,
            servers: vec![clear("")],
            limits: Vec::new(),
            own: Vec::new(),
            dataplane: Vec::new(),
            runtime: Vec::new(),
            wrapper: Vec::new(),
            http: "127.0.0.1:0".to_owned(),
            control: None,
            level: "info",
        }
    }

    /// So many shards, on shared CPUs if need be.
    pub(crate) fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// All shards on this one CPU.
    pub(crate) fn cpu(mut self, cpu: usize) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// `slipring.io`, whatever the environment says.
    pub(crate) fn io(mut self, io: &'static str) -> Self {
        self.io = Some(io);
        self
    }

    /// These listeners instead of the one in clear text.
    pub(crate) fn servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.servers = servers.into_iter().map(Into::into).collect();
        self
    }

    /// One bound of `slipring.limits`.
    pub(crate) fn limit(mut self, bound: &str, value: impl std::fmt::Display) -> Self {
        self.limits.push(format!("{bound}: {value}"));
        self
    }

    /// One more key of `slipring`, for instance `drain: {spread: 0s}`.
    pub(crate) fn own(mut self, line: &str) -> Self {
        self.own.push(line.to_owned());
        self
    }

    /// One more key of `dataplane`.
    pub(crate) fn dataplane(mut self, line: &str) -> Self {
        self.dataplane.push(line.to_owned());
        self
    }

    /// One key of `runtime`.
    pub(crate) fn runtime(mut self, line: &str) -> Self {
        self.runtime.push(line.to_owned());
        self
    }

    /// The address of the admin surface.
    pub(crate) fn http(mut self, address: &str) -> Self {
        address.clone_into(&mut self.http);
        self
    }

    /// The path of the control socket.
    pub(crate) fn control(mut self, path: &str) -> Self {
        self.control = Some(path.to_owned());
        self
    }

    /// `tracing.log_level`.
    pub(crate) fn log(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    /// A program that runs the router, for instance `prlimit` with its flags.
    pub(crate) fn wrapper(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The command in front of the binary.
    pub(super) fn wrapper_words(&self) -> &[String] {
        &self.wrapper
    }

    /// The node's file, with the control socket in `folder`.
    pub(super) fn yaml(&self, folder: &Path) -> String {
        let mut yaml = String::from("services:\n  slim/0:\n    node_id: router-under-test\n");
        yaml.push_str("    dataplane:\n");
        let mut line = |indent: usize, text: &str| {
            // Writing to text cannot fail.
            writeln!(yaml, "{:indent$}{text}", "").unwrap();
        };
        for text in &self.dataplane {
            line(6, text);
        }
        line(6, "servers:");
        for server in &self.servers {
            line(8, &format!("- {server}"));
        }
        line(0, &format!("tracing: {{log_level: \"{}\"}}", self.level));
        if !self.runtime.is_empty() {
            line(0, "runtime:");
        }
        for text in &self.runtime {
            line(2, text);
        }
        line(0, "slipring:");
        line(2, &format!("cpus: [{}]", self.cpus()));
        line(2, &format!("io: {}", self.io_word()));
        line(2, "admin:");
        line(4, &format!("http: {}", self.http));
        let control = folder.join("control.sock").display().to_string();
        line(
            4,
            &format!("control: {}", self.control.as_ref().unwrap_or(&control)),
        );
        if !self.limits.is_empty() {
            line(2, "limits:");
        }
        for text in &self.limits {
            line(4, text);
        }
        for text in &self.own {
            line(2, text);
        }
        yaml
    }

    fn io_word(&self) -> String {
        let from_environment = || std::env::var("SLIPRING_TEST_IO").ok();
        let chosen = self.io.map(str::to_owned).or_else(from_environment);
        chosen.unwrap_or_else(|| uring().to_owned())
    }

    fn cpus(&self) -> String {
        let allowed = self.cpu.map_or_else(cpus_allowed, |cpu| vec![cpu]);
        let first = NEXT_CPU.fetch_add(self.shards, Ordering::Relaxed);
        let cpus: Vec<String> = (first..first + self.shards)
            .map(|turn| allowed[turn % allowed.len()].to_string())
            .collect();
        cpus.join(", ")
    }

    /// Starts the router and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead.
    pub(crate) async fn start(&self) -> Router {
        match self.try_start().await {
            Ok(router) => router,
            Err(ended) => panic!("the router did not start: {ended:?}"),
        }
    }

    /// Starts the router and waits until it listens, or says how it ended instead.
    pub(crate) async fn try_start(&self) -> Result<Router, Ended> {
        Router::spawn(self).await
    }
}

/// The word that makes a router run on io_uring, where this machine has it.
pub(crate) fn uring() -> &'static str {
    match choose(IoChoice::Uring, SHARDS_TRIED) {
        Ok(_) => "uring",
        Err(_) => "auto",
    }
}
