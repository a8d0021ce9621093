//! libFuzzer's way into `fuzzed::ingress`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| slipring_core_fuzz::ingress(input));
