//! One GET over HTTP/1.1, for a server that closes after its answer.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::RemoteFault;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a silence in the answer may last.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer; the longest list of links is far shorter.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The body.
    pub(super) body: String,
}

/// Asks the node at `address` for `path`.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<Answer, RemoteFault> {
    let place = format!("http://{address}");
    let unreachable = |source| RemoteFault::Unreachable {
        place: place.clone(),
        source,
    };
    let bytes = exchange(address, path).map_err(unreachable)?;
    let what = match String::from_utf8(bytes) {
        Ok(text) => match parse(&text) {
            Ok(answer) => return Ok(answer),
            Err(what) => what,
        },
        Err(_) => "it is not text",
    };
    Err(RemoteFault::Garbled {
        place,
        what: what.to_owned(),
    })
}

fn exchange(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(READ_TIMEOUT))?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(text: &str) -> Result<Answer, &'static str> {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or("it is not HTTP, or was cut off")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let code = status
        .and_then(|line| line.get(..3))
        .and_then(|code| code.parse().ok());
    let code = code.ok_or("it is not HTTP/1.1")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    if length != Some(body.len()) {
        return Err("its answer was cut off");
    }
    Ok(Answer {
        status: code,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count() {
        let whole = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
        let answer = Answer {
            status: 503,
            body: "no\n".to_owned(),
        };
        assert_eq!(parse(whole), Ok(answer));
        for broken in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno\n",
            "HTTP/1.1 200 OK\r\n\r\nno\n",
            "HTTP/1.1 abc\r\ncontent-length: 0\r\n\r\n",
            "RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
    }
}
