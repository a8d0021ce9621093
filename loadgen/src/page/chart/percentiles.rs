//! Latency by percentile. Along the axis every nine takes the same room, so that the rare slow
//! messages, which users notice, have as much of it as all others together.

use crate::page::chart::{Drawing, WIDTH, colour};
use crate::page::results::Series;
use crate::page::scale::time;

const LEFT: f64 = 78.0;
const RIGHT: f64 = WIDTH - 40.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 344.0;
/// Nearer to each other two names along the axis would touch.
const NAME_WIDTH: f64 = 44.0;
/// Latencies beyond are drawn at it.
const NS_MAX: f64 = 1e12;
/// The percentiles that the axis names, by the number of nines.
const NINES: [&str; 8] = [
    "0", "90", "99", "99.9", "99.99", "99.999", "99.9999", "99.99999",
];

/// A curve for each series that has one.
pub(in crate::page) fn percentiles(series: &[Series], what: &str) -> Option<String> {
    let curves: Vec<(usize, Vec<(f64, f64)>)> = series
        .iter()
        .map(|one| (one.colour, curve(one)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let low = points()
        .map(|point| point.1)
        .reduce(f64::min)?
        .log10()
        .floor();
    let high = points()
        .map(|point| point.1)
        .reduce(f64::max)?
        .log10()
        .ceil();
    let axes = Axes {
        nines: points()
            .map(|point| point.0)
            .reduce(f64::max)?
            .clamp(1.0, 7.0),
        low,
        high: high.max(low + 1.0),
    };
    let mut drawing = Drawing::new(BOTTOM + 54.0, what);
    axes.draw_latencies(&mut drawing, what);
    axes.draw_percentiles(&mut drawing);
    for (at, points) in &curves {
        let points = points
            .iter()
            .map(|(nines, ns)| (axes.x(*nines), axes.y(*ns)));
        drawing.curve(&colour(*at), points);
    }
    Some(drawing.finish())
}

/// A series' curve by nines, up to what its number of messages can tell.
fn curve(series: &Series) -> Vec<(f64, f64)> {
    let nines_max = series.count.max(1.0).log10();
    let point = |&(quantile, ns): &(f64, f64)| {
        let nines = -(1.0 - quantile).max(1e-12).log10();
        // No result of ours says more than two minutes; a decade is the least an axis shows.
        (ns > 0.0).then(|| (nines.clamp(0.0, nines_max), ns.clamp(1.0, NS_MAX)))
    };
    series.curve.iter().filter_map(point).collect()
}

/// Where nines and nanoseconds lie.
struct Axes {
    /// At the right end.
    nines: f64,
    /// Decimal logarithm of the nanoseconds at the lower end.
    low: f64,
    /// The same at the upper end.
    high: f64,
}

impl Axes {
    fn x(&self, nines: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * nines.min(self.nines) / self.nines
    }

    fn y(&self, ns: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (ns.log10() - self.low) / (self.high - self.low)
    }

    fn draw_latencies(&self, drawing: &mut Drawing, what: &str) {
        let mut decade = self.low;
        while decade <= self.high {
            let ns = 10_f64.powf(decade);
            let at = self.y(ns);
            drawing.line("grid", (LEFT, at), (RIGHT, at));
            drawing.text("tick end", (LEFT - 9.0, at + 4.0), &time(ns));
            let has_parts = decade < self.high && self.high - self.low <= 4.0;
            for part in (2..10).filter(|_| has_parts) {
                let at = self.y(ns * f64::from(part));
                drawing.line("fine", (LEFT, at), (RIGHT, at));
            }
            decade += 1.0;
        }
        drawing.line("axis", (LEFT, TOP), (LEFT, BOTTOM));
        let middle = f64::midpoint(TOP, BOTTOM);
        drawing.text_upwards("title mid", (16.0, middle), what);
    }

    fn draw_percentiles(&self, drawing: &mut Drawing) {
        // The median is no number of nines, and everyone looks for it.
        let median = self.x(2_f64.log10());
        drawing.line("fine", (median, TOP), (median, BOTTOM));
        drawing.text("tick mid", (median, BOTTOM + 19.0), "50 %");
        let shown = NINES.iter().enumerate();
        for (nines, name) in shown.filter(|(nines, _)| *nines as f64 <= self.nines) {
            let at = self.x(nines as f64);
            drawing.line("grid", (at, TOP), (at, BOTTOM));
            if (at - median).abs() > NAME_WIDTH {
                drawing.text("tick mid", (at, BOTTOM + 19.0), &format!("{name} %"));
            }
        }
        drawing.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        let middle = f64::midpoint(LEFT, RIGHT);
        drawing.text("title mid", (middle, BOTTOM + 44.0), "percentile");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_where_its_messages_do() {
        let series = Series {
            count: 1_000.0,
            curve: vec![(0.0, 1e3), (0.9, 2e3), (0.9999, 3e3), (1.0, 4e3)],
            ..Series::default()
        };
        let nines: Vec<f64> = curve(&series).iter().map(|point| point.0).collect();
        assert!((nines[1] - 1.0).abs() < 1e-9, "{nines:?}");
        assert!((nines[3] - 3.0).abs() < 1e-9, "{nines:?}");
        let svg = percentiles(&[series], "latency").unwrap();
        assert!(svg.contains("99.9 %") && !svg.contains("99.99 %"), "{svg}");
        assert!(svg.contains("1 µs") && svg.contains("10 µs"), "{svg}");
    }

    #[test]
    fn strange_curves_are_drawn_without_nonsense() {
        for curve in [
            vec![(1.0, 1e308), (1.0, 1e308)],
            vec![(0.0, 5e-324), (0.5, 7.0)],
            vec![(0.0, 0.0), (0.5, 0.0)],
        ] {
            let series = Series {
                count: f64::MAX,
                curve,
                ..Series::default()
            };
            let svg = percentiles(&[series], "latency").unwrap_or_default();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.len() < 100_000);
        }
    }
}
