//! Charts as drawings that stand in a page.
//!
//! Colours are classes (`s0` … `s5`), which the page defines for light and for dark.

mod bars;
mod percentiles;

use std::fmt::Write as _;

use crate::page::html::escaped;

pub(super) use crate::page::chart::bars::bars;
pub(super) use crate::page::chart::percentiles::percentiles;

/// Width of every drawing; the page scales it.
const WIDTH: f64 = 860.0;
/// Colours told apart; further series use them again.
const COLOURS: usize = 6;

/// The class of a series' colour.
pub(super) fn colour(at: usize) -> String {
    format!("s{}", at % COLOURS)
}

/// A drawing that grows. Points are (x, y) from the upper left.
struct Drawing {
    svg: String,
}

impl Drawing {
    /// An empty drawing; `label` says to those who do not see it what it shows.
    fn new(height: f64, label: &str) -> Self {
        let label = escaped(label);
        Self {
            svg: format!(
                "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">"
            ),
        }
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            at.0,
            at.1,
            escaped(text)
        ));
    }

    /// A text that reads upwards, its middle at a point.
    fn text_upwards(&mut self, class: &str, at: (f64, f64), text: &str) {
        self.put(format_args!(
            "<text class=\"{class}\" transform=\"translate({:.1},{:.1}) rotate(-90)\">{}</text>",
            at.0,
            at.1,
            escaped(text)
        ));
    }

    /// A bar from its upper left corner; `hint` shows under a pointer.
    fn bar(&mut self, class: &str, at: (f64, f64), size: (f64, f64), hint: &str) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             rx=\"2\"><title>{}</title></rect>",
            at.0,
            at.1,
            size.0,
            size.1,
            escaped(hint)
        ));
    }

    fn curve(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        self.put(format_args!("<polyline class=\"line {class}\" points=\""));
        for (x, y) in points {
            self.put(format_args!("{x:.1},{y:.1} "));
        }
        self.put(format_args!("\"/>"));
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        self.svg.write_fmt(text).unwrap_or_default();
    }
}
