//! Files that were components: cut off, or with a bit flipped. Each is refused in one line, or is still a handler.

use std::collections::HashSet;
use std::fs;

use tests::{SCHEDULES, Serve, TRANSPORTS, guest};

/// Files of each kind.
const FILES: usize = 200;

/// Numbers that look random, and are the same every time.
struct Numbers(u64);

impl Numbers {
    /// The next one below `most`.
    fn below(&mut self, most: usize) -> usize {
        // A xorshift, by George Marsaglia.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).expect("below a usize")
    }
}

/// The pairs of a transport and a schedule, over and over: with so many files, each pair has a good sample of them.
fn ways_to_serve() -> impl Iterator<Item = (&'static str, &'static str)> {
    let on = |transport| SCHEDULES.map(move |schedule| (transport, schedule));
    TRANSPORTS.into_iter().flat_map(on).cycle()
}

/// Serves `wasm`, unless it is refused, and asks once. What it answers is its own; that its request ends, by no fault of the
/// host's and in a process that lives, and that the server ends well, is not.
fn try_to_serve(what: &str, wasm: &[u8], (transport, schedule): (&str, &str)) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("damaged.wasm");
    fs::write(&file, wasm).expect("a file");
    let server = Serve::new(&file)
        .on(transport, folder.path())
        .cache("none")
        .args(["--schedule", schedule, "--access-log", "all"])
        .args(["--cpu-limit", "100ms", "--wall-limit", "1s"])
        .spawn();
    let what = format!("{what}, {transport}, {schedule}");
    let Some(_) = server.try_address() else {
        let ended = server.wait();
        assert_eq!(ended.code, Some(1), "{what}: {ended}");
        assert_eq!(ended.stderr.lines().count(), 1, "{what}: {ended}");
        assert!(ended.stderr.contains("damaged"), "{what}: {ended}");
        return false;
    };
    let mut client = server.connect();
    client.send(b"well").expect("sent");
    if !client.is_datagram() {
        client.half_close().expect("half closed");
    }
    let line = server.end_of(1);
    for never in ["outcome=\"killed\"", "fault=host"] {
        assert!(!line.contains(never), "{what}: {line}");
    }
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{what}: {ended}");
    true
}

#[test]
fn cut_off_files_are_refused() {
    let good = fs::read(guest("bare")).expect("a component");
    let mut numbers = Numbers(1);
    for (_, way) in (0..FILES).zip(ways_to_serve()) {
        let length = numbers.below(good.len());
        let what = format!("the first {length} bytes");
        let served = try_to_serve(&what, &good[..length], way);
        assert!(!served, "{what} were served");
    }
}

#[test]
fn files_with_a_flipped_bit_are_refused_or_served() {
    let good = fs::read(guest("bare")).expect("a component");
    let mut numbers = Numbers(2);
    let mut served = HashSet::new();
    for (_, way) in (0..FILES).zip(ways_to_serve()) {
        let (place, bit) = (numbers.below(good.len()), numbers.below(8));
        let mut bad = good.clone();
        bad[place] ^= 1 << bit;
        let what = format!("bit {bit} of byte {place} flipped");
        if try_to_serve(&what, &bad, way) {
            served.insert(way);
        }
    }
    let ways = TRANSPORTS.len() * SCHEDULES.len();
    assert_eq!(served.len(), ways, "nothing was served but by {served:?}");
}
