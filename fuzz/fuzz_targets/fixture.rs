#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| paragon_testkit_fuzz::fixture(bytes));
