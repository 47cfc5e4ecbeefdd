//! What both kinds of request can be told to do.

use std::hint::black_box;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Ended;
use crate::directories;
use crate::granted;
use crate::socketserver::handler::server;
use crate::socketserver::handler::types::{Address, UnixName};

/// Counts the requests of this instance: more than one would be a scandal.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// Does what `command` says, with `argument`; what it says in return goes to `reply`. None: it is no command
/// that both kinds know.
pub(crate) fn run(
    command: &str,
    argument: &str,
    reply: &mut dyn FnMut(&[u8]) -> Ended,
) -> Option<Ended> {
    Some(match command {
        "reply" => reply(argument.as_bytes()),
        "upper" => reply(argument.to_ascii_uppercase().as_bytes()),
        "count" => reply(format!("{}", REQUESTS.fetch_add(1, Relaxed) + 1).as_bytes()),
        "about" => reply(about().as_bytes()),
        "error" => Err(argument.to_owned()),
        "panic" => panic!("{argument}"),
        "trap" => core::arch::wasm32::unreachable(),
        "stray" => {
            // SAFETY: none: it is meant to fail.
            black_box(unsafe { std::ptr::read_volatile((u32::MAX - 64) as *const u8) });
            Ok(())
        }
        "recurse" => reply(format!("{}", recurse(number(argument))).as_bytes()),
        "exit" => std::process::exit(i32::try_from(number(argument)).unwrap_or(1)),
        "spin" => loop {
            black_box(());
        },
        "compute" => {
            compute(Duration::from_millis(number(argument)));
            reply(b"computed")
        }
        "sleep" => {
            sleep(Duration::from_millis(number(argument)));
            reply(b"slept")
        }
        "allocate" => {
            let bytes = vec![1_u8; usize::try_from(number(argument)).unwrap_or(usize::MAX)];
            reply(format!("{}", black_box(bytes).len()).as_bytes())
        }
        "random" => {
            use std::hash::{BuildHasher as _, RandomState};
            reply(format!("{}", RandomState::new().hash_one(1)).as_bytes())
        }
        "all-randomness" => reply(all_randomness().as_bytes()),
        "print" => {
            println!("{argument}");
            reply(b"printed")
        }
        "print-error" => {
            eprintln!("{argument}");
            reply(b"printed")
        }
        "print-unended" => {
            print!("{argument}");
            // Nobody else does: the process of a component has no end of its own.
            let _ = std::io::stdout().flush();
            reply(b"printed")
        }
        "print-escape" => {
            println!("\u{1b}[31mred\u{7} {argument}\rover");
            reply(b"printed")
        }
        "print-lines" => {
            for line in 0..number(argument) {
                println!("line {line} of a handler that does not know when to stop");
            }
            reply(b"printed")
        }
        "environment" => reply(environment().as_bytes()),
        "files" => reply(files().as_bytes()),
        "sockets" => reply(sockets(argument).as_bytes()),
        "look" => {
            let (times, path) = argument.split_once(' ').unwrap_or((argument, "."));
            reply(directories::look(path, number(times)).as_bytes())
        }
        "hold-listings" => reply(directories::hold_listings(number(argument)).as_bytes()),
        "touch" => reply(directories::touch(argument).as_bytes()),
        _ => reply(granted::run(command, argument)?.as_bytes()),
    })
}

/// A number in a command; what is none is 0.
pub(crate) fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// Keeps a core busy.
pub(crate) fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        black_box(());
    }
}

/// Calls itself `depth` times, for ever if it is 0.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 1 {
        return 1;
    }
    black_box(recurse(depth.wrapping_sub(1))).wrapping_add(frame[0] & 1)
}

/// What each source of random numbers gives: a word for each.
fn all_randomness() -> String {
    use wasip2::random::{insecure, insecure_seed, random};
    format!(
        "{:?} {:x} {:?} {:x} {:?}",
        random::get_random_bytes(16),
        random::get_random_u64(),
        insecure::get_insecure_random_bytes(16),
        insecure::get_insecure_random_u64(),
        insecure_seed::insecure_seed(),
    )
    .replace(", ", "-")
}

/// What the server tells about itself and this request.
fn about() -> String {
    format!(
        "{:?} {:?} {} {} at {}",
        server::transport(),
        server::schedule(),
        server::handler_name(),
        server::request_id(),
        address(&server::server_address())
    )
}

/// An address as text: the kind, and what there is of it.
pub(crate) fn address(address: &Address) -> String {
    match address {
        Address::Ipv4(ip) => {
            let (a, b, c, d) = ip.octets;
            format!("ipv4 {a}.{b}.{c}.{d}:{}", ip.port)
        }
        Address::Ipv6(ip) => {
            let (a, b, c, d, e, f, g, h) = ip.segments;
            let ip6 = std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h);
            format!("ipv6 [{ip6}]:{}", ip.port)
        }
        Address::Unix(unix) => {
            let name = match &unix.name {
                UnixName::Unnamed => "unnamed".to_owned(),
                UnixName::Path(path) => format!("path {}", String::from_utf8_lossy(path)),
                UnixName::AbstractName(name) => {
                    format!("abstract {}", String::from_utf8_lossy(name))
                }
            };
            match &unix.peer {
                Some(peer) => format!("unix {name} pid {:?} uid {}", peer.pid, peer.uid),
                None => format!("unix {name}"),
            }
        }
    }
}

fn environment() -> String {
    let variables: Vec<_> = std::env::vars().collect();
    let mut input = String::new();
    let read = std::io::stdin().read_line(&mut input);
    format!(
        "variables {variables:?} arguments {:?} folder {:?} input {read:?}",
        std::env::args().collect::<Vec<_>>(),
        std::env::current_dir().map_err(|error| error.kind()),
    )
}

/// Notes an attempt, and how it was refused, or that it was not.
fn note<T>(text: &mut String, what: &str, tried: std::io::Result<T>) {
    let how = tried.map_or_else(|error| error.to_string(), |_| "WORKED".to_owned());
    text.push_str(&format!("{what}: {how}; "));
}

/// Each attempt to reach a file.
fn files() -> String {
    use std::fs;
    let mut text = String::new();
    note(&mut text, "read", fs::read("/etc/hostname"));
    note(&mut text, "relative", fs::read("Cargo.toml"));
    note(&mut text, "proc", fs::read("/proc/self/environ"));
    note(&mut text, "list", fs::read_dir("/"));
    note(&mut text, "list here", fs::read_dir("."));
    note(&mut text, "create", fs::write("/tmp/misbehave", b"x"));
    note(&mut text, "create here", fs::write("misbehave", b"x"));
    text
}

/// Each attempt to reach somebody else.
fn sockets(target: &str) -> String {
    let mut text = String::new();
    note(&mut text, "connect", TcpStream::connect(target));
    note(&mut text, "listen", TcpListener::bind("127.0.0.1:0"));
    note(&mut text, "udp", UdpSocket::bind("127.0.0.1:0"));
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", target));
    note(&mut text, "udp send", sent);
    note(&mut text, "look up", ("localhost", 80).to_socket_addrs());
    text
}
