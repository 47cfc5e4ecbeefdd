//! Components that no compiler writes, made from text: each serves streams and packets, and every odd request
//! hurts, so that the even ones can be honest.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::{Client, SCHEDULES, Serve, Server, TRANSPORTS};

use super::SLACK;
use super::expected::{Expected, Fate, HONEST as HONEST_END, Limit, fate};

ways! {
    /// What is odd about a component.
    Odd {
        /// Its start section computes without end.
        SpinAtStart,
        /// Its start section fails.
        TrapAtStart,
        /// Its start section takes all memory that there is.
        AllocateAtStart,
        /// It computes without end when the host asks it for room.
        SpinInRealloc,
        /// It gives the host room that it does not have.
        LieInRealloc,
        /// It computes without end when it has returned, and is to clean up.
        SpinAfterReturning,
        /// It calls itself without end, in frames that are in no memory of its own.
        RecurseWithoutMemory,
        /// It makes a table larger until that fails.
        GrowTables,
        /// It has ten memories.
        TenMemories,
        /// It has a few memories which together are more than it may have.
        MemoriesBeyondTheLimitTogether,
        /// It has a hundred core instances.
        AHundredInstances,
        /// It has 180,000 globals, which are in the host's memory.
        ManyGlobals,
        /// It begins with more memory than it may have.
        MemoryBeyondTheLimit,
        /// It begins with a table of a million elements.
        HugeTable,
        /// It is megabytes of types, each twice as big as the one before it.
        MegabytesOfTypes,
    }
}

/// What makes a component odd, in places of an honest one.
struct Parts {
    /// The pages of its memory.
    memory: u32,
    /// How it makes room for the host: an address.
    realloc: &'static str,
    /// What its start section does in every request: it can ask the host for nothing yet.
    start: &'static str,
    /// What it does in odd requests.
    handle: &'static str,
    /// What it does when an odd request has returned.
    after: &'static str,
    /// What its core module has beside that.
    module: &'static str,
    /// What the component has beside that.
    component: String,
}

const HONEST: Parts = Parts {
    memory: 1,
    realloc: "(i32.const 1024)",
    start: "",
    handle: "",
    after: "",
    module: "",
    component: String::new(),
};

const SPIN: &str = "(loop (br 0))";

/// The parts of an odd component.
fn parts(odd: Odd) -> Parts {
    match odd {
        Odd::SpinAtStart => Parts {
            start: SPIN,
            ..HONEST
        },
        Odd::TrapAtStart => Parts {
            start: "(unreachable)",
            ..HONEST
        },
        Odd::AllocateAtStart => Parts {
            start: "(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) (unreachable)",
            ..HONEST
        },
        Odd::SpinInRealloc => Parts {
            realloc: "(loop (br 0)) (unreachable)",
            handle: "(call $name (i32.const 0))",
            ..HONEST
        },
        Odd::LieInRealloc => Parts {
            realloc: "(i32.const 0x7fff_ffff)",
            handle: "(call $name (i32.const 0))",
            ..HONEST
        },
        Odd::SpinAfterReturning => Parts {
            after: SPIN,
            ..HONEST
        },
        Odd::RecurseWithoutMemory => Parts {
            handle: "(drop (call $recurse (i64.const 0)))",
            module: "(func $recurse (param i64) (result i64)
                (i64.add (local.get 0) (call $recurse (i64.add (local.get 0) (i64.const 1)))))",
            ..HONEST
        },
        Odd::GrowTables => Parts {
            handle: "(loop (br_if 0 (i32.ge_s (table.grow $table (ref.null func) (i32.const 100)) (i32.const 0))))
                (unreachable)",
            module: "(table $table 1 funcref)",
            ..HONEST
        },
        Odd::TenMemories => with_instances(10, "(memory 1)"),
        Odd::MemoriesBeyondTheLimitTogether => with_instances(7, "(memory 160)"),
        Odd::AHundredInstances => with_instances(100, "(global (mut i64) (i64.const 1))"),
        Odd::ManyGlobals => {
            with_instances(60, &"(global (mut i64) (i64.const 1))".repeat(3000))
        }
        Odd::MemoryBeyondTheLimit => Parts {
            memory: 2000,
            ..HONEST
        },
        Odd::HugeTable => Parts {
            module: "(table 1000000 funcref)",
            ..HONEST
        },
        Odd::MegabytesOfTypes => Parts {
            component: nested_types(100_000),
            ..HONEST
        },
    }
}

/// A component with that many instances of a core module beside its own.
fn with_instances(count: usize, module: &str) -> Parts {
    Parts {
        component: format!("(core module $more {module})")
            + &"(core instance (instantiate $more))".repeat(count),
        ..HONEST
    }
}

/// Types of which each holds the one before it twice.
fn nested_types(count: usize) -> String {
    let mut types = "(type $t0 (list u8))".to_owned();
    for number in 1..=count {
        let before = number - 1;
        let _ = write!(types, "(type $t{number} (tuple $t{before} $t{before}))");
    }
    types
}

