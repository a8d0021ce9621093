//! Each page: what it says, and that it says it to GET only.

use std::{sync::atomic::Ordering, time::Duration};

use slipring::metrics::names;

use crate::{
    fake_node::{FakeNode, WAITING},
    http::{exchange, get, parse, request},
    prometheus,
};

const PAGES: [&str; 6] = ["/", "/metrics", "/livez", "/readyz", "/links", "/fib"];

#[test]
fn every_page_answers_get_and_nothing_else() {
    let node = FakeNode::start();
    let before = node.state();
    for page in PAGES {
        let answer = get(node.http(), page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.body);
        assert_eq!(answer.field("cache-control"), "no-store");
        for method in [
            "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW",
        ] {
            // What follows the head of a HEAD is nothing; its length is told all the same.
            let head = format!("{method} {page} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let answer = exchange(node.http(), head.as_bytes());
            let text = String::from_utf8(answer).unwrap();
            assert!(text.starts_with("HTTP/1.1 405 "), "{method} {page}: {text}");
            assert!(text.contains("allow: GET\r\n"), "{method} {page}: {text}");
        }
    }
    assert_eq!(get(node.http(), "/nothing").status, 404);
    assert_eq!(get(node.http(), "/metrics/").status, 404);
    assert_eq!(node.state(), before, "looking changes nothing");
}

#[test]
fn the_list_names_every_page() {
    let node = FakeNode::start();
    let list = get(node.http(), "/").body;
    for page in PAGES.iter().skip(1) {
        assert!(list.contains(page), "{page}");
    }
}

#[test]
fn metrics_are_valid_and_hold_every_name() {
    let node = FakeNode::start();
    let answer = get(node.http(), "/metrics");
    assert_eq!(
        answer.field("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let scrape = prometheus::check(&answer.body);
    for metric in names::ALL {
        let kind = scrape.types.get(metric.name).map(String::as_str);
        assert_eq!(kind, Some(metric.kind.word()), "{}", metric.name);
    }
    assert_eq!(scrape.types.len(), names::ALL.len());
    for (series, expected) in [
        ("slipring_shards", 2.0),
        ("slipring_ready", 1.0),
        ("slipring_links{class=\"edge\"}", 3.0),
        ("slipring_shard_links{shard=\"0\"}", 2.0),
        ("slipring_links_opened_total", 3.0),
        ("slipring_names", 1.0),
        ("slipring_fib_entries{shard=\"1\"}", 1.0),
        ("slipring_messages_dropped_total{reason=\"no_match\"}", 1.0),
        ("slipring_transports", 4.0),
        ("slipring_turn_seconds_count", 2.0),
        ("slipring_shard_busy_seconds_total{shard=\"1\"}", 0.000_03),
    ] {
        let value = scrape.value(series);
        assert!((value - expected).abs() < 1e-9, "{series} is {value}");
    }
    assert!(scrape.value("slipring_memory_bytes{account=\"resident\"}") > 1e6);
}

#[test]
fn metrics_balance_as_the_manual_says() {
    let node = FakeNode::start();
    let scrape = prometheus::check(&get(node.http(), "/metrics").body);
    let sum = |name: &str| -> f64 {
        let of_name = |series: &&String| series.split('{').next() == Some(name);
        scrape
            .series
            .keys()
            .filter(of_name)
            .map(|series| scrape.value(series))
            .sum()
    };
    let kind = |name: &str, kind: &str| scrape.value(&format!("{name}{{kind=\"{kind}\"}}"));
    let apart = ["ack", "link"]
        .map(|of| kind("slipring_messages_in_total", of))
        .iter()
        .sum::<f64>();
    let lost_out = sum("slipring_deliveries_dropped_total");
    let lost_in = sum("slipring_messages_dropped_total") - lost_out;
    let taken = sum("slipring_messages_routed_total") + sum("slipring_requests_total") + lost_in;
    let received = sum("slipring_messages_in_total") - apart - sum("slipring_messages_held");
    assert!(
        (received - taken).abs() < 0.5,
        "{received} arrived, {taken} accounted for"
    );
    let waiting = sum("slipring_egress_messages");
    assert!((waiting - f64::from(WAITING)).abs() < 0.5, "{waiting}");
    let delivered = kind("slipring_messages_out_total", "publish") + waiting + lost_out;
    let planned = sum("slipring_deliveries_total");
    assert!(
        (planned - delivered).abs() < 0.5,
        "{planned} planned, {delivered} accounted for"
    );
}

#[test]
fn the_slow_link_is_seen_at_a_glance() {
    let node = FakeNode::start();
    let answer = get(node.http(), "/links");
    assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
    let first = answer.body.lines().nth(1).unwrap();
    assert!(first.starts_with("s0/0#"), "{first}");
    assert!(
        first.contains("node-slow") && first.contains("3.0s"),
        "{first}"
    );
    assert!(
        !answer.body.contains('\u{1b}'),
        "a peer's name drives no terminal"
    );
    assert!(answer.body.ends_with("3 of 3 links\n"));
    let top = get(node.http(), "/links?top=1").body;
    assert_eq!(top.lines().count(), 3, "{top}");
    assert!(top.contains("node-slow") && top.ends_with("1 of 3 links\n"));
    assert_eq!(get(node.http(), "/links?top=x").status, 400);
}

#[test]
fn links_are_json_for_those_who_ask() {
    let node = FakeNode::start();
    for answer in [
        get(node.http(), "/links?format=json&top=1"),
        request(
            node.http(),
            "GET",
            "/links?top=1",
            "Accept: application/json\r\n",
        ),
    ] {
        assert_eq!(answer.field("content-type"), "application/json");
        let name = r#""node_id":"node-slow\u001b[31m\"\n","version":"3.4.6""#;
        assert!(answer.body.contains(name), "{}", answer.body);
        assert!(
            answer
                .body
                .starts_with("{\"total\":3,\"links\":[{\"link\":\"s0/0#")
        );
    }
}

#[test]
fn the_fib_page_compares_replicas_with_the_truth() {
    let node = FakeNode::start();
    let text = get(node.http(), "/fib").body;
    assert_eq!(
        text.lines().filter(|line| line.ends_with("equal")).count(),
        2,
        "{text}"
    );
    assert!(
        text.lines().nth(1).unwrap().ends_with("committed 1"),
        "{text}"
    );
    let json = get(node.http(), "/fib?format=json").body;
    assert!(
        json.starts_with("{\"rib\":{\"names\":1,\"subscriptions\":1,\"seq\":1,"),
        "{json}"
    );
}

#[test]
fn a_draining_node_is_alive_and_not_ready() {
    let node = FakeNode::start();
    assert_eq!(get(node.http(), "/readyz").body, "ready\n");
    node.node.drain(Duration::ZERO, Duration::ZERO);
    let answer = get(node.http(), "/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "draining\n"));
    assert_eq!(get(node.http(), "/livez").status, 200);
}

#[test]
fn a_silent_shard_is_not_alive() {
    let node = FakeNode::start();
    node.is_silent.store(true, Ordering::SeqCst);
    for page in ["/livez", "/metrics", "/links", "/fib"] {
        let answer = get(node.http(), page);
        assert_eq!(answer.status, 503, "{page}");
        assert!(
            answer.body.contains("did not answer"),
            "{page}: {}",
            answer.body
        );
    }
    assert_eq!(
        get(node.http(), "/readyz").status,
        200,
        "readiness needs no shard"
    );
}

#[test]
fn a_body_is_never_read_and_a_web_page_cannot_look() {
    let node = FakeNode::start();
    let with_body = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{}",
        "x".repeat(9)
    );
    assert_eq!(
        parse(&exchange(node.http(), with_body.as_bytes())).status,
        200
    );
    let endless = "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(
        parse(&exchange(node.http(), endless.as_bytes())).status,
        200
    );
    let rebound = "GET /links HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(
        parse(&exchange(node.http(), rebound.as_bytes())).status,
        421
    );
    let old = "GET /livez HTTP/1.0\r\n\r\n";
    let answer = String::from_utf8(exchange(node.http(), old.as_bytes())).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[test]
fn scrapes_at_once_are_all_answered() {
    let node = FakeNode::start();
    let address = node.http();
    let clients: Vec<_> = (0..24)
        .map(|_| std::thread::spawn(move || get(address, "/metrics").status))
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
}
