//! The deframer, chunk by chunk.
#![allow(clippy::cast_possible_truncation, reason = "samples are small")]

use super::*;

/// A framed message of `len` bytes that count up from `seed`.
fn framed(len: usize, seed: u8) -> (Vec<u8>, Vec<u8>) {
    let body: Vec<u8> = (0..len).map(|i| seed.wrapping_add(i as u8)).collect();
    let mut out = BytesMut::new();
    put_prefix(len as u32, &mut out);
    out.extend_from_slice(&body);
    (out.to_vec(), body)
}

#[test]
fn any_chunking_gives_the_same_messages() {
    let messages: Vec<_> = [0, 1, 7, 0, 300, 5_000, 0]
        .map(|len| framed(len, len as u8))
        .into();
    let stream: Vec<u8> = messages
        .iter()
        .flat_map(|(framed, _)| framed.clone())
        .collect();
    for size in [1, 2, 3, 4, 5, 6, 11, 100, 1_024, 2_000, stream.len()] {
        for eager in [true, false] {
            let mut deframer = Deframer::new(5_000);
            let mut found = Vec::new();
            for chunk in stream.chunks(size) {
                deframer.push(Bytes::copy_from_slice(chunk));
                while eager && let Some(body) = deframer.pop().unwrap() {
                    found.push(body.into_bytes().to_vec());
                }
            }
            while let Some(body) = deframer.pop().unwrap() {
                found.push(body.into_bytes().to_vec());
            }
            let expected: Vec<_> = messages.iter().map(|(_, body)| body.clone()).collect();
            assert!(found == expected, "chunks of {size}, eager {eager}");
            assert_eq!(deframer.buffered_bytes(), 0);
        }
    }
}

#[test]
fn a_message_within_a_chunk_or_over_two_is_not_copied() {
    let stream = Bytes::from([framed(40, 1).0, framed(60, 2).0].concat());
    let within = stream.as_ptr_range();
    let mut deframer = Deframer::new(100);
    deframer.push(stream.slice(..70));
    deframer.push(stream.slice(70..));
    for chunks in [1, 2] {
        let body = deframer.pop().unwrap().unwrap();
        assert_eq!(body.chunks().count(), chunks);
        assert!(body.chunks().all(|chunk| within.contains(&chunk.as_ptr())));
    }
}

#[test]
fn the_prefix_alone_decides() {
    for (prefix, fault) in [
        ([0, 0, 0, 0, 101], Malformed::MessageTooLong),
        ([0, 255, 255, 255, 255], Malformed::MessageTooLong),
        ([1, 0, 0, 0, 1], Malformed::Compressed),
        ([255, 0, 0, 0, 0], Malformed::Compressed),
    ] {
        for size in [1, 5] {
            let mut deframer = Deframer::new(100);
            for chunk in prefix.chunks(size) {
                assert_eq!(deframer.pop(), Ok(None));
                deframer.push(Bytes::copy_from_slice(chunk));
            }
            assert_eq!(deframer.pop(), Err(fault));
            deframer.push(Bytes::from(framed(3, 0).0));
            assert_eq!(deframer.pop(), Err(fault));
            assert_eq!(deframer.buffered_bytes(), 0);
        }
    }
}

#[test]
fn crumbs_are_gathered_and_counted() {
    let (stream, body) = framed(4_000, 9);
    let mut deframer = Deframer::new(4_000);
    for (index, chunk) in stream.chunks(1).enumerate() {
        assert_eq!(deframer.assembling_bytes(), index);
        deframer.push(Bytes::copy_from_slice(chunk));
        if index + 1 < stream.len() {
            assert_eq!(deframer.pop(), Ok(None));
        }
    }
    let found = deframer.pop().unwrap().unwrap();
    assert!(found.chunks().count() <= 3);
    assert_eq!(found, Body::from(body));
}

#[test]
fn a_crumb_of_an_unfinished_message_kept_its_whole_frame_in_memory() {
    let (whole, _) = framed(1 << 20, 1);
    let (begun, body) = framed(100_000, 2);
    let frame = Bytes::from([&whole[..], &begun[..11]].concat());
    let mut deframer = Deframer::new(1 << 20);
    deframer.push(frame.clone());
    drop(deframer.pop().unwrap().unwrap());
    assert_eq!(deframer.pop(), Ok(None));
    assert_eq!(deframer.assembling_bytes(), 11);
    assert!(frame.is_unique(), "nothing refers to the frame any more");
    deframer.push(Bytes::from(begun[11..].to_vec()));
    assert_eq!(deframer.pop(), Ok(Some(Body::from(body))));
}

#[test]
fn what_an_unfinished_message_pins_is_a_small_multiple_of_what_is_counted() {
    for tail in [1, 10, 1_000, 5_000, 20_000] {
        let mut deframer = Deframer::new(1 << 20);
        let (stream, _) = framed(1 << 20, 1);
        let mut stream = Bytes::from(stream);
        let mut frames = Vec::new();
        // Each frame ends with a crumb of a message whose rest comes in small frames.
        let first = Bytes::from([&framed(20_000, 0).0[..], &stream.split_to(tail)].concat());
        frames.push(first.clone());
        deframer.push(first);
        while deframer.pop().unwrap().is_some() {}
        for size in [1, 100, 1_024, 3_000, 60_000, 2] {
            let frame = Bytes::copy_from_slice(&stream.split_to(size));
            frames.push(frame.clone());
            deframer.push(frame);
            assert_eq!(deframer.pop(), Ok(None));
            let pinned = frames.iter().filter(|frame| !frame.is_unique());
            let pinned: usize = pinned.map(Bytes::len).sum();
            assert!(pinned <= PINNED_TIMES_MAX * deframer.assembling_bytes());
        }
    }
}

#[test]
fn status_trailers_survive_both_ways() {
    for (index, (status, text)) in Status::ALL.into_iter().enumerate() {
        assert_eq!(status as usize, index);
        assert_eq!((status.as_str(), text.parse()), (text, Ok(index)));
        assert_eq!(Status::from_trailer(text.as_bytes()), status);
    }
    for unknown in ["", "17", "00", "x"] {
        assert_eq!(Status::from_trailer(unknown.as_bytes()), Status::Unknown);
    }
}
