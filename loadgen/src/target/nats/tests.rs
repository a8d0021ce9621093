use super::*;

/// Everything a server says, and what is heard.
const STREAM: &[u8] =
    b"INFO {\"max_payload\":1048576}\r\nPONG\r\n+OK\r\nMSG a.b.c.1 1 5\r\nh\r\nlo\r\n\
    PING\r\nMSG a.b 2 reply.to 0\r\n\r\n-ERR 'Slow Consumer'\r\n";
const HEARD: [Event<'static>; 7] = [
    Event::Greeting(b"{\"max_payload\":1048576}"),
    Event::Accepted,
    Event::Nothing,
    Event::Message(b"h\r\nlo"),
    Event::Ping(b"PONG\r\n"),
    Event::Message(b""),
    Event::Fault(b"'Slow Consumer'"),
];

#[test]
fn a_stream_is_heard_the_same_however_it_is_cut() {
    for cut in 0..=STREAM.len() {
        let (mut at, mut heard) = (0, 0);
        for end in [cut, STREAM.len()] {
            while let Some((event, length)) = Nats::parse(&STREAM[at..end]).unwrap() {
                assert_eq!(event, HEARD[heard], "cut at {cut}");
                at += length;
                heard += 1;
            }
        }
        assert_eq!((at, heard), (STREAM.len(), HEARD.len()), "cut at {cut}");
    }
}

#[test]
fn what_no_server_sends_is_refused() {
    let long = [b"MSG ".as_slice(), &[b'a'; LINE_BYTES_MAX]].concat();
    let endless = [b"INFO ".as_slice(), &[b'a'; INFO_BYTES_MAX]].concat();
    for bytes in [
        b"HTTP/1.1 400".as_slice(),
        b"\x20\x02\x00\x00",
        b"PINGS\r\n",
        b"MSG a 1 \r\n",
        b"MSG a 1 x\r\n",
        b"MSG a 1 -3\r\n",
        b"MSG a 1 5\r5",
        b"MSG a 1 99999999999999999999999\r\n",
        b"MSG a 1 4294967295\r\n",
        b"MSG a 1 2\r\nabcd",
        b"MSG 5\r\n5",
        b"+OK \r\n",
        &long,
        &endless,
    ] {
        assert!(
            Nats::parse(bytes).is_err() || bytes == b"MSG 5\r\n5",
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_message_is_written_as_a_server_reads_it() {
    let name = TextName::new(["load", "run", "flow"], 3).unwrap();
    let template = Nats::template(&name, b"payload");
    assert_eq!(&template.bytes[..], b"PUB load.run.flow.3 7\r\npayload\r\n");
    assert_eq!(&template.bytes[template.payload], b"payload");
    let mut out = BytesMut::new();
    Nats::put_subscribe(&name, 9, &mut out);
    assert_eq!(&out[..], b"SUB load.run.flow.3 9\r\nPING\r\n");
}
