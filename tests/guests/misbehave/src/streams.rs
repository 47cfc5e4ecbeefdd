//! What a connection can be told to do.

use std::time::Duration;

use crate::Ended;
use crate::commands::{self, compute, number};
use crate::socketserver::handler::types::{
    ErrorCode, ShutdownType, StreamRequest, stream_error_code,
};
use crate::wasi::io::streams::{InputStream, OutputStream, StreamError};

pub(crate) fn handle(request: StreamRequest) -> Ended {
    let (line, rest) = first_line(&request)?;
    let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
    match command {
        "" => Ok(()),
        "echo" => echo(&request, &rest, Duration::ZERO),
        "talk" => echo(&request, &rest, Duration::from_millis(number(argument))),
        "allocate-and-echo" => {
            let bytes = vec![1_u8; usize::try_from(number(argument)).unwrap_or(usize::MAX)];
            send(&request, bytes.len().to_string().as_bytes())?;
            echo(&request, std::hint::black_box(&rest), Duration::ZERO)?;
            drop(std::hint::black_box(bytes));
            Ok(())
        }
        "dots" => loop {
            send(&request, b".")?;
        },
        "print-each" => print_each(&request, rest),
        "length" => length(&request, rest.len()),
        "greet" => {
            send(&request, b"hello")?;
            let answer = request.recv(100).map_err(text)?;
            send(&request, &answer)
        }
        "socket-send" => send(&request, &pattern(number(argument))),
        "wfile-write" => write(&wfile(&request)?, &pattern(number(argument))),
        "fill-then-fail" => {
            let length = fill(&wfile(&request)?)?;
            println!("wrote {length}");
            Err("written, then failed".to_owned())
        }
        "blocking-write" => {
            let wfile = wfile(&request)?;
            let pattern = pattern(number(argument));
            pattern.chunks(4096).try_for_each(|piece| {
                wfile
                    .blocking_write_and_flush(piece)
                    .map_err(|error| stream_text(&error))
            })
        }
        "half-close" => {
            send(&request, b"bye")?;
            request.shutdown(ShutdownType::Send).map_err(text)?;
            let after = request.send(b"more").map_err(text);
            let rest = read_to_end(&request)?;
            println!("after the end: {after:?}, then {} bytes came", rest.len());
            Ok(())
        }
        "drop-first" => drop_first(request),
        "timeout" => timeout(&request, number(argument)),
        "rfile-timeout" => rfile_timeout(&request, number(argument)),
        "faces" => faces(&request),
        "no-delay" => {
            let answer = request.set_no_delay(true).map_err(text);
            send(&request, format!("{answer:?}").as_bytes())
        }
        "client" => send(
            &request,
            commands::address(&request.client_address()).as_bytes(),
        ),
        "until-reset" => until_reset(&request),
        "many-handles" => many_handles(&request),
        "huge-send" => send(&request, &vec![0; 2 << 20]),
        "huge-recv" => {
            send(&request, b"ready")?;
            let got = request.recv(u64::MAX).map_err(text)?;
            send(&request, format!("{}", got.len()).as_bytes())
        }
        _ => commands::run(command, argument, &mut |bytes| send(&request, bytes))
            .unwrap_or_else(|| Err(format!("no such command: {line}"))),
    }
}

/// The first line, without its end, and what came with it. A client that sends nothing is an empty one.
fn first_line(request: &StreamRequest) -> Result<(String, Vec<u8>), String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let rest = bytes.split_off(end + 1);
            let line = bytes.trim_ascii_end();
            return Ok((String::from_utf8_lossy(line).into_owned(), rest));
        }
        let more = request.recv(1024).map_err(text)?;
        if more.is_empty() {
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), Vec::new()));
        }
        bytes.extend(more);
    }
}

fn text(error: ErrorCode) -> String {
    error.name().to_owned()
}

fn stream_text(error: &StreamError) -> String {
    match error {
        StreamError::Closed => "Closed".to_owned(),
        StreamError::LastOperationFailed(error) => {
            stream_error_code(error).map_or_else(|| "unknown".to_owned(), text)
        }
    }
}

/// All of `bytes`, by the socket's face.
fn send(request: &StreamRequest, mut bytes: &[u8]) -> Ended {
    if bytes.len() > 1 << 20 {
        // More than one call may carry, on purpose.
        return request.send(bytes).map(|_| ()).map_err(text);
    }
    while !bytes.is_empty() {
        let sent = request
            .send(&bytes[..bytes.len().min(65_536)])
            .map_err(text)?;
        bytes = &bytes[usize::try_from(sent).unwrap_or(0)..];
    }
    Ok(())
}

