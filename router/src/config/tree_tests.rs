//! Places, aliases and bounds of the reader.

use super::*;

/// The tree of `text`, or the place and words of what is wrong with it.
fn parsed(text: &[u8]) -> Result<Value, String> {
    let mut report = Report::new(vec!["f".to_owned()], false);
    let tree = parse(text, 0, &mut report);
    match report.finish() {
        Ok(_) => Ok(tree.expect("what is not reported is a tree")),
        Err(errors) => Err(errors.to_string()),
    }
}

fn map(value: &Value) -> &[Entry] {
    match &value.kind {
        Kind::Map(entries) => entries,
        other @ (Kind::List(_) | Kind::Scalar(_)) => panic!("a mapping, found {other:?}"),
    }
}

#[test]
fn keys_and_values_know_their_places() {
    let tree = parsed("\u{feff}# a\r\nk:\r\n  - {é: ü, b: 'c'}\r\n".as_bytes()).unwrap();
    let key = &map(&tree)[0];
    assert_eq!((key.at.line, key.at.column), (2, 1));
    let Kind::List(list) = &key.value.kind else {
        panic!("a list");
    };
    let inner = map(&list[0]);
    assert_eq!((inner[0].at.line, inner[0].at.column), (3, 6));
    assert_eq!((inner[1].at.line, inner[1].at.column), (3, 12));
    assert_eq!(inner[1].value.at.column, 15);
}

#[test]
fn how_a_scalar_was_written_is_kept() {
    let tree = parsed(b"a: 1\nb: '1'\nc: !!str 1\nd: !!int '1'\ne: |\n  1\nf:\n").unwrap();
    let forms: Vec<Form> = map(&tree)
        .iter()
        .map(|entry| match &entry.value.kind {
            Kind::Scalar(scalar) => scalar.form,
            other @ (Kind::Map(_) | Kind::List(_)) => panic!("a scalar, found {other:?}"),
        })
        .collect();
    let (plain, quoted) = (Form::Plain, Form::Quoted);
    assert_eq!(forms, [plain, quoted, quoted, plain, quoted, plain]);
    assert!(map(&tree)[5].value.is_null());
}

#[test]
fn an_alias_is_a_copy_in_its_own_place() {
    let tree = parsed(b"a: &x {k: v}\nb: *x\n").unwrap();
    let [first, second] = map(&tree) else {
        panic!("two keys");
    };
    assert_eq!(first.value.kind, second.value.kind);
    assert_eq!((second.value.at.line, second.value.at.column), (2, 4));
}

#[test]
fn depth_is_bounded_with_aliases_counted_as_what_they_stand_for() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parsed(deep(DEPTH_MAX).as_bytes()).is_ok());
    let said = parsed(deep(DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(said, "f:1:33: nested deeper than 32 levels");

    // Under the key, the alias itself is at depth two.
    let aliased = |levels: usize| format!("a: &a {}\nb: [*a]\n", deep(levels));
    assert!(parsed(aliased(DEPTH_MAX - 2).as_bytes()).is_ok());
    let said = parsed(aliased(DEPTH_MAX - 1).as_bytes()).unwrap_err();
    assert_eq!(said, "f:2:5: nested deeper than 32 levels");
}

#[test]
fn values_are_bounded_with_aliases_counted_as_what_they_stand_for() {
    // The list, and one value for each of the others.
    let flat = |values: usize| "- x\n".repeat(values - 1);
    assert!(parsed(flat(VALUES_MAX).as_bytes()).is_ok());
    let said = parsed(flat(VALUES_MAX + 1).as_bytes()).unwrap_err();
    assert!(
        said.ends_with("more than 65536 values, aliases included"),
        "{said}"
    );

    let block = format!("- &a [{}]\n", "x, ".repeat(1_000));
    let aliased = |copies: usize| format!("{block}{}", "- *a\n".repeat(copies));
    assert!(parsed(aliased(60).as_bytes()).is_ok());
    assert!(parsed(aliased(70).as_bytes()).is_err());
}

#[test]
fn what_is_not_text_is_refused_where_it_begins() {
    assert_eq!(parsed(b"a: b\nc: \xff").unwrap_err(), "f:2:4: not UTF-8");
    assert_eq!(parsed(b"\xff").unwrap_err(), "f:1:1: not UTF-8");
    let large = vec![b' '; TEXT_BYTES_MAX + 1];
    assert_eq!(parsed(&large).unwrap_err(), "f: larger than 1048576 bytes");
    assert!(parsed(&large[1..]).is_ok());
}
