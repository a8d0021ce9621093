//! The page: one section per sheet, where and how it was measured at the end.

use std::fmt::Write as _;

use crate::compare::Spread;
use crate::page::chart::{bars, colour, percentiles};
use crate::page::results::{Ratio, Series, Sheet};
use crate::page::scale::{count, time};

/// What a row of the table tells.
pub(super) const COLUMNS: [&str; 10] = [
    "target",
    "per second",
    "per CPU s",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "memory",
    "lost",
];

const STYLE: &str = include_str!("page.css");

/// The cells of one series, in the order of [`COLUMNS`].
pub(super) fn cells(series: &Series) -> Vec<String> {
    let absent = || "–".to_owned();
    let figure = |spread: Option<Spread>| spread.map_or_else(absent, |s| count(s.median));
    let mut cells = vec![
        series.label.clone(),
        figure(series.rate),
        figure(series.per_cpu_second),
    ];
    cells.extend(series.percentiles.map(|ns| ns.map_or_else(absent, time)));
    let memory = series
        .resident_kib
        .map(|kib| format!("{:.1} MiB", kib / 1_024.0));
    cells.push(memory.unwrap_or_else(absent));
    cells.push(series.lost.to_string());
    cells
}

/// The whole page.
pub(super) fn page(sheets: &[Sheet]) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>loadgen report</title>\n<style>\n",
    );
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n<main>\n<h1>loadgen report</h1>\n");
    for sheet in sheets {
        section(&mut out, sheet);
    }
    out.push_str("<section class=\"origin\">\n<h2>Where and how</h2>\n");
    for sheet in sheets {
        origin(&mut out, sheet);
    }
    out.push_str("</section>\n</main>\n</body>\n</html>\n");
    out
}

fn section(out: &mut String, sheet: &Sheet) {
    // Writing to a string cannot fail.
    writeln!(out, "<section>\n<h2>{}</h2>", escaped(&sheet.title)).unwrap_or_default();
    for void in sheet.series.iter().filter_map(Series::void) {
        writeln!(out, "<p class=\"fault\">{}</p>", escaped(&void)).unwrap_or_default();
    }
    table(out, sheet);
    ratios(out, &sheet.ratios);
    let has_rounds = !sheet.ratios.is_empty();
    let spread = if has_rounds {
        "median of the rounds, and the least and the greatest"
    } else {
        ""
    };
    let unit = sheet.unit;
    let rates = bars(&sheet.series, |one| one.rate, &format!("{unit} per second"));
    figure(out, "Throughput", spread, rates);
    let axis = format!("{unit} per CPU second of the target");
    let efficiency = bars(&sheet.series, |one| one.per_cpu_second, &axis);
    figure(out, "Efficiency", spread, efficiency);
    let timed = percentiles(&sheet.series, sheet.timed);
    let timed = timed.map(|drawing| legend(sheet) + &drawing);
    figure(out, "Latency by percentile", sheet.since, timed);
    out.push_str("</section>\n");
}

fn table(out: &mut String, sheet: &Sheet) {
    out.push_str("<div class=\"scroll\"><table>\n<tr>");
    for column in COLUMNS {
        write!(out, "<th>{column}</th>").unwrap_or_default();
    }
    out.push_str("</tr>\n");
    for series in &sheet.series {
        let void = if series.fault.is_some() {
            " class=\"void\""
        } else {
            ""
        };
        write!(out, "<tr{void}>").unwrap_or_default();
        for (column, cell) in cells(series).iter().enumerate() {
            let cell = escaped(cell);
            if column == 0 {
                write!(out, "<th>{}{cell}</th>", chip(series.colour)).unwrap_or_default();
            } else {
                write!(out, "<td>{cell}</td>").unwrap_or_default();
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

/// What the first target is to the others.
fn ratios(out: &mut String, ratios: &[Ratio]) {
    let Some(widest) = ratios.iter().max_by_key(|ratio| ratio.figures.len()) else {
        return;
    };
    out.push_str("<div class=\"scroll\"><table>\n<tr><th>ratio</th>");
    for (name, _) in &widest.figures {
        write!(out, "<th>{name}</th>").unwrap_or_default();
    }
    out.push_str("</tr>\n");
    for ratio in ratios {
        write!(out, "<tr><th>{}</th>", escaped(&ratio.title())).unwrap_or_default();
        if let Some(void) = &ratio.void {
            let void = escaped(void);
            let columns = widest.figures.len().max(1);
            write!(
                out,
                "<td class=\"fault\" colspan=\"{columns}\">void: {void}</td>"
            )
            .unwrap_or_default();
        }
        for (_, Spread { median, min, max }) in &ratio.figures {
            write!(
                out,
                "<td>{median:.2} <small>{min:.2} – {max:.2}</small></td>"
            )
            .unwrap_or_default();
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn figure(out: &mut String, title: &str, note: &str, drawing: Option<String>) {
    if let Some(drawing) = drawing {
        writeln!(
            out,
            "<figure>\n<figcaption>{title} <small>{note}</small></figcaption>\n{drawing}\n</figure>"
        )
        .unwrap_or_default();
    }
}

fn legend(sheet: &Sheet) -> String {
    let mut text = String::from("<p class=\"legend\">");
    for series in &sheet.series {
        write!(
            text,
            "<span>{}{}</span>",
            chip(series.colour),
            escaped(&series.label)
        )
        .unwrap_or_default();
    }
    text + "</p>"
}

fn chip(at: usize) -> String {
    format!("<i class=\"chip {}\"></i>", colour(at))
}

fn origin(out: &mut String, sheet: &Sheet) {
    out.push_str("<dl>\n");
    for (name, text) in &sheet.origin {
        let (name, text) = (escaped(name), escaped(text));
        writeln!(out, "<dt>{name}</dt><dd>{text}</dd>").unwrap_or_default();
    }
    out.push_str("</dl>\n");
}

/// Text as it may stand in markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
