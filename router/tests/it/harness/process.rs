//! A router as a process: started from a file, found by what it announces, ended by its id.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipring_sdk::Endpoint;
use tokio::sync::mpsc;

use super::{PATIENCE, Setup, eventually, within};

/// The last line of the announcement.
const LAST_LINE: &str = "  memory";

/// How a router ended that never listened.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote on standard error.
    pub(crate) stderr: String,
}

/// Text that grows while a process writes.
#[derive(Clone, Debug, Default)]
struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, text: &str) {
        let mut whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        whole.push_str(text);
    }
}

/// A running router. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Router {
    child: Child,
    announcement: Vec<String>,
    stderr: Transcript,
    reader: Option<std::thread::JoinHandle<()>>,
    folder: tempfile::TempDir,
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SLIPRING_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_slipring").into(), PathBuf::from)
}

/// How many descriptors the process with this id may have.
fn descriptors_max(pid: &str) -> usize {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

/// Lets this process, and routers that it starts, have so many descriptors, where the hard limit
/// allows it.
pub(crate) fn raise_descriptors(count: usize) {
    if descriptors_max("self") >= count {
        return;
    }
    let status = Command::new("prlimit")
        .arg(format!("--pid={}", std::process::id()))
        .arg(format!("--nofile={count}:"))
        .status()
        .unwrap();
    assert!(
        status.success(),
        "{count} descriptors are more than the hard limit"
    );
}

impl Router {
    /// A router with the default setup.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    pub(super) async fn spawn(setup: &Setup) -> Result<Self, Ended> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.yaml");
        std::fs::write(&file, setup.yaml(folder.path())).unwrap();
        let mut words = setup.wrapper_words().iter();
        let mut command = match words.next() {
            None => Command::new(binary()),
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(binary());
                command
            }
        };
        command.arg("--config").arg(&file);
        Self::run(command, folder).await
    }

    /// Runs `command` as a router whose files are in `folder`.
    pub(crate) async fn run(
        mut command: Command,
        folder: tempfile::TempDir,
    ) -> Result<Self, Ended> {
        let command = command
            .env_remove("CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Transcript::default();
        let reader = follow(child.stderr.take().unwrap(), stderr.clone());
        let mut lines = lines_of(child.stdout.take().unwrap());
        let mut router = Self {
            child,
            announcement: Vec::new(),
            stderr,
            reader: Some(reader),
            folder,
        };
        loop {
            match within("announcement", lines.recv()).await {
                Some(line) => {
                    let is_last = line.starts_with(LAST_LINE);
                    router.announcement.push(line);
                    if is_last {
                        return Ok(router);
                    }
                }
                None => return Err(router.ended().await),
            }
        }
    }

    async fn ended(mut self) -> Ended {
        let status = self.exit(PATIENCE).await;
        Ended {
            code: status.code(),
            stderr: self.last_words(),
        }
    }

    /// What follows `heading` in the announcement, once for each line that has it.
    pub(crate) fn announced(&self, heading: &str) -> Vec<&str> {
        let line = |line: &'_ String| line.trim_start().starts_with(heading);
        let lines = self.announcement.iter().filter(|text| line(text));
        lines
            .map(|text| text.trim_start()[heading.len()..].trim())
            .collect()
    }

    /// The address of the listener with this index.
    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        let listens = self.announced("listens");
        let word = listens[index].split_whitespace().next().unwrap();
        word.parse().unwrap()
    }

    /// The first listener, as the client names it.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint_of(0)
    }

    /// The listener with this index, in clear text.
    pub(crate) fn endpoint_of(&self, index: usize) -> Endpoint {
        self.address(index).to_string().parse().unwrap()
    }

    /// Where its numbers are.
    pub(crate) fn admin(&self) -> SocketAddr {
        let admin = self.announced("admin");
        admin[0].strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// A directory of its own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until `text` stands on its standard error.
    pub(crate) async fn says(&self, text: &str) {
        eventually(&format!("line with \"{text}\""), async || {
            self.stderr().contains(text).then_some(())
        })
        .await;
    }

    /// Puts the thread called `name` behind everything else on its CPU.
    pub(crate) fn idle_class(&self, name: &str) {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let is_named = |path: &PathBuf| {
            std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let mut paths = tasks.map(|task| task.unwrap().path());
        let path = paths.find(is_named).unwrap();
        let status = Command::new("chrt")
            .args(["--idle", "--pid", "0"])
            .arg(path.file_name().unwrap())
            .status();
        assert!(status.unwrap().success(), "{name} keeps its priority");
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(status.success(), "SIG{name} cannot be sent");
    }

    /// Whether the process is there.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has as many descriptors open as it may.
    pub(crate) async fn out_of_descriptors(&self) {
        let folder = format!("/proc/{}", self.pid());
        let limits = std::fs::read_to_string(format!("{folder}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let count_max: usize = line
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
            .parse()
            .unwrap();
        eventually("want of descriptors", async || {
            let open = std::fs::read_dir(format!("{folder}/fd")).unwrap().count();
            (open >= count_max).then_some(())
        })
        .await;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When `patience` ends first.
    pub(crate) async fn exit(&mut self, patience: Duration) -> ExitStatus {
        let waiting = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(status) => status,
            Err(_) => panic!("the router still runs after {patience:?}"),
        }
    }

    /// All that an ended process wrote on standard error.
    pub(crate) fn last_words(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.stderr.text()
    }

    /// Memory of the process that is resident, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kibibytes.parse::<u64>().unwrap() * 1_024
    }

    /// Processor time of the process so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name before the last parenthesis may hold spaces.
        let rest = stat.rsplit_once(')').unwrap().1;
        let ticks: u64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // Linux counts this in hundredths of a second.
        Duration::from_millis(ticks * 10)
    }

    /// What was lost, closed and refused so far, for a test that failed.
    fn losses(&self) -> std::io::Result<String> {
        let Some(address) = self.announced("admin").first().and_then(|url| url.get(7..)) else {
            return Ok(String::new());
        };
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut page = String::new();
        socket.read_to_string(&mut page)?;
        let reasons = page
            .lines()
            .filter(|line| line.contains("{reason=") && !line.ends_with(" 0"));
        Ok(reasons.collect::<Vec<_>>().join("\n"))
    }

    /// Sends one line to the control socket and returns the answer.
    pub(crate) fn order(&self, line: &str) -> String {
        let path = self.announced("control")[0];
        let mut socket = std::os::unix::net::UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let counted = self.losses().unwrap_or_else(|error| error.to_string());
            drop(writeln!(
                std::io::stderr(),
                "the router counted:\n{counted}"
            ));
        }
        // It may have ended already, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let said = self.last_words();
            drop(writeln!(std::io::stderr(), "the router said:\n{said}"));
        }
    }
}

/// A process that wants all of one CPU. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Hog(Child);

impl Hog {
    /// A hog on `cpu`.
    pub(crate) fn on(cpu: usize) -> Self {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &cpu.to_string()]);
        command.args(["sh", "-c", "while :; do :; done"]);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Collects everything `source` brings, on a thread of its own that ends with it.
fn follow(mut source: impl Read + Send + 'static, into: Transcript) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            into.push(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
}

/// The lines of `source`; the channel ends with it.
fn lines_of(source: impl Read + Send + 'static) -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                // Nobody listens any more; the pipe is still emptied so that the writer goes on.
                continue;
            }
        }
    });
    receiver
}
