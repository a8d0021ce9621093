//! Charts as SVG: one row for each plan, one dot for each target, a line from the least to the most.
//!
//! The axis is logarithmic, since plans differ by powers of ten and what is compared are ratios; that is
//! why there are dots and no bars. Colours follow the reader's scheme, light or dark.

use std::fmt::Write as _;

use super::{
    run::{Measure, OURS, Set},
    scenario::Scenario,
};
use crate::timing::Figure;

/// Pixels.
const WIDTH: f64 = 820.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 76.0;
const ROW: f64 = 38.0;
const BOTTOM: f64 = 44.0;

/// Colours on light and on dark ground, ours first; who is not named gets the last.
const COLOURS: [(&str, &str, &str); 5] = [
    (OURS, "#0b62c4", "#6cb2ff"),
    ("reference", "#c2410c", "#ff9d66"),
    ("nats", "#15803d", "#5fd38d"),
    ("mosquitto", "#7e22ce", "#c9a0ff"),
    ("", "#57606a", "#a8b3bf"),
];

/// Latencies that open-loop plans are shown by.
const LATENCIES: [(Measure, &str); 3] = [
    (Measure::P50, "median"),
    (Measure::P99, "p99"),
    (Measure::P999, "p99.9"),
];

/// One line of a chart.
struct Row {
    title: String,
    dots: Vec<(String, Figure)>,
}

/// The charts of a set, with the names of their files.
pub(super) fn charts(set: &Set, scenarios: &[Scenario]) -> Vec<(String, String)> {
    let name = set.name.replace('/', "-");
    let cpu = rows(set, scenarios, |_| true, &[(Measure::Cpu, "")]);
    let is_paced = |plan: &str| {
        let mut runs = set.runs.iter().filter(|run| run.plan == plan);
        runs.any(|run| run.rate.is_some())
    };
    let latency = rows(set, scenarios, is_paced, &LATENCIES);
    let titled = [
        ("cpu", "CPU time of the router for a delivery, µs", cpu),
        (
            "latency",
            "Latency from the intended time of sending, open loop, µs",
            latency,
        ),
    ];
    titled
        .into_iter()
        .filter(|(_, _, rows)| !rows.is_empty())
        .map(|(kind, title, rows)| (format!("{name}-{kind}"), svg(title, &rows)))
        .collect()
}

/// Rows for the plans in the order of the table, then for those that it does not know.
fn rows(
    set: &Set,
    scenarios: &[Scenario],
    is_shown: impl Fn(&str) -> bool,
    measures: &[(Measure, &str)],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (plan, title) in super::markdown::titled_plans(set, scenarios) {
        if !is_shown(plan) {
            continue;
        }
        for (measure, suffix) in measures {
            let mut labels = vec![OURS];
            labels.extend(set.peers(plan));
            let dots: Vec<(String, Figure)> = labels
                .into_iter()
                .filter_map(|label| Some((label.to_owned(), set.figure(plan, label, *measure)?)))
                .filter(|(_, figure)| figure.min > 0.0)
                .collect();
            if !dots.is_empty() {
                let comma = if suffix.is_empty() { "" } else { ", " };
                rows.push(Row {
                    title: format!("{title}{comma}{suffix}"),
                    dots,
                });
            }
        }
    }
    rows
}

