//! Bytes that were read and not used yet: one contiguous piece, so that messages are parsed where
//! they lie.

/// Room at first: idle links are many.
const BYTES_FIRST: usize = 4 * 1024;
/// Room for reading grows up to this while reads fill it; beyond only for one long message.
const BYTES_BULK: usize = 256 * 1024;

/// A buffer that is filled at its end and emptied at its begin.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was.
    was_filled: bool,
}

impl ReadBuffer {
    /// Empty.
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BYTES_FIRST],
            start: 0,
            end: 0,
            was_filled: false,
        }
    }

    /// Bytes read and not consumed.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The first `count` of them are done with.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into, never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            // What is left of the last message is short against what was read with it.
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let may_grow = self.was_filled && self.bytes.len() < BYTES_BULK;
        if may_grow || self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were read into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        self.was_filled = self.end == self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(buffer: &mut ReadBuffer, bytes: &[u8]) -> usize {
        let space = buffer.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        buffer.filled(count);
        count
    }

    #[test]
    fn bytes_come_out_in_order_however_they_are_cut() {
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
        let (mut buffer, mut received, mut at) = (ReadBuffer::new(), Vec::new(), 0);
        while received.len() < sent.len() {
            at += push(&mut buffer, &sent[at..sent.len().min(at + 7_001)]);
            let take = buffer.unread().len().min(5_003);
            received.extend_from_slice(&buffer.unread()[..take]);
            buffer.consume(take);
        }
        assert!(received == sent);
    }

    #[test]
    fn it_grows_for_a_long_message_and_for_bulk_only() {
        let mut long = ReadBuffer::new();
        let mut pushed = 0;
        while pushed < 1 << 20 {
            pushed += push(&mut long, &[1; 50_000]);
        }
        assert_eq!(long.unread().len(), pushed);
        let mut short = ReadBuffer::new();
        for _ in 0..1_000 {
            push(&mut short, &[1; 300]);
            short.consume(300);
        }
        assert_eq!(short.bytes.len(), BYTES_FIRST);
        let mut bulk = ReadBuffer::new();
        for _ in 0..1_000 {
            let count = push(&mut bulk, &[1; 1 << 20]);
            bulk.consume(count);
        }
        assert_eq!(bulk.bytes.len(), BYTES_BULK);
    }
}
