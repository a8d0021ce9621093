//! Nothing from the network panics: each kind of nonsense is answered as the wire says, neighbours
//! are unharmed, and the process is the same one afterwards.

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, StatusCode};
use prost::Message as _;
use slipring_proto::envelope::Kind;
use slipring_proto::grpc::METHOD_PATH;
use slipring_proto::limits::MESSAGE_BYTES_MAX;
use slipring_proto::message::{HeaderFields, framed};
use slipring_sdk::random::random_u64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Client, H2Peer, Opening, Router, Scrape, fields, request, text, within};

/// A router with two clients that must not notice anything.
struct Neighbours {
    router: Router,
    bob: Client,
    carol: Client,
}

impl Neighbours {
    async fn new() -> Self {
        let router = Router::start().await;
        let mut bob = Client::of(&router).await;
        bob.subscribes("org/ns/bob").await;
        let carol = Client::of(&router).await;
        Self { router, bob, carol }
    }

    /// They still reach each other, through the process that was started.
    async fn are_unharmed(mut self) -> Scrape {
        self.carol.publishes("org/ns/bob", "unharmed").await;
        assert_eq!(self.bob.reads().await, "unharmed");
        self.carol.is_served().await;
        assert!(self.router.is_alive());
        assert!(!self.router.stderr().contains("panicked"));
        self.router.at_rest().await
    }
}

/// Field `number` of wire type 2 around `content`.
fn block(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(0x80 | u8::try_from(length & 0x7f).unwrap());
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend(content);
    out
}

/// A Publish (message field 3) whose fields are these, behind its prefix.
fn publish(inner: &[Vec<u8>]) -> Bytes {
    framed(&block(3, &inner.concat())).unwrap()
}

#[tokio::test]
async fn a_message_without_anything_is_dropped() {
    let neighbours = Neighbours::new().await;
    let mut client = Client::of(&neighbours.router).await;
    for _ in 0..100 {
        client.sends(&framed(b"").unwrap()).await;
    }
    client.is_served().await;
    assert_eq!(neighbours.are_unharmed().await.dropped("invalid"), 100);
}

