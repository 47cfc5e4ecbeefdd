//! Files that were components: cut off, or with a bit flipped. Each is refused in one line, or is still a handler.

use std::fs;
use std::path::Path;

use tests::{Serve, guest};

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

/// Serves `wasm`, unless it is refused, and asks once. What it answers is its own; that the server ends well is
/// not.
fn try_to_serve(folder: &Path, what: &str, wasm: &[u8]) -> bool {
    let file = folder.join("damaged.wasm");
    fs::write(&file, wasm).expect("a file");
    let server = Serve::new(&file)
        .cache("none")
        .args([
            "--cpu-limit",
            "100ms",
            "--wall-limit",
            "1s",
            "--drain-timeout",
            "5s",
        ])
        .spawn();
    let Some(_) = server.try_address() else {
        let ended = server.wait();
        assert_eq!(ended.code, Some(1), "{what}: {ended}");
        assert_eq!(ended.stderr.lines().count(), 1, "{what}: {ended}");
        assert!(ended.stderr.contains("damaged"), "{what}: {ended}");
        return false;
    };
    let mut client = server.connect();
    client.send(b"well").expect("sent");
    client.half_close().expect("half closed");
    drop(client.answer());
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{what}: {ended}");
    true
}

#[test]
fn cut_off_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = fs::read(guest("bare")).expect("a component");
    let mut numbers = Numbers(1);
    for _ in 0..FILES {
        let length = numbers.below(good.len());
        let what = format!("the first {length} bytes");
        assert!(
            !try_to_serve(folder.path(), &what, &good[..length]),
            "{what} were served"
        );
    }
}

#[test]
fn files_with_a_flipped_bit_are_refused_or_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = fs::read(guest("bare")).expect("a component");
    let mut numbers = Numbers(2);
    let mut served = 0;
    for _ in 0..FILES {
        let (place, bit) = (numbers.below(good.len()), numbers.below(8));
        let mut bad = good.clone();
        bad[place] ^= 1 << bit;
        let what = format!("bit {bit} of byte {place} flipped");
        served += usize::from(try_to_serve(folder.path(), &what, &bad));
    }
    assert!(
        (1..FILES).contains(&served),
        "{served} of {FILES} were served"
    );
}
