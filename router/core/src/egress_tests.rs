//! Behaviour of one egress queue.

use core::time::Duration;

use bytes::Bytes;

use super::*;

const BOUNDS: Bounds = Bounds {
    bytes_max: 100_000,
    messages_max: 100,
};

fn at(seconds: u64) -> Time {
    Time::ZERO.after(Duration::from_secs(seconds))
}

fn queue() -> Egress {
    Egress::new(BOUNDS)
}

/// Queues a message of a recognisable head and a tail; false if it is not admitted.
fn put(queue: &mut Egress, mark: u8, tail: impl Into<Bytes>, now: Time) -> bool {
    let tail = Body::from(tail.into());
    if !queue.admits(2 + tail.len() as u64) {
        return false;
    }
    let before = queue.bytes();
    let copied = if tail.len() <= COPY_BYTES_MAX {
        tail.len()
    } else {
        0
    };
    queue.head_room(2 + copied).extend_from_slice(&[mark, b':']);
    let charged = queue.commit(2, &tail, now);
    assert_eq!(charged, 2 + tail.len() as u64);
    assert_eq!(queue.bytes(), before + charged);
    assert!(queue.is_consistent());
    true
}

/// One batch: what was taken, and its chunks.
fn pull(queue: &mut Egress, bytes_max: usize, now: Time) -> (Pulled, Vec<Bytes>) {
    let mut batch = Batch::new();
    let pulled = queue.pull(bytes_max, &mut batch);
    queue.note_sent(pulled.bytes, now);
    assert!(queue.is_consistent());
    assert_eq!(pulled.bytes, batch.len() as u64);
    let mut chunks = Vec::new();
    while !batch.is_empty() {
        let length = bytes::Buf::chunk(&batch).len();
        chunks.push(bytes::Buf::copy_to_bytes(&mut batch, length));
    }
    (pulled, chunks)
}

/// The marks of all messages in `chunks`, whose tails are `x`.
fn marks(chunks: &[Bytes]) -> String {
    let text = chunks.concat();
    let marks = text.iter().filter(|byte| !b":x".contains(byte));
    marks.map(|byte| char::from(*byte)).collect()
}

fn x(count: usize) -> Vec<u8> {
    vec![b'x'; count]
}

#[test]
fn small_messages_leave_as_one_chunk_in_order() {
    let mut queue = queue();
    for mark in b'a'..=b'e' {
        assert!(put(&mut queue, mark, x(10), at(0)));
    }
    let (pulled, chunks) = pull(&mut queue, 1_000, at(1));
    assert_eq!((pulled.messages, pulled.reserved, pulled.bytes), (5, 0, 60));
    assert_eq!((chunks.len(), marks(&chunks).as_str()), (1, "abcde"));
    assert!(queue.is_empty());
    assert_eq!(
        queue.chunks.spare_bytes(),
        0,
        "an idle queue holds no block"
    );
}

#[test]
fn a_batch_takes_what_fits_and_at_least_one() {
    let mut queue = queue();
    for mark in b'a'..=b'f' {
        put(&mut queue, mark, x(98), at(0));
    }
    let (pulled, chunks) = pull(&mut queue, 299, at(0));
    assert_eq!((pulled.messages, marks(&chunks).as_str()), (2, "ab"));
    let (pulled, chunks) = pull(&mut queue, 300, at(0));
    assert_eq!((pulled.messages, marks(&chunks).as_str()), (3, "cde"));
    let (pulled, chunks) = pull(&mut queue, 0, at(0));
    assert_eq!((pulled.messages, marks(&chunks).as_str()), (1, "f"));
    let (pulled, chunks) = pull(&mut queue, 1_000, at(0));
    assert_eq!((pulled, chunks.len()), (Pulled::default(), 0));
}

