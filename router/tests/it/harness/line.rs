//! A line between a client and a router that can be frozen or cut.

use std::net::SocketAddr;

use slipring_sdk::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Router;

/// What a line does to the bytes on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Frozen,
    Cut,
}

/// One line. It is cut when dropped.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Line {
    /// A line to `router` that takes one connection.
    pub(crate) async fn to(router: &Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = router.address(0);
        let (state, seen) = watch::channel(State::Open);
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            carry(&mut near, &mut far, seen).await;
        });
        Self { address, state }
    }

    /// Where a client connects to.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.address.to_string().parse().unwrap()
    }

    /// From now on nothing moves on it, in either direction.
    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Closes both ends without a word of HTTP/2.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }
}

async fn carry(near: &mut TcpStream, far: &mut TcpStream, mut state: watch::Receiver<State>) {
    tokio::select! {
        // Either end has closed: so does the other.
        _ = tokio::io::copy_bidirectional(near, far) => return,
        changed = state.wait_for(|state| *state != State::Open) => {
            if changed.is_err() {
                return;
            }
        }
    }
    // Frozen: both sockets stay open and unread. An error means that the line was dropped.
    drop(state.wait_for(|state| *state == State::Cut).await);
}