/// The component, as text: the whole contract, as far as it needs it.
fn text(parts: &Parts) -> String {
    let Parts {
        memory,
        realloc,
        start,
        handle,
        after,
        module,
        component,
    } = parts;
    format!(
        r#"(component
  (import "socketserver:handler/types@0.1.0" (instance $types
    (export "stream-request" (type (sub resource)))
    (export "datagram-request" (type (sub resource)))))
  (import "socketserver:handler/server@0.1.0" (instance $server
    (export "request-id" (func (result u64)))
    (export "handler-name" (func (result string)))))
  (alias export $types "stream-request" (type $stream))
  (alias export $types "datagram-request" (type $datagram))

  (core module $Room
    (memory (export "memory") {memory})
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
  (core instance $room (instantiate $Room))
  (core func $id (canon lower (func $server "request-id")))
  (core func $name (canon lower (func $server "handler-name")
    (memory $room "memory") (realloc (func $room "realloc"))))

  (core module $Guest
    (import "host" "id" (func $id (result i64)))
    (import "host" "name" (func $name (param i32)))
    (import "room" "memory" (memory 1))
    {module}
    (global $is-odd (mut i32) (i32.const 0))
    (func $start {start})
    (start $start)
    (func (export "handle") (param i32) (result i32)
      (global.set $is-odd (i32.wrap_i64 (i64.and (call $id) (i64.const 1))))
      (if (global.get $is-odd) (then {handle}))
      (i32.const 2048))
    (func (export "after") (param i32) (if (global.get $is-odd) (then {after}))))
  (core instance $guest (instantiate $Guest
    (with "room" (instance $room))
    (with "host" (instance (export "id" (func $id)) (export "name" (func $name))))))
  {component}

  (func $of-streams (param "request" (own $stream)) (result (result (error string)))
    (canon lift (core func $guest "handle") (memory $room "memory") (post-return (func $guest "after"))))
  (func $of-packets (param "request" (own $datagram)) (result (result (error string)))
    (canon lift (core func $guest "handle") (memory $room "memory") (post-return (func $guest "after"))))
  (instance $streams (export "handle" (func $of-streams)))
  (instance $packets (export "handle" (func $of-packets)))
  (export "socketserver:handler/stream-handler@0.1.0" (instance $streams))
  (export "socketserver:handler/datagram-handler@0.1.0" (instance $packets)))"#
    )
}

/// The component, in a file.
fn file(folder: &TempDir, odd: Odd) -> PathBuf {
    written(folder, odd.name(), &parts(odd))
}

/// An honest component with so many memories, in a file.
pub(crate) fn with_memories(folder: &TempDir, count: usize) -> PathBuf {
    written(folder, "memories", &with_instances(count - 1, "(memory 1)"))
}

fn written(folder: &TempDir, name: &str, parts: &Parts) -> PathBuf {
    let wasm = wat::parse_str(text(parts)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let path = folder.path().join(format!("{name}.wasm"));
    fs::write(&path, wasm).expect("a file");
    path
}

/// Serves the component in `file`; a Unix socket is made beside it.
fn serve(file: &Path, transport: &str, schedule: &str) -> Serve {
    let folder = file.parent().expect("it is in a folder");
    let serve = Serve::new(file).on(transport, folder);
    serve.args(["--schedule", schedule, "--access-log", "all"])
}

/// Sends one request, of which nobody expects an answer.
fn begin(server: &Server) -> Client {
    let mut client = server.connect();
    let sent = client.send(b"x");
    if client.is_datagram() {
        sent.expect("sent");
    }
    client
}

/// Two requests side by side, of which one is odd and one even: each ends as expected.
fn meet_pair(server: &Server, ids: [u64; 2], expected: [Expected; 2]) {
    let clients = [begin(server), begin(server)];
    for (id, expected) in ids.into_iter().zip(expected) {
        expected.assert(&server.end_of(id));
    }
    for mut client in clients.into_iter().filter(|client| !client.is_datagram()) {
        // The end may come before the request has, and a reset is as good as an end.
        assert_eq!(client.answer().unwrap_or_default(), "");
    }
}

/// Three times, an odd request beside an even one: all are served and end as expected, and what the first two left is
/// what the others may have.
fn meet(serve: Serve, expected: [Expected; 2]) {
    let server = serve.start();
    meet_pair(&server, [1, 2], expected);
    let before = server.footprint();
    for ids in [[3, 4], [5, 6]] {
        meet_pair(&server, ids, expected);
        server.assert_settles("an odd component", before, SLACK);
    }
    server.stop().assert(0, &[]);
}

#[test]
fn odd_components_are_refused_or_served_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for odd in Odd::ALL {
        let file = file(&folder, *odd);
        for transport in TRANSPORTS {
            for schedule in SCHEDULES {
                let serve = serve(&file, transport, schedule);
                let under = |limit: Limit| limit.flags(transport);
                match fate(*odd) {
                    Fate::Ends(end) => meet(serve.args(under(end.limit)), [end, HONEST_END]),
                    Fate::AlwaysEnds(end) => meet(serve.args(under(end.limit)), [end; 2]),
                    Fate::Refused(says) => serve.run().assert_one_line(1, says),
                }
            }
        }
    }
}
