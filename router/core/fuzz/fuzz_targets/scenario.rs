//! libFuzzer's way into `fuzzed::scenario`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| slipring_core_fuzz::scenario(input));
