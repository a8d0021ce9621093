//! The files of a host, below any root: the seam that lets tests make hosts up.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The most that is read of one file, in bytes; `/proc/interrupts` of a large host has some 100 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A host whose `/proc` and `/sys` stand below `root`.
#[derive(Clone, Debug)]
pub struct Host {
    /// `/` for the real one.
    pub root: PathBuf,
}

impl Host {
    /// The text of the file at the absolute path `path`, without white space around it.
    ///
    /// # Errors
    /// Which file cannot be read, and why.
    pub fn read(&self, path: &str) -> Result<String, String> {
        self.text(path).map_err(|error| fault(path, &error))
    }

    /// The same; `None` when there is no such file.
    ///
    /// # Errors
    /// As [`Host::read`], for a file that is there.
    pub fn read_if_there(&self, path: &str) -> Result<Option<String>, String> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(path, &error)),
        }
    }

    /// The number that is all of the file at `path`.
    ///
    /// # Errors
    /// Which file cannot be read or holds no number.
    pub fn number(&self, path: &str) -> Result<u64, String> {
        let text = self.read(path)?;
        let number = text.parse();
        number.map_err(|_| format!("{path} holds no number: \"{text}\""))
    }

    /// The CPUs, or nodes, listed in the file at `path`.
    ///
    /// # Errors
    /// Which file cannot be read or holds no list.
    pub fn cpus(&self, path: &str) -> Result<Vec<usize>, String> {
        let text = self.read(path)?;
        parse_list(&text).ok_or_else(|| format!("{path} holds no list: \"{text}\""))
    }

    /// The names in the folder at `path`, sorted.
    ///
    /// # Errors
    /// Which folder cannot be read, and why.
    pub fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(self.place(path)).map_err(|error| fault(path, &error))?;
        let names = entries.filter_map(Result::ok);
        let mut names: Vec<String> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whether there is anything at `path`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.place(path).exists()
    }

    /// The last part of what the symbolic link at `path` points to.
    #[must_use]
    pub fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.place(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> io::Result<String> {
        let file = File::open(self.place(path))?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

/// The real host.
#[must_use]
pub fn real() -> Host {
    Host {
        root: Path::new("/").to_owned(),
    }
}

fn fault(path: &str, error: &io::Error) -> String {
    format!("{path}: {error}")
}

/// Reads a list such as `0-3,8`, as the kernel writes sets of CPUs and nodes.
pub(super) fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut list = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // The kernel knows no more CPUs than this by far.
        if last < first || last - first > 1 << 16 {
            return None;
        }
        list.extend(first..=last);
    }
    Some(list)
}

/// Writes a set of CPUs as the kernel does.
pub(super) fn show_list(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let shown = parts.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        for (text, list) in [
            ("", vec![]),
            ("0", vec![0]),
            ("0-3,8", vec![0, 1, 2, 3, 8]),
            ("1,3-4", vec![1, 3, 4]),
        ] {
            assert_eq!(parse_list(text).as_ref(), Some(&list), "{text}");
            assert_eq!(show_list(&list), text);
        }
        for text in ["a", "3-1", "1-", "0-99999999"] {
            assert_eq!(parse_list(text), None, "{text}");
        }
    }
}
