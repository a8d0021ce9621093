use proptest::prelude::*;

use super::*;
use crate::target::mqtt::Mqtt;
use crate::target::nats::Nats;

/// Parses until nothing is left to parse, and checks that what is used is there.
fn parse_all<P: Protocol>(bytes: &[u8]) {
    let mut at = 0;
    while let Ok(Some((_, length))) = P::parse(&bytes[at..]) {
        assert!(length > 0 && at + length <= bytes.len());
        at += length;
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_or_waited_for_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        verb in 0_usize..8,
    ) {
        let verbs: [&[u8]; 8] =
            [b"", b"MSG ", b"MSG a 1 ", b"INFO ", b"-ERR ", b"\x30", b"\x20\x02", b"\x90\x03"];
        let begun = [verbs[verb], &bytes].concat();
        parse_all::<Nats>(&begun);
        parse_all::<Mqtt>(&begun);
    }
}

#[test]
fn a_stranger_is_recognised_by_how_it_begins() {
    for (bytes, expected) in [
        (b"INFO {".as_slice(), "NATS"),
        (b"HTTP/1.1 400 Bad Request", "web server"),
        (&[0x20, 2, 0, 0], "MQTT"),
        (&[0, 0, 18, 4, 0, 0, 0, 0, 0, 1], "HTTP/2"),
        (b"\x15\x03", "15 03"),
    ] {
        assert!(recognise(bytes).contains(expected), "{}", recognise(bytes));
    }
}

#[test]
fn what_a_peer_wrote_cannot_forge_a_line() {
    assert_eq!(printable(b" 'a\r\nb' "), "'a..b'");
    assert_eq!(printable(&[b'x'; 5_000]).len(), 200);
}
