//! Which runtime runs, and why (ADR 0013).
//!
//! glommio ends the process on a kernel that it dislikes, so io_uring is tried here first, with a ring
//! of our own.

use std::fs;

use crate::config::IoChoice;

/// Locked memory that one glommio executor wants, in bytes.
pub const MEMLOCK_BYTES_PER_SHARD: u64 = 512 << 10;

/// The oldest kernel whose io_uring has every operation that glommio uses: major and minor.
pub const KERNEL_LEAST: (u32, u32) = (5, 8);

/// Entries of the ring that is tried.
const PROBE_ENTRIES: u32 = 8;

/// A runtime that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Whether io_uring runs; epoll otherwise.
    pub is_uring: bool,
    /// Why, in one line that also says how to change it.
    pub reason: String,
}

/// Chooses the runtime for `shards` shards.
///
/// # Errors
///
/// Why io_uring cannot run although the configuration insists on it.
pub fn choose(choice: IoChoice, shards: u64) -> Result<Chosen, String> {
    if choice == IoChoice::Epoll {
        let reason = "epoll, as slipring.io says".to_owned();
        return Ok(Chosen {
            is_uring: false,
            reason,
        });
    }
    match (probe(shards), choice) {
        (Ok(_), IoChoice::Auto) if is_virtual(&read("/proc/cpuinfo")) => {
            let reason = "epoll, because in a virtual machine io_uring's interrupts cost more than it \
                          spares (slipring.io: uring would insist)";
            Ok(Chosen {
                is_uring: false,
                reason: reason.to_owned(),
            })
        }
        (Ok(kernel), _) => Ok(Chosen {
            is_uring: true,
            reason: format!("io_uring on kernel {kernel} (slipring.io: epoll turns it off)"),
        }),
        (Err(obstacle), IoChoice::Uring) => Err(format!(
            "slipring.io is uring, but {obstacle}; slipring.io: auto falls back to epoll"
        )),
        (Err(obstacle), _) => Ok(Chosen {
            is_uring: false,
            reason: format!("epoll, because {obstacle} (slipring.io: uring would insist)"),
        }),
    }
}

/// The kernel release if io_uring works here for `shards` executors, or what is in the way.
fn probe(shards: u64) -> Result<String, String> {
    let release = read("/proc/sys/kernel/osrelease");
    let kernel = parse_release(&release);
    if kernel.is_some_and(|kernel| kernel < KERNEL_LEAST) {
        return Err(format!(
            "kernel {release} is older than {}.{}",
            KERNEL_LEAST.0, KERNEL_LEAST.1
        ));
    }
    let locked = read("/proc/self/limits");
    check_memlock(parse_memlock(&locked), shards)?;
    match try_ring() {
        Ok(()) => Ok(release),
        Err(error) => Err(explain(&error, &read("/proc/sys/kernel/io_uring_disabled"))),
    }
}

/// Makes a ring and lets it go.
///
/// # Errors
///
/// What the kernel said: a sysctl, a seccomp profile or its configuration forbids rings.
pub fn try_ring() -> std::io::Result<()> {
    io_uring::IoUring::new(PROBE_ENTRIES).map(drop)
}

/// Whether processors see a hypervisor, in the words of `/proc/cpuinfo`. Others than x86 do not tell.
fn is_virtual(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    let flags = flags.next().unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "hypervisor")
}

fn check_memlock(limit_bytes: Option<u64>, shards: u64) -> Result<(), String> {
    let wanted = MEMLOCK_BYTES_PER_SHARD.saturating_mul(shards);
    match limit_bytes {
        Some(limit) if limit < wanted => Err(format!(
            "the locked-memory limit is {limit} bytes and {shards} shards want {wanted} \
             (raise it with LimitMEMLOCK= or ulimit -l)"
        )),
        _ => Ok(()),
    }
}

/// What is in the way when a ring is refused with `error` and `kernel.io_uring_disabled` reads `disabled`.
pub(crate) fn explain(error: &std::io::Error, disabled: &str) -> String {
    match disabled {
        "2" => "kernel.io_uring_disabled is 2".to_owned(),
        "1" => format!("kernel.io_uring_disabled is 1 and this user is not exempt ({error})"),
        _ => format!("the kernel or a seccomp profile refuses io_uring ({error})"),
    }
}

/// Major and minor of a kernel release such as `6.1.0-18-amd64`.
pub(crate) fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The soft limit of locked memory; `None` if it is unlimited or unknown.
fn parse_memlock(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_up_to_its_minor() {
        assert_eq!(parse_release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.15.0"), Some((5, 15)));
        assert_eq!(parse_release(""), None);
    }

    #[test]
    fn the_soft_limit_of_locked_memory_is_found() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max locked memory         65536                8388608              bytes\n";
        assert_eq!(parse_memlock(limits), Some(65_536));
        assert_eq!(
            parse_memlock("Max locked memory  unlimited  unlimited  bytes"),
            None
        );
    }

    #[test]
    fn too_little_locked_memory_is_named_with_what_is_wanted() {
        let refusal = check_memlock(Some(65_536), 2).unwrap_err();
        assert!(
            refusal.contains("65536") && refusal.contains("1048576"),
            "{refusal}"
        );
        assert!(check_memlock(None, 64).is_ok());
    }

    #[test]
    fn a_hypervisor_is_a_flag_of_its_own() {
        let cpu =
            |flags: &str| format!("processor\t: 0\nflags\t\t: fpu {flags} lahf_lm\nbugs\t\t: x\n");
        assert!(is_virtual(&cpu("hypervisor")));
        assert!(!is_virtual(&cpu("hypervisor_guest")));
        assert!(!is_virtual("Features\t: fp asimd\n"));
        assert!(!is_virtual(""));
    }

    #[test]
    fn epoll_is_never_argued_with() {
        assert!(!choose(IoChoice::Epoll, 1).unwrap().is_uring);
    }
}
