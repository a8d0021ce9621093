//! YAML text to a tree in which every key and value knows its line and column.
//!
//! What enters: bytes of one file. What leaves: a [`Value`], or the reasons why there is none.
//! The parser is driven event by event and the tree is built on an explicit stack, so that a
//! hostile file meets these bounds before it costs anything:
//!
//! 1. a text has at most [`TEXT_BYTES_MAX`];
//! 2. no value is nested deeper than [`DEPTH_MAX`], aliases counted as what they stand for;
//! 3. a tree has at most [`VALUES_MAX`] values, copies made for aliases included.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::report::{At, Report};
use super::value::{Entry, Form, Kind, Scalar, Value, below, item};

/// The largest file we read, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting we follow; the reference's deepest key has nine levels.
const DEPTH_MAX: usize = 32;
/// The most values one file may hold.
const VALUES_MAX: usize = 1 << 16;

/// Reads the one document in `bytes`, which is the file with index `file` in `report`.
pub(super) fn parse(bytes: &[u8], file: usize, report: &mut Report) -> Option<Value> {
    if bytes.len() > TEXT_BYTES_MAX {
        report.error(At::whole(file), "", || {
            format!("larger than {TEXT_BYTES_MAX} bytes")
        });
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(fault) => {
            let before = bytes.get(..fault.valid_up_to()).unwrap_or_default();
            report.error(place_after(before, file), "", || "not UTF-8".to_owned());
            return None;
        }
    };
    let mut builder = Builder::new(file);
    match builder.build(text, report) {
        Ok(root) => Some(root),
        Err((at, message)) => {
            report.error(at, "", || message);
            None
        }
    }
}

/// The place of the byte that follows `before`.
fn place_after(before: &[u8], file: usize) -> At {
    let line_start = before.iter().rposition(|byte| *byte == b'\n');
    let last_line = before
        .get(line_start.map_or(0, |start| start + 1)..)
        .unwrap_or_default();
    At {
        file,
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: String::from_utf8_lossy(last_line).chars().count() + 1,
    }
}

/// Why the text is not a document we read, and where.
type Fault = (At, String);

/// A collection whose end has not been seen.
struct Open {
    value: Value,
    anchor: usize,
    /// The key whose value is awaited, in a mapping.
    key: Option<(String, At)>,
    /// Where each key of a mapping was first written.
    keys: HashMap<String, At>,
    /// Levels below this one, so far.
    height: usize,
}

/// A finished value others may refer to.
struct Anchored {
    value: Value,
    height: usize,
    values: usize,
}

struct Builder {
    file: usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    values: usize,
    root: Option<Value>,
}

impl Builder {
    const fn new(file: usize) -> Self {
        Self {
            file,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            values: 0,
            root: None,
        }
    }

    fn build(&mut self, text: &str, report: &mut Report) -> Result<Value, Fault> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|fault| self.scan_fault(&fault))?;
            let at = self.at(span.start);
            match event {
                Event::DocumentStart(_) if self.root.is_some() => {
                    return Err((at, "more than one document in the file".to_owned()));
                }
                Event::Alias(anchor) => self.alias(anchor, at, report)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let form = form_of(style, tag.as_deref()).map_err(|why| (at, why))?;
                    let text = text.into_owned();
                    let kind = Kind::Scalar(Scalar { text, form });
                    self.finished(Value { at, kind }, anchor, 0, report)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.opened(Kind::List(Vec::new()), at, anchor, tag.as_deref())?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.opened(Kind::Map(Vec::new()), at, anchor, tag.as_deref())?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(open) = self.open.pop() {
                        self.finished(open.value, open.anchor, open.height, report)?;
                    }
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
        }
        let empty = Value {
            at: At {
                file: self.file,
                line: 1,
                column: 1,
            },
            kind: Kind::Map(Vec::new()),
        };
        Ok(self.root.take().unwrap_or(empty))
    }

    fn opened(
        &mut self,
        kind: Kind,
        at: At,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), Fault> {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            return Err((at, "tags of your own mean nothing here".to_owned()));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err((at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.count(1, at)?;
        self.open.push(Open {
            value: Value { at, kind },
            anchor,
            key: None,
            keys: HashMap::new(),
            height: 1,
        });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: At, report: &mut Report) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err((at, "an alias to something that contains it".to_owned()));
        };
        let mut copy = anchored.value.clone();
        copy.at = at;
        let (height, values) = (anchored.height, anchored.values);
        if self.open.len() + height > DEPTH_MAX {
            return Err((at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        // `finished` counts a scalar, and `opened` has counted every collection: a copied
        // collection is counted here, whole.
        if height > 0 {
            self.count(values, at)?;
        }
        self.finished(copy, 0, height, report)
    }

    /// Puts a complete value, `height` levels high, where it belongs.
    fn finished(
        &mut self,
        value: Value,
        anchor: usize,
        height: usize,
        report: &mut Report,
    ) -> Result<(), Fault> {
        if height == 0 {
            self.count(1, value.at)?;
        }
        if anchor > 0 {
            let values = value.count();
            self.count(values, value.at)?;
            let value = value.clone();
            self.anchors.insert(
                anchor,
                Anchored {
                    value,
                    height,
                    values,
                },
            );
        }
        let path = self.path();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        match &mut open.value.kind {
            Kind::List(list) => list.push(value),
            Kind::Map(entries) => match open.key.take() {
                None => open.key = Some(key_of(value)?),
                Some((key, at)) => {
                    if let Some(first) = open.keys.insert(key.clone(), at) {
                        report.error(at, &path, || {
                            format!("written twice, first in line {}", first.line)
                        });
                    } else {
                        entries.push(Entry { key, at, value });
                    }
                }
            },
            Kind::Scalar(_) => {}
        }
        Ok(())
    }

    /// The path of the key whose value has just ended.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |path, open| {
            match (&open.key, &open.value.kind) {
                (Some((key, _)), _) => below(&path, key),
                (None, Kind::List(list)) => item(&path, list.len()),
                (None, Kind::Map(_) | Kind::Scalar(_)) => path,
            }
        })
    }

    fn count(&mut self, values: usize, at: At) -> Result<(), Fault> {
        self.values = self.values.saturating_add(values);
        if self.values > VALUES_MAX {
            return Err((
                at,
                format!("more than {VALUES_MAX} values, aliases included"),
            ));
        }
        Ok(())
    }

    fn at(&self, mark: Marker) -> At {
        At {
            file: self.file,
            line: mark.line(),
            column: mark.col() + 1,
        }
    }

    fn scan_fault(&self, fault: &ScanError) -> Fault {
        (
            self.at(*fault.marker()),
            format!("not YAML: {}", fault.info()),
        )
    }
}

/// The text of a key, which must be a scalar.
fn key_of(value: Value) -> Result<(String, At), Fault> {
    match value.kind {
        Kind::Scalar(scalar) => Ok((scalar.text, value.at)),
        Kind::Map(_) | Kind::List(_) => {
            Err((value.at, "a key must be text, not a collection".to_owned()))
        }
    }
}

/// How a scalar with this style and tag may be read.
fn form_of(style: ScalarStyle, tag: Option<&Tag>) -> Result<Form, String> {
    let plain = match tag {
        None => style == ScalarStyle::Plain,
        // `!!int "5"` and the like ask for the meaning the text would have without quotes.
        Some(tag) if tag.is_yaml_core_schema() => tag.suffix != "str",
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => false,
        Some(_) => return Err("tags of your own mean nothing here".to_owned()),
    };
    Ok(if plain { Form::Plain } else { Form::Quoted })
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
