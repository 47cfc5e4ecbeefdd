//! Addresses to bind.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::address(text));
