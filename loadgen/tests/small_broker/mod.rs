//! A NATS server and an MQTT broker in the small: they greet, subscribe and deliver by name, and
//! can be told to lose every so many messages, to refuse, or to keep silent.
//!
//! One thread per connection and blocking sockets: they exist to be talked to, not to be fast.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Everything is delivered.
    Sound,
    /// Every so many messages one is lost.
    Losing(u64),
    /// It asks for credentials.
    Locked,
    /// It ends every link at the so manieth message, and says why if its protocol can.
    Failing(u64),
    /// It accepts and says nothing.
    Silent,
}

type Routes = Arc<Mutex<HashMap<String, Vec<(String, TcpStream)>>>>;

#[derive(Clone)]
struct Broker {
    manner: Manner,
    routes: Routes,
    messages: Arc<Mutex<u64>>,
}

/// Starts a NATS server on a port from the system; it ends with the process.
pub(crate) fn nats(manner: Manner) -> SocketAddr {
    start(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        manner,
        serve_nats,
    )
}

/// Starts an MQTT broker on a port from the system; it ends with the process.
pub(crate) fn mqtt(manner: Manner) -> SocketAddr {
    start(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        manner,
        serve_mqtt,
    )
}

/// Starts a sound NATS server on `port`.
pub(crate) fn nats_on(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    start(listener, Manner::Sound, serve_nats);
}

fn start(
    listener: TcpListener,
    manner: Manner,
    serve: fn(&Broker, TcpStream) -> std::io::Result<()>,
) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let broker = Broker {
        manner,
        routes: Routes::default(),
        messages: Arc::default(),
    };
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (broker, socket) = (broker.clone(), socket.unwrap());
            socket.set_nodelay(true).unwrap();
            // An error means that the client is gone.
            thread::spawn(move || drop(serve(&broker, socket)));
        }
    });
    address
}

fn gone() -> std::io::Error {
    std::io::ErrorKind::ConnectionAborted.into()
}

fn serve_nats(broker: &Broker, mut socket: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    if broker.manner == Manner::Silent {
        return lines.read_line(&mut line).map(drop);
    }
    let locked = broker.manner == Manner::Locked;
    write!(
        socket,
        "INFO {{\"server_id\":\"x\",\"max_payload\":500000,\"auth_required\":{locked}}}\r\n"
    )?;
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["CONNECT", ..] => {}
            // A ping of its own with every pong, to see it answered.
            ["PING"] => socket.write_all(b"PONG\r\nPING\r\n")?,
            ["PONG"] => {}
            ["SUB", subject, id] => broker.subscribe(subject, id, &socket)?,
            ["PUB", subject, length] => {
                let mut payload = vec![0; length.parse::<usize>().unwrap() + 2];
                lines.read_exact(&mut payload)?;
                let head = |id: &str| format!("MSG {subject} {id} {length}\r\n").into_bytes();
                if !broker.publish(subject, head, &payload)? {
                    socket.write_all(b"-ERR 'Slow Consumer'\r\n")?;
                    return Err(gone());
                }
            }
            _ => {
                socket.write_all(b"-ERR 'Unknown Protocol Operation'\r\n")?;
                return Err(gone());
            }
        }
    }
}

fn serve_mqtt(broker: &Broker, mut socket: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    loop {
        let mut kind = [0];
        reader.read_exact(&mut kind)?;
        if broker.manner == Manner::Silent {
            continue;
        }
        let (mut length, mut shift) = (0_usize, 0);
        let mut encoded = Vec::new();
        loop {
            let mut byte = [0];
            reader.read_exact(&mut byte)?;
            encoded.push(byte[0]);
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match kind[0] {
            0x10 if broker.manner == Manner::Locked => socket.write_all(&[0x20, 2, 0, 5])?,
            0x10 => {
                assert_eq!(&body[..7], b"\0\x04MQTT\x04");
                socket.write_all(&[0x20, 2, 0, 0])?;
            }
            0x82 => {
                let topic = String::from_utf8(body[4..body.len() - 1].to_vec()).unwrap();
                broker.subscribe(&topic, "", &socket)?;
                socket.write_all(&[0x90, 3, body[0], body[1], 0])?;
            }
            0x30 => {
                let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8(body[2..2 + topic_length].to_vec()).unwrap();
                let head = |_: &str| [&[0x30], encoded.as_slice()].concat();
                if !broker.publish(&topic, head, &body)? {
                    return Err(gone());
                }
            }
            _ => return Err(gone()),
        }
    }
}

impl Broker {
    fn subscribe(&self, subject: &str, id: &str, socket: &TcpStream) -> std::io::Result<()> {
        let route = (id.to_owned(), socket.try_clone()?);
        let mut routes = self.routes.lock().unwrap();
        routes.entry(subject.to_owned()).or_default().push(route);
        Ok(())
    }

    /// Delivers one message; false if the link of its publisher should end instead.
    fn publish(
        &self,
        subject: &str,
        head: impl Fn(&str) -> Vec<u8>,
        rest: &[u8],
    ) -> std::io::Result<bool> {
        let mut messages = self.messages.lock().unwrap();
        *messages += 1;
        match self.manner {
            Manner::Losing(every) if messages.is_multiple_of(every) => return Ok(true),
            Manner::Failing(at) if *messages >= at => return Ok(false),
            Manner::Failing(_)
            | Manner::Locked
            | Manner::Losing(_)
            | Manner::Silent
            | Manner::Sound => {}
        }
        let mut routes = self.routes.lock().unwrap();
        for (id, socket) in routes.get_mut(subject).into_iter().flatten() {
            socket.write_all(&[&head(id), rest].concat())?;
        }
        Ok(true)
    }
}
