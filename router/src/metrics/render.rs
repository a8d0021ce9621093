//! Prometheus text, version 0.0.4, from the reports of all shards.
//!
//! What enters: a [`Scrape`], already copied out of the shards. What leaves: one page, in the order
//! of [`names::ALL`].

use std::time::Duration;

use slipring_core::{Account, CLASSES, CloseReason, DropReason, MessageKind, RefuseReason};

use super::{
    Histogram, ShardReport,
    exposition::{Page, Seconds},
    names,
};
use crate::io::mailbox::RibView;

/// What one scrape tells.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The values of the labels of `slipring_build_info`, in the order of the labels.
    pub build: [&'a str; 4],
    /// Time since the admin surface came up.
    pub uptime: Duration,
    /// Whether new connections are welcome.
    pub is_ready: bool,
    /// One report per shard that answered.
    pub shards: &'a [ShardReport],
    /// The numbers of the RIB; `None` when the control shard has ended.
    pub rib: Option<RibView>,
    /// Resident memory of the process, where the kernel tells it.
    pub resident_bytes: Option<u64>,
}

impl Scrape<'_> {
    /// The page.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = Page::default();
        self.node(&mut page);
        self.links(&mut page);
        self.messages(&mut page);
        self.queues(&mut page);
        self.tables(&mut page);
        self.time_and_memory(&mut page);
        page.into_text()
    }

    fn node(&self, page: &mut Page) {
        let labels: Vec<_> = names::BUILD_INFO
            .labels
            .iter()
            .copied()
            .zip(self.build)
            .collect();
        page.family(&names::BUILD_INFO);
        page.sample(&names::BUILD_INFO, "", &labels, 1);
        page.only(&names::UPTIME_SECONDS, Seconds(self.uptime.as_nanos()));
        page.only(&names::READY, u8::from(self.is_ready));
        page.only(&names::SHARDS, self.shards.len());
        page.per_shard(&names::PRESSURE, self.shards, |shard| shard.core.pressure);
    }

    fn links(&self, page: &mut Page) {
        let classes = CLASSES.iter().enumerate().map(|(place, (_, label))| {
            let links =
                |shard: &ShardReport| shard.core.links.get(place).map_or(0, |n| u64::from(*n));
            (*label, self.sum(links))
        });
        page.labelled(&names::LINKS, classes);
        page.per_shard(&names::SHARD_LINKS, self.shards, |shard| {
            shard
                .core
                .links
                .iter()
                .fold(0_u64, |sum, links| sum.saturating_add(u64::from(*links)))
        });
        let negotiating = self.sum(|shard| u64::from(shard.core.links_unfinished));
        page.only(&names::LINKS_NEGOTIATING, negotiating);
        page.only(
            &names::TRANSPORTS,
            self.sum(|shard| u64::from(shard.shell.transports)),
        );
        let unfinished = self.sum(|shard| u64::from(shard.shell.unfinished));
        page.only(&names::SOCKETS_UNFINISHED, unfinished);
        page.only(
            &names::LINKS_OPENED_TOTAL,
            self.sum(|shard| shard.core.counters.links_opened),
        );
        let closed = CloseReason::ALL.iter().map(|reason| {
            (
                reason.label(),
                self.sum(|shard| shard.core.counters.closed.at(reason.index())),
            )
        });
        page.labelled(&names::LINKS_CLOSED_TOTAL, closed);
        let refused = RefuseReason::ALL.iter().map(|reason| {
            (
                reason.label(),
                self.sum(|shard| shard.core.counters.refused.at(reason.index())),
            )
        });
        page.labelled(&names::REFUSED_TOTAL, refused);
        page.histogram(
            &names::NEGOTIATION_SECONDS,
            &self.merged(|shard| &shard.shell.negotiation),
        );
        page.histogram(
            &names::TLS_HANDSHAKE_SECONDS,
            &self.merged(|shard| &shard.shell.tls_handshake),
        );
    }

    fn messages(&self, page: &mut Page) {
        let count = |read: fn(&ShardReport, usize) -> u64| {
            MessageKind::ALL
                .iter()
                .map(move |kind| (kind.label(), self.sum(|shard| read(shard, kind.index()))))
        };
        let messages_in = count(|shard, kind| shard.core.counters.messages_in.at(kind));
        page.labelled(&names::MESSAGES_IN_TOTAL, messages_in);
        let messages_out = count(|shard, kind| shard.core.counters.messages_out.at(kind));
        page.labelled(&names::MESSAGES_OUT_TOTAL, messages_out);
        page.only(
            &names::BYTES_IN_TOTAL,
            self.sum(|shard| shard.core.counters.bytes_in),
        );
        page.only(
            &names::BYTES_OUT_TOTAL,
            self.sum(|shard| shard.core.counters.bytes_out),
        );
        page.only(
            &names::MESSAGES_ROUTED_TOTAL,
            self.sum(|shard| shard.core.counters.routed),
        );
        page.only(
            &names::REQUESTS_TOTAL,
            self.sum(|shard| shard.core.counters.requests),
        );
        page.only(
            &names::DELIVERIES_TOTAL,
            self.sum(|shard| shard.core.counters.deliveries),
        );
        let dropped = DropReason::ALL.iter().map(|reason| {
            let both = |shard: &ShardReport| {
                let counters = &shard.core.counters;
                let lost_in = counters.dropped_in.at(reason.index());
                lost_in.saturating_add(counters.dropped_out.at(reason.index()))
            };
            (reason.label(), self.sum(both))
        });
        page.labelled(&names::MESSAGES_DROPPED_TOTAL, dropped);
        let dropped_out = self.sum(|shard| shard.core.counters.dropped_out.sum());
        page.only(&names::DELIVERIES_DROPPED_TOTAL, dropped_out);
    }

    fn queues(&self, page: &mut Page) {
        page.only(
            &names::HANDOFFS_TOTAL,
            self.sum(|shard| shard.core.counters.handoffs),
        );
        page.only(
            &names::MESH_MESSAGES,
            self.sum(|shard| shard.shell.mesh_waiting),
        );
        page.only(
            &names::MESH_HOLDS_TOTAL,
            self.sum(|shard| shard.shell.mesh_holds),
        );
        page.only(
            &names::EGRESS_BYTES,
            self.sum(|shard| shard.core.egress_bytes),
        );
        page.only(
            &names::EGRESS_MESSAGES,
            self.sum(|shard| shard.core.egress_messages),
        );
        let oldest = self
            .shards
            .iter()
            .map(|shard| shard.core.egress_oldest)
            .max();
        let oldest = oldest.unwrap_or_default();
        page.only(&names::EGRESS_OLDEST_SECONDS, Seconds(oldest.as_nanos()));
        page.only(&names::MESSAGES_HELD, self.sum(|shard| shard.core.held));
        page.only(
            &names::STALLS_TOTAL,
            self.sum(|shard| shard.core.counters.stalls),
        );
    }

    fn tables(&self, page: &mut Page) {
        if let Some(rib) = self.rib {
            page.only(&names::NAMES, rib.names);
            page.only(&names::SUBSCRIPTIONS, rib.subscriptions);
        }
        page.per_shard(&names::FIB_ENTRIES, self.shards, |shard| {
            shard.core.fib_entries
        });
        page.per_shard(&names::FIB_DELTAS_TOTAL, self.shards, |shard| {
            shard.core.counters.fib_deltas
        });
        page.histogram(
            &names::FIB_APPLY_SECONDS,
            &self.merged(|shard| &shard.shell.fib_apply),
        );
        let headers = self.sum(|shard| shard.core.counters.flow_hits);
        let names_known = self.sum(|shard| shard.core.counters.names_hits);
        let hits = [("header", headers), ("names", names_known)];
        page.labelled(&names::FLOW_HITS_TOTAL, hits);
    }

    fn time_and_memory(&self, page: &mut Page) {
        page.histogram(
            &names::TURN_SECONDS,
            &self.merged(|shard| &shard.shell.turn),
        );
        page.per_shard(&names::SHARD_BUSY_SECONDS_TOTAL, self.shards, |shard| {
            Seconds(u128::from(shard.shell.turn.sum_nanos()))
        });
        page.family(&names::MEMORY_BYTES);
        // The links account counts links, not bytes; `slipring_links` shows them.
        for account in Account::ALL
            .iter()
            .filter(|account| **account != Account::Links)
        {
            let charged = self.sum(|shard| {
                shard
                    .core
                    .accounts
                    .get(account.index())
                    .copied()
                    .unwrap_or_default()
            });
            page.sample(
                &names::MEMORY_BYTES,
                "",
                &[("account", account.label())],
                charged,
            );
        }
        if let Some(bytes) = self.resident_bytes {
            page.sample(&names::MEMORY_BYTES, "", &[("account", "resident")], bytes);
        }
    }

    fn sum(&self, read: impl Fn(&ShardReport) -> u64) -> u64 {
        self.shards
            .iter()
            .fold(0, |sum, shard| sum.saturating_add(read(shard)))
    }

    fn merged(&self, read: impl Fn(&ShardReport) -> &Histogram) -> Histogram {
        let mut all = Histogram::default();
        for shard in self.shards {
            all.merge(read(shard));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_shards_still_shows_every_name() {
        let rib = RibView {
            names: 0,
            subscriptions: 0,
            seq: 0,
            committed: 0,
            digest: 0,
        };
        let scrape = Scrape {
            build: ["1.0\"\\\n", "c", "s", "epoll"],
            uptime: Duration::from_millis(1_500),
            is_ready: true,
            shards: &[],
            rib: Some(rib),
            resident_bytes: None,
        };
        let text = scrape.text();
        for metric in names::ALL {
            let line = format!("# TYPE {} {}\n", metric.name, metric.kind.word());
            assert_eq!(text.matches(&line).count(), 1, "{}", metric.name);
        }
        assert!(text.contains(r#"version="1.0\"\\\n",commit="c""#));
        assert!(text.contains("slipring_uptime_seconds 1.5\n"));
        assert!(text.contains("slipring_turn_seconds_bucket{le=\"+Inf\"} 0\n"));
    }
}
