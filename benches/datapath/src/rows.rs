//! What was measured, as a table to read and as JSON to keep.

use std::fmt::Write as _;

/// Whose table it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Reference,
    Slipring,
}

impl Side {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Slipring => "slipring",
        }
    }
}

struct Row {
    measure: &'static str,
    names: u64,
    unit: &'static str,
    slipring: Option<f64>,
    reference: Option<f64>,
}

/// Everything measured, in the order of its first measure.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Rows {
    pub(crate) fn add(
        &mut self,
        side: Side,
        measure: &'static str,
        names: u64,
        unit: &'static str,
        value: f64,
    ) {
        let is_same = |row: &Row| row.measure == measure && row.names == names;
        let at = match self.rows.iter().position(is_same) {
            Some(at) => at,
            None => {
                self.rows.push(Row {
                    measure,
                    names,
                    unit,
                    slipring: None,
                    reference: None,
                });
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[at];
        match side {
            Side::Reference => row.reference = Some(value),
            Side::Slipring => row.slipring = Some(value),
        }
        eprintln!(
            "{}: {measure}, {names} names: {value:.1} {unit}",
            side.label()
        );
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(crate) fn print(&self) {
        println!(
            "{:<36}{:>10}{:>14}{:>14}",
            "", "names", "slipring", "reference"
        );
        for row in &self.rows {
            println!(
                "{:<36}{:>10}{:>14}{:>14}  {}",
                row.measure,
                row.names,
                shown(row.slipring),
                shown(row.reference),
                row.unit
            );
        }
        for note in &self.notes {
            println!("{note}");
        }
    }

    pub(crate) fn json(&self) -> String {
        let mut out = String::from(
            "{\n\"kind\": \"tables\",\n\"peer\": \"agntcy-slim-datapath 0.19.15\",\n\"notes\": [",
        );
        for (index, note) in self.notes.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}\"{note}\"").expect("a string takes everything");
        }
        out.push_str("],\n\"rows\": [\n");
        for (index, row) in self.rows.iter().enumerate() {
            let comma = if index + 1 == self.rows.len() {
                ""
            } else {
                ","
            };
            writeln!(
                out,
                "{{\"measure\": \"{}\", \"names\": {}, \"unit\": \"{}\", \"slipring\": {}, \"reference\": {}}}{comma}",
                row.measure,
                row.names,
                row.unit,
                in_json(row.slipring),
                in_json(row.reference)
            )
            .expect("a string takes everything");
        }
        out.push_str("]\n}\n");
        out
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

fn in_json(value: Option<f64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value:.3}"))
}
