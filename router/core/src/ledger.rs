//! Memory accounts of one shard and the pressure that follows from them.
//!
//! Every byte that a peer can make the shard hold is charged to an account while it is held. The
//! fullest account that only peers can empty (waiting messages, unfinished messages) gives the pressure
//! level, 0 to 3; a level is left ten points below where it was entered, so that it does not flutter.
//! The other accounts end at their bound by refusing or by lending nothing more.
//!
//! Invariants:
//! 1. An account never goes below zero.
//! 2. Windows, links and flows never pass their bound, and no data message brings the egress pool past
//!    its own, not even the first message of an empty queue.
//! 3. What is there already, or must be, is charged even if there is no room for it. In the egress pool
//!    that is the router's own messages, bounded for each link by the reserve; in the assembly pool the
//!    message that has begun to arrive and the publish that is held, at most one of each for a link.

use crate::limits::Limits;

/// What memory is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// Bytes waiting in egress queues.
    Egress,
    /// Bytes of messages that have not arrived whole.
    Assembly,
    /// Receive window lent to peers beyond the idle window.
    Windows,
    /// Links, finished or not.
    Links,
    /// Cached headers, verified and signed.
    Flows,
}

impl Account {
    /// Every account, in the order of [`Self::index`].
    pub const ALL: &'static [Self] = &[
        Self::Egress,
        Self::Assembly,
        Self::Windows,
        Self::Links,
        Self::Flows,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Assembly => "assembly",
            Self::Windows => "windows",
            Self::Links => "links",
            Self::Flows => "flows",
        }
    }

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Percent of an account at which levels 1, 2 and 3 are entered.
const ENTER_PERCENT: [u64; 3] = [70, 85, 95];

/// How many points below its entry a level is left.
const LEAVE_POINTS: u64 = 10;

/// The accounts of one shard.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    used: [u64; Account::ALL.len()],
    bound: [u64; Account::ALL.len()],
    level: u8,
}

impl Ledger {
    /// Empty accounts with the bounds of `limits`.
    #[must_use]
    pub(crate) fn new(limits: &Limits) -> Self {
        let links = u64::from(limits.links_max);
        Self {
            used: [0; Account::ALL.len()],
            bound: [
                limits.egress_pool_bytes,
                limits.assembly_pool_bytes,
                limits.window_pool_bytes,
                links,
                limits.flow_pool_bytes,
            ],
            level: 0,
        }
    }

    /// What is charged to `account`, in bytes (links: count).
    #[must_use]
    pub(crate) fn used(&self, account: Account) -> u64 {
        self.used.get(account.index()).copied().unwrap_or(0)
    }

    /// The bound of `account`, in bytes (links: count).
    #[must_use]
    pub(crate) fn bound(&self, account: Account) -> u64 {
        self.bound.get(account.index()).copied().unwrap_or(0)
    }

    /// Whether `amount` more fits into `account`.
    #[must_use]
    pub(crate) fn fits(&self, account: Account, amount: u64) -> bool {
        self.used(account).saturating_add(amount) <= self.bound(account)
    }

    /// Charges `amount` to `account`, whether or not it fits (invariant 3).
    pub(crate) fn charge(&mut self, account: Account, amount: u64) {
        if let Some(used) = self.used.get_mut(account.index()) {
            *used = used.saturating_add(amount);
        }
    }

    /// Charges `amount` to `account` if it fits, and says whether it did.
    pub(crate) fn try_charge(&mut self, account: Account, amount: u64) -> bool {
        let fits = self.fits(account, amount);
        if fits {
            self.charge(account, amount);
        }
        fits
    }

    /// Gives `amount` back to `account`.
    pub(crate) fn release(&mut self, account: Account, amount: u64) {
        if let Some(used) = self.used.get_mut(account.index()) {
            debug_assert!(
                *used >= amount,
                "{} gives back more than it holds",
                account.label()
            );
            *used = used.saturating_sub(amount);
        }
    }

    /// The pressure level after looking at every account again. It depends on the level before, so
    /// whoever only watches asks for [`Self::pressure_seen`].
    pub(crate) fn pressure(&mut self) -> u8 {
        self.level = self.pressure_seen();
        self.level
    }

    /// What [`Self::pressure`] would say, without changing what it says later.
    #[must_use]
    pub(crate) fn pressure_seen(&self) -> u8 {
        let percent = self
            .percent(Account::Egress)
            .max(self.percent(Account::Assembly));
        level_after(self.level, percent)
    }

    /// Whether an account that only peers can empty is so full that links are shed, or would go on being
    /// shed: the level can be 3.
    #[must_use]
    pub(crate) fn is_short(&self, account: Account) -> bool {
        let [.., enter] = ENTER_PERCENT;
        self.percent(account) >= enter.saturating_sub(LEAVE_POINTS)
    }

    fn percent(&self, account: Account) -> u64 {
        let bound = self.bound(account).max(1);
        self.used(account)
            .saturating_mul(100)
            .checked_div(bound)
            .unwrap_or(0)
    }
}

/// The level that follows `level` when the fullest account stands at `percent`.
fn level_after(level: u8, percent: u64) -> u8 {
    let mut next = 0;
    for (step, enter) in (1_u8..).zip(ENTER_PERCENT) {
        let threshold = if level >= step {
            enter.saturating_sub(LEAVE_POINTS)
        } else {
            enter
        };
        if percent >= threshold {
            next = step;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_entered_at_their_mark_and_left_ten_points_below() {
        assert_eq!(level_after(0, 69), 0);
        assert_eq!(level_after(0, 70), 1);
        assert_eq!(level_after(1, 60), 1);
        assert_eq!(level_after(1, 59), 0);
        assert_eq!(level_after(0, 96), 3);
        assert_eq!(level_after(3, 85), 3);
        assert_eq!(level_after(3, 84), 2);
        assert_eq!(level_after(3, 10), 0);
    }

    #[test]
    fn an_account_refuses_what_does_not_fit() {
        let limits = Limits {
            assembly_pool_bytes: 100,
            ..Limits::default()
        };
        let mut ledger = Ledger::new(&limits);
        assert!(ledger.try_charge(Account::Assembly, 100));
        assert!(!ledger.try_charge(Account::Assembly, 1));
        assert_eq!(ledger.pressure(), 3);
        ledger.release(Account::Assembly, 100);
        assert_eq!(ledger.pressure(), 0);
    }
}
