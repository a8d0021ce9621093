//! Messages ready to be sent: everything but the probe made beforehand.
//!
//! A publisher copies a finished message of the size wanted and writes into the copy what differs:
//! the probe, with fresh identities the identity and its tag. In streams of tokens every burst is a
//! session of its own, so the finished messages are made anew when one begins.

use bytes::BytesMut;
use slipring_proto::generated::SessionHeader;
use slipring_proto::message::{PublishTail, SealedHeader};
use slipring_proto::name::TextName;
use slipring_sdk::LinkSender;
use slipring_sdk::error::Error;

use crate::identity::{Identity, Pool};
use crate::plan::Plan;
use crate::probe::Probe;
use crate::sizes::Sizes;

/// The session of publishers that have only one.
const SESSION: u32 = 7;

/// What a publisher sends.
#[derive(Debug)]
pub(crate) struct Messages {
    header: SealedHeader,
    sizes: Sizes,
    seed: u64,
    /// One per size.
    ready: Vec<Ready>,
    pool: Option<Pool>,
    /// Messages per session, if there are several sessions.
    tokens: Option<u64>,
}

/// A finished message whose last bytes are the payload.
#[derive(Debug)]
struct Ready {
    framed: BytesMut,
    header_at: usize,
    payload_bytes: usize,
}

impl Messages {
    /// Makes the messages of flow `flow`, and signs all headers it will need.
    ///
    /// # Errors
    /// [`Error::NotOpen`] when the link is over; [`Error::TooLong`].
    pub(crate) fn new(
        sender: &LinkSender,
        plan: &Plan,
        destination: &TextName,
        fanout: u32,
        flow: u32,
    ) -> Result<Self, Error> {
        let header = sender.header(destination, fanout)?;
        let pool = match plan.identity {
            Identity::Fresh { headers, .. } => {
                let seed = plan.seed.wrapping_add(u64::from(flow) << 32);
                let raw = header.as_bytes();
                Some(Pool::sign(raw, sender.terms(), seed, headers)?)
            }
            Identity::None | Identity::Static { .. } => None,
        };
        let mut messages = Self {
            header,
            sizes: plan.sizes.clone(),
            seed: plan.seed,
            ready: Vec::new(),
            pool,
            tokens: plan.stream.map(|stream| stream.tokens),
        };
        messages.begin_session(SESSION)?;
        Ok(messages)
    }

    /// Makes the finished messages of a session.
    fn begin_session(&mut self, session_id: u32) -> Result<(), Error> {
        let session = SessionHeader {
            session_type: 1,
            session_id,
            ..SessionHeader::default()
        };
        self.ready.clear();
        for payload_bytes in self.sizes.bytes() {
            let ready = Ready::new(&self.header, &session, payload_bytes)?;
            self.ready.push(ready);
        }
        Ok(())
    }

    /// Appends the message that `probe` describes.
    ///
    /// # Errors
    /// [`Error::TooLong`], which the plan rules out.
    #[inline]
    pub(crate) fn put(&mut self, probe: &Probe, out: &mut BytesMut) -> Result<(), Error> {
        if let Some(tokens) = self.tokens
            && probe.sequence.is_multiple_of(tokens)
        {
            self.begin_session(session_id(probe.flow, probe.sequence / tokens))?;
        }
        let at = self.sizes.choose(self.seed, probe.flow, probe.sequence);
        let ready = &self.ready[at];
        let start = out.len();
        out.extend_from_slice(&ready.framed);
        if let Some(pool) = &self.pool {
            pool.put(probe.sequence, &mut out[start + ready.header_at..]);
        }
        let payload_at = out.len() - ready.payload_bytes;
        probe.write(&mut out[payload_at..]);
        Ok(())
    }

    /// Mean length of a message.
    pub(crate) fn mean_bytes(&self) -> usize {
        let total: usize = self.ready.iter().map(|ready| ready.framed.len()).sum();
        let each: usize = self.ready.iter().map(|ready| ready.payload_bytes).sum();
        let overhead = (total - each) / self.ready.len().max(1);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of sizes below four MiB"
        )]
        let payload = self.sizes.mean_bytes() as usize;
        overhead + payload
    }

    /// The identities made beforehand.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }
}

/// The id of a burst's session: never that of another burst of the run, for as long as 32 bits
/// allow, and always encoded in five bytes, as nearly all random ones are.
fn session_id(flow: u32, burst: u64) -> u32 {
    let burst = u32::try_from(burst % (1 << 20)).unwrap_or(0);
    (1 << 31) | ((flow % (1 << 11)) << 20) | burst
}

impl Ready {
    fn new(
        header: &SealedHeader,
        session: &SessionHeader,
        payload_bytes: usize,
    ) -> Result<Self, Error> {
        let filler: Vec<u8> = (0..=u8::MAX).cycle().take(payload_bytes).collect();
        let tail = PublishTail::new(session).app_payload("", &filler);
        let mut framed = BytesMut::new();
        let bytes = tail.inner().len();
        let too_long = |_| Error::TooLong {
            bytes,
            bytes_max: 4 << 20,
        };
        header
            .put_publish(tail.inner(), tail.outer(), &mut framed)
            .map_err(too_long)?;
        let behind = header.as_bytes().len() + tail.inner().len() + tail.outer().len();
        Ok(Self {
            header_at: framed.len() - behind,
            framed,
            payload_bytes,
        })
    }
}
