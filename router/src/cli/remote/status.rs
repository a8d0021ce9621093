//! The page that `slipring status` prints: at most 80 columns, whatever the node holds.

use std::time::Duration;

use crate::{
    admin::table::{short_bytes, short_count, short_span, visible},
    cli::check::COLUMNS,
    json::Object,
};

/// Links shown, the slowest first.
pub(super) const LINKS: usize = 5;

/// Where the words of a row begin.
const INDENT: usize = 11;

/// What a node said, twice, and what follows from it.
pub(super) struct Status<'a> {
    /// `ready`, `draining` or `starting`.
    pub(super) state: &'a str,
    /// The first scrape.
    pub(super) before: &'a str,
    /// The second scrape.
    pub(super) after: &'a str,
    /// The time between the two.
    pub(super) watched: Duration,
    /// The table of the slowest links.
    pub(super) links: &'a str,
}

impl Status<'_> {
    pub(super) fn text(&self) -> String {
        let mut page = Page(String::new());
        page.0.push_str(&cut(&self.heading()));
        self.links(&mut page);
        self.traffic(&mut page);
        self.tables(&mut page);
        let reasons = |name, label| self.nonzero(name, label);
        page.row(
            "drops",
            &reasons("slipring_messages_dropped_total", "reason"),
        );
        page.row("closes", &reasons("slipring_links_closed_total", "reason"));
        page.row("refusals", &reasons("slipring_refused_total", "reason"));
        page.0.push_str("\nslowest links\n");
        for line in self.links.lines() {
            page.0.push_str(&cut(line));
        }
        page.0
    }

    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        let mut object = Object::begin(&mut out);
        object.text("state", self.state);
        object.plain(
            "messages_in_per_second",
            self.rate("slipring_messages_in_total"),
        );
        object.plain(
            "messages_out_per_second",
            self.rate("slipring_messages_out_total"),
        );
        object.nested("metrics", |out| {
            let mut metrics = Object::begin(out);
            for sample in samples(self.after) {
                metrics.plain(sample.series, sample.value);
            }
            metrics.end();
        });
        object.end();
        out.push('\n');
        out
    }

    fn heading(&self) -> String {
        let build = samples(self.after).find(|sample| sample.name() == "slipring_build_info");
        let label = |name| {
            build
                .and_then(|build| build.label(name))
                .unwrap_or("unknown")
        };
        let uptime = short_span(self.seconds("slipring_uptime_seconds"));
        format!(
            "slipring {} is {}, up {uptime}, on {}, speaks SLIM {}",
            visible(label("version"), 20),
            visible(self.state, 10),
            visible(label("io"), 10),
            visible(label("slim_version"), 12),
        )
    }

    fn links(&self, page: &mut Page) {
        let mut pressure = self.each("slipring_pressure").map(|sample| sample.value);
        let first = pressure.next().unwrap_or("-").to_owned();
        let pressure = pressure.fold(first, |line, level| line + " " + level);
        let shards = self.total("slipring_shards");
        page.row(
            "shards",
            &[format!("{shards}"), format!("pressure {pressure}")],
        );
        let mut links: Vec<String> = self
            .each("slipring_links")
            .map(|sample| format!("{} {}", sample.label("class").unwrap_or("?"), sample.value))
            .collect();
        links.push(format!(
            "negotiating {}",
            self.total("slipring_links_negotiating")
        ));
        links.push(format!(
            "opened {}",
            self.count("slipring_links_opened_total")
        ));
        links.push(format!(
            "closed {}",
            self.count("slipring_links_closed_total")
        ));
        links.push(format!("refused {}", self.count("slipring_refused_total")));
        page.row("links", &links);
    }

    fn traffic(&self, page: &mut Page) {
        for (row, messages, bytes) in [
            (
                "in",
                "slipring_messages_in_total",
                "slipring_bytes_in_total",
            ),
            (
                "out",
                "slipring_messages_out_total",
                "slipring_bytes_out_total",
            ),
        ] {
            page.row(
                row,
                &[
                    format!("{} messages", self.count(messages)),
                    short_bytes(self.total(bytes)),
                    format!("now {}/s", short_count(self.rate(messages))),
                    format!("{}/s", short_bytes(self.rate(bytes))),
                ],
            );
        }
        page.row(
            "waiting",
            &[
                format!("{} messages", self.count("slipring_egress_messages")),
                short_bytes(self.total("slipring_egress_bytes")),
                format!(
                    "oldest {}",
                    short_span(self.seconds("slipring_egress_oldest_seconds"))
                ),
                format!("stalls {}", self.count("slipring_stalls_total")),
            ],
        );
    }

    fn tables(&self, page: &mut Page) {
        page.row(
            "tables",
            &[
                format!("{} names", self.total("slipring_names")),
                format!("{} subscriptions", self.total("slipring_subscriptions")),
            ],
        );
        let memory: Vec<String> = self
            .each("slipring_memory_bytes")
            .filter_map(|sample| {
                let bytes = short_bytes(sample.value.parse().ok()?);
                Some(format!("{} {bytes}", sample.label("account")?))
            })
            .collect();
        page.row("memory", &memory);
    }

    /// The samples of `name` that are not zero, largest first.
    fn nonzero(&self, name: &str, label: &str) -> Vec<String> {
        let mut counts: Vec<(u64, &str)> = self
            .each(name)
            .filter_map(|sample| Some((sample.value.parse().ok()?, sample.label(label)?)))
            .filter(|(count, _)| *count > 0)
            .collect();
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        if counts.is_empty() {
            return vec!["none".to_owned()];
        }
        counts
            .iter()
            .map(|(count, label)| format!("{label} {}", short_count(*count)))
            .collect()
    }

    fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Sample<'a>> {
        samples(self.after).filter(move |sample| sample.name() == name)
    }

    fn total(&self, name: &str) -> u64 {
        sum(self.after, name)
    }

    fn count(&self, name: &str) -> String {
        short_count(self.total(name))
    }

    /// How much `name` grew in a second while it was watched.
    fn rate(&self, name: &str) -> u64 {
        let grown = sum(self.after, name).saturating_sub(sum(self.before, name));
        let millis = u64::try_from(self.watched.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        grown.saturating_mul(1_000) / millis
    }

    fn seconds(&self, name: &str) -> Duration {
        let value = self.each(name).find_map(|sample| sample.value.parse().ok());
        Duration::try_from_secs_f64(value.unwrap_or_default()).unwrap_or_default()
    }
}

