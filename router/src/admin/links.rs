//! `/links`: who is there, and who is slow.

use slipring_core::{CLASSES, LinkView};

use super::table::{Table, short_bytes, short_count, short_span, visible};
use crate::json::{Object, push_list};

/// Rows of one page; what lies beyond is counted only.
const ROWS_MAX: usize = 10_000;

/// Characters shown of what a peer calls itself; a `node-` and a uuid fit.
const PEER_CHARS_MAX: usize = 41;

/// Links in the order they are shown: most waiting bytes first, then most drops, then most traffic.
pub(super) struct LinksPage<'a> {
    rows: Vec<&'a LinkView>,
    total: usize,
}

impl<'a> LinksPage<'a> {
    /// The first `top` links, or as many as fit.
    pub(super) fn new(links: &'a [LinkView], top: Option<usize>) -> Self {
        let mut rows: Vec<&LinkView> = links.iter().collect();
        rows.sort_by_key(|link| {
            let counters = &link.counters;
            let weight = (link.egress_bytes, counters.dropped, counters.bytes_out);
            (std::cmp::Reverse(weight), link.id)
        });
        rows.truncate(top.unwrap_or(ROWS_MAX).min(ROWS_MAX));
        Self {
            rows,
            total: links.len(),
        }
    }

    pub(super) fn text(&self) -> String {
        // What tells a slow link comes first, so that it survives a narrow terminal.
        let headings = [
            "LINK", "CLASS", "STATE", "WAITING", "MSGS", "OLDEST", "DROPPED", "NOTE", "PEER",
            "AGE", "IN", "OUT",
        ];
        let mut table = Table::new(&headings, &[0, 1, 2, 7, 8]);
        for link in &self.rows {
            table.row(vec![
                link.id.to_string(),
                class(link).to_owned(),
                link.phase.to_owned(),
                short_bytes(link.egress_bytes),
                short_count(u64::from(link.egress_messages)),
                short_span(link.egress_oldest),
                short_count(link.counters.dropped),
                note(link).to_owned(),
                visible(&link.node_id, PEER_CHARS_MAX),
                short_span(link.age),
                short_count(link.counters.messages_in),
                short_count(link.counters.messages_out),
            ]);
        }
        let mut text = table.text();
        text.push_str(&format!("{} of {} links\n", self.rows.len(), self.total));
        text
    }

    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        let mut page = Object::begin(&mut out);
        page.plain("total", self.total);
        page.nested("links", |out| {
            push_list(out, &self.rows, |out, link| push_link(out, link))
        });
        page.end();
        out.push('\n');
        out
    }
}

fn push_link(out: &mut String, link: &LinkView) {
    let counters = &link.counters;
    Object::begin(out)
        .text("link", &link.id.to_string())
        .text("class", class(link))
        .text("state", link.phase)
        .text("link_id", &link.link_id)
        .text("node_id", &link.node_id)
        .text("version", &link.version)
        .plain("age_ms", link.age.as_millis())
        .plain("egress_bytes", link.egress_bytes)
        .plain("egress_messages", link.egress_messages)
        .plain("egress_oldest_ms", link.egress_oldest.as_millis())
        .plain("stuck_ms", link.stuck.as_millis())
        .plain("messages_in", counters.messages_in)
        .plain("messages_out", counters.messages_out)
        .plain("bytes_in", counters.bytes_in)
        .plain("bytes_out", counters.bytes_out)
        .plain("dropped", counters.dropped)
        .plain("is_congested", link.is_congested)
        .plain("is_paused", link.is_paused)
        .end();
}

/// The class, which a link does not have before negotiation.
fn class(link: &LinkView) -> &'static str {
    let named = CLASSES.iter().find(|(class, _)| *class == link.class);
    named
        .filter(|_| link.phase != "negotiating")
        .map_or("-", |(_, label)| label)
}

/// `slow` reads too little, `held` sends to links that do.
fn note(link: &LinkView) -> &'static str {
    match (link.is_congested, link.is_paused) {
        (true, true) => "slow,held",
        (true, false) => "slow",
        (false, true) => "held",
        (false, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use slipring_core::LinkCounters;
    use slipring_fib::{LinkClass, LinkId};

    use super::*;

    fn link(slot: u32, waiting: u64, dropped: u64) -> LinkView {
        LinkView {
            id: LinkId::new(0, slot, 1),
            class: LinkClass::Edge,
            phase: "open",
            link_id: "5e9f".into(),
            node_id: format!("node-{slot}\u{1b}[31m\""),
            version: "3.4.6".into(),
            age: Duration::from_secs(61),
            counters: LinkCounters {
                dropped,
                ..LinkCounters::default()
            },
            egress_bytes: waiting,
            egress_messages: 3,
            egress_oldest: Duration::from_millis(1_500),
            stuck: Duration::from_millis(700),
            is_congested: waiting > 1_000,
            is_paused: false,
        }
    }

    #[test]
    fn the_slowest_stands_first() {
        let links = [
            link(1, 0, 0),
            link(2, 5_000, 0),
            link(3, 0, 9),
            link(4, 70_000, 0),
        ];
        let text = LinksPage::new(&links, None).text();
        let order: Vec<&str> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(order, ["s0/4#1", "s0/2#1", "s0/3#1", "s0/1#1", "4"]);
        let slowest = text.lines().nth(1).unwrap();
        assert!(
            slowest.contains("68.3KiB") && slowest.contains("slow"),
            "{slowest}"
        );
    }

    #[test]
    fn top_shows_that_many_and_says_of_how_many() {
        let links: Vec<_> = (0..9).map(|slot| link(slot, 0, 0)).collect();
        let text = LinksPage::new(&links, Some(2)).text();
        assert_eq!(text.lines().count(), 4);
        assert!(text.ends_with("2 of 9 links\n"));
        assert_eq!(
            LinksPage::new(&links, Some(0)).json(),
            "{\"total\":9,\"links\":[]}\n"
        );
    }

    #[test]
    fn a_peer_cannot_write_more_than_its_name() {
        let links = [link(1, 0, 0)];
        let page = LinksPage::new(&links, None);
        assert!(!page.text().contains('\u{1b}'));
        assert!(
            page.json().contains(r#""node_id":"node-1\u001b[31m\"""#),
            "{}",
            page.json()
        );
    }
}
