//! What a handler can do with the first directory that it was granted, by WASI's own calls.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, NewTimestamp, PathFlags};

/// Looks at what `path` leads to, so many times.
pub(crate) fn look(path: &str, times: u64) -> String {
    let directory = directory();
    for _ in 0..times {
        if let Err(error) = directory.stat_at(PathFlags::SYMLINK_FOLLOW, path) {
            return format!("NO: {}", error.name());
        }
    }
    "looked".to_owned()
}

/// Begins as many listings of it, and tells how many have an entry while all of them are there.
pub(crate) fn hold_listings(wanted: u64) -> String {
    let directory = directory();
    let begun: Result<Vec<_>, _> = (0..wanted).map(|_| directory.read_directory()).collect();
    match begun {
        Ok(listings) => {
            let first = listings
                .iter()
                .map(|listing| listing.read_directory_entry());
            let there = first.filter(|entry| matches!(entry, Ok(Some(_)))).count();
            format!("{there} listings")
        }
        Err(error) => format!("NO: {}", error.name()),
    }
}

/// Changes the time of what `path` leads to.
pub(crate) fn touch(path: &str) -> String {
    let now = NewTimestamp::Now;
    match directory().set_times_at(PathFlags::SYMLINK_FOLLOW, path, now, now) {
        Ok(()) => "touched".to_owned(),
        Err(error) => format!("NO: {}", error.name()),
    }
}

fn directory() -> Descriptor {
    let (directory, _) = get_directories().remove(0);
    directory
}
