#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datafan_fuzz::evidence::attack(bytes));
