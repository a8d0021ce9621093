//! One stream as a link: DATA frames in, messages to the core; batches from the core, DATA frames out.
//!
//! Both halves are polled by the task of their transport. Receive window goes back to the peer when the
//! messages of a frame have been taken, so that a link whose input is held stops its sender.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue};
use slipring_core::{CloseReason, Ending, Intake, Time};
use slipring_fib::LinkId;
use slipring_proto::{grpc::Deframer, limits::MESSAGE_BYTES_MAX, outgoing::Batch};

use super::{
    granted::{Granted, Taken},
    h2::SEND_BUFFER_BYTES_MAX,
    runtime::Runtime,
    shard::Shard,
    signal::Signal,
};

/// Bytes that one link may feed before the others of its shard get their turn.
const TURN_BYTES_MAX: usize = 256 << 10;

/// The same where there are several shards: news of a queue that fills up on another shard must come
/// before too much is on its way there.
const TURN_BYTES_MAX_MESHED: usize = 64 << 10;

/// What a poll of one half did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Something moved; polling again may move more.
    Progress,
    /// Nothing can move until a wake-up.
    Idle,
    /// The turn is over although more could move.
    Yield,
}

/// One link's stream.
pub struct LinkStream {
    id: LinkId,
    signal: Rc<Signal>,
    receive: Option<RecvStream>,
    send: SendStream<Granted>,
    taken: Taken,
    deframer: Deframer,
    /// Bytes received whose window has not been given back.
    unreleased: usize,
    is_paused: bool,
    received_bytes: u64,
    /// When the stream was opened, until its first message, which negotiates.
    opened_at: Option<Time>,
}

impl LinkStream {
    /// A link on a stream whose response headers have just been sent.
    #[must_use]
    pub fn new(
        id: LinkId,
        signal: Rc<Signal>,
        receive: RecvStream,
        send: SendStream<Granted>,
        opened_at: Time,
    ) -> Self {
        Self {
            id,
            signal,
            receive: Some(receive),
            send,
            taken: Taken::default(),
            deframer: Deframer::new(MESSAGE_BYTES_MAX),
            unreleased: 0,
            is_paused: false,
            received_bytes: 0,
            opened_at: Some(opened_at),
        }
    }

