//! Every workload runs against a router that does what it should, and says what it did; what is
//! asked for in a plan is what is done.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use crate::binary::{assert_exit, loadgen, text};
use crate::faulty_router::Fault;

mod binary;
mod faulty_router;

/// The number in front of `what`.
fn number_before(text: &str, what: &str) -> u64 {
    let (before, _) = text.split_once(what).unwrap();
    let digits = before.split_whitespace().last().unwrap();
    digits.replace(',', "").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_of_sizes_under_fresh_identities_arrives_intact() {
    let words = "run TARGET --pairs 2 --messages 3000 --window 64 --warmup 0 --duration 60 \
                 --sizes 64:3,4096:1 --identity fresh --seed 3";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    let text = text(&output);
    assert!(
        text.contains("6,000 sent, 6,000 due, 6,000 delivered"),
        "{text}"
    );
    assert!(text.contains("131,072 signed headers, 35.0 MB"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_found_in_mixes_and_streams_too() {
    let words = "run TARGET --messages 960 --window 64 --warmup 0 --duration 60 \
                 --sizes 64:3,300:1 --stream 16 --identity fresh";
    for (fault, found) in [
        (Fault::Double, "duplicates"),
        (Fault::Swap, "reordered"),
        (Fault::Damage, "damaged"),
    ] {
        // Seven and sixty-four have no divisor in common: some of the faulty messages are tagged.
        let output = loadgen(fault, 7, words).await;
        assert_exit(&output, 1);
        let text = text(&output);
        let (_, verdict) = text.split_once("NOT A RESULT").unwrap();
        assert!(verdict.contains(found), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_come_in_their_time() {
    let words = "run TARGET --pairs 2 --stream 8 --token-rate 200 --messages 64 --size 64 \
                 --warmup 0 --duration 30 --identity static:50";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    let text = text(&output);
    assert!(text.contains("128 sent, 128 due, 128 delivered"), "{text}");
    // 63 intervals of 5 ms; at once it would be thousands per second.
    let rate = number_before(&text, " (");
    assert!(rate <= 420, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn churn_goes_on_beside_the_load() {
    let words = "run TARGET --pairs 2 --rate 200 --warmup 0 --duration 1 \
                 --churn-subscribe 100 --churn-connect 20 --churn-links 3";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    let text = text(&output);
    let subscribed = number_before(&text, " subscriptions made and ended");
    let connected = number_before(&text, " links closed and opened");
    // A machine that is busy may do less, none does more than was due.
    assert!((1..=100).contains(&subscribed), "{text}");
    assert!((1..=21).contains(&connected), "{text}");
    assert!(
        text.contains("(100 due)") && text.contains("(20 due)"),
        "{text}"
    );
    assert!(
        text.contains("churn: ack") && text.contains("churn: open"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_links_subscribe_to_all_their_names() {
    let words = "run TARGET --links 3 --names 700 --messages 10 --warmup 0 --duration 30";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    assert!(text(&output).contains("5 in "), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ready_made_plan_runs_by_name_and_flags_change_it() {
    let words = "run TARGET --plan pairs-256 --messages 100 --window 10 --warmup 0";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    assert!(
        text(&output).contains("1,600 sent, 1,600 due"),
        "{}",
        text(&output)
    );
    // Nobody looks at a progress line that goes into a pipe.
    assert!(output.stderr.is_empty(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_file_with_mistakes_is_refused_with_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, "pairz = 2\nsize = 1\nduration = \"soon\"\n").unwrap();
    let words = format!("run TARGET --plan {} --windo 4", path.display());
    let output = loadgen(Fault::None, 1, &words).await;
    assert_exit(&output, 64);
    let text = text(&output);
    for expected in [
        "wrong.toml:1: pairz: there is no such key; did you mean \"pairs\"?",
        "wrong.toml:2: size = 1: expected",
        "wrong.toml:3: duration = soon: expected a time",
        "--windo: there is no such setting; did you mean \"window\"?",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_tells_every_interval_and_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("soak.json");
    let words = format!(
        "soak TARGET --duration 0.6 --interval 0.2 --warmup 0 --rate 300 --pid {} \
         --growth-max 1000 --json {}",
        std::process::id(),
        path.display()
    );
    let output = loadgen(Fault::None, 1, &words).await;
    assert_exit(&output, 0);
    let lines = text(&output)
        .lines()
        .filter(|line| line.contains("0 lost  target"))
        .count();
    assert_eq!(lines, 3, "{}", text(&output));
    let document = std::fs::read_to_string(path).unwrap();
    assert_eq!(document.matches("\"p99_seconds\"").count(), 3, "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_that_loses_one_message_fails() {
    let words = "soak TARGET --duration 0.2 --interval 0.2 --warmup 0 --rate 500";
    let output = loadgen(Fault::Lose, 50, words).await;
    assert_exit(&output, 1);
    let text = text(&output);
    assert!(
        text.contains("NOT CLEAN") && text.contains("NOT A RESULT"),
        "{text}"
    );
    assert!(text.contains("not judged: no --pid"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_calls_are_counted_or_it_is_said_why_not() {
    let words = format!(
        "run TARGET --rate 500 --warmup 0 --duration 0.2 --trace-syscalls 0.3 --pid {}",
        std::process::id()
    );
    let output = loadgen(Fault::None, 1, &words).await;
    assert_exit(&output, 0);
    let text = text(&output);
    let counted = text.contains("per delivery, counted by");
    assert!(counted != text.contains("not measured: perf: "), "{text}");
    // Load went on while the calls were counted: more than the hundred of the measured part.
    assert!(!counted || number_before(&text, " sent") > 200, "{text}");
}
