//! Running the program and reading what it says.

use std::net::SocketAddr;
use std::process::{Command, Output};

use crate::faulty_router::{Fault, start};

/// Runs the program against a router with the given fault; `TARGET` in `words` is its address.
pub(crate) async fn loadgen(fault: Fault, every: u64, words: &str) -> Output {
    let address = start(fault, every).await;
    loadgen_at(address, words).await
}

/// Runs the program; `TARGET` in `words` is `address`.
pub(crate) async fn loadgen_at(address: SocketAddr, words: &str) -> Output {
    let words = words.replace("TARGET", &address.to_string());
    let run = move || {
        let words = words.split_whitespace();
        Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(words)
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Everything it said.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
}