#[tokio::test]
async fn a_subscribe_without_text_to_an_unknown_prefix_is_answered() {
    let neighbours = Neighbours::new().await;
    let mut client = Client::of(&neighbours.router).await;
    let mut header = fields("never/heard/of");
    header.destination.as_mut().unwrap().str_name = None;
    header.source = header.destination.clone();
    client
        .registers_as(Kind::Subscribe, &client.sign(header.clone()), 9)
        .await;
    assert_eq!(client.acked(9).await, Ok(()));
    client
        .registers_as(Kind::Unsubscribe, &client.sign(header), 9)
        .await;
    assert_eq!(client.acked(9).await, Ok(()));
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn a_prefix_that_lies_about_its_length_ends_its_stream_only() {
    for length in [MESSAGE_BYTES_MAX + 1, 1 << 31, u32::MAX] {
        let neighbours = Neighbours::new().await;
        let mut client = Client::of(&neighbours.router).await;
        let mut prefix = BytesMut::new();
        prefix.put_u8(0);
        prefix.put_u32(length);
        // Not one byte of the message is needed, nor waited for.
        client.sends(&prefix).await;
        client.ends_with_status(0).await;
        assert_eq!(neighbours.are_unharmed().await.closed("oversize"), 1);
    }
}

#[tokio::test]
async fn a_prefix_may_arrive_byte_by_byte() {
    let neighbours = Neighbours::new().await;
    let mut client = Client::of(&neighbours.router).await;
    let header = client.sign(fields("org/ns/carol-too"));
    let message = header.seal().subscribe(9).unwrap();
    for byte in message.chunks(1) {
        client.sends(byte).await;
    }
    assert_eq!(client.acked(9).await, Ok(()));
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn a_compressed_flag_ends_its_stream_only() {
    for flag in [1, 2, 255] {
        let neighbours = Neighbours::new().await;
        let mut client = Client::of(&neighbours.router).await;
        client.sends(&[flag, 0, 0, 0, 1, 0]).await;
        client.ends_with_status(0).await;
        assert_eq!(neighbours.are_unharmed().await.closed("oversize"), 1);
    }
}

/// Messages that two decoders could read differently.
fn ambiguous(client: &Client) -> Vec<(&'static str, Bytes)> {
    let header = client.sign(fields("org/ns/bob"));
    let raw = header.encode_to_vec();
    let session = block(2, b"");
    // Field 1 is the source, which every header has.
    let twice_within = [raw.clone(), block(1, b"")].concat();
    let padded_ttl = {
        // The ttl of 8 in two bytes, where one would do.
        let mut without = HeaderFields { ttl: 0, ..header }.encode_to_vec();
        without.extend([0x30, 0x88, 0x00]);
        without
    };
    let subscribe = |id: &[u8]| framed(&block(1, &[block(1, &raw), id.to_vec()].concat())).unwrap();
    let both = [block(1, &block(1, &raw)), block(3, &block(1, &raw))].concat();
    vec![
        (
            "two headers",
            publish(&[block(1, &raw), block(1, &raw), session.clone()]),
        ),
        (
            "a field of the header twice",
            publish(&[block(1, &twice_within), session.clone()]),
        ),
        (
            "a padded varint",
            publish(&[block(1, &padded_ttl), session]),
        ),
        ("two subscription ids", subscribe(&[0x10, 1, 0x10, 2])),
        ("two kinds", framed(&both).unwrap()),
    ]
}

#[tokio::test]
async fn ambiguous_messages_are_dropped_and_the_third_ends_the_link() {
    let neighbours = Neighbours::new().await;
    let template = Client::of(&neighbours.router).await;
    let cases = ambiguous(&template).len();
    for index in 0..cases {
        let mut client = Client::of(&neighbours.router).await;
        let (what, message) = ambiguous(&client).swap_remove(index);
        client.sends(&message).await;
        client.sends(&message).await;
        client.is_served().await;
        client.sends(&message).await;
        let end = client.end().await;
        assert_eq!(
            end.status().map(|status| status.code),
            Some(0),
            "{what}: {end}"
        );
    }
    let cases = u64::try_from(cases).unwrap();
    let scrape = neighbours.are_unharmed().await;
    assert_eq!(scrape.dropped("malformed"), 3 * cases);
    assert_eq!(scrape.closed("malformed"), cases);
}

#[tokio::test]
async fn what_does_not_decode_ends_its_link_at_once() {
    let neighbours = Neighbours::new().await;
    let cases: [(&str, &[u8]); 8] = [
        ("a field cut short", b"\x1a\x05ab"),
        (
            "a varint beyond 64 bits",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ),
        ("a varint without end", b"\x1a\xff\xff\xff"),
        ("field number zero", b"\x02\x00"),
        ("an undefined wire type", b"\x1f"),
        ("the wrong wire type", b"\x18\x01"),
        ("an end without a group", b"\x1c"),
        ("text that is no UTF-8", b"\x1a\x06\x0a\x04\x1a\x02\xff\xfe"),
    ];
    for (what, message) in &cases {
        let mut client = Client::of(&neighbours.router).await;
        client.sends(&framed(message).unwrap()).await;
        let end = client.end().await;
        assert_eq!(
            end.status().map(|status| status.code),
            Some(0),
            "{what}: {end}"
        );
    }
    let scrape = neighbours.are_unharmed().await;
    assert_eq!(scrape.closed("undecodable"), 8);
}

#[tokio::test]
async fn deep_and_wide_nonsense_costs_its_own_link_at_most() {
    let neighbours = Neighbours::new().await;
    let mut nested = Vec::new();
    for _ in 0..2_000 {
        nested = block(3, &nested);
    }
    // Two hundred thousand unknown fields, as many empty metadata entries, and one field nested
    // in itself as deep as it goes.
    let unknown = [0xf8, 0x7f, 0x01].repeat(200_000);
    let metadata = [0x22, 0x00].repeat(200_000);
    for message in [
        nested,
        unknown,
        metadata,
        vec![0x1b; 100_000],
        vec![0; 100_000],
    ] {
        let client = Client::of(&neighbours.router).await;
        drop(client.sender().send_bytes(&framed(&message).unwrap()).await);
        drop(client.sender().flush().await);
        drop(client);
    }
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn forged_steering_fields_steer_nothing() {
    let neighbours = Neighbours::new().await;
    let mut client = Client::of(&neighbours.router).await;
    client.subscribes("org/ns/mine").await;
    for index in [0, 1, 2, 3, 1 << 24, u64::MAX] {
        let forged = HeaderFields {
            recv_from: Some(index),
            forward_to: Some(index),
            incoming_conn: Some(index),
            ..fields("org/ns/mine")
        };
        let forged = client.sign(forged);
        client.publishes_as(&forged, &text("to myself")).await;
        client.registers_as(Kind::Unsubscribe, &forged, 77).await;
        let error = "subscription id not found: 77".to_owned();
        assert_eq!(client.acked(77).await, Err(error));
    }
    let scrape = neighbours.are_unharmed().await;
    assert_eq!(scrape.dropped("no_match"), 6);
}

#[tokio::test]
async fn wrong_paths_and_content_types_are_answered_by_status() {
    let neighbours = Neighbours::new().await;
    let peer = H2Peer::of(&neighbours.router).await;
    let long = format!("/{}", "a".repeat(8_000));
    for path in ["/", "/../../etc/passwd", "/%00", long.as_str()] {
        let answer = peer.asks(Method::POST, path, &[]).await.unwrap();
        assert_eq!(answer.header("grpc-status"), "12", "{path}");
    }
    let headers = [("content-type", "application/json")];
    let answer = peer
        .asks(Method::POST, METHOD_PATH, &headers)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn an_http_1_request_gets_a_settings_frame_and_no_more() {
    let neighbours = Neighbours::new().await;
    let mut socket = TcpStream::connect(neighbours.router.address(0))
        .await
        .unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as its end.
    drop(within("end", socket.read_to_end(&mut answer)).await);
    assert!(!answer.starts_with(b"HTTP/1"), "{answer:?}");
    assert!(answer.len() < 1_024);
    let scrape = neighbours.are_unharmed().await;
    assert_eq!(scrape.refused("http2"), 1);
}

/// A small generator with a seed that a failure prints.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn bytes(&mut self, length_max: usize) -> Vec<u8> {
        let length = usize::try_from(self.roll()).unwrap() % length_max;
        (0..length).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}

#[tokio::test]
async fn random_bytes_cost_their_own_link_at_most() {
    let neighbours = Neighbours::new().await;
    let seed = random_u64();
    let mut dice = Dice(seed);
    for round in 0..100 {
        let what = format!("seed {seed}, round {round}");
        // Before the negotiation, after it as messages, and after it without any framing.
        let mut opening = Opening::of(&neighbours.router).await;
        let noise = dice.bytes(600);
        if round % 3 == 0 {
            drop(opening.stream.sender.send_body(&noise).await);
            opening.stream.sender.finish().unwrap_or_default();
        } else {
            opening.asks(request()).await;
            opening.reply().await;
            let bytes = if round % 3 == 1 {
                framed(&noise).unwrap()
            } else {
                Bytes::from(noise)
            };
            drop(opening.stream.sender.send(bytes).await);
            opening.stream.sender.finish().unwrap_or_default();
        }
        let end = opening.end().await;
        let status = end.status().map(|status| status.code);
        assert_eq!(status, Some(0), "{what}: {end}");
    }
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn random_bytes_on_the_socket_cost_their_own_connection_at_most() {
    let neighbours = Neighbours::new().await;
    let mut dice = Dice(random_u64());
    for round in 0..50 {
        let mut socket = TcpStream::connect(neighbours.router.address(0))
            .await
            .unwrap();
        if round % 2 == 0 {
            drop(socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        }
        drop(socket.write_all(&dice.bytes(3_000)).await);
        drop(socket.shutdown().await);
        let mut answer = Vec::new();
        drop(within("end", socket.read_to_end(&mut answer)).await);
    }
    neighbours.are_unharmed().await;
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_message_harms_nobody_else() {
    let neighbours = Neighbours::new().await;
    let mut dice = Dice(random_u64());
    for _ in 0..50 {
        let client = Client::of(&neighbours.router).await;
        let header = client.sign(fields("org/ns/nobody"));
        let message = header.seal().publish(&text("payload")).unwrap();
        for _ in 0..4 {
            let mut spoilt = message.to_vec();
            // The prefix is left alone, so that the rest is looked at.
            let bit = usize::try_from(dice.roll()).unwrap() % ((spoilt.len() - 5) * 8);
            spoilt[5 + bit / 8] ^= 1 << (bit % 8);
            drop(client.sender().send_bytes(&spoilt).await);
        }
        drop(client.sender().flush().await);
        drop(client);
    }
    neighbours.are_unharmed().await;
}
