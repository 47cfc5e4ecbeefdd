//! Slow, rude and flooding clients: an honest one, from another source, is answered after each step of what they
//! do, and nothing is left of them.
//!
//! Under `sync`, where one is served at a time, the honest one waits until those who came before it have ended, or have met
//! a limit. Under `forking` there are fewer hostile ones than under `threaded`: each is a process.

mod floods; // of connections and packets
mod rude; // who reset, never close, or send what is no request
mod slow; // who take their time

use std::net::Ipv4Addr;

use tests::{Address, Client, Ended, Household, Serve, Server, guest};

/// Where the honest client comes from.
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Where the only hostile one does.
const HOSTILE: Ipv4Addr = Ipv4Addr::new(127, 6, 6, 6);

/// Bytes of memory that a server may keep: what the places in the pool of a few hundred guests keep, and what an
/// allocator does not give back at once.
const SLACK: u64 = 16 << 20;

/// A server under attack, and the honest client beside it.
struct Besieged {
    server: Server,
    address: Address,
    before: Household,
}

impl Besieged {
    fn new(transport: &str, schedule: &str, arguments: &[&str]) -> Self {
        // Shown if the test fails.
        println!("{transport}, {schedule}, {arguments:?}");
        let serve = Serve::new(guest("misbehave")).args(["--proto", transport]);
        let serve = serve.args(["--schedule", schedule]);
        let server = serve.args(arguments).start();
        let address = server.address();
        // What is made for the first request stays.
        server.assert_well();
        Self {
            before: server.footprint(),
            server,
            address,
        }
    }

    fn hostile(&self) -> Client {
        Client::connect_from(HOSTILE, &self.address)
    }

    /// An honest client from another source is answered.
    fn assert_honest(&self) {
        self.assert_answered(HONEST);
    }

    fn assert_answered(&self, source: Ipv4Addr) {
        let answer = Client::connect_from(source, &self.address).ask(b"upper honest\n");
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", self.server));
        assert_eq!(answer, "HONEST", "{}", self.server);
    }

    /// All who have left are gone, too, as far as descriptors and processes tell.
    fn assert_left(&self) {
        self.server
            .assert_settles("those who left", self.before, u64::MAX >> 1);
    }

    /// Nothing is left of the attack, and nothing of it was the server's own failure.
    fn assert_over(self, what: &str) -> Ended {
        self.assert_over_but_for(SLACK, what)
    }

    /// The same, but for so many bytes of memory.
    fn assert_over_but_for(self, slack: u64, what: &str) -> Ended {
        self.assert_honest();
        self.server.assert_settles(what, self.before, slack);
        let ended = self.server.stop();
        ended.assert(0, &[]);
        assert!(!ended.stderr.contains("fault=host"), "{ended}");
        ended
    }
}

/// The flags of so many places, of which those who find none wait for one. Under sync there is one, whatever anybody wants.
fn places<'a>(schedule: &str, number: &'a str) -> Vec<&'a str> {
    match schedule {
        "sync" => Vec::new(),
        _ => vec!["--max-concurrency", number, "--when-full", "wait"],
    }
}
