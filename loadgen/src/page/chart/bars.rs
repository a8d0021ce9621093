//! Bars, one per target, with the spread of its rounds.

use crate::compare::Spread;
use crate::page::chart::{Drawing, WIDTH, colour};
use crate::page::results::Series;
use crate::page::scale::{count, steps};

const TOP: f64 = 10.0;
const ROW: f64 = 46.0;
const THICK: f64 = 24.0;
/// Room for the last figure.
const RIGHT: f64 = WIDTH - 90.0;
/// Longer labels are cut.
const LABEL_CHARS_MAX: usize = 24;

/// Bars of all series that have the figure; whiskers from the least to the greatest round.
pub(in crate::page) fn bars(
    series: &[Series],
    take: impl Fn(&Series) -> Option<Spread>,
    axis: &str,
) -> Option<String> {
    let found: Vec<(&Series, Spread)> = series
        .iter()
        .filter_map(|one| Some((one, take(one)?)))
        .collect();
    let greatest = found
        .iter()
        .map(|(_, spread)| spread.max)
        .reduce(f64::max)?;
    let longest = found
        .iter()
        .map(|(one, _)| one.label.chars().count())
        .max()?;
    let chart = Bars {
        marks: steps(greatest),
        left: (longest.min(LABEL_CHARS_MAX) as f64 * 8.2 + 18.0).max(70.0),
        bottom: TOP + ROW * found.len() as f64,
    };
    let mut drawing = Drawing::new(chart.bottom + 50.0, axis);
    chart.draw_axis(&mut drawing, axis);
    for (place, (one, spread)) in found.iter().enumerate() {
        chart.draw_row(&mut drawing, place, one, *spread);
    }
    let (left, bottom) = (chart.left, chart.bottom);
    drawing.line("axis", (left, TOP), (left, bottom));
    Some(drawing.finish())
}

struct Bars {
    marks: Vec<f64>,
    left: f64,
    bottom: f64,
}

impl Bars {
    fn x(&self, value: f64) -> f64 {
        let end = self.marks.last().copied().unwrap_or(1.0);
        self.left + (RIGHT - self.left) * value / end
    }

    fn draw_axis(&self, drawing: &mut Drawing, axis: &str) {
        for mark in &self.marks {
            let at = self.x(*mark);
            drawing.line("grid", (at, TOP), (at, self.bottom));
            drawing.text("tick mid", (at, self.bottom + 18.0), &count(*mark));
        }
        let middle = f64::midpoint(self.left, RIGHT);
        drawing.text("title mid", (middle, self.bottom + 40.0), axis);
    }

    fn draw_row(&self, drawing: &mut Drawing, place: usize, series: &Series, spread: Spread) {
        let middle = TOP + ROW * (place as f64 + 0.5);
        let label = shortened(&series.label);
        drawing.text("name end", (self.left - 10.0, middle + 4.5), &label);
        let length = (self.x(spread.median) - self.left).max(1.0);
        let hint = format!("{}: {:.0}", series.label, spread.median);
        let corner = (self.left, middle - THICK / 2.0);
        drawing.bar(&colour(series.colour), corner, (length, THICK), &hint);
        if spread.max > spread.min {
            let (from, to) = (self.x(spread.min), self.x(spread.max));
            drawing.line("whisker", (from, middle), (to, middle));
            for end in [from, to] {
                drawing.line("whisker", (end, middle - 5.0), (end, middle + 5.0));
            }
        }
        let void = if series.fault.is_some() { " void" } else { "" };
        let figure = format!("{}{void}", count(spread.median));
        drawing.text("value", (self.x(spread.max) + 9.0, middle + 4.5), &figure);
    }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_CHARS_MAX {
        return label.to_owned();
    }
    let kept = label.chars().take(LABEL_CHARS_MAX - 1);
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(label: &str, figure: f64) -> Series {
        Series {
            label: label.to_owned(),
            rate: Some(Spread {
                median: figure,
                min: figure / 2.0,
                max: figure * 2.0,
            }),
            ..Series::default()
        }
    }

    #[test]
    fn lengths_are_in_proportion_and_labels_are_text() {
        let all = [series("<a>", 100.0), series("b", 50.0)];
        let svg = bars(&all, |one| one.rate, "x").unwrap();
        assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>"), "{svg}");
        let widths: Vec<f64> = svg
            .split("width=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!((widths[0] - 2.0 * widths[1]).abs() < 0.2, "{widths:?}");
    }

    #[test]
    fn nothing_to_show_is_no_chart_and_zero_is_one() {
        assert_eq!(bars(&[Series::default()], |one| one.rate, "x"), None);
        let svg = bars(&[series("z", 0.0)], |one| one.rate, "x").unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
