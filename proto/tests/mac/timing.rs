//! Whether verification takes longer the later a tag differs, after dudect: two classes of input in
//! random order, Welch's t over the undisturbed measurements.

#![allow(
    clippy::disallowed_methods,
    reason = "a measurement of time reads the clock"
)]

use std::time::Instant;

use super::*;

const ROUNDS: usize = 1_000_000;
/// Above this |t| dudect calls a difference proven.
const T_MAX: f64 = 4.5;

/// Mean, variance and count of the faster nine tenths: what is slower was interrupted.
fn undisturbed(mut nanoseconds: Vec<f64>) -> (f64, f64, f64) {
    nanoseconds.sort_unstable_by(f64::total_cmp);
    nanoseconds.truncate(nanoseconds.len() / 10 * 9);
    let count = nanoseconds.len() as f64;
    let mean = nanoseconds.iter().sum::<f64>() / count;
    let variance = nanoseconds
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    (mean, variance, count)
}

#[test]
#[ignore = "a million measurements; wants an idle host and an optimised build"]
fn verification_time_does_not_depend_on_where_a_tag_differs() {
    let key = AwsKey::new(&[5; 32]);
    let signed = to_bob().sign(&key, LINK_ID).expect("a header we built");
    let tag = signed.header_mac.clone().expect("it is signed");
    let classes = [0, 31].map(|position: usize| {
        let mut wrong = tag.to_vec();
        wrong[position] ^= 1;
        HeaderFields {
            header_mac: Some(wrong.into()),
            ..signed.clone()
        }
        .seal()
    });
    let parsed = classes
        .each_ref()
        .map(|sealed| RoutedHeader::parse(sealed.as_bytes()).expect("a header we built"));
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    let scratch = &mut Vec::with_capacity(1_024);
    let mut state = 1_u64;
    for _ in 0..ROUNDS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let class = usize::from(state >> 63 != 0);
        let raw = classes[class].as_bytes();
        let began = Instant::now();
        let good = mac::verify(&key, &parsed[class], raw, LINK_ID.as_bytes(), scratch);
        times[class].push(began.elapsed().as_nanos() as f64);
        assert!(!good);
    }
    let [first, last] = times.map(undisturbed);
    let t = (first.0 - last.0) / (first.1 / first.2 + last.1 / last.2).sqrt();
    assert!(
        t.abs() < T_MAX,
        "t = {t:.2}: means {:.1} and {:.1} ns",
        first.0,
        last.0
    );
}