#[test]
fn a_large_tail_is_referenced_and_a_small_one_copied() {
    let mut queue = queue();
    let small = Bytes::from(x(COPY_BYTES_MAX));
    let large = Bytes::from(x(COPY_BYTES_MAX + 1));
    put(&mut queue, b'a', small.clone(), at(0));
    put(&mut queue, b'b', large.clone(), at(0));
    put(&mut queue, b'c', small, at(0));
    let (pulled, chunks) = pull(&mut queue, usize::MAX, at(0));
    assert_eq!((pulled.messages, marks(&chunks).as_str()), (3, "abc"));
    let lengths: Vec<usize> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [2 + 2_048, 2, 2_049, 2 + 2_048]);
    assert_eq!(
        chunks[2].as_ptr(),
        large.as_ptr(),
        "the very bytes that came"
    );
}

#[test]
fn a_tail_in_pieces_keeps_its_pieces() {
    let mut queue = queue();
    let mut tail = Body::from(Bytes::from(x(3_000)));
    tail.push(Bytes::from(x(4_000)));
    queue.head_room(2).extend_from_slice(b"a:");
    queue.commit(2, &tail, at(0));
    let (_, chunks) = pull(&mut queue, usize::MAX, at(0));
    let lengths: Vec<usize> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [2, 3_000, 4_000]);
}

#[test]
fn past_the_low_mark_nothing_is_referenced_any_more() {
    let mut queue = queue();
    let tails: Vec<Bytes> = (0..4).map(|_| Bytes::from(x(8_000))).collect();
    for (mark, tail) in (b'a'..).zip(&tails) {
        put(&mut queue, mark, tail.clone(), at(0));
        let is_past = queue.bytes() > 25_000;
        assert_ne!(queue.chunks.has_borrowed(), is_past, "{}", char::from(mark));
    }
    // The receive chunks are free: nobody but this test holds them.
    assert!(tails.into_iter().all(|tail| tail.is_unique()));
    let (_, chunks) = pull(&mut queue, usize::MAX, at(0));
    assert_eq!(marks(&chunks), "abcd");
}

#[test]
fn one_message_alone_is_no_queue_however_large() {
    let mut queue = queue();
    let tail = Bytes::from(x(4 << 20));
    assert!(
        put(&mut queue, b'a', tail.clone(), at(0)),
        "an empty queue takes anything"
    );
    assert!(queue.is_congested());
    assert!(!put(&mut queue, b'b', x(1), at(0)));
    let (_, chunks) = pull(&mut queue, 1, at(0));
    assert_eq!(chunks[1].as_ptr(), tail.as_ptr());
    assert!(!queue.is_congested());
}

#[test]
fn what_waits_is_copied_when_it_is_told_to() {
    let mut queue = queue();
    let tail = Bytes::from(x(5_000));
    for mark in b'a'..=b'c' {
        put(&mut queue, mark, tail.clone(), at(0));
    }
    queue.reserve(b"r", at(0));
    assert!(!tail.is_unique());
    queue.compact();
    assert!(tail.is_unique() && queue.is_consistent());
    let (pulled, chunks) = pull(&mut queue, usize::MAX, at(0));
    assert_eq!(
        (pulled.messages, pulled.reserved, marks(&chunks).as_str()),
        (3, 1, "abcr")
    );
}

#[test]
fn both_bounds_hold() {
    let mut by_bytes = queue();
    while put(&mut by_bytes, b'a', x(998), at(0)) {}
    assert_eq!((by_bytes.bytes(), by_bytes.messages()), (100_000, 100));
    let mut by_messages = queue();
    while put(&mut by_messages, b'a', x(1), at(0)) {}
    assert_eq!((by_messages.bytes(), by_messages.messages()), (300, 100));
    let mut full = Egress::new(Bounds {
        bytes_max: 1_000,
        messages_max: 100,
    });
    assert!(put(&mut full, b'a', x(498), at(0)));
    assert!(!put(&mut full, b'b', x(499), at(0)));
    assert!(put(&mut full, b'b', x(498), at(0)));
}

