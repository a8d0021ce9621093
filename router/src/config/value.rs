//! The tree a file becomes: mappings, lists and scalars, each with its place.

use super::report::At;

/// The most of a key that is ever printed.
const KEY_CHARS_MAX: usize = 80;

/// One value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    /// Where it begins.
    pub(super) at: At,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A mapping, in the order written; keys are unique.
    Map(Vec<Entry>),
    /// A sequence.
    List(Vec<Value>),
    /// Anything else; what type it has depends on who asks.
    Scalar(Scalar),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The key's text.
    pub(super) key: String,
    /// Where the key begins.
    pub(super) at: At,
    /// What is under it.
    pub(super) value: Value,
}

/// The text of a scalar and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    /// The text, escapes resolved.
    pub(super) text: String,
    /// How it was written.
    pub(super) form: Form,
}

/// How a scalar was written, which decides what types it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Without quotes: text, number, boolean or nothing, by what it looks like.
    Plain,
    /// In quotes or as a block: text only.
    Quoted,
    /// From the environment or a file: text, or whatever type is expected.
    Substituted,
    /// A reference that has no answer. That has been reported; whatever is found wrong with the
    /// text itself would be noise.
    Unanswered,
}

impl Value {
    /// How many values this is made of. A tree is never deep, so the recursion is not either.
    pub(super) fn count(&self) -> usize {
        let below: usize = match &self.kind {
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
            Kind::List(list) => list.iter().map(Self::count).sum(),
            Kind::Scalar(_) => 0,
        };
        below + 1
    }

    /// Whether nothing was written here.
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.is_null(),
            Kind::Map(_) | Kind::List(_) => false,
        }
    }
}

impl Scalar {
    /// Whether it is YAML's null.
    pub(super) fn is_null(&self) -> bool {
        let null = matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        null && self.form == Form::Plain
    }
}

/// The path of `key` under `path`.
pub(super) fn below(path: &str, key: &str) -> String {
    // A key of any length is legal; what is printed of it is not.
    let shown: String = key.chars().take(KEY_CHARS_MAX).collect();
    if path.is_empty() {
        shown
    } else {
        format!("{path}.{shown}")
    }
}

/// The path of the item number `index` of the list at `path`.
pub(super) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
