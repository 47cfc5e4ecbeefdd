//! What a handler may reach.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::grants(text));
