//! libFuzzer's way into `config_fuzz_logic::config`.
#![no_main]

#[path = "../../tests/config_fuzz_logic/mod.rs"]
mod config_fuzz_logic;

libfuzzer_sys::fuzz_target!(|input: &[u8]| config_fuzz_logic::config(input));
