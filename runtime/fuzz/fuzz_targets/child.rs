//! What a child says to its server.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::child(bytes));
