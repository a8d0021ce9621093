//! O-06 and the bounds of the HTTP side: nonsense, hoarding, slowness.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    fake_node::FakeNode,
    http::{exchange, get, parse},
};

/// Sequences of the promise.
const SEQUENCES: u32 = 10_000;

/// Numbers that look random and are the same every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let number = self.next() % u64::try_from(bound).unwrap();
        usize::try_from(number).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// A sequence: noise, or a request with something wrong in it.
fn sequence(numbers: &mut Numbers) -> Vec<u8> {
    const METHODS: [&str; 8] = ["GET", "POST", "get", "CONNECT", "PRI", "DELETE", "", "G\0T"];
    const PATHS: [&str; 8] = [
        "/",
        "/metrics",
        "/links?top=-1",
        "*",
        "http://x/links",
        "/drain",
        "/%00",
        "//",
    ];
    const VERSIONS: [&str; 5] = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""];
    const FIELDS: [&str; 8] = [
        "Host: localhost\r\n",
        "Host: a\r\nHost: b\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Expect: 100-continue\r\n",
        ": \r\n",
        "X\r\n Y: z\r\n",
    ];
    let mut bytes = if numbers.below(3) == 0 {
        (0..numbers.below(200)).map(|_| numbers.byte()).collect()
    } else {
        let mut text = format!(
            "{} {} {}\r\n",
            METHODS[numbers.below(METHODS.len())],
            PATHS[numbers.below(PATHS.len())],
            VERSIONS[numbers.below(VERSIONS.len())],
        );
        for _ in 0..numbers.below(4) {
            text.push_str(FIELDS[numbers.below(FIELDS.len())]);
        }
        text.push_str("\r\nbody");
        text.into_bytes()
    };
    // One time in four a byte is another, one time in four the end is missing.
    match numbers.below(4) {
        0 if !bytes.is_empty() => {
            let place = numbers.below(bytes.len());
            bytes[place] = numbers.byte();
        }
        1 => bytes.truncate(numbers.below(bytes.len() + 1)),
        _ => {}
    }
    bytes
}

#[test]
fn ten_thousand_sequences_change_nothing_and_the_surface_still_answers() {
    let node = FakeNode::start();
    let before = node.state();
    let mut numbers = Numbers(6);
    let mut answered = 0_u32;
    for index in 0..SEQUENCES {
        let bytes = sequence(&mut numbers);
        let answer = exchange(node.http(), &bytes);
        answered += u32::from(!answer.is_empty());
        if index % 1_000 == 0 {
            assert_eq!(get(node.http(), "/livez").status, 200, "after {index}");
        }
    }
    assert!(
        answered > SEQUENCES / 4,
        "many were understood well enough to be answered: {answered}"
    );
    assert_eq!(node.state(), before);
    assert!(node.called.lock().unwrap().is_empty());
    assert_eq!(get(node.http(), "/readyz").status, 200);
}

#[test]
fn a_head_has_a_bound() {
    let node = FakeNode::start();
    let long = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    for head in [long, many] {
        let answer = exchange(node.http(), head.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    assert_eq!(get(node.http(), "/livez").status, 200);
}

#[test]
fn those_who_hoard_connections_lose_them() {
    let node = FakeNode::start();
    let mut hoard: Vec<TcpStream> = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(node.http()).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost").unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        hoard.push(stream);
    }
    // All places are taken; the answer comes when the first of them is given back.
    let head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(parse(&exchange(node.http(), head)).status, 200);
    for mut stream in hoard {
        // A reset says as well as an end that the connection is over; silence would not.
        let ended = stream.read_to_end(&mut Vec::new());
        let is_silent = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        assert!(
            !ended.is_err_and(is_silent),
            "a hoarded connection is still open"
        );
    }
}
