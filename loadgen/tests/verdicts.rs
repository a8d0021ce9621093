//! The verdict is what the load generator is for: a clean run is called clean, every fault is
//! found and counted, and the exit status says so to scripts.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use crate::binary::{assert_exit, loadgen, loadgen_at, text};
use crate::faulty_router::Fault;

mod binary;
mod faulty_router;

/// 960 messages with a window of 32, no waiting beside.
const PAIRS: &str = "run TARGET --messages 960 --window 32 --warmup 0 --duration 30";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_through_a_sound_router_are_clean() {
    let output = loadgen(Fault::None, 1, &format!("{PAIRS} --pairs 3")).await;
    assert_exit(&output, 0);
    let text = text(&output);
    assert!(
        text.contains("2,880 sent, 2,880 due, 2,880 delivered"),
        "{text}"
    );
    assert!(text.contains("clean"), "{text}");
    // However short a run is: what it delivered was delivered while it was measured.
    assert!(text.contains("deliveries per second"), "{text}");
    assert!(!text.contains("deliveries per second  0 "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_without_a_key_carry_messages_too() {
    let output = loadgen(Fault::None, 1, &format!("{PAIRS} --mac off")).await;
    assert_exit(&output, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fan_out_and_incast_are_counted_per_delivery() {
    let output = loadgen(Fault::None, 1, &format!("{PAIRS} --fanout 5")).await;
    assert_exit(&output, 0);
    assert!(
        text(&output).contains("960 sent, 4,800 due, 4,800 delivered"),
        "{}",
        text(&output)
    );
    let output = loadgen(Fault::None, 1, &format!("{PAIRS} --incast 4 --threads 2")).await;
    assert_exit(&output, 0);
    assert!(
        text(&output).contains("3,840 sent, 3,840 due, 3,840 delivered"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lost_message_is_counted_and_the_run_is_no_result() {
    let output = loadgen(Fault::Lose, 96, PAIRS).await;
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("NOT A RESULT: 10 lost"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubled_and_swapped_messages_are_counted() {
    let output = loadgen(Fault::Double, 96, PAIRS).await;
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("NOT A RESULT: 10 duplicates"),
        "{}",
        text(&output)
    );
    let output = loadgen(Fault::Swap, 95, PAIRS).await;
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("NOT A RESULT: 10 reordered"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_payload_is_found_by_its_tag() {
    // Every message is damaged, one in sixty-four is checked.
    let output = loadgen(Fault::Damage, 1, PAIRS).await;
    assert_exit(&output, 1);
    assert!(
        text(&output).contains("NOT A RESULT: 15 damaged"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_sends_what_was_asked_for() {
    let words = "run TARGET --rate 2000 --pairs 2 --warmup 0 --messages 200 --duration 30";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    assert!(
        text(&output).contains("400 sent, 400 due, 400 delivered"),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("p99.9"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_are_subscribed_and_reached() {
    let words = "run TARGET --instances 300 --links 7";
    let output = loadgen(Fault::None, 1, words).await;
    assert_exit(&output, 0);
    assert!(text(&output).contains("300 acks"), "{}", text(&output));
    assert!(
        text(&output).contains("300 sent, 300 due, 300 delivered"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_opens_and_closes_what_it_was_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storm.json");
    let words = "storm TARGET --links 50 --concurrency 8 --names 2 --hold 0.1 --sources 3 --json";
    let output = loadgen(Fault::None, 1, &format!("{words} {}", path.display())).await;
    assert_exit(&output, 0);
    assert!(text(&output).contains("50 of 50"), "{}", text(&output));
    let document = std::fs::read_to_string(path).unwrap();
    assert!(document.contains("\"clean\": true") && document.contains("\"opened\": 50"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_target_and_a_wrong_word_have_their_own_exit_status() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for words in ["run TARGET", "storm TARGET --links 2"] {
        let output = loadgen_at(address, words).await;
        assert_exit(&output, 69);
        assert!(
            text(&output).to_lowercase().contains("refused"),
            "{}",
            text(&output)
        );
    }
    let output = loadgen_at(address, "run TARGET --size 3").await;
    assert_exit(&output, 64);
    assert!(text(&output).contains("--size"), "{}", text(&output));
}
