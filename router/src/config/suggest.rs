//! What the writer probably meant: the known word nearest to an unknown one.

/// Words longer than this are nobody's typing mistake and would cost too much to compare.
const WORD_CHARS_MAX: usize = 64;

/// No more words than this are listed where none of them is near.
const LISTED_MAX: usize = 8;
/// A word of this many letters that is part of another is taken to be short for it.
const PART_CHARS_MIN: usize = 4;

/// Keys of other programs or older releases, with what to write instead.
const MISTAKEN: &[(&str, &str)] = &[
    (
        "ca_file",
        "write client_ca: {type: file, path: …} (server) or ca_source (client)",
    ),
    (
        "ca_pem",
        "write client_ca: {type: pem, data: …} (server) or ca_source (client)",
    ),
    ("cert_file", "write source: {type: file, cert: …, key: …}"),
    ("cert_pem", "write source: {type: pem, cert: …, key: …}"),
    ("key_file", "write source: {type: file, cert: …, key: …}"),
    ("key_pem", "write source: {type: pem, cert: …, key: …}"),
    ("client_ca_file", "write client_ca: {type: file, path: …}"),
    ("client_ca_pem", "write client_ca: {type: pem, data: …}"),
    (
        "insecure_skip_verify",
        "it is for clients; a server verifies its own with client_ca",
    ),
    ("ca_source", "it is for clients; a server has client_ca"),
    (
        "include_system_ca_certs_pool",
        "it is for clients; a server has client_ca",
    ),
    ("deadline", "a drain's deadline is runtime.drain_timeout"),
    ("permit_without_stream", "the key is keep_alive_while_idle"),
    ("pubsub", "the data plane is written under dataplane"),
];

/// The word of `known` nearest to `word`, unless none is near.
///
/// Near means: the same but for case and dashes, at most a third of the letters typed wrong, or
/// one being part of the other.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let typed = folded(word);
    if typed.is_empty() || typed.len() > WORD_CHARS_MAX {
        return None;
    }
    let mistyped = known
        .iter()
        .map(|candidate| {
            let meant = folded(candidate);
            let mistakes_max = typed.len().min(meant.len()).div_ceil(3).max(1);
            (distance(&typed, &meant), mistakes_max, *candidate)
        })
        .filter(|(mistakes, mistakes_max, _)| mistakes <= mistakes_max)
        .min_by_key(|(mistakes, ..)| *mistakes)
        .map(|(.., candidate)| candidate);
    mistyped.or_else(|| {
        known
            .iter()
            .copied()
            .find(|candidate| is_part(&typed, &folded(candidate)))
    })
}

/// What to say about a key nobody reads, given the keys somebody does.
pub(super) fn unknown_key(word: &str, known: &[&str]) -> String {
    if let Some((_, advice)) = MISTAKEN.iter().find(|(mistaken, _)| *mistaken == word) {
        return format!("unknown key; {advice}");
    }
    if let Some(meant) = nearest(word, known) {
        return format!("unknown key; did you mean \"{meant}\"?");
    }
    if known.len() > LISTED_MAX {
        return "unknown key; slipring.yaml(5) has the ones there are".to_owned();
    }
    format!("unknown key; known here: {}", known.join(", "))
}

/// What to say about a value that is none of `known`; `shown` is the value as it may be printed.
pub(super) fn unknown_word(shown: &str, word: &str, known: &[&str]) -> String {
    let hint = nearest(word, known)
        .map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
    format!("expected one of {}, found {shown}{hint}", known.join(", "))
}

/// The letters that matter: lower case, with `-`, ` ` and `_` alike.
fn folded(word: &str) -> Vec<char> {
    word.chars()
        .take(WORD_CHARS_MAX + 1)
        .map(|letter| match letter {
            '-' | ' ' => '_',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether one of the words is part of the other.
fn is_part(left: &[char], right: &[char]) -> bool {
    let (short, long) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    short.len() >= PART_CHARS_MIN && long.windows(short.len()).any(|window| window == short)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to make
/// `left` from `right`.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (row, letter) in left.iter().enumerate() {
        let above = &rows[row];
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && left[row - 1] == *other && right[column - 1] == *letter {
                best = best.min(rows[row - 1][column - 1] + 1);
            }
            current.push(best);
        }
        rows.push(current);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = [
            "endpoint",
            "tls",
            "keepalive",
            "connect_timeout",
            "drain_timeout",
        ];
        for (typed, meant) in [
            ("endpiont", Some("endpoint")),
            ("Endpoint", Some("endpoint")),
            ("connect-timeout", Some("connect_timeout")),
            ("connection_timeout", Some("connect_timeout")),
            ("tsl", Some("tls")),
            ("keep_alive", Some("keepalive")),
            ("drain", Some("drain_timeout")),
            ("tls_endpoint", Some("endpoint")),
            ("end", None),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, &known), meant, "{typed}");
        }
    }

    #[test]
    fn a_word_of_any_length_and_script_is_compared_or_left_alone() {
        assert_eq!(nearest(&"é".repeat(1_000_000), &["endpoint"]), None);
        assert_eq!(distance(&['a', 'b'], &['b', 'a']), 1);
        assert_eq!(distance(&[], &['b', 'a']), 2);
    }
}
