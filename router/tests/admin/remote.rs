//! The client side: what an operator's commands print and with which code they end.

use std::{path::PathBuf, time::Duration};

use slipring::{
    cli::{Command, Files, Reach, exit, remote},
    config::{Config, Errors, HostFacts, Level, Lookup, Sources},
};

use crate::fake_node::{Called, FakeNode};

/// The built-in configuration, pointed at nothing that could answer.
fn load(_files: &Files) -> Result<Config, Errors> {
    let host = HostFacts {
        cpus: vec![0],
        memory_bytes: None,
        control: PathBuf::from("/nonexistent/control.sock"),
        node_id: 1,
    };
    let lookup = Lookup {
        environment: &|_| None,
        file: &|_| Err("no".to_owned()),
    };
    let mut config = slipring::config::load(&Sources::default(), &lookup, &host)?;
    config.admin.http = None;
    Ok(config)
}

fn run(command: &Command) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = remote::run(command, &load, &mut out, &mut err).unwrap();
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

fn reach(node: &FakeNode) -> Reach {
    Reach {
        admin: Some(node.http()),
        control: Some(node.control()),
        files: Files::default(),
    }
}

#[test]
fn status_fits_a_terminal_and_names_the_slow_link() {
    let node = FakeNode::start();
    let (code, out, err) = run(&Command::Status {
        reach: reach(&node),
        json: false,
    });
    assert_eq!((code, err.as_str()), (exit::OK, ""));
    for line in out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(out.starts_with("slipring 9.8.7 is ready, up "), "{out}");
    for part in [
        "edge 3",
        "opened 3",
        "no_match 1",
        "1 names",
        "s0/0#",
        "node-slow",
        "resident ",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
}

#[test]
fn status_links_and_fib_are_json_for_those_who_ask() {
    let node = FakeNode::start();
    let (_, status, _) = run(&Command::Status {
        reach: reach(&node),
        json: true,
    });
    assert!(status.starts_with("{\"state\":\"ready\","), "{status}");
    assert!(
        status.contains(r#""slipring_links{class=\"edge\"}":3"#),
        "{status}"
    );
    let (_, links, _) = run(&Command::Links {
        reach: reach(&node),
        json: true,
        rows_max: 1,
    });
    assert!(links.starts_with("{\"total\":3,"), "{links}");
    let fib = Command::Fib {
        reach: reach(&node),
        json: true,
    };
    assert!(run(&fib).1.starts_with("{\"rib\":{"));
}

#[test]
fn links_prints_so_many_rows() {
    let node = FakeNode::start();
    let (code, out, _) = run(&Command::Links {
        reach: reach(&node),
        json: false,
        rows_max: 2,
    });
    assert_eq!(code, exit::OK);
    assert!(out.ends_with("2 of 3 links\n"), "{out}");
}

#[test]
fn health_is_an_exit_code() {
    let node = FakeNode::start();
    let health = Command::Health {
        reach: reach(&node),
    };
    assert_eq!(
        run(&health),
        (exit::OK, "ready\n".to_owned(), String::new())
    );
    node.node.drain(Duration::ZERO, Duration::ZERO);
    assert_eq!(
        run(&health),
        (
            exit::UNHEALTHY,
            String::new(),
            "slipring: draining\n".to_owned()
        )
    );
    drop(node);
    assert_eq!(run(&health).0, exit::UNHEALTHY);
}

#[test]
fn orders_reach_the_node_and_bring_its_answer_back() {
    let node = FakeNode::start();
    let deadline = Some(Duration::from_millis(61_500));
    let drain = Command::Drain {
        reach: reach(&node),
        deadline,
    };
    assert_eq!(
        run(&drain),
        (exit::OK, "draining\n".to_owned(), String::new())
    );
    let module = Some("slipring::io".to_owned());
    let level = Command::LogLevel {
        reach: reach(&node),
        module: module.clone(),
        level: Level::Warn,
    };
    assert_eq!(run(&level).0, exit::OK);
    let (code, out, err) = run(&Command::Reload {
        reach: reach(&node),
    });
    assert_eq!((code, out.as_str()), (exit::SOFTWARE, ""));
    assert_eq!(err, "slipring: cert.pem: no such file as if\n");
    let called = node.called.lock().unwrap().clone();
    let expected = [
        Called::Drain(deadline),
        Called::LogLevel(module, Level::Warn),
        Called::Reload,
    ];
    assert_eq!(called, expected);
}

#[test]
fn without_a_node_the_commands_say_so_and_end_with_69() {
    let gone = {
        let node = FakeNode::start();
        reach(&node)
    };
    let status = Command::Status {
        reach: gone.clone(),
        json: false,
    };
    let (code, out, err) = run(&status);
    assert_eq!((code, out.as_str()), (exit::UNAVAILABLE, ""));
    assert!(
        err.starts_with("slipring: no node answers at http://127.0.0.1:"),
        "{err}"
    );
    let (code, _, err) = run(&Command::Reload { reach: gone });
    assert_eq!(code, exit::UNAVAILABLE);
    assert!(err.contains("control.sock"), "{err}");
    let (code, _, err) = run(&Command::Status {
        reach: Reach::default(),
        json: false,
    });
    assert_eq!(code, exit::UNAVAILABLE);
    assert!(err.contains("slipring.admin.http"), "{err}");
}

#[test]
fn what_is_no_node_is_not_mistaken_for_one() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0-other\r\n").unwrap();
    });
    let reach = Reach {
        admin: Some(address),
        ..Reach::default()
    };
    let (code, _, err) = run(&Command::Links {
        reach,
        json: false,
        rows_max: 1,
    });
    other.join().unwrap();
    assert_eq!(code, exit::UNAVAILABLE);
    assert!(err.contains("answer"), "{err}");
}
