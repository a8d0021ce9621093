//! The RIB's records: links, names, prefixes, and who holds what.
//!
//! A *member* is a (name, link) pair with at least one subscription. Nearly all have exactly one, so
//! the first subscription id is kept in the member and only further ones in rows of their own. The
//! members of a link form a list, so that losing the link never looks at another's.
//!
//! Invariants:
//!
//! 1. A name is here while it has a member, a prefix while it has a name, a link while it has a
//!    member.
//! 2. Every row of a slab has exactly one pointer in the slab's index.

use slipring_proto::name::{Name, Prefix};

use super::row::{AgainRow, END, LinkRow, MemberRow, NameRow, PrefixSlot};
use crate::rows::{ROWS_MAX, Rows};
use crate::seeded::{Seeded, name_of, words};
use crate::segments::Segments;
use crate::{LinkClass, LinkId, Route};

/// Every record, in rows and the indexes over them.
#[derive(Debug)]
pub(super) struct Records {
    seeded: Seeded,
    prefixes: Segments<PrefixSlot>,
    names: Rows<NameRow>,
    links: Rows<LinkRow>,
    members: Rows<MemberRow>,
    again: Rows<AgainRow>,
}

/// What the removal of one subscription left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The link has other subscriptions to the name.
    Remains,
    /// It was the link's last one to the name.
    Gone {
        /// The link's class.
        class: LinkClass,
    },
}

impl Records {
    pub(super) fn new(seeded: Seeded) -> Self {
        Self {
            seeded,
            prefixes: Segments::new(),
            names: Rows::new(),
            links: Rows::new(),
            members: Rows::new(),
            again: Rows::new(),
        }
    }

    pub(super) const fn names(&self) -> usize {
        self.names.len()
    }

