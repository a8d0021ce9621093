//! The one place where configuration meets the host: files, environment, cgroup, randomness.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::tree::TEXT_BYTES_MAX;
use super::{Config, Errors, Finding, HostFacts, Lookup, Source, Sources, load};

/// Where the control socket's directory is made by the service unit.
const RUN_DIRECTORY: &str = "/run/slipring";
/// What the control socket is called in its directory.
const CONTROL_SOCKET: &str = "control.sock";

/// Reads the configuration this process was told to use.
///
/// # Errors
/// Every mistake found, or the file that could not be read.
pub fn from_host(
    base: Option<&Path>,
    overlay: Option<&Path>,
    strict: bool,
    host: &HostFacts,
) -> Result<Config, Errors> {
    let base = base.map(read_source).transpose();
    let overlay = overlay.map(read_source).transpose();
    let (base, overlay) = match (base, overlay) {
        (Ok(base), Ok(overlay)) => (base, overlay),
        (base, overlay) => {
            let unreadable = [base.err(), overlay.err()];
            return Err(Errors {
                findings: unreadable.into_iter().flatten().collect(),
                warnings: Vec::new(),
            });
        }
    };
    let sources = Sources {
        base: base.as_ref().map(as_source),
        overlay: overlay.as_ref().map(as_source),
        strict,
    };
    let lookup = Lookup {
        environment: &|name| std::env::var(name).ok(),
        file: &|path| {
            let bytes = read_bounded(path)?;
            String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
        },
    };
    load(&sources, &lookup, host)
}

/// The facts about this host, for a process that may run on `cpus`.
#[must_use]
pub fn host_facts(cpus: Vec<usize>) -> HostFacts {
    HostFacts {
        cpus,
        memory_bytes: granted_memory(),
        control: control_socket(),
        node_id: random(),
    }
}

fn as_source((name, bytes): &(String, Vec<u8>)) -> Source<'_> {
    Source { name, bytes }
}

fn read_source(path: &Path) -> Result<(String, Vec<u8>), Finding> {
    let name = path.display().to_string();
    match read_bounded(path) {
        Ok(bytes) => Ok((name, bytes)),
        Err(why) => Err(Finding {
            file: name,
            place: None,
            key: String::new(),
            message: format!("cannot be read: {why}"),
        }),
    }
}

/// Reads one byte more than any file may have, so that a file without end is still refused.
fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|fault| fault.to_string())?;
    let limit = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|fault| fault.to_string())?;
    Ok(bytes)
}

/// The directory the service unit made, else the user's own, else the first all the same: binding
/// will say what is wrong with it.
fn control_socket() -> PathBuf {
    let run = Path::new(RUN_DIRECTORY);
    let user = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    match user {
        Some(user) if !run.is_dir() => PathBuf::from(user).join("slipring").join(CONTROL_SOCKET),
        _ => run.join(CONTROL_SOCKET),
    }
}

/// The smallest `memory.max` from this process's cgroup up to the root.
fn granted_memory() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    // Inside a container the path may be one the container cannot see; its root is then what
    // counts, and it is among the ancestors.
    let paths = root.join(own);
    let granted = |path: &Path| -> Option<u64> {
        let text = fs::read_to_string(path.join("memory.max")).ok()?;
        text.trim().parse().ok()
    };
    paths
        .ancestors()
        .take_while(|path| path.starts_with(root))
        .filter_map(granted)
        .min()
}

/// 128 bits nobody can foresee: the standard library keys its hash maps from the kernel.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    (half() << 64) | half()
}