#[test]
fn congestion_begins_at_three_quarters_and_ends_at_one() {
    for (size, count) in [(998, 75), (1, 75)] {
        let mut queue = queue();
        for _ in 0..count {
            put(&mut queue, b'a', x(size), at(0));
            assert!(!queue.is_congested());
        }
        put(&mut queue, b'a', x(size), at(0));
        assert!(queue.is_congested());
        while queue.messages() > 26 {
            pull(&mut queue, 1, at(0));
            assert!(queue.is_congested(), "{} of {size} bytes", queue.messages());
        }
        pull(&mut queue, 1, at(0));
        assert!(!queue.is_congested() && !queue.is_crowded());
    }
}

#[test]
fn other_shards_are_told_earlier_and_relieved_at_the_same_mark() {
    let mut queue = queue();
    while !queue.is_crowded() {
        put(&mut queue, b'a', x(998), at(0));
    }
    assert_eq!(queue.messages(), 38);
    assert!(!queue.is_congested());
    pull(&mut queue, 12_000, at(0));
    assert!(queue.is_crowded());
    pull(&mut queue, 1_000, at(0));
    assert!(!queue.is_crowded());
}

#[test]
fn reserved_messages_keep_their_place_and_pass_every_bound() {
    let mut queue = queue();
    queue.reserve(b"1", at(0));
    put(&mut queue, b'a', x(4_000), at(0));
    queue.reserve(b"2", at(0));
    while put(&mut queue, b'b', x(998), at(0)) {}
    queue.reserve(b"3", at(0));
    assert_eq!(queue.reserved_bytes(), 3);
    let (pulled, chunks) = pull(&mut queue, usize::MAX, at(0));
    assert_eq!(pulled.reserved, 3);
    let marks = marks(&chunks);
    assert!(marks.starts_with("1a2b") && marks.ends_with("b3"));
    assert_eq!(queue.reserved_bytes(), 0);
}

#[test]
fn age_takes_the_oldest_and_spares_what_is_reserved() {
    let mut queue = queue();
    put(&mut queue, b'a', x(10), at(0));
    queue.reserve(b"1", at(0));
    put(&mut queue, b'b', x(5_000), at(1));
    queue.reserve(b"2", at(2));
    put(&mut queue, b'c', x(5_000), at(3));
    put(&mut queue, b'd', x(10), at(4));
    let dropped = queue.drop_older(at(3));
    assert_eq!(
        (dropped.messages, dropped.reserved, dropped.bytes),
        (2, 0, 12 + 5_002)
    );
    assert!(queue.is_consistent());
    queue.reserve(b"3", at(5));
    let (pulled, chunks) = pull(&mut queue, usize::MAX, at(5));
    assert_eq!((pulled.messages, pulled.reserved), (2, 3));
    assert_eq!(marks(&chunks), "12cd3");
    assert!(queue.is_empty() && queue.reserved_bytes() == 0);
}

#[test]
fn what_moved_ahead_leaves_although_the_batch_is_small() {
    let mut queue = queue();
    queue.reserve(b"1", at(0));
    put(&mut queue, b'a', x(10), at(0));
    queue.drop_older(at(1));
    put(&mut queue, b'b', x(10), at(1));
    let (pulled, chunks) = pull(&mut queue, 1, at(1));
    assert_eq!(
        (pulled.messages, pulled.reserved, marks(&chunks).as_str()),
        (0, 1, "1")
    );
    let (pulled, _) = pull(&mut queue, 1, at(1));
    assert_eq!((pulled.messages, pulled.reserved), (1, 0));
}

#[test]
fn only_the_peer_ends_the_wait() {
    let mut queue = queue();
    assert_eq!(queue.waiting_since(), None);
    put(&mut queue, b'a', x(10), at(1));
    put(&mut queue, b'b', x(10), at(2));
    assert_eq!(queue.waiting_since(), Some(at(1)));
    pull(&mut queue, 1, at(5));
    assert_eq!(
        queue.waiting_since(),
        Some(at(5)),
        "progress begins a new wait"
    );
    queue.drop_older(at(9));
    assert!(queue.is_empty());
    assert_eq!(queue.waiting_since(), Some(at(5)), "age is no progress");
    queue.trim();
    put(&mut queue, b'c', x(10), at(9));
    assert_eq!(queue.waiting_since(), Some(at(5)));
    pull(&mut queue, 100, at(10));
    assert_eq!(queue.waiting_since(), None);
    put(&mut queue, b'd', x(10), at(11));
    queue.drop_older(at(12));
    queue.note_room();
    assert_eq!(
        queue.waiting_since(),
        None,
        "the peer would have taken more"
    );
}

