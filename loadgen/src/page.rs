//! `loadgen report`: results that were kept, as a table and as one page with charts.
//!
//! JSON files come in, text and HTML leave. The page needs no other file and no network: styles,
//! drawings and figures are in it. Whatever a file says is taken as text, never as markup.

mod chart;
mod html;
mod results;
mod scale;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::page::results::{Series, Sheet};

/// One `loadgen report`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PagePlan {
    /// Results of `run`, `compare` and `storm`.
    pub(crate) files: Vec<PathBuf>,
    /// Where the page goes.
    pub(crate) html: Option<PathBuf>,
}

/// Reads the files, writes the page and answers the table.
///
/// # Errors
/// A file that cannot be read or is no result, by its name; a page that cannot be written.
pub(crate) fn report(plan: &PagePlan) -> Result<String, String> {
    let mut sheets: Vec<Sheet> = Vec::new();
    for path in &plan.files {
        let sheet = read(path).map_err(|problem| format!("{}: {problem}", path.display()))?;
        // Runs of one plan belong side by side.
        match sheets.iter_mut().find(|earlier| earlier.is_alike(&sheet)) {
            Some(earlier) => earlier.join(sheet),
            None => sheets.push(sheet),
        }
    }
    let mut labels: Vec<String> = Vec::new();
    for series in sheets.iter_mut().flat_map(|sheet| &mut sheet.series) {
        let known = labels.iter().position(|label| *label == series.label);
        series.colour = known.unwrap_or(labels.len());
        if known.is_none() {
            labels.push(series.label.clone());
        }
    }
    if let Some(path) = &plan.html {
        let page = html::page(&sheets);
        fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(sheets.iter().map(table).collect::<Vec<_>>().join("\n"))
}

fn read(path: &Path) -> Result<Sheet, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Sheet::read(&stem, &text)
}

/// One sheet as text.
fn table(sheet: &Sheet) -> String {
    let mut rows = vec![html::COLUMNS.map(str::to_owned).to_vec()];
    for series in &sheet.series {
        rows.push(html::cells(series));
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..html::COLUMNS.len()).map(width).collect();
    // Writing to a string cannot fail.
    let mut text = format!("{}\n", sheet.title);
    for row in &rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if at == 0 {
                write!(text, "  {cell:<width$}").unwrap_or_default();
            } else {
                write!(text, "  {cell:>width$}").unwrap_or_default();
            }
        }
        text.push('\n');
    }
    for ratio in &sheet.ratios {
        writeln!(text, "  {}", ratio.line()).unwrap_or_default();
    }
    for fault in sheet.series.iter().filter_map(Series::void) {
        writeln!(text, "  {fault}").unwrap_or_default();
    }
    text
}
