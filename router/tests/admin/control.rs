//! The control socket: who may, what it obeys, what it answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    time::Duration,
};

use slipring::config::Level;

use crate::fake_node::{Called, FakeNode};

/// Sends lines and returns the lines that come back.
fn tell(node: &FakeNode, lines: &str) -> Vec<String> {
    let mut stream = UnixStream::connect(node.control()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    BufReader::new(stream).lines().map(Result::unwrap).collect()
}

fn called(node: &FakeNode) -> Vec<Called> {
    node.called.lock().unwrap().clone()
}

#[test]
fn only_the_owner_may_give_orders() {
    let node = FakeNode::start();
    let mode = std::fs::metadata(node.control())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_order_is_obeyed_once_and_answered_by_one_line() {
    let node = FakeNode::start();
    let answers = tell(
        &node,
        "drain\ndrain 1m30s\nreload\nlog-level debug\nlog-level slipring::io=off\nstop\n",
    );
    assert_eq!(
        answers,
        [
            "ok draining",
            "ok draining",
            "error cert.pem: no such file as if",
            "ok debug",
            "ok debug",
            "ok stopping",
        ]
    );
    assert_eq!(
        called(&node),
        [
            Called::Drain(None),
            Called::Drain(Some(Duration::from_secs(90))),
            Called::Reload,
            Called::LogLevel(None, Level::Debug),
            Called::LogLevel(Some("slipring::io".to_owned()), Level::Off),
            Called::Stop,
        ]
    );
}

#[test]
fn nonsense_is_answered_and_changes_nothing() {
    let node = FakeNode::start();
    let before = node.state();
    let answers = tell(
        &node,
        "drain now\nstop it\n\nGET / HTTP/1.1\nroute add x\nlog-level\n",
    );
    assert_eq!(answers.len(), 6);
    assert!(
        answers.iter().all(|line| line.starts_with("error ")),
        "{answers:?}"
    );
    assert!(called(&node).is_empty());
    assert_eq!(node.state(), before);
}

#[test]
fn a_line_without_end_is_cut_off() {
    let node = FakeNode::start();
    let mut stream = UnixStream::connect(node.control()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(&b"stop".repeat(64)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "error a line has at most 256 bytes\n");
    assert!(called(&node).is_empty());
}

#[test]
fn a_client_that_says_nothing_keeps_nobody_from_the_socket() {
    let node = FakeNode::start();
    let silent: Vec<_> = (0..4)
        .map(|_| UnixStream::connect(node.control()).unwrap())
        .collect();
    assert_eq!(tell(&node, "stop\n"), ["ok stopping"]);
    drop(silent);
}

#[test]
fn the_socket_goes_with_the_node() {
    let node = FakeNode::start();
    let path = node.control();
    assert!(path.exists());
    drop(node);
    assert!(!path.exists());
}
