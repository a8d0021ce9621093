//! libFuzzer's way into `fuzz_logic::churn`.
#![no_main]

#[path = "../../tests/fuzz_logic/mod.rs"]
mod fuzz_logic;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_logic::churn(input));
