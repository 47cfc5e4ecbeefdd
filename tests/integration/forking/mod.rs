//! The forking schedule: a process for every request, and a second wall around it.

mod children; // how many there are, and that none is left
mod doors; // embedding programs: which program becomes the zygote
mod ending; // draining, and the server's own death
#[cfg(target_arch = "x86_64")]
mod escape; // system calls of whoever has got out of the sandbox
mod flags; // what is refused before anything is started
mod grants; // what a child may reach
mod killed; // children and zygotes that are killed
mod library; // hooks, foreign connections, handle_request
#[cfg(target_arch = "x86_64")]
mod lies; // children that fault, end early or lie to their server
mod packets; // datagrams, whose answers the server sends
mod printed; // what children print
mod randomness; // what is random in one child is another thing in the next
mod soak; // many requests, and what is left of them: nothing
mod wall; // kernels that lack a part of it

use tests::{Client, Process, Serve, Server, guest, until};

fn serve() -> Serve {
    let serve = Serve::new(guest("misbehave")).args(["--schedule", "forking"]);
    serve.args(["--access-log", "all", "--log-level", "debug"])
}

fn server(flags: &[&str]) -> Server {
    serve().args(flags).start()
}

/// A client whose handler has greeted, and waits for its answer.
fn in_mid_request(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(b"greet\n").expect("sent");
    assert_eq!(client.exactly(5).expect("a greeting"), "hello", "{server}");
    client
}

/// The one child that runs, as soon as those before it have been waited for.
#[track_caller]
fn only_child(server: &Server) -> Process {
    let zygote = server.zygote();
    until("one child runs", || zygote.children().len() == 1);
    zygote.children()[0]
}

/// Waits until no child is left, not even as a zombie.
#[track_caller]
fn assert_all_gone(server: &Server) {
    until("the zygote has no children", || {
        server.zygote().children().is_empty()
    });
}
