//! A reader of JSON, as strict as the grammar: container runtimes refuse whatever it refuses.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Word(String),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// A member of an object.
    pub(crate) fn member(&self, name: &str) -> &Self {
        let Self::Object(members) = self else {
            panic!("{self:?} has no members");
        };
        &members[name]
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        let Self::List(items) = self else {
            panic!("{self:?} is no list");
        };
        items
    }

    /// A text.
    pub(crate) fn text(&self) -> &str {
        let Self::Text(text) = self else {
            panic!("{self:?} is no text");
        };
        text
    }
}

/// Reads all of `text`, or says what is wrong and what follows there.
pub(crate) fn parse(text: &str) -> Result<Json, String> {
    let mut rest = text;
    let value = value(&mut rest)?;
    match rest.trim_start() {
        "" => Ok(value),
        rest => Err(fault("the end", rest)),
    }
}

fn fault(expected: &str, rest: &str) -> String {
    let shown: String = rest.chars().take(30).collect();
    format!("expected {expected}, found: {shown}")
}

/// Takes `token` if it comes next.
fn took(rest: &mut &str, token: &str) -> bool {
    match rest.trim_start().strip_prefix(token) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn value(rest: &mut &str) -> Result<Json, String> {
    *rest = rest.trim_start();
    if took(rest, "{") {
        return members(rest);
    }
    if took(rest, "[") {
        return list(rest);
    }
    if rest.starts_with('"') {
        return string(rest).map(Json::Text);
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && !"+-.".contains(c));
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    let is_number = word.parse::<f64>().is_ok() && !word.starts_with('+');
    *rest = after;
    match word {
        "true" | "false" | "null" => Ok(Json::Word(word.to_owned())),
        _ if is_number && word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            Ok(Json::Number(word.to_owned()))
        }
        _ => Err(fault("a value", word)),
    }
}

fn list(rest: &mut &str) -> Result<Json, String> {
    let mut items = Vec::new();
    if took(rest, "]") {
        return Ok(Json::List(items));
    }
    loop {
        items.push(value(rest)?);
        if took(rest, "]") {
            return Ok(Json::List(items));
        }
        if !took(rest, ",") {
            return Err(fault("a comma or the end of the list", rest));
        }
    }
}

fn members(rest: &mut &str) -> Result<Json, String> {
    let mut members = BTreeMap::new();
    if took(rest, "}") {
        return Ok(Json::Object(members));
    }
    loop {
        *rest = rest.trim_start();
        let name = string(rest)?;
        if !took(rest, ":") {
            return Err(fault("a colon", rest));
        }
        let value = value(rest)?;
        if members.insert(name.clone(), value).is_some() {
            return Err(format!("\"{name}\" stands there twice"));
        }
        if took(rest, "}") {
            return Ok(Json::Object(members));
        }
        if !took(rest, ",") {
            return Err(fault("a comma or the end of the object", rest));
        }
    }
}

/// A string without escapes but the one of a quote: the files need no others.
fn string(rest: &mut &str) -> Result<String, String> {
    let Some(body) = rest.strip_prefix('"') else {
        return Err(fault("a string", rest));
    };
    let mut text = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                *rest = &body[at + 1..];
                return Ok(text);
            }
            '\\' => match letters.next() {
                Some((_, escaped @ ('"' | '\\' | '/'))) => text.push(escaped),
                _ => return Err(fault("an escape", &body[at..])),
            },
            control if control.is_control() => return Err(fault("no control", &body[at..])),
            letter => text.push(letter),
        }
    }
    Err(fault("the end of a string", rest))
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "[1] 2",
        "{a:1}",
        "[tru]",
        "\"a",
        "[+1]",
        "[1 2]",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    let read = parse(" {\"a\": [1, -2.5, \"x\\\"\", null], \"b\": {}} ").unwrap();
    assert_eq!(read.member("a").items()[2].text(), "x\"");
}
