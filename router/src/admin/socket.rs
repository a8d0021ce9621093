//! The file of the control socket: born with mode 0600, never stolen from the living, removed at
//! the end.
//!
//! 1. There is no moment at which others may connect: the mode is set on the socket before it is
//!    bound, and the kernel gives it to the file.
//! 2. A socket somebody answers on is left alone; so is anything that is not a socket.
//! 3. Only the file that was made here is removed, not one that took its place.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::Path,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::Fault;
use crate::socket_file::{SocketFile, remove_stale};

/// Who may connect: the owner.
const MODE: u32 = 0o600;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// A listening control socket and its file.
#[derive(Debug)]
pub(super) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl ControlSocket {
    /// Listens at `path`, making its directory (for the owner only) when just that is missing.
    ///
    /// # Errors
    /// [`Fault::ControlTaken`] if somebody answers there, [`Fault::Control`] otherwise.
    pub(super) fn bind(path: &Path) -> Result<Self, Fault> {
        let fault = |source| Fault::Control {
            path: path.to_owned(),
            source,
        };
        make_directory(path).map_err(fault)?;
        let listener = remove_stale(path).and_then(|()| listen(path));
        let listener = listener.map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                Fault::ControlTaken {
                    path: path.to_owned(),
                }
            } else {
                fault(source)
            }
        })?;
        let file = SocketFile::of_bound(path).map_err(fault)?;
        let made = fs::symlink_metadata(path).map_err(fault)?;
        if made.mode() & 0o777 & !MODE != 0 {
            return Err(fault(io::Error::other(
                "the system does not keep its mode at 0600",
            )));
        }
        Ok(Self { listener, file })
    }

    /// The socket and its file.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        Some(directory) if !directory.exists() => {
            match fs::DirBuilder::new().mode(0o700).create(directory) {
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            }
        }
        _ => Ok(()),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The descriptor is a file for the length of one fchmod; bind passes the mode on to the path.
    let descriptor = fs::File::from(OwnedFd::from(socket));
    descriptor.set_permissions(fs::Permissions::from_mode(MODE))?;
    let socket = Socket::from(OwnedFd::from(descriptor));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_file_is_the_owners_from_birth_and_goes_with_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/control.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file");
        let socket = ControlSocket::bind(&path).unwrap();
        let second = ControlSocket::bind(&path);
        assert!(matches!(second, Err(Fault::ControlTaken { .. })));
        assert!(path.exists());
        drop(socket);
    }

    #[test]
    fn what_is_not_a_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            ControlSocket::bind(&path),
            Err(Fault::Control { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_successors_file_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let first = ControlSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = ControlSocket::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_path_nobody_can_make_is_an_error() {
        let path = Path::new("/proc/no/such/control.sock");
        assert!(matches!(
            ControlSocket::bind(path),
            Err(Fault::Control { .. })
        ));
    }
}
