//! The control side: lines in, one line back for each, and the orders they stand for.
//!
//! Whoever may open the socket's file may give orders; the file's mode is the permission.

use std::{os::unix::net::UnixListener, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::Semaphore,
    time,
};

use super::{Outcome, Surface};
use crate::config::{LEVELS, Level, parse_duration, show_duration};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8;

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a line, its end included.
const LINE_BYTES_MAX: u64 = 256;

/// How long the listener rests after an accept that failed.
const REST: Duration = Duration::from_millis(100);

/// How long a shard hangs that was told to.
#[cfg(feature = "fault-injection")]
const HANG: Duration = Duration::from_secs(3);

/// One line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Drain(Option<Duration>),
    Stop,
    Reload,
    LogLevel(Option<String>, Level),
    #[cfg(feature = "fault-injection")]
    Hang(usize),
    #[cfg(feature = "fault-injection")]
    Panic(usize),
}

/// Takes orders on `listener` for as long as it is polled.
pub(super) async fn serve(surface: Rc<Surface>, listener: UnixListener) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the control socket cannot listen");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Nobody closes the semaphore.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let surface = Rc::clone(&surface);
                tokio::task::spawn_local(async move {
                    // A client that left or took too long needs no answer.
                    time::timeout(CONNECTION_TIMEOUT, converse(&surface, stream))
                        .await
                        .ok();
                    drop(place);
                });
            }
            Err(_) => time::sleep(REST).await,
        }
    }
}

async fn converse(surface: &Surface, mut stream: UnixStream) -> std::io::Result<()> {
    let (input, mut output) = stream.split();
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut input)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n") || (line.len() as u64) < LINE_BYTES_MAX;
        let outcome = if is_whole {
            match parse(&line) {
                Ok(order) => obey(surface, &order).await,
                Err(fault) => Err(fault),
            }
        } else {
            Err(format!("a line has at most {LINE_BYTES_MAX} bytes"))
        };
        output.write_all(reply(&outcome).as_bytes()).await?;
        if !is_whole {
            return Ok(());
        }
    }
}

/// The outcome as one line, whatever the text of it holds.
fn reply(outcome: &Outcome) -> String {
    let (word, text) = match outcome {
        Ok(text) => ("ok", text),
        Err(text) => ("error", text),
    };
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{word} {}\n", text.trim())
}

fn parse(line: &[u8]) -> Result<Order, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let mut words = text.split_whitespace();
    let verb = words
        .next()
        .ok_or_else(|| "an order is missing".to_owned())?;
    let operand = words.next();
    if let Some(word) = words.next() {
        return Err(format!("\"{word}\" is one word too many"));
    }
    match (verb, operand) {
        ("drain", None) => Ok(Order::Drain(None)),
        ("drain", Some(word)) => {
            let deadline = parse_duration(word)
                .ok_or_else(|| format!("\"{word}\" is not a duration such as 30s"))?;
            Ok(Order::Drain(Some(deadline)))
        }
        ("stop", None) => Ok(Order::Stop),
        ("reload", None) => Ok(Order::Reload),
        ("log-level", Some(word)) => log_level(word),
        ("log-level", None) => Err("log-level takes [MODULE=]LEVEL".to_owned()),
        #[cfg(feature = "fault-injection")]
        ("hang" | "panic", Some(word)) => {
            let shard = word.parse().map_err(|_| format!("{verb} takes a shard"))?;
            Ok(if verb == "hang" {
                Order::Hang(shard)
            } else {
                Order::Panic(shard)
            })
        }
        ("stop" | "reload", Some(_)) => Err(format!("{verb} takes nothing")),
        _ => Err(format!("unknown order \"{verb}\"")),
    }
}

fn log_level(word: &str) -> Result<Order, String> {
    let (module, name) = match word.split_once('=') {
        Some((module, name)) if !module.is_empty() => (Some(module.to_owned()), name),
        Some(_) => return Err("log-level takes [MODULE=]LEVEL".to_owned()),
        None => (None, word),
    };
    let level = LEVELS.iter().find(|(text, _)| *text == name);
    let (_, level) = level.ok_or_else(|| format!("\"{name}\" is not a level"))?;
    Ok(Order::LogLevel(module, *level))
}