    /// The link.
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// Bytes received so far.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// What the core wants of the task.
    #[must_use]
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Feeds what has arrived to the core.
    pub fn poll_read<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) -> Polled {
        if self.signal.take_resume() {
            self.is_paused = false;
        }
        if self.is_paused || self.receive.is_none() {
            return Polled::Idle;
        }
        if shard.is_mesh_full() {
            shard.hold_for_mesh(Rc::clone(&self.signal));
            return Polled::Idle;
        }
        let polled = self.read_turn(shard, cx);
        shard.end_turn(self.id);
        polled
    }

    fn read_turn<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) -> Polled {
        let is_alone = shard.config().shards.get() == 1;
        let turn_bytes_max = if is_alone {
            TURN_BYTES_MAX
        } else {
            TURN_BYTES_MAX_MESHED
        };
        let mut fed_bytes = 0;
        let mut polled = Polled::Idle;
        loop {
            match self.deframer.pop() {
                Ok(Some(body)) => {
                    fed_bytes += body.len();
                    polled = Polled::Progress;
                    let intake = shard.feed(self.id, body);
                    if let Some(opened) = self.opened_at.take() {
                        shard.record_negotiation(opened, intake);
                    }
                    match intake {
                        Intake::Next if fed_bytes < turn_bytes_max => continue,
                        Intake::Next => return Polled::Yield,
                        Intake::Pause => self.is_paused = true,
                        Intake::Gone => self.discard(shard, cx),
                    }
                    return polled;
                }
                Ok(None) => {
                    if !self.release_window(shard) {
                        return polled;
                    }
                }
                Err(_) => {
                    // WIRE §1.2: too long, or compressed; neither can be skipped.
                    shard.end_link(self.id, CloseReason::Oversize);
                    self.receive = None;
                    return Polled::Progress;
                }
            }
            match self.poll_chunk(shard, cx) {
                Some(chunk) => {
                    self.unreleased += chunk.len();
                    self.received_bytes += chunk.len() as u64;
                    self.deframer.push(chunk);
                }
                None => return polled,
            }
        }
    }

    fn poll_chunk<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) -> Option<Bytes> {
        let receive = self.receive.as_mut()?;
        let ended = match receive.poll_data(cx) {
            Poll::Pending => return None,
            Poll::Ready(Some(Ok(chunk))) => return Some(chunk),
            // WIRE §1.2: half-closing the stream ends the link with status 0.
            Poll::Ready(None) => CloseReason::PeerEnded,
            Poll::Ready(Some(Err(error))) if error.is_reset() => CloseReason::PeerReset,
            Poll::Ready(Some(Err(_))) => CloseReason::TransportLost,
        };
        self.receive = None;
        shard.end_link(self.id, ended);
        None
    }

    /// Feeds everything that has arrived whole, although no more can come.
    pub fn read_last<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) {
        while self.poll_read(shard, cx) != Polled::Idle {}
    }

    /// Hands what arrived behind the end of the link to the core, which counts each message as lost.
    pub fn discard<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) {
        loop {
            while let Ok(Some(body)) = self.deframer.pop() {
                let _gone = shard.feed(self.id, body);
            }
            let Some(receive) = &mut self.receive else {
                return;
            };
            match receive.poll_data(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.deframer.push(chunk),
                Poll::Ready(_) | Poll::Pending => self.receive = None,
            }
        }
    }

    /// Gives window back for everything that was taken; false if it is withheld because the shard has
    /// no room for the rest of the message that is arriving.
    fn release_window<R: Runtime>(&mut self, shard: &Shard<R>) -> bool {
        if !shard.charge_assembly(self.id, self.deframer.assembling_bytes()) {
            shard.wait_for_room(Rc::clone(&self.signal));
            return false;
        }
        if self.unreleased > 0
            && let Some(receive) = &mut self.receive
        {
            // A stream that has ended meanwhile needs no window.
            drop(receive.flow_control().release_capacity(self.unreleased));
            self.unreleased = 0;
        }
        true
    }

    /// Sends what waits, as far as the peer has granted.
    pub fn poll_write<R: Runtime>(&mut self, shard: &Shard<R>, cx: &mut Context<'_>) -> Polled {
        let taken = self.taken.take();
        if taken > 0 {
            shard.note_sent(self.id, taken);
        }
        let mut polled = Polled::Idle;
        while let Some(waiting) = shard.waiting(self.id) {
            let wanted = usize::try_from(waiting)
                .unwrap_or(usize::MAX)
                .min(SEND_BUFFER_BYTES_MAX);
            self.send.reserve_capacity(wanted.max(1));
            let granted = match self.send.capacity() {
                0 => match self.send.poll_capacity(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(granted))) => granted,
                    Poll::Ready(_) => {
                        shard.end_link(self.id, CloseReason::PeerReset);
                        return Polled::Progress;
                    }
                },
                granted => granted,
            };
            if granted == 0 {
                continue;
            }
            let mut batch = Batch::new();
            shard.pull(self.id, granted, &mut batch);
            if batch.is_empty() {
                break;
            }
            let granted = Granted::new(batch, self.taken.clone());
            if self.send.send_data(granted, false).is_err() {
                shard.end_link(self.id, CloseReason::PeerReset);
                return Polled::Progress;
            }
            polled = Polled::Progress;
        }
        polled
    }

    /// Ends the stream as the core said. True if the transport must not outlive it.
    pub fn finish(&mut self, ending: &Ending) -> bool {
        match ending.reason {
            // Trailers would wait behind bytes that the peer does not take.
            CloseReason::SlowConsumer | CloseReason::Pressure | CloseReason::DrainDeadline => {
                self.send.send_reset(Reason::ENHANCE_YOUR_CALM);
                true
            }
            CloseReason::PeerReset | CloseReason::TransportLost => false,
            CloseReason::Drained
            | CloseReason::Malformed
            | CloseReason::NegotiationFailed
            | CloseReason::NegotiationTimeout
            | CloseReason::Oversize
            | CloseReason::PeeringUnconfigured
            | CloseReason::PeerEnded
            | CloseReason::Stopped
            | CloseReason::Undecodable => {
                // A stream that the peer has reset meanwhile takes no trailers and needs none.
                drop(self.send.send_trailers(trailers(ending)));
                ending.reason == CloseReason::Stopped
            }
        }
    }
}

/// The trailers that end a stream (WIRE §1.2).
fn trailers(ending: &Ending) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(
        "grpc-status",
        HeaderValue::from_static(ending.status.as_str()),
    );
    if !ending.message.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(ending.message));
    }
    trailers
}
