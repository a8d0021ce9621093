//! gRPC's length-prefixed framing. WIRE §1.2.
//!
//! In come the chunks of a stream, in whatever sizes HTTP/2 delivered them; out come message
//! bodies, cut by reference. A message is judged by its five-byte prefix before one byte of it is
//! kept, so a peer makes us hold at most one bounded message beside what it has just sent.

mod body;

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes, BytesMut};

pub use body::Body;

use crate::error::Malformed;
use crate::limits::GRPC_PREFIX_BYTES;

/// The one method of the data plane: a bidirectional stream of messages.
pub const METHOD_PATH: &str = "/dataplane.proto.v1.DataPlaneService/OpenChannel";

/// Pieces shorter than this are copied together when a message arrives in many of them: a slice
/// costs more than its bytes there, and a peer chooses how many there are.
const PIECE_BYTES_MIN: usize = 1_024;

/// A piece that is kept by reference while its message is unfinished keeps the memory of the whole
/// chunk it was cut from, at most so many times its own. Fewer would copy larger pieces, which is what
/// references are there to avoid.
const PINNED_TIMES_MAX: usize = 4;

/// Appends the prefix of an uncompressed message of `len` bytes.
#[inline]
pub fn put_prefix(len: u32, out: &mut BytesMut) {
    let [a, b, c, d] = len.to_be_bytes();
    out.extend_from_slice(&[0, a, b, c, d]);
}

/// Cuts a stream of chunks into messages.
///
/// Every chunk pushed is asked for with [`Deframer::pop`] until that answers `None`.
#[derive(Debug)]
pub struct Deframer {
    message_bytes_max: u32,
    /// The chunk being cut, and how long it was before.
    current: Bytes,
    current_bytes: usize,
    /// Chunks pushed while `current` was not used up, and their bytes.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Some bytes of a prefix have arrived.
    Prefix {
        bytes: [u8; GRPC_PREFIX_BYTES],
        taken: usize,
    },
    /// Some bytes of a message have arrived: `pieces`, then `run`.
    Message {
        missing: usize,
        pieces: Body,
        run: BytesMut,
    },
    /// The stream cannot be cut any further.
    Failed(Malformed),
}

/// Between two messages.
const START: State = State::Prefix {
    bytes: [0; GRPC_PREFIX_BYTES],
    taken: 0,
};

impl Deframer {
    /// Expects messages of at most `message_bytes_max` bytes.
    #[must_use]
    pub const fn new(message_bytes_max: u32) -> Self {
        Self {
            message_bytes_max,
            current: Bytes::new(),
            current_bytes: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            state: START,
        }
    }

    /// Takes the next chunk of the stream.
    #[inline]
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() || matches!(self.state, State::Failed(_)) {
            return;
        }
        if self.current.is_empty() {
            self.current_bytes = chunk.len();
            self.current = chunk;
        } else {
            self.waiting_bytes = self.waiting_bytes.saturating_add(chunk.len());
            self.waiting.push_back(chunk);
        }
    }

    /// The next complete message, or `None` until more chunks are pushed.
    ///
    /// # Errors
    ///
    /// [`Malformed::Compressed`] or [`Malformed::MessageTooLong`] once the prefix says so. The
    /// stream is then lost: every later call fails alike, and nothing is kept.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<Body>, Malformed> {
        if let State::Prefix { taken: 0, .. } = self.state
            && let Some((&prefix, rest)) = self.current.split_first_chunk::<GRPC_PREFIX_BYTES>()
        {
            let available = rest.len();
            let length = self.accept(prefix)?;
            if length <= available {
                self.current.advance(GRPC_PREFIX_BYTES);
                let body = Body::from(self.current.split_to(length));
                self.refill();
                return Ok(Some(body));
            }
        }
        self.pop_slow()
    }

    /// Bytes held of a message that is not complete yet.
    #[must_use]
    pub fn assembling_bytes(&self) -> usize {
        match &self.state {
            State::Prefix { taken, .. } => *taken,
            State::Message { pieces, run, .. } => pieces
                .len()
                .saturating_add(run.len())
                .saturating_add(GRPC_PREFIX_BYTES),
            State::Failed(_) => 0,
        }
    }

    /// All bytes held: the unfinished message and the chunks not cut yet.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let uncut = self.current.len().saturating_add(self.waiting_bytes);
        self.assembling_bytes().saturating_add(uncut)
    }

    /// A message that straddles chunks, or a prefix that does.
    fn pop_slow(&mut self) -> Result<Option<Body>, Malformed> {
        loop {
            match &mut self.state {
                State::Prefix { bytes, taken } => {
                    let free = bytes.get_mut(*taken..).unwrap_or_default();
                    let count = free.len().min(self.current.len());
                    for (to, from) in free.iter_mut().zip(self.current.iter()) {
                        *to = *from;
                    }
                    *taken = taken.saturating_add(count);
                    let (taken, prefix) = (*taken, *bytes);
                    self.current.advance(count);
                    self.refill();
                    if taken == GRPC_PREFIX_BYTES {
                        let missing = self.accept(prefix)?;
                        let (pieces, run) = (Body::new(), BytesMut::new());
                        self.state = State::Message {
                            missing,
                            pieces,
                            run,
                        };
                    }
                }
                State::Message {
                    missing,
                    pieces,
                    run,
                } => {
                    let piece = self.current.split_to(self.current.len().min(*missing));
                    *missing = missing.saturating_sub(piece.len());
                    let pinned_bytes = if *missing == 0 {
                        piece.len()
                    } else {
                        self.current_bytes
                    };
                    gather(piece, pinned_bytes, *missing, pieces, run);
                    if *missing == 0 {
                        if !run.is_empty() {
                            pieces.push(mem::take(run).freeze());
                        }
                        let body = mem::take(pieces);
                        self.state = START;
                        self.refill();
                        return Ok(Some(body));
                    }
                    self.refill();
                }
                State::Failed(fault) => return Err(*fault),
            }
            if self.current.is_empty() && !self.is_complete() {
                return Ok(None);
            }
        }
    }

    /// Whether the message being assembled needs no further chunk, as an empty one never does.
    const fn is_complete(&self) -> bool {
        matches!(self.state, State::Message { missing: 0, .. })
    }

    /// Judges a prefix and answers the length it announces.
    #[inline]
    fn accept(&mut self, prefix: [u8; GRPC_PREFIX_BYTES]) -> Result<usize, Malformed> {
        let [compressed, length @ ..] = prefix;
        let length = u32::from_be_bytes(length);
        let fault = if compressed != 0 {
            Malformed::Compressed
        } else if length > self.message_bytes_max {
            Malformed::MessageTooLong
        } else {
            return Ok(length as usize);
        };
        *self = Self::new(self.message_bytes_max);
        self.state = State::Failed(fault);
        Err(fault)
    }

    /// Goes to the next chunk when the current one is used up, and lets go of its memory.
    #[inline]
    fn refill(&mut self) {
        if self.current.is_empty() {
            self.current = self.waiting.pop_front().unwrap_or_default();
            self.current_bytes = self.current.len();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(self.current.len());
        }
    }
}

