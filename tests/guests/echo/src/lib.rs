//! Sends back whatever comes, from rfile to wfile: what the comparison pumps 64 MiB through.

use std::io::{self, BufRead as _, Write as _};

use guest_sdk::{StreamRequest, StreamRequestHandler};

#[derive(Default)]
struct Echo;

impl StreamRequestHandler for Echo {
    /// As much as one write takes.
    const RBUFSIZE: usize = 65_536;

    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        loop {
            let bytes = request.rfile.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            request.wfile.write_all(bytes)?;
            let count = bytes.len();
            request.rfile.consume(count);
        }
    }
}

guest_sdk::export!(Echo: StreamRequestHandler);