async fn obey(surface: &Surface, order: &Order) -> Outcome {
    let orders = &surface.orders;
    let outcome = match order {
        Order::Drain(deadline) => {
            (orders.drain)(*deadline);
            Ok("draining".to_owned())
        }
        Order::Stop => {
            (orders.stop)();
            Ok("stopping".to_owned())
        }
        Order::Reload => (orders.reload)().await,
        Order::LogLevel(module, level) => (orders.log_level)(module.as_deref(), *level),
        #[cfg(feature = "fault-injection")]
        Order::Hang(shard) => {
            surface.asks.node().hang(*shard, HANG);
            Ok(format!("shard {shard} was told to hang for {HANG:?}"))
        }
        #[cfg(feature = "fault-injection")]
        Order::Panic(shard) => {
            surface.asks.node().panic(*shard);
            Ok(format!("shard {shard} was told to panic"))
        }
    };
    let order = describe(order);
    match &outcome {
        Ok(text) => tracing::info!(order, outcome = text, "order obeyed"),
        Err(text) => tracing::warn!(order, outcome = text, "order failed"),
    }
    outcome
}

fn describe(order: &Order) -> String {
    match order {
        Order::Drain(None) => "drain".to_owned(),
        Order::Drain(Some(deadline)) => format!("drain {}", show_duration(*deadline)),
        Order::Stop => "stop".to_owned(),
        Order::Reload => "reload".to_owned(),
        Order::LogLevel(module, level) => {
            let name = LEVELS
                .iter()
                .find(|(_, known)| known == level)
                .map_or("", |(name, _)| name);
            match module {
                Some(module) => format!("log-level {module}={name}"),
                None => format!("log-level {name}"),
            }
        }
        #[cfg(feature = "fault-injection")]
        Order::Hang(shard) => format!("hang {shard}"),
        #[cfg(feature = "fault-injection")]
        Order::Panic(shard) => format!("panic {shard}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_orders_or_say_what_is_wrong() {
        let drain = Order::Drain(Some(Duration::from_millis(1_500)));
        for (line, expected) in [
            ("drain\n", Ok(Order::Drain(None))),
            (
                "  drain   1.5s \r\n",
                Err("\"1.5s\" is not a duration such as 30s"),
            ),
            ("drain 1s500ms\n", Ok(drain)),
            ("stop", Ok(Order::Stop)),
            ("reload\n", Ok(Order::Reload)),
            ("log-level debug\n", Ok(Order::LogLevel(None, Level::Debug))),
            (
                "log-level slipring::io=off\n",
                Ok(Order::LogLevel(Some("slipring::io".into()), Level::Off)),
            ),
            ("log-level\n", Err("log-level takes [MODULE=]LEVEL")),
            ("log-level =debug\n", Err("log-level takes [MODULE=]LEVEL")),
            ("log-level loud\n", Err("\"loud\" is not a level")),
            ("stop now\n", Err("stop takes nothing")),
            ("drain 1s 2s\n", Err("\"2s\" is one word too many")),
            ("\n", Err("an order is missing")),
            ("route add\n", Err("unknown order \"route\"")),
        ] {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(parse(b"\xff\n"), Err("not UTF-8".to_owned()));
    }

    #[test]
    fn faults_are_orders_of_test_builds_only() {
        for line in ["hang 0", "panic 0"] {
            let is_order = parse(line.as_bytes()).is_ok();
            assert_eq!(is_order, cfg!(feature = "fault-injection"), "{line}");
        }
    }

    #[test]
    fn an_outcome_is_one_line() {
        assert_eq!(
            reply(&Ok("done\nok twice\u{1b}".into())),
            "ok done ok twice\n"
        );
        assert_eq!(reply(&Err(String::new())), "error \n");
    }
}