/// Adds a piece of a message that would keep `pinned_bytes` in memory: the first two by reference, so
/// that a message over two frames is not copied, and the later ones by reference if they are worth it.
///
/// A piece that would pin much more than itself while the rest of its message is awaited is copied
/// wherever it stands, so that a peer cannot make us hold more than we know of.
fn gather(
    piece: Bytes,
    pinned_bytes: usize,
    missing: usize,
    pieces: &mut Body,
    run: &mut BytesMut,
) {
    let is_short = piece.len() < PIECE_BYTES_MIN;
    let is_later = !run.is_empty() || pieces.chunks().nth(1).is_some();
    let is_sparse = piece.len().saturating_mul(PINNED_TIMES_MAX) < pinned_bytes;
    if is_sparse || (is_short && is_later) {
        if run.is_empty() {
            // The rest is likely to follow it here.
            let rest = missing.min(PIECE_BYTES_MIN);
            run.reserve(piece.len().saturating_add(rest));
        }
        run.extend_from_slice(&piece);
        return;
    }
    if !run.is_empty() {
        pieces.push(mem::take(run).freeze());
    }
    pieces.push(piece);
}

/// How a stream ends. The numbers are gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The ordinary end, also of a drain and of a failed negotiation. WIRE §10.
    Ok = 0,
    /// The caller gave up.
    Cancelled = 1,
    /// Nobody knows why.
    Unknown = 2,
    /// The request makes no sense.
    InvalidArgument = 3,
    /// Too late.
    DeadlineExceeded = 4,
    /// No such thing.
    NotFound = 5,
    /// There already.
    AlreadyExists = 6,
    /// A peer was rejected; published clients never come back after it. WIRE §4.6.
    PermissionDenied = 7,
    /// A limit was reached.
    ResourceExhausted = 8,
    /// Not in this state.
    FailedPrecondition = 9,
    /// Given up for the sake of another.
    Aborted = 10,
    /// Past a bound.
    OutOfRange = 11,
    /// Unknown service, method or encoding. WIRE §1.2.
    Unimplemented = 12,
    /// Our own fault.
    Internal = 13,
    /// Not now. WIRE §10.
    Unavailable = 14,
    /// Bytes were lost.
    DataLoss = 15,
    /// No or wrong credentials.
    Unauthenticated = 16,
}

impl Status {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "0"),
        (Self::Cancelled, "1"),
        (Self::Unknown, "2"),
        (Self::InvalidArgument, "3"),
        (Self::DeadlineExceeded, "4"),
        (Self::NotFound, "5"),
        (Self::AlreadyExists, "6"),
        (Self::PermissionDenied, "7"),
        (Self::ResourceExhausted, "8"),
        (Self::FailedPrecondition, "9"),
        (Self::Aborted, "10"),
        (Self::OutOfRange, "11"),
        (Self::Unimplemented, "12"),
        (Self::Internal, "13"),
        (Self::Unavailable, "14"),
        (Self::DataLoss, "15"),
        (Self::Unauthenticated, "16"),
    ];

    /// The value of the `grpc-status` trailer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("2", |(_, text)| text)
    }

    /// Reads a `grpc-status` trailer; a number gRPC does not know is [`Status::Unknown`].
    #[must_use]
    pub fn from_trailer(value: &[u8]) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|(_, text)| text.as_bytes() == value);
        found.map_or(Self::Unknown, |(status, _)| status)
    }
}

#[cfg(test)]
mod tests;