    pub(super) const fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) const fn subscriptions(&self) -> usize {
        self.members().saturating_add(self.again.len())
    }

    pub(super) fn subscriptions_of(&self, link: LinkId) -> usize {
        let row = self.link(link).and_then(|link| self.links.row(link));
        row.map_or(0, |row| row.subscriptions as usize)
    }

    /// Whether the row numbers are used up, so that nothing may be added.
    pub(super) const fn is_full(&self) -> bool {
        self.subscriptions() >= ROWS_MAX
    }

    pub(super) fn knows_prefix(&self, prefix: &Prefix) -> bool {
        self.prefixes
            .find(self.seeded.prefix(prefix), |slot| slot.prefix == *prefix)
            .is_some()
    }

    pub(super) fn knows_name(&self, name: &Name) -> bool {
        self.name(name).is_some()
    }

    /// The member for a link and a name.
    pub(super) fn member(&self, link: LinkId, name: &Name) -> Option<u32> {
        let link = self.link(link)?;
        let name = self.name(name)?;
        let hash = self.seeded.pair(name, u64::from(link));
        self.members
            .find(hash, |row| row.name == name && row.link == link)
    }

    /// One of a link's members, while it has any.
    pub(super) fn any_member(&self, link: LinkId) -> Option<u32> {
        let row = self.links.row(self.link(link)?)?;
        (row.head != END).then_some(row.head)
    }

    /// Whether a member has a subscription with the id.
    pub(super) fn has(&self, member: u32, subscription_id: u64) -> bool {
        let row = self.members.row(member);
        row.is_some_and(|row| row.subscription_id == subscription_id)
            || self.find_again(member, subscription_id).is_some()
    }

    /// Every (name, link) pair.
    pub(super) fn routes(&self) -> impl Iterator<Item = Route> {
        self.members.iter().filter_map(|member| {
            let name = self.names.row(member.name)?;
            let link = self.links.row(member.link)?;
            Some(Route {
                name: name_of(name.words),
                link: link.link,
                class: link.class,
            })
        })
    }

    /// Adds the first subscription of a link to a name. Returns the link's class.
    pub(super) fn add_first(
        &mut self,
        link: LinkId,
        class: LinkClass,
        subscription_id: u64,
        name: &Name,
    ) -> LinkClass {
        let name_row = self.name(name).unwrap_or_else(|| self.add_name(name));
        let link_row = self
            .link(link)
            .unwrap_or_else(|| self.add_link(link, class));
        let mut class = class;
        let mut head = END;
        let member = self.members.next_row();
        if let Some(row) = self.names.row_mut(name_row) {
            row.members = row.members.saturating_add(1);
        }
        if let Some(row) = self.links.row_mut(link_row) {
            row.subscriptions = row.subscriptions.saturating_add(1);
            class = row.class;
            head = core::mem::replace(&mut row.head, member);
        }
        if let Some(row) = self.members.row_mut(head) {
            row.before = member;
        }
        let row = MemberRow {
            subscription_id,
            name: name_row,
            link: link_row,
            before: END,
            after: head,
            again: END,
        };
        let hash = self.seeded.pair(name_row, u64::from(link_row));
        self.members.insert(hash, row, &self.seeded);
        class
    }

    /// Adds a further subscription of a member.
    pub(super) fn add_again(&mut self, member: u32, subscription_id: u64) {
        let again = self.again.next_row();
        let Some(row) = self.members.row_mut(member) else {
            return;
        };
        let head = core::mem::replace(&mut row.again, again);
        if let Some(link) = self.links.row_mut(row.link) {
            link.subscriptions = link.subscriptions.saturating_add(1);
        }
        if let Some(head) = self.again.row_mut(head) {
            head.before = again;
        }
        let row = AgainRow {
            subscription_id,
            member,
            before: END,
            after: head,
        };
        self.again
            .insert(self.seeded.pair(member, subscription_id), row, &self.seeded);
    }

    /// Removes one subscription of a member, which must have it.
    pub(super) fn remove(&mut self, member: u32, subscription_id: u64) -> Outcome {
        if let Some(again) = self.find_again(member, subscription_id) {
            self.remove_again(again);
            return Outcome::Remains;
        }
        let head = self.members.row(member).map_or(END, |row| row.again);
        let Some(again) = self.remove_again(head) else {
            return match self.remove_member(member) {
                Some((_, class)) => Outcome::Gone { class },
                None => Outcome::Remains,
            };
        };
        // The member's own place is filled by one of the further subscriptions.
        if let Some(row) = self.members.row_mut(member) {
            row.subscription_id = again.subscription_id;
        }
        Outcome::Remains
    }

    /// Removes a member with all its subscriptions. Returns what it was.
    pub(super) fn remove_all(&mut self, member: u32) -> Option<(Name, LinkClass)> {
        while let Some(again) = self.members.row(member).map(|row| row.again) {
            if self.remove_again(again).is_none() {
                break;
            }
        }
        self.remove_member(member)
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        self.prefixes
            .memory_bytes()
            .saturating_add(self.names.memory_bytes())
            .saturating_add(self.links.memory_bytes())
            .saturating_add(self.members.memory_bytes())
            .saturating_add(self.again.memory_bytes())
    }

    fn name(&self, name: &Name) -> Option<u32> {
        let words = words(name);
        self.names
            .find(self.seeded.name(name), |row| row.words == words)
    }

    fn link(&self, link: LinkId) -> Option<u32> {
        self.links
            .find(self.seeded.link(link), |row| row.link == link)
    }

    fn find_again(&self, member: u32, subscription_id: u64) -> Option<u32> {
        let hash = self.seeded.pair(member, subscription_id);
        let is_it = |row: &AgainRow| row.member == member && row.subscription_id == subscription_id;
        self.again.find(hash, is_it)
    }

    fn add_name(&mut self, name: &Name) -> u32 {
        let hash = self.seeded.prefix(&name.prefix);
        if let Some(slot) = self
            .prefixes
            .find_mut(hash, |slot| slot.prefix == name.prefix)
        {
            slot.names = slot.names.saturating_add(1);
        } else {
            let slot = PrefixSlot {
                prefix: name.prefix,
                names: 1,
            };
            self.prefixes.insert(hash, slot, &self.seeded);
        }
        let row = NameRow {
            words: words(name),
            members: 0,
        };
        self.names.insert(self.seeded.name(name), row, &self.seeded)
    }

    fn add_link(&mut self, link: LinkId, class: LinkClass) -> u32 {
        let row = LinkRow {
            link,
            class,
            subscriptions: 0,
            head: END,
        };
        self.links.insert(self.seeded.link(link), row, &self.seeded)
    }

    /// Removes a further subscription.
    fn remove_again(&mut self, again: u32) -> Option<AgainRow> {
        let row = self.again.row(again)?;
        let hash = self.seeded.pair(row.member, row.subscription_id);
        let row = self.again.remove(hash, again, &self.seeded)?;
        if let Some(after) = self.again.row_mut(row.after) {
            after.before = row.before;
        }
        if let Some(before) = self.again.row_mut(row.before) {
            before.after = row.after;
        } else if let Some(member) = self.members.row_mut(row.member) {
            member.again = row.after;
        }
        let link = self
            .members
            .row(row.member)
            .map_or(END, |member| member.link);
        self.release(link);
        Some(row)
    }

    /// Removes a member that has no further subscriptions, and what it alone kept here.
    fn remove_member(&mut self, member: u32) -> Option<(Name, LinkClass)> {
        let row = self.members.row(member)?;
        let hash = self.seeded.pair(row.name, u64::from(row.link));
        let row = self.members.remove(hash, member, &self.seeded)?;
        if let Some(after) = self.members.row_mut(row.after) {
            after.before = row.before;
        }
        if let Some(before) = self.members.row_mut(row.before) {
            before.after = row.after;
        } else if let Some(link) = self.links.row_mut(row.link) {
            link.head = row.after;
        }
        let class = self.links.row(row.link)?.class;
        self.release(row.link);
        let name_row = self.names.row_mut(row.name)?;
        let name = name_of(name_row.words);
        name_row.members = name_row.members.saturating_sub(1);
        if name_row.members == 0 {
            self.remove_name(row.name, &name);
        }
        Some((name, class))
    }

    fn remove_name(&mut self, row: u32, name: &Name) {
        self.names.remove(self.seeded.name(name), row, &self.seeded);
        let hash = self.seeded.prefix(&name.prefix);
        let is_it = |slot: &PrefixSlot| slot.prefix == name.prefix;
        let Some(slot) = self.prefixes.find_mut(hash, is_it) else {
            return;
        };
        if slot.names > 1 {
            slot.names = slot.names.saturating_sub(1);
        } else {
            self.prefixes.remove(hash, is_it, &self.seeded);
        }
    }

    /// Counts one subscription of a link less, and forgets the link after its last.
    fn release(&mut self, link: u32) {
        let Some(row) = self.links.row_mut(link) else {
            return;
        };
        row.subscriptions = row.subscriptions.saturating_sub(1);
        if row.subscriptions == 0 {
            let hash = self.seeded.link(row.link);
            self.links.remove(hash, link, &self.seeded);
        }
    }
}
