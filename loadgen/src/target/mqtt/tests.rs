use super::*;

/// A CONNACK, a SUBACK, a message of 200 bytes, a PINGRESP, a retained empty message.
fn stream() -> Vec<u8> {
    let mut out = vec![0x20, 2, 0, 0, 0x90, 3, 0, 1, 0];
    // 3 + 200 bytes, in a remaining length of two bytes.
    out.extend_from_slice(&[0x30, 0xcb, 0x01, 0, 1, b't']);
    out.extend_from_slice(&[7; 200]);
    out.extend_from_slice(&[0xd0, 0, 0x31, 3, 0, 1, b't']);
    out
}

#[test]
fn a_stream_is_heard_the_same_however_it_is_cut() {
    let stream = stream();
    let expected = [
        Event::Accepted,
        Event::Accepted,
        Event::Message(&[7; 200]),
        Event::Nothing,
        Event::Message(b""),
    ];
    for cut in 0..=stream.len() {
        let (mut at, mut heard) = (0, 0);
        for end in [cut, stream.len()] {
            while let Some((event, length)) = Mqtt::parse(&stream[at..end]).unwrap() {
                assert_eq!(event, expected[heard], "cut at {cut}");
                at += length;
                heard += 1;
            }
        }
        assert_eq!((at, heard), (stream.len(), expected.len()), "cut at {cut}");
    }
}

#[test]
fn what_no_broker_sends_at_qos_0_is_refused() {
    for bytes in [
        b"INFO {}".as_slice(),
        b"HTTP/1.1",
        // QoS 1, an acknowledgement, a duplicate.
        &[0x32, 3, 0, 0, 0],
        &[0x40, 2, 0, 1],
        &[0x38, 2, 0, 0],
        // Too long: five bytes of length, 256 MiB.
        &[0x30, 0x80, 0x80, 0x80, 0x80, 1],
        &[0x30, 0xff, 0xff, 0xff, 0x7f],
        // Too short for a topic, and a topic longer than the packet.
        &[0x30, 1, 0],
        &[0x30, 3, 0, 2, b't'],
        &[0x20, 1],
        &[0x90, 2],
        &[0xd0, 1, 0],
    ] {
        assert!(Mqtt::parse(bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn refusals_are_told_in_words() {
    let refused = Mqtt::parse(&[0x20, 2, 0, 5]).unwrap();
    assert!(matches!(refused, Some((Event::Refused(text), 4)) if text.contains("credentials")));
    let refused = Mqtt::parse(&[0x90, 3, 0, 1, 0x80]).unwrap();
    assert!(matches!(refused, Some((Event::Refused(_), 5))));
}

#[test]
fn packets_are_written_as_a_broker_reads_them() {
    let name = TextName::new(["load", "run", "flow"], 3).unwrap();
    let template = Mqtt::template(&name, &[9; 300]);
    // 2 + 15 + 300 bytes: 0x13d.
    assert_eq!(&template.bytes[..5], &[0x30, 0xbd, 0x02, 0, 15]);
    assert_eq!(&template.bytes[5..20], b"load/run/flow/3");
    assert_eq!(&template.bytes[template.payload], &[9; 300]);
    assert_eq!(
        Mqtt::parse(&template.bytes).unwrap().unwrap().1,
        template.bytes.len()
    );
    let mut out = BytesMut::new();
    Mqtt::put_subscribe(&name, 0x0102, &mut out);
    assert_eq!(out[..6], [0x82, 20, 1, 2, 0, 15]);
    assert_eq!(out.last(), Some(&0));
}
