//! How it is done. What ends here by itself was not stopped: that is for the test to see.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant};
use std::{fs, thread};

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::{Pollable, poll};
use wasip2::random::random::get_random_bytes;

use crate::socketserver::handler::server;
use crate::socketserver::handler::types::StreamRequest;
use crate::ways::Hurt;
use crate::{Ended, Request, text};

/// Memory for whoever fills it: far below the limit.
const MUCH: usize = 32 << 20;

/// The bytes of a list that is longer than one call may carry.
const LIST: usize = 4 << 20;

pub(crate) fn hurt(way: Hurt, request: &Request) -> Ended {
    match way {
        Hurt::Spin => loop {
            black_box(());
        },
        Hurt::SpinInBulkMemory => fill_memory(),
        Hurt::SpinInHostCalls => loop {
            black_box(server::request_id());
        },
        Hurt::ManyShortWaits => wait_before_each_tick(),
        Hurt::ClockForEver => loop {
            black_box(Instant::now());
        },
        Hurt::RandomBytesForEver => loop {
            black_box(get_random_bytes(65_536));
        },
        Hurt::PollLongLists => poll_long_lists(),
        Hurt::NeverRead => never_read(request),
        Hurt::AnswerForEver => loop {
            request.send(&[b'x'; 1000])?;
        },
        Hurt::PrintForEver => loop {
            println!("a line of a handler that does not know when to stop");
        },
        Hurt::PrintWithoutNewline => loop {
            print!("a word of a handler that does not know when to stop, ");
            flush();
        },
        Hurt::PrintEscapes => {
            print_escapes();
            Ok(())
        }
        Hurt::AllocateAtOnce => {
            black_box(vec![1_u8; 1 << 30]);
            Ok(())
        }
        Hurt::AllocateInSmallSteps => loop {
            black_box(vec![1_u8; 10_000].leak());
        },
        Hurt::RandomBytesAtOnce => {
            black_box(get_random_bytes(1 << 40));
            Ok(())
        }
        Hurt::OpenHandles => loop {
            std::mem::forget(subscribe_duration(u64::MAX));
        },
        Hurt::HugeList => request.send(&vec![b'x'; LIST]),
        Hurt::HugeError => Err("x".repeat(LIST)),
        // SAFETY: none: that it is no text is the point.
        Hurt::ErrorThatIsNoText => Err(unsafe { String::from_utf8_unchecked(vec![0xff; 100]) }),
        Hurt::ForgeAHandle => {
            // SAFETY: none: no such handle was given.
            black_box(unsafe { StreamRequest::from_handle(4242) }.client_address());
            Ok(())
        }
        Hurt::Recurse => {
            recurse(0);
            Ok(())
        }
        Hurt::TrapInSetup => core::arch::wasm32::unreachable(),
        Hurt::TrapInHandle => panic!("in the middle of the answer"),
        Hurt::TrapInFinish => {
            request.send(b" and done")?;
            request.end()?;
            panic!("after the answer")
        }
        Hurt::Exit => std::process::exit(3),
        Hurt::CallWhatIsNotGranted => reach_out(),
        Hurt::SleepForEver => loop {
            thread::sleep(Duration::from_secs(1 << 30));
        },
        Hurt::WriteWithoutClientReading => loop {
            request.send(&[b'x'; 65_536])?;
        },
    }
}

fn fill_memory() -> Ended {
    let mut memory = vec![0_u8; MUCH];
    for value in (0..=u8::MAX).cycle() {
        memory.fill(value);
        black_box(&mut memory);
    }
    Ok(())
}

/// Computes for less than the millisecond in which the clock ticks, waits for as little as there is, and so on.
fn wait_before_each_tick() -> Ended {
    loop {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(800) {
            black_box(());
        }
        thread::sleep(Duration::from_nanos(1));
    }
}

/// The same two handles, tens of thousands of times: a list of handles costs a guest nothing.
fn poll_long_lists() -> Ended {
    let (never, now) = (subscribe_duration(u64::MAX), subscribe_duration(0));
    let mut list: Vec<&Pollable> = vec![&never; 60_000];
    list.push(&now);
    loop {
        black_box(poll(&list));
    }
}

fn never_read(request: &Request) -> Ended {
    let Request::Stream(request) = request else {
        return Err("a packet has been read already".to_owned());
    };
    let rfile = request.rfile().map_err(text)?;
    loop {
        rfile.subscribe().block();
    }
}

fn flush() {
    // Nobody else does: the process of a component has no end of its own.
    let _ = io::stdout().flush();
}

fn print_escapes() {
    let forged = "\u{1b}[2J\u{1b}]0;mine\u{7}\r2026-01-01 INFO access: outcome=\"forged\"\u{9b}31m";
    println!("{forged}");
    eprintln!("{forged}");
}

/// Its frames are small, and never given back.
#[expect(unconditional_recursion, reason = "it is meant to fail")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    black_box(recurse(depth + 1)).wrapping_add(frame[0])
}

/// An error, with how each attempt was refused, unless one succeeds.
fn reach_out() -> Ended {
    let refusals = [
        fs::read("/etc/hostname").map(drop),
        fs::write("hostile", b"x"),
        fs::read_dir("/").map(drop),
        TcpStream::connect("127.0.0.1:1").map(drop),
        UdpSocket::bind("127.0.0.1:0").map(drop),
        ("localhost", 80).to_socket_addrs().map(drop),
    ];
    let refusals: Option<Vec<_>> = refusals.into_iter().map(Result::err).collect();
    match refusals {
        Some(refusals) => Err(format!("refused: {refusals:?}")),
        None => Ok(()),
    }
}
