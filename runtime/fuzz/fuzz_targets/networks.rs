//! Networks of clients, and of those to send packets to.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::networks(text));
