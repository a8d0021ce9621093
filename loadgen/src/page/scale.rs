//! Numbers for people: round steps of an axis, units, dates.

/// Round steps from 0 to at least `greatest`, about five of them. The greatest step comes last.
pub(super) fn steps(greatest: f64) -> Vec<f64> {
    if !(greatest.is_finite() && greatest > 0.0) {
        return vec![0.0, 1.0];
    }
    let raw = greatest / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(power * 10.0);
    let mut all = vec![0.0];
    // Six at the most, by the choice of the step.
    while all.len() < 8 && all.last().is_some_and(|last| *last < greatest) {
        all.push(step * all.len() as f64);
    }
    all
}

/// A count with a unit prefix: `1.85 M`.
pub(super) fn count(value: f64) -> String {
    match value {
        _ if value >= 999_500_000.0 => format!("{} G", digits(value / 1e9)),
        _ if value >= 999_500.0 => format!("{} M", digits(value / 1e6)),
        _ if value >= 999.5 => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// Nanoseconds with a unit: `12.3 µs`.
pub(super) fn time(ns: f64) -> String {
    match ns {
        _ if ns >= 999_500_000.0 => format!("{} s", digits(ns / 1e9)),
        _ if ns >= 999_500.0 => format!("{} ms", digits(ns / 1e6)),
        _ if ns >= 999.5 => format!("{} µs", digits(ns / 1e3)),
        _ => format!("{} ns", digits(ns)),
    }
}

/// Three significant digits, without zeros that say nothing.
fn digits(value: f64) -> String {
    let text = match value {
        _ if value >= 99.95 => return format!("{value:.0}"),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds since 1970 as a date and a time, UTC.
pub(super) fn date(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1_970;
    // No clock is set beyond; a bound keeps a hostile number from counting for long.
    while year < 9_999 && days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    let february = if days_of(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (rest / 3_600, rest % 3_600 / 60);
    format!(
        "{year}-{month:02}-{:02} {hour:02}:{minute:02} UTC",
        days + 1
    )
}

fn days_of(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_the_greatest() {
        assert_eq!(steps(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(steps(1_850_000.0), [0.0, 500_000.0, 1e6, 1.5e6, 2e6]);
        for greatest in [1e-9, 0.3, 7.0, 99.0, 123_456.0, 1e12] {
            let all = steps(greatest);
            assert!(
                *all.last().unwrap() >= greatest * 0.999,
                "{greatest}: {all:?}"
            );
            assert!((3..=8).contains(&all.len()), "{greatest}: {all:?}");
        }
        assert_eq!(steps(f64::NAN).len(), 2);
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(count(1_849_000.0), "1.85 M");
        assert_eq!(count(500.0), "500");
        assert_eq!(count(20_000.0), "20 k");
        assert_eq!(time(12_340.0), "12.3 µs");
        assert_eq!(time(999_999.0), "1 ms");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(date(1_767_225_599), "2025-12-31 23:59 UTC");
        assert!(date(u64::MAX).starts_with("9999"));
    }
}