fn svg(title: &str, rows: &[Row]) -> String {
    let axis = Axis::over(rows);
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let mut out = String::new();
    // In two parts: the address is a name that nobody visits.
    let namespace = concat!("http:/", "/www.w3.org/2000/svg");
    push(
        &mut out,
        format_args!(
            "<svg xmlns=\"{namespace}\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">"
        ),
    );
    push(&mut out, format_args!("<title>{}</title>", escaped(title)));
    out.push_str(&style());
    push(
        &mut out,
        format_args!(
            "<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n<text class=\"title\" x=\"16\" y=\"26\">{}</text>",
            escaped(title)
        ),
    );
    legend(rows, &mut out);
    axis.draw(rows.len(), &mut out);
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        push(
            &mut out,
            format_args!(
                "<text class=\"row\" x=\"{}\" y=\"{}\">{}</text>",
                LEFT - 12.0,
                y + 4.0,
                escaped(&row.title)
            ),
        );
        for (label, figure) in row.dots.iter().rev() {
            dot(label, figure, y, &axis, &mut out);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn dot(label: &str, figure: &Figure, y: f64, axis: &Axis, out: &mut String) {
    let class = colour(label);
    // Those who are close to each other keep their figures apart.
    let figure_y = if label == OURS { y - 9.0 } else { y + 17.0 };
    let [min, median, max] = [figure.min, figure.median, figure.max].map(|value| axis.x(value));
    push(
        out,
        format_args!(
            "<g class=\"c{class}\"><title>{}: {:.2} ({:.2} to {:.2})</title><line x1=\"{min:.1}\" x2=\"{max:.1}\" y1=\"{y}\" y2=\"{y}\"/><circle cx=\"{median:.1}\" cy=\"{y}\" r=\"5\"/><text x=\"{median:.1}\" y=\"{}\">{:.2}</text></g>",
            escaped(label),
            figure.median,
            figure.min,
            figure.max,
            figure_y,
            figure.median
        ),
    );
}

fn legend(rows: &[Row], out: &mut String) {
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in rows.iter().flat_map(|row| &row.dots) {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    for (index, label) in labels.into_iter().enumerate() {
        let x = LEFT + 120.0 * index as f64;
        push(
            out,
            format_args!(
                "<g class=\"c{}\"><circle cx=\"{x}\" cy=\"46\" r=\"5\"/></g><text class=\"legend\" x=\"{}\" y=\"50\">{}</text>",
                colour(label),
                x + 10.0,
                escaped(label)
            ),
        );
    }
}

/// A logarithmic axis that begins and ends at 1, 2 or 5 times a power of ten.
struct Axis {
    ticks: Vec<f64>,
}

impl Axis {
    fn over(rows: &[Row]) -> Self {
        let figures = || {
            rows.iter()
                .flat_map(|row| &row.dots)
                .map(|(_, figure)| figure)
        };
        let least = figures()
            .map(|figure| figure.min)
            .fold(f64::INFINITY, f64::min);
        let most = figures().map(|figure| figure.max).fold(0.0, f64::max);
        let ticks: Vec<f64> = (-3..=9)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
            .collect();
        let first = ticks.iter().rposition(|tick| *tick <= least).unwrap_or(0);
        let last = ticks.iter().position(|tick| *tick >= most);
        let last = last.unwrap_or(ticks.len() - 1).max(first + 1);
        Self {
            ticks: ticks.into_iter().take(last + 1).skip(first).collect(),
        }
    }

    fn x(&self, value: f64) -> f64 {
        let [first, last] =
            [self.ticks.first(), self.ticks.last()].map(|tick| tick.copied().unwrap_or(1.0).ln());
        LEFT + (WIDTH - LEFT - RIGHT) * (value.ln() - first) / (last - first)
    }

    fn draw(&self, rows: usize, out: &mut String) {
        let bottom = TOP + ROW * rows as f64;
        for tick in &self.ticks {
            let x = self.x(*tick);
            push(
                out,
                format_args!(
                    "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{}\">{tick}</text>",
                    bottom + 20.0
                ),
            );
        }
    }
}

fn colour(label: &str) -> usize {
    let place = COLOURS.iter().position(|(known, ..)| *known == label);
    place.unwrap_or(COLOURS.len() - 1)
}

fn style() -> String {
    let mut out = String::from("<style>\n");
    let inks = [
        ("", "#ffffff", "#1f2328", "#d0d7de"),
        ("dark", "#0d1117", "#e6edf3", "#30363d"),
    ];
    out.push_str(
        "text { font: 12px system-ui, sans-serif } .title { font-size: 15px; font-weight: 600 }\n",
    );
    out.push_str(".row { text-anchor: end } .tick, g text { text-anchor: middle; font-size: 10px } g line { stroke-width: 2 }\n");
    for (scheme, ground, ink, grid) in inks {
        let is_dark = !scheme.is_empty();
        if is_dark {
            out.push_str("@media (prefers-color-scheme: dark) {\n");
        }
        push(
            &mut out,
            format_args!(
                ".ground {{ fill: {ground} }} text {{ fill: {ink} }} .grid {{ stroke: {grid} }}"
            ),
        );
        for (index, (_, light, dark)) in COLOURS.iter().enumerate() {
            let colour = if is_dark { dark } else { light };
            push(
                &mut out,
                format_args!(
                    ".c{index} circle, .c{index} text {{ fill: {colour} }} .c{index} line {{ stroke: {colour} }}"
                ),
            );
        }
        if is_dark {
            out.push_str("}\n");
        }
    }
    out.push_str("</style>\n");
    out
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(min: f64, max: f64) -> Row {
        let figure = Figure {
            median: min,
            min,
            max,
        };
        Row {
            title: "a < b".to_owned(),
            dots: vec![("nats".to_owned(), figure)],
        }
    }

    #[test]
    fn the_axis_holds_every_value_and_ratios_are_distances() {
        let axis = Axis::over(&[row(0.45, 24.0)]);
        assert_eq!(axis.ticks.first(), Some(&0.2));
        assert_eq!(axis.ticks.last(), Some(&50.0));
        let distance = |a: f64, b: f64| axis.x(b) - axis.x(a);
        assert!((distance(1.0, 2.0) - distance(10.0, 20.0)).abs() < 1e-6);
        assert!((axis.x(50.0) - (WIDTH - RIGHT)).abs() < 1e-6);
    }

    #[test]
    fn what_stands_in_a_chart_is_escaped() {
        let drawn = svg("x & y", &[row(1.0, 1.0)]);
        assert!(drawn.contains("<title>x &amp; y</title>"));
        assert!(drawn.contains("a &lt; b"));
    }
}
