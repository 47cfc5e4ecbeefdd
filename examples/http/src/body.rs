//! What is sent with a request: as long as it says, or in chunks.

use std::io::{self, ErrorKind, Read, Write};

use guest_sdk::{RFile, StreamRequest};

use crate::Failure;
use crate::head::{Framing, Head, MOST_HEADERS};
use crate::response::Status;

/// The largest body, in bytes: it is held in memory.
pub(crate) const LARGEST: u64 = 1 << 20;

/// The longest line between chunks, in bytes: a length and what is said beside it, or a trailer.
const LONGEST_LINE: usize = 1024;

/// Reads the body of a request, after telling the client that it is welcome if it waits for that.
pub(crate) fn read(head: &Head, client: &mut StreamRequest) -> Result<Vec<u8>, Failure> {
    if let Framing::Length(length) = head.framing {
        fits(length)?;
    }
    if head.expects_continue && head.framing != Framing::Length(0) {
        client.wfile.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        client.wfile.flush()?;
    }
    match head.framing {
        Framing::Length(length) => {
            let mut body = Vec::new();
            append(&mut client.rfile, length, &mut body)?;
            Ok(body)
        }
        Framing::Chunked => chunks(&mut client.rfile),
    }
}

fn chunks(rfile: &mut RFile) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match chunk_length(&rfile.readline(LONGEST_LINE)?)? {
            0 => {
                skip_trailers(rfile)?;
                return Ok(body);
            }
            length => {
                fits(length.saturating_add(body.len() as u64))?;
                append(rfile, length, &mut body)?;
                if rfile.readline(2)? != b"\r\n" {
                    return Err(Failure::Client(Status::BadRequest));
                }
            }
        }
    }
}

fn chunk_length(line: &[u8]) -> Result<u64, Failure> {
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, length))) => Ok(length),
        _ => Err(Failure::Client(Status::BadRequest)),
    }
}

/// Trailers are headers that come late; nobody here looks at them.
fn skip_trailers(rfile: &mut RFile) -> Result<(), Failure> {
    for _ in 0..=MOST_HEADERS {
        match rfile.readline(LONGEST_LINE)?.as_slice() {
            b"\r\n" | b"\n" => return Ok(()),
            b"" => return Err(Failure::Client(Status::BadRequest)),
            _ => {}
        }
    }
    Err(Failure::Client(Status::HeaderFieldsTooLarge))
}

fn fits(length: u64) -> Result<(), Failure> {
    if length > LARGEST {
        return Err(Failure::Client(Status::ContentTooLarge));
    }
    Ok(())
}

/// Reads exactly `length` bytes.
fn append(rfile: &mut RFile, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = rfile.take(length).read_to_end(body)?;
    if (read as u64) < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
