//! Numbers and columns for people: short sizes, spans and counts, aligned.
//!
//! Peers choose some of the words that appear here; [`visible`] makes them harmless to a terminal.

use std::time::Duration;

/// A size in at most seven characters, such as `512B`, `64.0KiB` or `1023MiB`.
pub(crate) fn short_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut whole = bytes;
    let mut rest = 0;
    let mut unit = "";
    for name in UNITS {
        (rest, whole) = (whole % 1024, whole / 1024);
        unit = name;
        if whole < 1024 {
            break;
        }
    }
    if whole < 100 {
        return format!("{whole}.{}{unit}", rest * 10 / 1024);
    }
    format!("{whole}{unit}")
}

/// A count in at most six characters, such as `999`, `12.3k` or `1.8M`.
pub(crate) fn short_count(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    let mut scaled = count;
    for unit in ["k", "M", "G", "T", "P", "E"] {
        let (whole, tenth) = (scaled / 1_000, scaled % 1_000 / 100);
        if whole < 100 {
            return format!("{whole}.{tenth}{unit}");
        }
        if whole < 1_000 {
            return format!("{whole}{unit}");
        }
        scaled = whole;
    }
    count.to_string()
}

/// A span in at most six characters, such as `350ms`, `12.5s`, `3m20s`, `7h05m` or `41d03h`.
pub(crate) fn short_span(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0 if millis == 0 => format!("{}us", span.subsec_micros()),
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{}s", millis / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `text` cut to `chars_max` characters, with everything a terminal might obey made visible.
pub(crate) fn visible(text: &str, chars_max: usize) -> String {
    let is_harmless = |c: char| !c.is_control() && !is_invisible(c);
    let shown = |c: char| if is_harmless(c) { c } else { '\u{fffd}' };
    if text.chars().count() <= chars_max {
        return text.chars().map(shown).collect();
    }
    let kept = chars_max.saturating_sub(1);
    text.chars().take(kept).map(shown).chain(['…']).collect()
}

/// Characters that change the direction or the order of those around them, or have no width.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Rows of equal length under a heading.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns whose text begins at the left; numbers end at the right.
    left: Vec<usize>,
}

impl Table {
    /// A table with these headings, of which those at `left` stand over words.
    pub(crate) fn new(headings: &[&str], left: &[usize]) -> Self {
        let headings = headings.iter().map(|text| (*text).to_owned()).collect();
        Self {
            rows: vec![headings],
            left: left.to_vec(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Every row on a line of its own, columns two blanks apart, nothing at the end of a line.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let width = *width;
                if self.left.contains(&column) {
                    line.push_str(&format!("{gap}{cell:<width$}"));
                } else {
                    line.push_str(&format!("{gap}{cell:>width$}"));
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_short() {
        for (bytes, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1.0KiB"),
            (65_536, "64.0KiB"),
            (102_400, "100KiB"),
            (1_048_575, "1023KiB"),
            (1 << 30, "1.0GiB"),
            (u64::MAX, "15.9EiB"),
        ] {
            assert_eq!(short_bytes(bytes), text);
        }
    }

    #[test]
    fn counts_stay_short() {
        for (count, text) in [
            (0, "0"),
            (9_999, "9999"),
            (12_345, "12.3k"),
            (999_999, "999k"),
            (1_850_000, "1.8M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short_count(count), text);
        }
    }

    #[test]
    fn spans_stay_short() {
        for (span, text) in [
            (Duration::ZERO, "0us"),
            (Duration::from_micros(350), "350us"),
            (Duration::from_millis(350), "350ms"),
            (Duration::from_millis(12_560), "12.5s"),
            (Duration::from_secs(200), "3m20s"),
            (Duration::from_secs(7 * 3_600 + 300), "7h05m"),
            (Duration::from_secs(41 * 86_400 + 3 * 3_600), "41d03h"),
        ] {
            assert_eq!(short_span(span), text);
        }
    }

    #[test]
    fn a_name_from_a_peer_cannot_drive_a_terminal() {
        assert_eq!(
            visible("a\u{1b}[2Jb\u{202e}c\n", 40),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
        assert_eq!(visible("abcdef", 4), "abc…");
        assert_eq!(visible("abcd", 4), "abcd");
    }

    #[test]
    fn words_begin_left_and_numbers_end_right() {
        let mut table = Table::new(&["LINK", "N", "PEER"], &[0, 2]);
        table.row(vec!["s0/1#1".into(), "5".into(), "alice".into()]);
        table.row(vec!["s1/12#1".into(), "500".into(), String::new()]);
        assert_eq!(
            table.text(),
            "LINK       N  PEER\ns0/1#1     5  alice\ns1/12#1  500\n"
        );
    }
}
