//! The file of a Unix socket: never stolen from the living, removed at the end.
//!
//! 1. A socket somebody answers on is left alone; so is anything that is not a socket.
//! 2. Only the file that was made here is removed, not one that took its place.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// The file; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, so that a successor's file is recognised.
    identity: (u64, u64),
}

impl SocketFile {
    /// The file of the socket that was just bound at `path`.
    ///
    /// # Errors
    ///
    /// The file is not there any more.
    pub(crate) fn of_bound(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: (made.dev(), made.ino()),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // Nobody is left who could be told that it did not go.
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Removes the socket file that a process left behind at `path`, if there is one.
///
/// # Errors
///
/// [`io::ErrorKind::AddrInUse`] if somebody answers there; another if what stands there is no socket.
pub(crate) fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::other("a file that is not a socket stands there"));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_what_nobody_uses_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        remove_stale(&path).unwrap();
        fs::write(&path, "a file named by mistake").unwrap();
        assert!(remove_stale(&path).is_err());
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let fault = remove_stale(&path).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        remove_stale(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let first = UnixListener::bind(&path).unwrap();
        let file = SocketFile::of_bound(&path).unwrap();
        fs::rename(&path, directory.path().join("moved.sock")).unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        drop((first, file));
        assert!(path.exists());
        drop(SocketFile::of_bound(&path).unwrap());
        assert!(!path.exists());
    }
}
