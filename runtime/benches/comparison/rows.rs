//! What is measured by the client, with which servers.

use super::program::Program;
use super::servers::{Kind, Server};

/// What a row counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// Requests a second.
    Requests,
    /// MiB a second, of requests that carry so many there and back.
    Mebibytes(f64),
}

/// Several servers, asked in the same way.
#[derive(Debug)]
pub(super) struct Row {
    /// For `--only`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) transport: &'static str,
    pub(super) program: Program,
    /// How the client asks: flags of `runtime bench`.
    pub(super) client: &'static [&'static str],
    pub(super) unit: Unit,
    pub(super) servers: &'static [Server],
}

/// A Python server without a mix-in, one with `ThreadingMixIn`, one with `ForkingMixIn`; ours have the same names.
pub(super) const SYNC: Server = runtime("runtime, sync", &["--schedule", "sync"]);
pub(super) const THREADED: Server = runtime("runtime, threaded", &["--schedule", "threaded"]);
pub(super) const FORKING: Server = runtime("runtime, forking", &["--schedule", "forking"]);
pub(super) const CPYTHON_SYNC: Server = cpython("CPython, sync", "sync");
pub(super) const CPYTHON_THREADING: Server = cpython("CPython, threading", "threaded");
pub(super) const CPYTHON_FORKING: Server = cpython("CPython, forking", "forking");
pub(super) const NO_SANDBOX: Server = Server {
    label: "no sandbox",
    kind: Kind::NoSandbox,
};

const LOGGED: Server = runtime(
    "runtime, threaded, --access-log all",
    &["--schedule", "threaded", "--access-log", "all"],
);

const fn runtime(label: &'static str, flags: &'static [&'static str]) -> Server {
    Server {
        label,
        kind: Kind::Runtime(flags),
    }
}

const fn cpython(label: &'static str, schedule: &'static str) -> Server {
    Server {
        label,
        kind: Kind::CPython(schedule),
    }
}

const ONE_REQUEST: &[&str] = &[
    "--connections",
    "16",
    "--size",
    "32",
    "--expect",
    "upper-stripped",
];

/// The rows, in the order in which they run.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "tcp",
        title: "TCP, one request for each connection",
        transport: "tcp",
        program: Program::Upper,
        client: ONE_REQUEST,
        unit: Unit::Requests,
        servers: &[
            SYNC,
            THREADED,
            FORKING,
            CPYTHON_SYNC,
            CPYTHON_THREADING,
            CPYTHON_FORKING,
            NO_SANDBOX,
        ],
    },
    Row {
        name: "tcp-loop",
        title: "TCP, 1,000 requests on each connection",
        transport: "tcp",
        program: Program::UpperLoop,
        client: &[
            "--connections",
            "16",
            "--size",
            "32",
            "--expect",
            "upper",
            "--requests-per-connection",
            "1000",
        ],
        unit: Unit::Requests,
        servers: &[THREADED, CPYTHON_THREADING, NO_SANDBOX],
    },
    Row {
        name: "udp",
        title: "UDP, a packet a request",
        transport: "udp",
        program: Program::Upper,
        client: ONE_REQUEST,
        unit: Unit::Requests,
        servers: &[
            SYNC,
            THREADED,
            FORKING,
            CPYTHON_SYNC,
            CPYTHON_THREADING,
            CPYTHON_FORKING,
            NO_SANDBOX,
        ],
    },
    Row {
        name: "unix",
        title: "Unix stream, one request for each connection",
        transport: "unix",
        program: Program::Upper,
        client: ONE_REQUEST,
        unit: Unit::Requests,
        servers: &[THREADED, CPYTHON_SYNC, CPYTHON_THREADING, NO_SANDBOX],
    },
    Row {
        name: "unixgram",
        title: "Unix datagrams, a packet a request",
        transport: "unixgram",
        program: Program::Upper,
        client: ONE_REQUEST,
        unit: Unit::Requests,
        servers: &[THREADED, CPYTHON_SYNC, CPYTHON_THREADING, NO_SANDBOX],
    },
    Row {
        name: "echo",
        title: "64 MiB through rfile and wfile and back, one client",
        transport: "tcp",
        program: Program::Echo,
        client: &[
            "--connections",
            "1",
            "--size",
            "64MiB",
            "--expect",
            "echo",
            "--half-close",
        ],
        unit: Unit::Mebibytes(64.0),
        servers: &[THREADED, CPYTHON_THREADING, NO_SANDBOX],
    },
    Row {
        name: "access-log",
        title: "What a line in the log for every request costs (TCP, one request for each connection)",
        transport: "tcp",
        program: Program::Upper,
        client: ONE_REQUEST,
        unit: Unit::Requests,
        servers: &[THREADED, LOGGED],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_each_server_once() {
        for row in ROWS {
            let mut labels: Vec<&str> = row.servers.iter().map(|server| server.label).collect();
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), row.servers.len(), "{}", row.name);
        }
    }

    #[test]
    fn a_program_is_found_by_its_name() {
        for program in Program::ALL {
            assert_eq!(Program::from_name(program.name()), Some(program));
        }
    }
}
