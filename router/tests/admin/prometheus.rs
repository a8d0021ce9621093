//! A reader of the exposition format that accepts nothing but what the format allows.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape holds: each series (name and labels) once, with its value.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    /// The value of a series, written as in the scrape.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self
            .series
            .get(series)
            .unwrap_or_else(|| panic!("{series} is there"))
    }
}

/// Reads a scrape; panics with the line that is not allowed.
pub(crate) fn check(text: &str) -> Scrape {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut scrape = Scrape::default();
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(
                is_name(name) && !help.is_empty() && helped.insert(name.to_owned()),
                "{line}"
            );
            name.clone_into(&mut family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, family, "TYPE follows HELP: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                scrape
                    .types
                    .insert(name.to_owned(), kind.to_owned())
                    .is_none(),
                "{line}"
            );
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let name = check_series(series);
            let kind = scrape.types.get(&family).expect(line);
            let suffixes: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            let is_member = suffixes
                .iter()
                .any(|suffix| name == format!("{family}{suffix}"));
            assert!(is_member, "{line} stands under {family}");
            let value: f64 = value.parse().expect(line);
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(
                scrape.series.insert(series.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    check_histograms(&scrape);
    scrape
}

fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_inner)
}

/// Checks name and labels, and returns the name.
fn check_series(series: &str) -> &str {
    let Some((name, labels)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return series;
    };
    assert!(is_name(name), "{series}");
    let mut rest = labels.strip_suffix('}').expect(series);
    while !rest.is_empty() {
        let (label, value) = rest.split_once("=\"").expect(series);
        assert!(is_name(label) && !label.contains(':'), "{series}");
        rest = &value[end_of_value(value).expect(series) + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    name
}

/// Where the closing quote of a label's value is; `None` if there is none or an escape is wrong.
fn end_of_value(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, c) in value.char_indices() {
        match c {
            _ if is_escaped && !matches!(c, '\\' | '"' | 'n') => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(place),
            _ => {}
        }
    }
    None
}

/// Buckets rise, end in `+Inf`, and that is the count.
fn check_histograms(scrape: &Scrape) {
    for (name, _) in scrape.types.iter().filter(|(_, kind)| *kind == "histogram") {
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = scrape
            .series
            .iter()
            .filter_map(|(series, count)| {
                let bound = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().ok()?
                };
                Some((bound, *count))
            })
            .collect();
        buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
        assert!(
            buckets.is_sorted_by(|left, right| left.1 <= right.1),
            "{name} rises"
        );
        let last = buckets.last().expect(name);
        assert!(last.0.is_infinite(), "{name} ends in +Inf");
        let count = scrape.value(&format!("{name}_count"));
        assert!((last.1 - count).abs() < 0.5, "{name} counts its buckets");
        scrape.value(&format!("{name}_sum"));
    }
}

/// What [`check`] says to a text that is not a scrape. Tests abort on a panic, so the readers that
/// panic are asked for what they find instead.
#[test]
fn the_reader_tells_names_and_values_from_what_only_looks_like_them() {
    for (name, expected) in [("a_b:c9", true), ("", false), ("9a", false), ("a-b", false)] {
        assert_eq!(is_name(name), expected, "{name}");
    }
    for (value, expected) in [
        ("x\",b=\"y\"", Some(1)),
        ("\\\"\\\\\\n\"", Some(6)),
        ("", None),
        ("never", None),
        ("\\t\"", None),
    ] {
        assert_eq!(end_of_value(value), expected, "{value}");
    }
}