/// One line of a scrape.
#[derive(Clone, Copy, Debug)]
struct Sample<'a> {
    /// Name and labels.
    series: &'a str,
    value: &'a str,
}

impl<'a> Sample<'a> {
    fn name(&self) -> &'a str {
        self.series.split('{').next().unwrap_or_default()
    }

    /// The value of a label; none of ours needs to be unescaped.
    fn label(&self, name: &str) -> Option<&'a str> {
        let labels = self.series.split_once('{')?.1.strip_suffix("\"}")?;
        labels.split("\",").find_map(|label| {
            let (known, value) = label.split_once("=\"")?;
            (known == name).then_some(value)
        })
    }
}

fn samples(scrape: &str) -> impl Iterator<Item = Sample<'_>> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some(Sample { series, value })
    })
}

fn sum(scrape: &str, name: &str) -> u64 {
    samples(scrape)
        .filter(|sample| sample.name() == name)
        .filter_map(|sample| sample.value.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

/// The page so far.
struct Page(String);

impl Page {
    /// A row of words under a heading, on as many lines as they need.
    fn row(&mut self, heading: &str, words: &[String]) {
        let mut line = format!("  {heading:<width$}", width = INDENT - 2);
        for (index, word) in words.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            if index > 0 && line.chars().count() + gap.len() + word.chars().count() >= COLUMNS {
                line.push(',');
                self.0.push_str(&cut(&line));
                line = " ".repeat(INDENT);
            } else {
                line.push_str(gap);
            }
            line.push_str(word);
        }
        self.0.push_str(&cut(&line));
    }
}

/// The line, shortened to the width of a terminal, with its end.
fn cut(line: &str) -> String {
    visible(line, COLUMNS) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = "\
# HELP slipring_build_info x
# TYPE slipring_build_info gauge
slipring_build_info{version=\"0.1.0\",commit=\"abc\",slim_version=\"3.4.6\",io=\"uring\"} 1
slipring_uptime_seconds 200.5
slipring_messages_in_total{kind=\"publish\"} 1500
slipring_messages_in_total{kind=\"ack\"} 500
";

    fn status<'a>(before: &'a str, after: &'a str) -> Status<'a> {
        Status {
            state: "ready",
            before,
            after,
            watched: Duration::from_millis(500),
            links: "",
        }
    }

    #[test]
    fn a_rate_is_what_was_counted_while_it_was_watched() {
        let before = "slipring_messages_in_total{kind=\"publish\"} 1000\n";
        let status = status(before, SCRAPE);
        assert_eq!(status.total("slipring_messages_in_total"), 2_000);
        assert_eq!(status.rate("slipring_messages_in_total"), 2_000);
        let text = status.text();
        assert!(
            text.starts_with("slipring 0.1.0 is ready, up 3m20s, on uring, speaks SLIM 3.4.6\n"),
            "{text}"
        );
        assert!(text.contains("2000 messages, 0B, now 2000/s"), "{text}");
    }

    #[test]
    fn a_counter_that_went_back_is_no_rate() {
        let before = "slipring_messages_in_total{kind=\"publish\"} 9000\n";
        assert_eq!(status(before, SCRAPE).rate("slipring_messages_in_total"), 0);
    }

    #[test]
    fn rows_break_at_words_and_nothing_is_wider_than_a_terminal() {
        let mut page = Page(String::new());
        let words: Vec<String> = (0..40)
            .map(|number| format!("reason_{number} 99.9M"))
            .collect();
        page.row("drops", &words);
        page.row("odd", &["x".repeat(300)]);
        for line in page.0.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert!(page.0.lines().count() > 5);
        for word in &words {
            assert!(page.0.contains(word), "{word} is whole");
        }
    }

    #[test]
    fn json_holds_every_sample() {
        let json = status("", SCRAPE).json();
        assert!(
            json.contains(r#""slipring_messages_in_total{kind=\"ack\"}":500"#),
            "{json}"
        );
    }
}
