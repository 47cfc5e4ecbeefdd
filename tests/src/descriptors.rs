//! What processes have open, as `/proc` tells.

use std::fs;

use crate::Process;

/// One of the kernel's lists of sockets, as far as it is about one kind.
struct List {
    path: &'static str,
    kind: &'static str,
    /// A column, and what stands there of a socket of the kind; none if all are of it.
    only: Option<(usize, &'static str)>,
    /// The column with the number of the socket.
    number: usize,
}

const LISTS: [List; 4] = [
    List {
        path: "/proc/net/tcp",
        kind: "tcp socket",
        only: None,
        number: 9,
    },
    List {
        path: "/proc/net/udp",
        kind: "udp socket",
        only: None,
        number: 9,
    },
    List {
        path: "/proc/net/unix",
        kind: "unix stream socket",
        only: Some((4, "0001")),
        number: 6,
    },
    List {
        path: "/proc/net/unix",
        kind: "unix seqpacket socket",
        only: Some((4, "0005")),
        number: 6,
    },
];

impl List {
    /// True if it has the socket of that number.
    fn has(&self, number: &str) -> bool {
        let text = fs::read_to_string(self.path).expect("a list of sockets");
        text.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let is_kind = self
                .only
                .is_none_or(|(column, word)| columns.get(column) == Some(&word));
            is_kind && columns.get(self.number) == Some(&number)
        })
    }
}

impl Process {
    /// What it has open: each descriptor, and what that is. Of a socket, its kind is told.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn descriptors(self) -> Vec<(u64, String)> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs");
        let told = folder.filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, kind(fs::read_link(path).ok()?.to_str()?)))
        });
        told.collect()
    }
}

/// What a link of `/proc/PID/fd` leads to.
fn kind(target: &str) -> String {
    let number = target
        .strip_prefix("socket:[")
        .and_then(|rest| rest.strip_suffix(']'));
    let list = number.and_then(|number| LISTS.iter().find(|list| list.has(number)));
    list.map_or_else(|| target.to_owned(), |list| list.kind.to_owned())
}
