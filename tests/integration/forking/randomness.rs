//! What is random in one child is another thing in the next, although all of them are copies of one process.

use std::collections::HashSet;

use rustix::process::Signal;
use tests::Server;

use super::server;

/// The words of one child: the sources of randomness, one after the other.
fn words(server: &Server) -> Vec<String> {
    let told = server.ask("all-randomness\n");
    let words: Vec<String> = told.split(' ').map(str::to_owned).collect();
    assert_eq!(words.len(), 5, "{told}");
    words
}

#[test]
fn no_two_children_are_told_the_same() {
    let server = server(&[]);
    let mut told = HashSet::new();
    for number in 1..=100 {
        if number == 50 {
            let zygote = server.zygote();
            assert!(zygote.signal(Signal::KILL));
            let _ = server.zygote_after(zygote);
        }
        told.extend(words(&server));
        assert_eq!(told.len(), 5 * number, "something came again");
    }
}
