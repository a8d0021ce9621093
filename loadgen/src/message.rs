//! Messages ready to be sent: everything but the probe made beforehand.
//!
//! A publisher copies a finished message of the size wanted and writes into the copy what differs:
//! the probe, with fresh identities the identity and its tag. In streams of tokens every burst is a
//! session of its own, so the finished messages are made anew when one begins.

use bytes::BytesMut;
use slipring_proto::message::SealedHeader;
use slipring_proto::name::TextName;

use crate::identity::{Identity, Pool};
use crate::plan::Plan;
use crate::probe::Probe;
use crate::sizes::Sizes;
use crate::target::slim::finished;
use crate::target::{LinkError, Sender, Template};

/// What a publisher sends.
#[derive(Debug)]
pub(crate) struct Messages {
    sizes: Sizes,
    seed: u64,
    /// One per size.
    ready: Vec<Template>,
    pool: Option<Pool>,
    bursts: Option<Bursts>,
}

/// Sessions that follow one another.
#[derive(Debug)]
struct Bursts {
    /// Messages per session.
    tokens: u64,
    /// What all of them carry.
    header: SealedHeader,
}

impl Messages {
    /// Makes the messages of flow `flow`, and signs all headers it will need.
    ///
    /// # Errors
    /// The link is over, or a message is longer than the target takes.
    pub(crate) fn new<S: Sender>(
        sender: &S,
        plan: &Plan,
        destination: &TextName,
        fanout: u32,
        flow: u32,
    ) -> Result<Self, LinkError> {
        let template = |bytes| sender.template(destination, fanout, &filler(bytes));
        let ready = plan.sizes.bytes().map(template).collect::<Result<_, _>>()?;
        let mut messages = Self {
            sizes: plan.sizes.clone(),
            seed: plan.seed,
            ready,
            pool: None,
            bursts: None,
        };
        // What follows only a SLIM node knows; the plan is refused for the others.
        let Some(sender) = sender.slim() else {
            return Ok(messages);
        };
        if let Identity::Fresh { headers, .. } = plan.identity {
            let header = sender.header(destination, fanout)?;
            let seed = plan.seed.wrapping_add(u64::from(flow) << 32);
            let pool = Pool::sign(header.as_bytes(), sender.terms(), seed, headers);
            messages.pool = Some(pool.map_err(slipring_sdk::error::Error::from)?);
        }
        if let Some(stream) = plan.stream {
            messages.bursts = Some(Bursts {
                tokens: stream.tokens,
                header: sender.header(destination, fanout)?,
            });
        }
        Ok(messages)
    }

    /// Makes the finished messages of the burst that begins with this message, if one does.
    fn begin_burst(&mut self, probe: &Probe) -> Result<(), LinkError> {
        if let Some(Bursts { tokens, header }) = &self.bursts
            && probe.sequence.is_multiple_of(*tokens)
        {
            let session = session_id(probe.flow, probe.sequence / tokens);
            for (ready, bytes) in self.ready.iter_mut().zip(self.sizes.bytes()) {
                *ready = finished(header, session, &filler(bytes))?;
            }
        }
        Ok(())
    }

    /// Appends the message that `probe` describes.
    ///
    /// # Errors
    /// A message is longer than the target takes, which the plan rules out.
    #[inline]
    pub(crate) fn put(&mut self, probe: &Probe, out: &mut BytesMut) -> Result<(), LinkError> {
        self.begin_burst(probe)?;
        let at = self.sizes.choose(self.seed, probe.flow, probe.sequence);
        let ready = &self.ready[at];
        let start = out.len();
        out.extend_from_slice(&ready.bytes);
        let message = &mut out[start..];
        if let Some(pool) = &self.pool {
            pool.put(probe.sequence, &mut message[ready.header_at..]);
        }
        probe.write(&mut message[ready.payload.clone()]);
        Ok(())
    }

    /// Mean length of a message.
    pub(crate) fn mean_bytes(&self) -> usize {
        let total: usize = self.ready.iter().map(|ready| ready.bytes.len()).sum();
        let each: usize = self.ready.iter().map(|ready| ready.payload.len()).sum();
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

/// A payload that no probe has been written into.
fn filler(bytes: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(bytes).collect()
}
