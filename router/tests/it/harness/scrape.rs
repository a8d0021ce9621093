//! The numbers of a router, taken from its admin surface as an operator would.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, Router, eventually, within};

/// One page of `/metrics`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape {
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), value.parse().unwrap())
            });
        Self {
            samples: samples.collect(),
        }
    }

    /// The value of one series; its name goes without the prefix `slipring_`.
    ///
    /// # Panics
    /// When there is no such series: a test that asks for a misspelt one must not pass.
    pub(crate) fn value(&self, series: &str) -> u64 {
        let value = self.samples.get(&format!("slipring_{series}"));
        whole(*value.unwrap_or_else(|| panic!("no series {series}")))
    }

    /// The value of one label of a metric that has one series.
    pub(crate) fn label(&self, metric: &str, label: &str) -> String {
        let name = format!("slipring_{metric}{{");
        let mut series = self
            .samples
            .keys()
            .filter(|series| series.starts_with(&name));
        let labels = series.next().unwrap();
        let value = labels.split_once(&format!("{label}=\"")).unwrap().1;
        value.split('"').next().unwrap().to_owned()
    }

    /// The sum of all series of a metric.
    pub(crate) fn sum(&self, metric: &str) -> u64 {
        let name = format!("slipring_{metric}");
        let of_metric = |series: &str| series.split('{').next() == Some(&name);
        let samples = self.samples.iter().filter(|(series, _)| of_metric(series));
        whole(samples.map(|(_, value)| value).sum())
    }

    /// Messages dropped for this reason.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.value(&format!("messages_dropped_total{{reason=\"{reason}\"}}"))
    }

    /// Links closed for this reason.
    pub(crate) fn closed(&self, reason: &str) -> u64 {
        self.value(&format!("links_closed_total{{reason=\"{reason}\"}}"))
    }

    /// Refusals for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.value(&format!("refused_total{{reason=\"{reason}\"}}"))
    }

    /// Messages of this kind that came in.
    pub(crate) fn messages_in(&self, kind: &str) -> u64 {
        self.value(&format!("messages_in_total{{kind=\"{kind}\"}}"))
    }

    /// Messages of this kind that went out.
    pub(crate) fn messages_out(&self, kind: &str) -> u64 {
        self.value(&format!("messages_out_total{{kind=\"{kind}\"}}"))
    }

    /// What the two sums of conservation lack, should they not balance: messages in against what
    /// became of them, deliveries planned against what became of those.
    pub(crate) fn imbalance(&self) -> Option<String> {
        let kinds = ["publish", "subscribe", "unsubscribe", "unknown"];
        let taken: u64 = kinds.map(|kind| self.messages_in(kind)).iter().sum();
        let lost_out = self.value("deliveries_dropped_total");
        let lost_in = self.sum("messages_dropped_total") - lost_out;
        let (routed, requests) = (
            self.value("messages_routed_total"),
            self.value("requests_total"),
        );
        let held = self.value("messages_held");
        let planned = self.value("deliveries_total");
        let (sent, queued) = (self.messages_out("publish"), self.value("egress_messages"));
        let crossing = self.value("mesh_messages");
        let came = taken == routed + requests + lost_in + held;
        let went = planned == sent + queued + crossing + lost_out;
        (!came || !went).then(|| {
            format!(
                "in {taken} = routed {routed} + requests {requests} + lost {lost_in} + held \
                 {held}; deliveries {planned} = sent {sent} + queued {queued} + crossing \
                 {crossing} + lost {lost_out}"
            )
        })
    }
}

fn whole(value: f64) -> u64 {
    assert!(
        value >= 0.0 && value.fract() == 0.0 && value < 9e15,
        "{value} is no count"
    );
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the line above"
    )]
    let whole = value as u64;
    whole
}

/// The text after `"key":` in one flat JSON object, quotes removed.
pub(crate) fn field<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let start = object.find(&format!("\"{key}\":"))? + key.len() + 3;
    let rest = &object[start..];
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next(),
    }
}

impl Router {
    /// `GET path` on the admin surface: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = within("answer of the admin surface", self.try_get(path)).await;
        answer.expect("the admin surface is there")
    }

    async fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let mut socket = TcpStream::connect(self.admin()).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?;
        Some((status.parse().ok()?, body.to_owned()))
    }

    /// Its numbers now.
    pub(crate) async fn scrape(&self) -> Scrape {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Scrape::parse(&text)
    }

    /// Its numbers, unless it is gone or about to be.
    pub(crate) async fn try_scrape(&self) -> Option<Scrape> {
        let (status, text) = self.try_get("/metrics").await?;
        (status == 200).then(|| Scrape::parse(&text))
    }

    /// Its numbers as soon as they fulfil `condition`.
    pub(crate) async fn scrape_when(
        &self,
        what: &str,
        condition: impl Fn(&Scrape) -> bool,
    ) -> Scrape {
        eventually(what, async || {
            let scrape = self.scrape().await;
            condition(&scrape).then_some(scrape)
        })
        .await
    }

    /// Its links, each as one JSON object.
    pub(crate) async fn links(&self) -> Vec<String> {
        let (status, text) = self.get("/links?format=json").await;
        assert_eq!(status, 200, "{text}");
        let list = text.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
        list.split_inclusive('}')
            .map(|object| object.trim_start_matches(',').to_owned())
            .collect()
    }

    /// The shard of the link with this link id.
    pub(crate) async fn shard_of(&self, link_id: &str) -> usize {
        let links = self.links().await;
        let object = links
            .iter()
            .find(|object| field(object, "link_id") == Some(link_id));
        let link = field(object.unwrap(), "link").unwrap();
        let shard = link.strip_prefix('s').unwrap().split('/').next();
        shard.unwrap().parse().unwrap()
    }

    /// Waits until every message is accounted for and every replica equals the RIB: what must hold
    /// whenever nobody sends. Returns the numbers of that moment.
    pub(crate) async fn at_rest(&self) -> Scrape {
        let mut last = None;
        let resting = async {
            loop {
                let scrape = self.scrape().await;
                let waiting = ["messages_held", "mesh_messages"];
                let is_quiet = waiting.iter().all(|gauge| scrape.value(gauge) == 0);
                last = scrape.imbalance();
                if is_quiet && last.is_none() {
                    return scrape;
                }
            }
        };
        let Ok(scrape) = tokio::time::timeout(PATIENCE, resting).await else {
            panic!("messages are not accounted for: {last:?}");
        };
        self.replicas_equal().await;
        scrape
    }

    async fn replicas_equal(&self) {
        eventually("equal tables on every shard", async || {
            let (status, page) = self.get("/fib?format=json").await;
            assert_eq!(status, 200, "{page}");
            let mut digests: Vec<_> = page
                .match_indices("\"digest\":")
                .filter_map(|(at, _)| field(&page[at..], "digest"))
                .collect();
            assert!(digests.len() > 1, "{page}");
            digests.dedup();
            (digests.len() == 1).then_some(())
        })
        .await;
    }
}
