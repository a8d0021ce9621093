//! Checks the sections of the reference's file that we read but cannot serve yet.
//!
//! A [`Shape`] says what may stand somewhere. Sections we do not serve have no typed form here;
//! checking them against their shape still finds every mistake in one run, beside the error that
//! says the section is not supported.

use super::report::Report;
use super::section::{Field, Unknown};
use super::suggest::unknown_word;

/// What may stand somewhere.
pub(super) enum Shape {
    /// Anything.
    Any,
    /// Text.
    Text,
    /// true or false.
    Boolean,
    /// A whole number that is not negative.
    Whole,
    /// A duration.
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of this.
    List(&'static Self),
    /// A mapping with these keys.
    Keys(Unknown, &'static [Key]),
    /// A mapping whose `type` chooses the other keys.
    Tagged(Unknown, &'static [Variant]),
}

/// One key of a mapping.
pub(super) struct Key {
    name: &'static str,
    required: bool,
    shape: Shape,
}

/// One value of `type`, with the keys that go with it.
pub(super) struct Variant {
    /// The value.
    pub(super) name: &'static str,
    /// The keys.
    pub(super) keys: &'static [Key],
}

/// A key that may be absent.
pub(super) const fn may(name: &'static str, shape: Shape) -> Key {
    Key {
        name,
        required: false,
        shape,
    }
}

/// A key that may not be absent.
pub(super) const fn must(name: &'static str, shape: Shape) -> Key {
    Key {
        name,
        required: true,
        shape,
    }
}

/// A value of `type` and its keys.
pub(super) const fn variant(name: &'static str, keys: &'static [Key]) -> Variant {
    Variant { name, keys }
}

/// Reports where `field` does not have `shape`.
pub(super) fn check(field: &Field<'_>, shape: &Shape, report: &mut Report) {
    match shape {
        Shape::Any => {}
        Shape::Text => drop(field.text(report)),
        Shape::Boolean => drop(field.boolean(report)),
        Shape::Whole => drop(field.whole(0..=u64::MAX, report)),
        Shape::Duration => drop(field.duration(report)),
        Shape::Word(words) => {
            if !words.contains(&field.word()) {
                field.refuse(report, || unknown_word(&field.shown(), field.word(), words));
            }
        }
        Shape::List(shape) => {
            for item in field.items(report) {
                check(&item, shape, report);
            }
        }
        Shape::Keys(unknown, keys) => check_keys(field, &[], keys, *unknown, report),
        Shape::Tagged(unknown, variants) => drop(check_tagged(field, variants, *unknown, report)),
    }
}

/// Reports what is wrong with a mapping whose `type` chooses its keys; returns the `type` when it
/// is one of `variants`.
pub(super) fn check_tagged(
    field: &Field<'_>,
    variants: &'static [Variant],
    unknown: Unknown,
    report: &mut Report,
) -> Option<&'static str> {
    let mut section = field.section(report)?;
    let tag = section.require("type", report)?;
    let Some(variant) = variants.iter().find(|variant| variant.name == tag.word()) else {
        let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
        tag.refuse(report, || unknown_word(&tag.shown(), tag.word(), &names));
        return None;
    };
    check_keys(field, &["type"], variant.keys, unknown, report);
    Some(variant.name)
}

fn check_keys(
    field: &Field<'_>,
    taken: &[&'static str],
    keys: &'static [Key],
    unknown: Unknown,
    report: &mut Report,
) {
    let Some(mut section) = field.section(report) else {
        return;
    };
    for name in taken {
        section.take(name);
    }
    for key in keys {
        let value = if key.required {
            section.require(key.name, report)
        } else {
            section.take(key.name)
        };
        if let Some(value) = value {
            check(&value, &key.shape, report);
        }
    }
    section.close(unknown, report);
}
