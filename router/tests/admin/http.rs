//! A client that sends what it is told and shows everything that comes back.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header field, empty without it.
    pub(crate) fn field(&self, name: &str) -> &str {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value.trim())
    }
}

/// Sends `bytes` and returns everything that comes back until the other side closes.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    // The other side may have heard enough before it heard all.
    stream
        .write_all(bytes)
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    answer
}

/// A request with any method, path and further fields (each with its line end).
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, fields: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n");
    parse(&exchange(address, head.as_bytes()))
}

/// A plain GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, "")
}

/// Reads an answer, which must be whole.
pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("whole: {text:?}"));
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .unwrap();
    let answer = Answer {
        status: status.parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(
        answer.field("content-length"),
        body.len().to_string(),
        "{head}"
    );
    answer
}
