//! Uses what it was granted through Rust's standard library and the SDK, as handlers do: one command a request, on a
//! line.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};

use guest_sdk::{StreamRequest, StreamRequestHandler};

#[derive(Default)]
struct System;

impl StreamRequestHandler for System {
    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        let line = request.rfile.readline(8192)?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = done(command, argument).unwrap_or_else(|error| format!("NO: {error}"));
        request.wfile.write_all(answer.as_bytes())
    }
}

fn done(command: &str, argument: &str) -> io::Result<String> {
    match command {
        "read" => fs::read_to_string(argument),
        "list" => {
            let names = fs::read_dir(argument)?.map(|entry| Ok(entry?.file_name()));
            let mut names = names.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names.join("+".as_ref()).to_string_lossy().into_owned())
        }
        "write" => {
            fs::write(argument, "written")?;
            fs::read_to_string(argument)
        }
        "connect" => {
            let mut said = String::new();
            TcpStream::connect(argument)?.read_to_string(&mut said)?;
            Ok(said)
        }
        "ask" => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.send_to(b"question", argument)?;
            let mut answer = [0; 64];
            let (length, _) = socket.recv_from(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
        }
        "look-up" => {
            let found = (argument, 80).to_socket_addrs()?.map(|found| found.ip());
            let found: Vec<_> = found.map(|ip| ip.to_string()).collect();
            Ok(found.join(" "))
        }
        "variable" => std::env::var(argument).map_err(io::Error::other),
        other => Err(io::Error::other(format!("{other:?} is no command"))),
    }
}

guest_sdk::export!(System: StreamRequestHandler);
