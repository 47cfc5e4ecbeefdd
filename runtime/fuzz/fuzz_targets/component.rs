//! Components: whatever the bytes are, they are loaded or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::{Handler, Limits};

fuzz_target!(|bytes: &[u8]| {
    drop(Handler::from_bytes("fuzzed", bytes, Limits::default(), None));
});
