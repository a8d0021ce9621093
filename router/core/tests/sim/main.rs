//! The deterministic simulation: whole nodes, real cores, virtual time, unkind wires.
//!
//! A seed decides everything: the shape of the world, what clients do, how shards interleave, what
//! happens to bytes. `SIM_SEED=n cargo test -p slipring-core --profile sim --test sim` replays one.

mod actions;
mod arm;
mod checks;
mod client;
mod close;
mod dial;
mod dice;
mod expect;
mod faults;
mod fuzzed;
mod knobs;
mod mesh;
mod model;
mod oracle;
mod plan;
mod pulled;
mod receive;
mod rotation;
mod run;
mod sabotage;
mod say;
mod shell;
mod unkind;
mod wire;
mod world;

use dice::mix;
use faults::{Fault, Faults};
use knobs::{Knobs, Variant};
use run::{Failure, run};
use sabotage::Sabotage;
use slipring_core::{CloseReason, Counters, DropReason};
use world::Report;

#[allow(
    clippy::print_stdout,
    reason = "the harness shows it when asked, or when a seed fails"
)]
fn say(line: &dyn std::fmt::Display) {
    println!("{line}");
}

/// Runs a seed with and without remembered headers, and compares.
fn run_both(seed: u64, steps: u64) -> Result<(Report, bool), Failure> {
    let with = run(seed, steps, Variant::PLAIN)?;
    let without = run(
        seed,
        steps,
        Variant {
            has_flow_cache: false,
            ..Variant::PLAIN
        },
    )?;
    let is_same = with.trace == without.trace && with.delivered == without.delivered;
    if !is_same && with.soft_choices == 0 {
        return Err(Failure {
            seed,
            step: with.steps,
            message: "[cache] a run without remembered headers went another way".to_owned(),
            has_struck: false,
        });
    }
    Ok((with, is_same))
}

#[test]
fn every_seed_keeps_every_promise() {
    let knobs = Knobs::from_environment();
    let seeds = knobs.seed.map_or(0..knobs.seeds, |seed| seed..seed + 1);
    let mut faults = Faults::new();
    let mut sum = Counters::default();
    let mut failures = Vec::new();
    let (mut steps, mut same, mut count) = (0, 0, 0);
    for seed in seeds {
        count += 1;
        match run_both(seed, knobs.steps) {
            Ok((report, is_same)) => {
                faults.merge(&report.faults);
                sum.merge(&report.counters);
                steps += report.steps;
                same += u64::from(is_same);
            }
            Err(failure) => {
                say(&failure);
                failures.push(failure);
            }
        }
    }
    say(&format_args!(
        "{count} seeds, {steps} steps, {same} alike without a flow cache; {} published, {} \
         deliveries, {} through the mesh, {} flow hits",
        sum.routed, sum.deliveries, sum.handoffs, sum.flow_hits
    ));
    for fault in Fault::ALL {
        say(&format_args!(
            "{:>8} {}",
            faults.count(*fault),
            fault.label()
        ));
    }
    assert!(failures.is_empty(), "{} seeds failed", failures.len());
    if knobs.is_full() {
        check_coverage(&faults, &sum);
        assert!(same * 2 > count, "too few runs could be compared: {same}");
    }
}

/// Over the whole set every fault must have shown its effect, and every reason must have been given.
fn check_coverage(faults: &Faults, sum: &Counters) {
    for fault in Fault::ALL {
        assert!(faults.count(*fault) > 0, "{} never happened", fault.label());
    }
    for reason in DropReason::ALL {
        let index = reason.index();
        let count = sum.dropped_in.at(index) + sum.dropped_out.at(index);
        assert!(count > 0, "nothing was dropped for {}", reason.label());
    }
    for reason in CloseReason::ALL {
        let count = sum.closed.at(reason.index());
        assert!(count > 0, "nothing was closed for {}", reason.label());
    }
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in 0..64 {
        let seed = mix(seed);
        let first = run(seed, 3_000, Variant::PLAIN).expect("a seed that passes");
        let again = run(seed, 3_000, Variant::PLAIN).expect("a seed that passes");
        assert_eq!(first, again, "seed {seed} went two ways");
    }
}

/// A defect, a seed whose world it strikes, and the check that must notice.
const DEFECTS: [(Sabotage, u64, &str); 15] = [
    (Sabotage::AckEarly, 0, "[replicas]"),
    (Sabotage::CorruptTail, 0, "[tail]"),
    (Sabotage::DropDelta, 0, "[replicas]"),
    (Sabotage::DuplicateHandoff, 0, "[duplicate]"),
    (Sabotage::ExceedBounds, 12, "[bounds]"),
    (Sabotage::ForeignTag, 0, "[mac]"),
    (Sabotage::ForgetResume, 0, "[liveness]"),
    (Sabotage::KeepRoute, 16, "[ghost]"),
    (Sabotage::KeepTtl, 0, "[ttl]"),
    (Sabotage::LeakSteering, 0, "[steering]"),
    (Sabotage::LoseHandoff, 0, "[conservation]"),
    (Sabotage::LoseMessage, 1, "[order]"),
    (Sabotage::MiscountDrop, 7, "[conservation]"),
    (Sabotage::SwapHandoffs, 0, "[order]"),
    (Sabotage::SwapMessages, 0, "[order]"),
];

#[test]
fn every_check_can_fail() {
    for (sabotage, seed, check) in DEFECTS {
        let variant = Variant {
            sabotage: Some(sabotage),
            ..Variant::PLAIN
        };
        match run(seed, 3_000, variant) {
            Ok(_) => panic!("{sabotage:?} went unnoticed in seed {seed}"),
            Err(failure) => {
                let is_struck = failure.has_struck || sabotage == Sabotage::ExceedBounds;
                assert!(
                    is_struck && failure.message.contains(check),
                    "{sabotage:?} was to be noticed by {check}: {failure}"
                );
            }
        }
    }
}

#[test]
fn a_choice_that_no_seed_decides_is_noticed() {
    let variant = Variant {
        sabotage: Some(Sabotage::HiddenChoice),
        ..Variant::PLAIN
    };
    let first = run(0, 3_000, variant).expect("the world itself is sound");
    let again = run(0, 3_000, variant).expect("the world itself is sound");
    assert_ne!(first.trace, again.trace);
}

#[test]
fn the_worlds_without_defects_pass_where_the_defects_were_noticed() {
    for (_, seed, _) in DEFECTS {
        if let Err(failure) = run(seed, 3_000, Variant::PLAIN) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_corpora_of_the_fuzz_targets_pass() {
    for (target, logic) in [
        ("ingress", fuzzed::ingress as fn(&[u8])),
        ("scenario", fuzzed::scenario),
    ] {
        assert!(
            fuzzed::replay(target, logic) >= 20,
            "the corpus of {target}"
        );
    }
}