/// All of `bytes`, by the file's face.
fn write(wfile: &OutputStream, mut bytes: &[u8]) -> Ended {
    while !bytes.is_empty() {
        let room = wfile.check_write().map_err(|error| stream_text(&error))?;
        if room == 0 {
            wfile.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(0)));
        wfile.write(now).map_err(|error| stream_text(&error))?;
        bytes = later;
    }
    Ok(())
}

/// Writes until there is no room, and returns how much that was.
fn fill(wfile: &OutputStream) -> Result<u64, String> {
    let mut length = 0;
    loop {
        let room = wfile.check_write().map_err(|error| stream_text(&error))?;
        if room == 0 {
            return Ok(length);
        }
        wfile
            .write(&pattern(room))
            .map_err(|error| stream_text(&error))?;
        length += room;
    }
}

fn rfile(request: &StreamRequest) -> Result<InputStream, String> {
    request.rfile().map_err(text)
}

fn wfile(request: &StreamRequest) -> Result<OutputStream, String> {
    request.wfile().map_err(text)
}

/// Bytes of which each tells its place.
fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

fn read_to_end(request: &StreamRequest) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        let bytes = request.recv(65_536).map_err(text)?;
        if bytes.is_empty() {
            return Ok(all);
        }
        all.extend(bytes);
    }
}

/// Sends back what comes until the client leaves, computing for a while each time.
fn echo(request: &StreamRequest, rest: &[u8], time: Duration) -> Ended {
    send(request, rest)?;
    loop {
        let bytes = request.recv(65_536).map_err(text)?;
        if bytes.is_empty() {
            return Ok(());
        }
        compute(time);
        send(request, &bytes)?;
    }
}

/// Sends back what comes until the client leaves, and prints a line each time.
fn print_each(request: &StreamRequest, mut bytes: Vec<u8>) -> Ended {
    loop {
        if !bytes.is_empty() {
            println!("got {}", bytes.len());
            send(request, &bytes)?;
        }
        bytes = request.recv(65_536).map_err(text)?;
        if bytes.is_empty() {
            return Ok(());
        }
    }
}

fn length(request: &StreamRequest, mut length: usize) -> Ended {
    loop {
        match request.recv(65_536).map_err(text)?.len() {
            0 => return send(request, format!("{length}").as_bytes()),
            more => length += more,
        }
    }
}

/// Uses a file's face when the request and the other face are gone.
fn drop_first(request: StreamRequest) -> Ended {
    let (rfile, wfile) = (rfile(&request)?, wfile(&request)?);
    drop(request);
    drop(rfile);
    write(&wfile, b"still here")
}

fn timeout(request: &StreamRequest, milliseconds: u64) -> Ended {
    let zero = request.set_timeout(Some(0)).map_err(text);
    request
        .set_timeout(Some(milliseconds * 1_000_000))
        .map_err(text)?;
    let late = request.recv(100).map(|bytes| bytes.len()).map_err(text);
    send(request, format!("{zero:?} {late:?}").as_bytes())?;
    // It may be called again: the client answers now.
    request.set_timeout(None).map_err(text)?;
    let answer = request.recv(100).map_err(text)?;
    send(request, &answer)
}

fn rfile_timeout(request: &StreamRequest, milliseconds: u64) -> Ended {
    let rfile = rfile(request)?;
    request
        .set_timeout(Some(milliseconds * 1_000_000))
        .map_err(text)?;
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(match rfile.blocking_read(100) {
            Ok(bytes) => format!("{} bytes", bytes.len()),
            Err(error) => stream_text(&error),
        });
    }
    send(request, told.join(", ").as_bytes())
}

fn faces(request: &StreamRequest) -> Ended {
    let first = (request.rfile().is_ok(), request.wfile().is_ok());
    let again = (
        request.rfile().err().map(text),
        request.wfile().err().map(text),
    );
    let nothing = request.recv(0).map(|bytes| bytes.len()).map_err(text);
    send(
        request,
        format!("{first:?} {again:?} {nothing:?}").as_bytes(),
    )
}

/// Reads until the connection fails, and says how it did.
fn until_reset(request: &StreamRequest) -> Ended {
    send(request, b"ready")?;
    loop {
        match request.recv(1024) {
            Ok(bytes) if bytes.is_empty() => return Err("the stream ended".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(text(error)),
        }
    }
}

fn many_handles(request: &StreamRequest) -> Ended {
    let rfile = rfile(request)?;
    let pollables: Vec<_> = (0..100_000).map(|_| rfile.subscribe()).collect();
    send(request, format!("{} handles", pollables.len()).as_bytes())
}
