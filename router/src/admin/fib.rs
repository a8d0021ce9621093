//! `/fib`: the truth and its replicas.

use slipring_core::ShardView;

use super::{ask::Reports, table::Table};
use crate::json::{Object, push_list};

/// The numbers of the RIB and of each replica.
pub(super) struct FibPage<'a> {
    reports: &'a Reports,
}

impl<'a> FibPage<'a> {
    pub(super) fn new(reports: &'a Reports) -> Self {
        Self { reports }
    }

    pub(super) fn text(&self) -> String {
        let headings = [
            "TABLE",
            "NAMES",
            "SUBSCRIPTIONS",
            "ENTRIES",
            "SEQ",
            "DIGEST",
            "STATE",
        ];
        let mut table = Table::new(&headings, &[0, 5, 6]);
        match self.reports.rib {
            Some(rib) => table.row(vec![
                "rib".to_owned(),
                rib.names.to_string(),
                rib.subscriptions.to_string(),
                "-".to_owned(),
                rib.seq.to_string(),
                format!("{:016x}", rib.digest),
                format!("committed {}", rib.committed),
            ]),
            None => table.row(vec!["rib".to_owned(), "gone".to_owned()]),
        }
        for report in &self.reports.shards {
            let shard = &report.core;
            table.row(vec![
                format!("fib s{}", shard.shard),
                "-".to_owned(),
                "-".to_owned(),
                shard.fib_entries.to_string(),
                shard.fib_seq.to_string(),
                format!("{:016x}", shard.fib_digest),
                self.state(shard),
            ]);
        }
        table.text()
    }

    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        let mut page = Object::begin(&mut out);
        page.nested("rib", |out| match self.reports.rib {
            Some(rib) => Object::begin(out)
                .plain("names", rib.names)
                .plain("subscriptions", rib.subscriptions)
                .plain("seq", rib.seq)
                .plain("committed", rib.committed)
                .text("digest", &format!("{:016x}", rib.digest))
                .end(),
            None => out.push_str("null"),
        });
        page.nested("shards", |out| {
            push_list(out, &self.reports.shards, |out, report| {
                let shard = &report.core;
                Object::begin(out)
                    .plain("shard", shard.shard)
                    .plain("entries", shard.fib_entries)
                    .plain("seq", shard.fib_seq)
                    .text("digest", &format!("{:016x}", shard.fib_digest))
                    .text("state", &self.state(shard))
                    .end();
            });
        });
        page.end();
        out.push('\n');
        out
    }

    /// How a replica compares: the digests can be held against each other at the same delta only.
    fn state(&self, shard: &ShardView) -> String {
        let Some(rib) = self.reports.rib else {
            return "unknown".to_owned();
        };
        match rib.seq.checked_sub(shard.fib_seq) {
            Some(0) if rib.digest == shard.fib_digest => "equal".to_owned(),
            Some(0) => "DIFFERS".to_owned(),
            Some(behind) => format!("behind by {behind}"),
            None => "ahead".to_owned(),
        }
    }
}
