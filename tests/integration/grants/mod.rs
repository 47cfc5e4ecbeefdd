//! What an operator grants, and what is refused beside it: variables of the `environment`, `directories`, with what
//! `directory_limits` leave of the server, names and addresses of a `network`, by the `sdk`, packets `sent` by the
//! server's own socket.

mod directories;
mod directory_limits;
mod environment;
mod network;
mod sdk;
mod sent;

use tests::{Serve, Server, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave")).args(["--log-level", "debug"])
}

/// A server with these grants.
fn granting<A: AsRef<std::ffi::OsStr>>(flags: impl IntoIterator<Item = A>) -> Server {
    serve().args(flags).start()
}

#[track_caller]
fn assert_no(answer: &str, why: &str) {
    assert!(
        answer.starts_with("NO: ") && answer.contains(why),
        "{answer}"
    );
}
