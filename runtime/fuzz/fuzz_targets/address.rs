//! Addresses to bind: whatever is asked for is refused or printed so that it is read again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::{BindAddress, Transport};

fuzz_target!(|text: &str| {
    for transport in [Transport::Tcp, Transport::Udp, Transport::Unix, Transport::Unixgram] {
        drop(BindAddress::new(transport, text));
    }
    if let Ok(address) = text.parse::<BindAddress>() {
        let printed = address.to_string();
        assert_eq!(printed.parse(), Ok(address), "{printed}");
    }
});