#[test]
fn what_the_transport_was_given_waits_until_it_has_taken_it() {
    let mut queue = queue();
    put(&mut queue, b'a', x(1_000), at(1));
    let mut batch = Batch::new();
    let pulled = queue.pull(1, &mut batch);
    assert!(queue.is_empty() && !queue.wants_writer());
    assert_eq!((queue.bytes(), queue.held_bytes()), (0, pulled.bytes));
    assert_eq!(queue.waiting_since(), Some(at(1)));
    queue.note_room();
    queue.trim();
    assert_eq!(queue.waiting_since(), Some(at(1)), "there is none yet");
    queue.note_sent(400, at(2));
    assert_eq!(queue.waiting_since(), Some(at(2)));
    queue.note_sent(pulled.bytes - 400, at(3));
    assert_eq!((queue.held_bytes(), queue.waiting_since()), (0, None));
}

#[test]
fn a_head_that_was_not_committed_leaves_no_trace() {
    let mut queue = queue();
    put(&mut queue, b'a', x(10), at(0));
    queue.head_room(100).extend_from_slice(b"half a head");
    queue.rollback(b"half a head".len());
    assert!(queue.is_consistent());
    put(&mut queue, b'b', x(10), at(0));
    let (_, chunks) = pull(&mut queue, usize::MAX, at(0));
    assert_eq!(marks(&chunks), "ab");
}

#[test]
fn a_cleared_queue_gives_everything_back() {
    let mut queue = queue();
    queue.reserve(b"1", at(0));
    put(&mut queue, b'a', x(5_000), at(0));
    queue.drop_older(at(1));
    put(&mut queue, b'b', x(5_000), at(1));
    queue.reserve(b"2", at(1));
    let dropped = queue.clear();
    assert_eq!(
        (dropped.messages, dropped.reserved, dropped.bytes),
        (1, 2, 5_004)
    );
    assert!(queue.is_empty() && queue.bytes() == 0 && queue.waiting_since().is_none());
}

#[test]
fn a_block_begins_at_the_size_of_what_was_copied_last() {
    let mut queue = queue();
    for _ in 0..5 {
        put(&mut queue, b'a', x(3_000), at(0));
        put(&mut queue, b'b', x(500), at(0));
    }
    pull(&mut queue, usize::MAX, at(0));
    put(&mut queue, b'a', x(3_000), at(0));
    let spare = queue.chunks.spare_bytes();
    assert!((2_500..3_000).contains(&spare), "{spare}");
}

#[test]
fn what_age_takes_is_free_at_once() {
    let mut queue = queue();
    for second in 0..10_000 {
        put(&mut queue, b'a', x(98), at(second));
        queue.drop_older(at(second.saturating_sub(50)));
    }
    assert_eq!(queue.messages(), 51);
    queue.drop_older(at(20_000));
    assert_eq!((queue.bytes(), queue.chunks.len()), (0, 0));
    assert_eq!(queue.chunks.spare_bytes(), 0);
}

#[test]
fn a_copy_may_go_over_several_blocks() {
    let mut queue = queue();
    let tail: Vec<u8> = (0..=255_u8).cycle().take(30_000).collect();
    put(&mut queue, b'a', x(26_000), at(0));
    for _ in 0..2 {
        put(&mut queue, b'b', tail.clone(), at(0));
    }
    let (_, first) = pull(&mut queue, 1, at(0));
    assert_eq!(first.concat().len(), 26_002);
    for _ in 0..2 {
        let (_, chunks) = pull(&mut queue, 1, at(0));
        assert_eq!(chunks.concat(), [b"b:", tail.as_slice()].concat());
    }
    assert!(queue.is_empty());
}
