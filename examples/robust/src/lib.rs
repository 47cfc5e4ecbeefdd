//! Answers every read with what it was, as text, and prints who comes and goes.
//!
//! What is not UTF-8 is answered, too, and a client that resets has left: that is no error.

#![expect(
    clippy::print_stdout,
    reason = "who comes and goes is what the operator reads"
)]

use std::io;

use guest_sdk::{BaseRequestHandler, Connection};

/// The most that is read at once, in bytes.
const MOST: usize = 1024;

#[derive(Default)]
struct Robust;

impl BaseRequestHandler<Connection> for Robust {
    fn setup(&mut self, request: &mut Connection) -> io::Result<()> {
        println!("{} came", request.client_address());
        Ok(())
    }

    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        let client = request.client_address();
        match converse(request) {
            Ok(()) => println!("{client} went"),
            Err(error) if was_reset(&error) => println!("{client} was reset"),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn converse(client: &Connection) -> io::Result<()> {
    loop {
        let bytes = client.recv(MOST)?;
        if bytes.is_empty() {
            return Ok(());
        }
        client.sendall(answer(&bytes).as_bytes())?;
    }
}

fn answer(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => format!("服务器收到: {}", text.trim()),
        Err(_) => "Invalid UTF-8 data received".to_owned(),
    }
}

fn was_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

guest_sdk::export!(Robust: BaseRequestHandler<Connection>);

#[cfg(test)]
mod tests {
    use guest_sdk::ErrorCode;
    use guest_sdk::testing::{StreamClient, stream};

    use super::Robust;

    #[test]
    fn every_read_is_answered_stripped() {
        let served = stream::<Robust>([" hello \n", "世界"]);
        assert_eq!(
            served.writes,
            ["服务器收到: hello", "服务器收到: 世界"].map(str::as_bytes)
        );
    }

    #[test]
    fn what_is_no_text_is_answered_too() {
        let served = stream::<Robust>([b"\xff\xfe".as_slice(), b"hello"]);
        let answers = ["Invalid UTF-8 data received", "服务器收到: hello"];
        assert_eq!(served.writes, answers.map(str::as_bytes));
    }

    #[test]
    fn a_reset_is_no_error() {
        assert!(
            StreamClient::new()
                .sends("hello")
                .resets()
                .serve::<Robust>()
                .result
                .is_ok()
        );
        let deaf = StreamClient::new()
            .sends("hello")
            .refuses(ErrorCode::BrokenPipe);
        assert!(deaf.serve::<Robust>().result.is_ok());
    }

    #[test]
    fn another_error_is_one() {
        assert!(
            StreamClient::new()
                .is_quiet()
                .serve::<Robust>()
                .result
                .is_err()
        );
    }
}
