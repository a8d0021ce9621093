//! How values are written: durations such as `1m30s`, sizes such as `64KiB`, whole numbers, words.
//!
//! Pure and total: any text is either a quantity or not one.

use std::time::Duration;

/// Units of time, in nanoseconds. A year is the mean tropical one, as the reference has it.
const TIME_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_556_926_000_000_000),
];

/// Units of size, in bytes, largest first.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads a duration: one or more numbers, each with its unit; blanks do not count.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (amount, after) = leading_number(rest)?;
        let after = after.trim_start();
        let letters = after
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, nanoseconds) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
        let nanoseconds = u128::from(amount).checked_mul(u128::from(*nanoseconds))?;
        let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
        let below_second = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
        total = total.checked_add(Duration::new(seconds, below_second))?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Reads a size: a number of bytes, alone or with one of the units B, KiB, MiB, GiB, TiB.
pub(super) fn size(text: &str) -> Option<u64> {
    let (amount, unit) = leading_number(text.trim())?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(amount);
    }
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    amount.checked_mul(*bytes)
}

/// Reads a whole number as YAML writes one: decimal, `0x…` or `0o…`, with an optional sign.
pub(super) fn whole(text: &str) -> Option<i128> {
    let digits_of = |text: &str, radix: u32| {
        let valid = !text.is_empty() && text.chars().all(|digit| digit.is_digit(radix));
        let value = i128::from_str_radix(text, radix).unwrap_or(i128::MAX);
        valid.then_some(value)
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_of(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_of(digits, 8);
    }
    match text.strip_prefix('-') {
        Some(digits) => digits_of(digits, 10).map(|value| -value),
        None => digits_of(text.strip_prefix('+').unwrap_or(text), 10),
    }
}

/// Writes a duration the way [`duration`] reads it, without losing anything.
pub(crate) fn show_duration(value: Duration) -> String {
    let nanoseconds = value.as_nanos();
    let largest_first = TIME_UNITS.iter().rev().filter(|(name, _)| *name != "y");
    let mut rest = nanoseconds;
    let mut text = String::new();
    for (name, unit) in largest_first {
        let amount = rest / u128::from(*unit);
        rest %= u128::from(*unit);
        if amount > 0 {
            text.push_str(&format!("{amount}{name}"));
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// Writes a size in the largest unit that divides it, the way [`size`] reads it.
pub(super) fn show_size(bytes: u64) -> String {
    let fits = |unit: &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(unit.1);
    let (name, unit) = SIZE_UNITS.iter().find(fits).copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

/// The word of `words` that stands for `value`.
pub(crate) fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> &'static str {
    words
        .iter()
        .find(|(_, meant)| *meant == value)
        .map_or("", |(word, _)| word)
}

/// The number `text` begins with, and what follows it.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, expected) in [
            ("10s", Some(Duration::from_secs(10))),
            ("1m30s", Some(Duration::from_secs(90))),
            (" 1 h 1 ms ", Some(Duration::from_millis(3_600_001))),
            ("2d1w", Some(Duration::from_secs(9 * 86_400))),
            ("1y", Some(Duration::from_secs(31_556_926))),
            ("3us4ns", Some(Duration::from_nanos(3_004))),
            ("0s", Some(Duration::ZERO)),
            ("10", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("1sec", None),
            ("10 seconds", None),
            ("99999999999999999999s", None),
            ("18446744073709551615y", None),
            ("18446744073709551615s1s", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        for (text, expected) in [
            ("65536", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("1 GiB", Some(1 << 30)),
            ("0", Some(0)),
            ("1KB", None),
            ("1kib", None),
            ("KiB", None),
            ("17000000TiB", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_yaml_s() {
        for (text, expected) in [
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("+7", Some(7)),
            ("0x1F", Some(31)),
            ("0o17", Some(15)),
            ("1_000", None),
            ("1e3", None),
            ("-", None),
            ("--7", None),
            ("+-7", None),
            ("0x+7", None),
            ("", None),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
        assert_eq!(whole(&"9".repeat(100)), Some(i128::MAX));
    }

    #[test]
    fn what_is_shown_reads_back() {
        for nanoseconds in [0, 1, 999, 1_500_000_000, 90_061_001_002_003, u64::MAX] {
            let value = Duration::from_nanos(nanoseconds);
            assert_eq!(duration(&show_duration(value)), Some(value));
        }
        for bytes in [0, 1, 1_023, 1_024, 1_536, 1 << 20, u64::MAX] {
            assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(show_size(1 << 20), "1MiB");
    }
}
