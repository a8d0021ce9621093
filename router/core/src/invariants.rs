//! A sweep over everything the shard believes, for tests, simulation and fuzzing.

use slipring_proto::crypto::LinkCrypto;

use crate::{ledger::Account, links::Phase, reason::DropReason, shard::ShardCore};

/// What may pass the reserve: the negotiation's reply, and the acknowledgement that fills it.
const RESERVE_MARGIN_BYTES: u32 = 4_096;

impl<C: LinkCrypto> ShardCore<C> {
    /// Checks every invariant that can be seen from inside one shard.
    ///
    /// # Errors
    ///
    /// The first that does not hold, in words.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let (mut egress, mut assembly, mut flows, mut queued) = (0_u64, 0_u64, 0_u64, 0_u64);
        for link in self.iter_links() {
            if !link.egress.is_consistent() {
                return Err("an egress queue does not hold what its books say");
            }
            egress = egress.saturating_add(link.debt(Account::Egress));
            queued = queued.saturating_add(u64::from(link.egress.messages()));
            assembly = assembly.saturating_add(link.debt(Account::Assembly));
            flows = flows.saturating_add(link.debt(Account::Flows));
            if link.held.is_some() && (link.pending == 0 || !link.is_paused) {
                return Err("a publish is held although nothing is pending");
            }
            if link.egress.messages() > self.limits.egress_node.messages_max {
                return Err("an egress queue holds more messages than it may");
            }
            let reserve_max = self
                .limits
                .reserve_bytes_max
                .saturating_add(RESERVE_MARGIN_BYTES);
            if link.egress.reserved_bytes() > reserve_max {
                return Err("acknowledgements wait without bound");
            }
            let is_negotiating = matches!(link.phase, Phase::Negotiating(_));
            if is_negotiating != self.unfinished.iter().any(|(id, _)| *id == link.id) {
                return Err("the list of unfinished links disagrees with the links");
            }
            if !link.egress.is_empty() && !link.is_watched {
                return Err("a queue waits and nobody watches it");
            }
        }
        for (account, sum) in [
            (Account::Egress, egress),
            (Account::Assembly, assembly),
            (Account::Flows, flows),
            (Account::Links, u64::from(self.links.count())),
        ] {
            if self.ledger.used(account) != sum {
                return Err("an account does not hold the sum of its links");
            }
        }
        if flows > self.ledger.bound(Account::Flows) {
            return Err("the flow cache is over its bound");
        }
        if egress
            > self
                .ledger
                .bound(Account::Egress)
                .saturating_add(self.reserve_bound())
        {
            return Err("the egress pool is over its bound");
        }
        self.check_counters(queued)
    }

    fn check_counters(&self, queued: u64) -> Result<(), &'static str> {
        let counters = &self.counters;
        if self.shards == 1 {
            let out = counters
                .messages_out
                .at(crate::counters::MessageKind::Publish.index());
            let settled = out
                .saturating_add(counters.dropped_out.sum())
                .saturating_add(queued);
            if counters.deliveries != settled {
                return Err("a delivery was neither sent, kept nor counted as lost");
            }
        }
        if counters.dropped_in.at(DropReason::EgressFull.index()) != 0 {
            return Err("a delivery was counted as a whole message");
        }
        Ok(())
    }

    /// Acknowledgements and replies may pass the pool's bound by their own, separate, allowance.
    fn reserve_bound(&self) -> u64 {
        u64::from(self.links.count()).saturating_mul(
            u64::from(self.limits.reserve_bytes_max).saturating_add(RESERVE_MARGIN_BYTES.into()),
        )
    }
}
