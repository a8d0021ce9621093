//! The exposition format: families, samples, labels, and numbers that keep every digit.

use std::fmt::Display;

use super::{BOUNDS_NANOS, Histogram, ShardReport, names::Metric};

/// A span in nanoseconds, written in seconds.
#[derive(Clone, Copy)]
pub(super) struct Seconds(pub(super) u128);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NANOS: u128 = 1_000_000_000;
        let (whole, rest) = (self.0 / NANOS, self.0 % NANOS);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:09}");
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}

/// The text so far.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// What follows belongs to `metric`.
    pub(super) fn family(&mut self, metric: &Metric) {
        let Metric {
            name, kind, help, ..
        } = metric;
        let kind = kind.word();
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample, of the metric or of one of its parts.
    pub(super) fn sample(
        &mut self,
        metric: &Metric,
        suffix: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.0.push_str(metric.name);
        self.0.push_str(suffix);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            push_escaped(&mut self.0, text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.0.push_str(&format!(" {value}\n"));
    }

    /// A metric with one sample and no label.
    pub(super) fn only(&mut self, metric: &Metric, value: impl Display) {
        self.family(metric);
        self.sample(metric, "", &[], value);
    }

    /// A metric with one label.
    pub(super) fn labelled<'a>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        self.family(metric);
        let label = metric.labels.first().copied().unwrap_or_default();
        for (text, value) in samples {
            self.sample(metric, "", &[(label, text)], value);
        }
    }

    /// A metric with one sample per shard.
    pub(super) fn per_shard<V: Display>(
        &mut self,
        metric: &Metric,
        shards: &[ShardReport],
        read: impl Fn(&ShardReport) -> V,
    ) {
        self.family(metric);
        for shard in shards {
            let number = shard.core.shard.to_string();
            self.sample(metric, "", &[("shard", &number)], read(shard));
        }
    }

    /// A histogram: its buckets, their sum, their count.
    pub(super) fn histogram(&mut self, metric: &Metric, histogram: &Histogram) {
        self.family(metric);
        let mut so_far = 0_u64;
        for (index, count) in histogram.buckets().iter().enumerate() {
            so_far = so_far.saturating_add(*count);
            let bound = BOUNDS_NANOS.get(index).map_or_else(
                || "+Inf".to_owned(),
                |bound| Seconds(u128::from(*bound)).to_string(),
            );
            self.sample(metric, "_bucket", &[("le", &bound)], so_far);
        }
        self.sample(
            metric,
            "_sum",
            &[],
            Seconds(u128::from(histogram.sum_nanos())),
        );
        self.sample(metric, "_count", &[], so_far);
    }
}

/// Label values may hold anything; three characters are written differently.
fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_every_digit_and_no_trailing_zero() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_000, "0.000001"),
            (500_000_000, "0.5"),
            (10_000_000_000, "10"),
            (u128::from(u64::MAX), "18446744073.709551615"),
        ] {
            assert_eq!(Seconds(nanos).to_string(), text);
        }
    }
}
