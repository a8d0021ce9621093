//! Writes JSON text: objects, lists, and strings that hold anything.
//!
//! What enters may come from a peer (a node's name, a version), so every string is escaped here and
//! nowhere else. There is no reader: nothing in the router is told anything in JSON.

use std::fmt::Display;

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // DEL and C1 are legal JSON, but a terminal that shows the text obeys them.
            control if control.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// An object that is being written; [`Object::end`] closes it.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub(crate) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// A member that is a string.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        push_string(self.out, value);
        self
    }

    /// A member that is a number, `true` or `false`: anything whose text is JSON already.
    pub(crate) fn plain(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.key(key);
        self.out.push_str(&value.to_string());
        self
    }

    /// A member that `write` appends.
    pub(crate) fn nested(&mut self, key: &str, write: impl FnOnce(&mut String)) -> &mut Self {
        self.key(key);
        write(self.out);
        self
    }

    /// Closes the object.
    pub(crate) fn end(&mut self) {
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(',');
        }
        push_string(self.out, key);
        self.out.push(':');
    }
}

/// Appends a list whose members `write` appends one by one.
pub(crate) fn push_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_cannot_leave_its_quotes() {
        let mut out = String::new();
        push_string(&mut out, "a\"b\\c\nd\u{1b}[2J\u{9b}ü");
        assert_eq!(out, r#""a\"b\\c\nd\u001b[2J\u009bü""#);
    }

    #[test]
    fn objects_and_lists_nest() {
        let mut out = String::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "x").plain("b", 1).plain("c", true);
        object.nested("d", |out| {
            push_list(out, [1, 2], |out, item| out.push_str(&item.to_string()))
        });
        object.nested("e", |out| Object::begin(out).end());
        object.end();
        assert_eq!(out, r#"{"a":"x","b":1,"c":true,"d":[1,2],"e":{}}"#);
    }
}
