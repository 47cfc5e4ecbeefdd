//! The documentation's threaded example: `Thread-N: ` and what one read gave.
//!
//! There is no thread to name; N is the number of the request, and shows that requests run side by side.

use std::io;

use guest_sdk::{BaseRequestHandler, Connection};

/// The most that is read, in bytes.
const MOST: usize = 1024;

#[derive(Default)]
struct ThreadedName;

impl BaseRequestHandler<Connection> for ThreadedName {
    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        let bytes = request.recv(MOST)?;
        let name = format!("Thread-{}: ", request.server().request_id());
        request.sendall(&[name.as_bytes(), &bytes].concat())
    }
}

guest_sdk::export!(ThreadedName: BaseRequestHandler<Connection>);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::StreamClient;

    use super::ThreadedName;

    #[test]
    fn the_number_of_the_request_comes_first() {
        let served = StreamClient::new().request_id(3).sends("Hello World 1");
        assert_eq!(
            served.serve::<ThreadedName>().writes,
            [b"Thread-3: Hello World 1"]
        );
    }
}
