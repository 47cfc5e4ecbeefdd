//! What needs a grant: each command does one such thing and tells what came of it.

use std::ffi::{CString, c_char, c_int};
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Does what `command` says with `argument`; none if it is no such command.
pub(crate) fn run(command: &str, argument: &str) -> Option<String> {
    let (first, rest) = argument.split_once(' ').unwrap_or((argument, ""));
    Some(told(match command {
        "variable" => std::env::var(argument).map_err(io::Error::other),
        "read" => fs::read_to_string(argument),
        "write" => fs::write(first, rest).map(|()| "written".to_owned()),
        "append" => append(first, rest),
        "remove" => fs::remove_file(argument).map(|()| "removed".to_owned()),
        "make-folder" => fs::create_dir(argument).map(|()| "made".to_owned()),
        "rename" => fs::rename(first, rest).map(|()| "renamed".to_owned()),
        "soft-link" => soft_link(first, rest),
        "hard-link" => fs::hard_link(first, rest).map(|()| "linked".to_owned()),
        "list" => list(argument),
        "every-call" => every_call(argument.as_ref()),
        "connect" => connect(argument),
        "look-up-and-connect" => look_up(first).and_then(|_| connect(rest)),
        "ask" => ask("0.0.0.0:0", argument),
        "ask-from" => ask(first, rest),
        "look-up" => look_up(argument),
        "listen" => TcpListener::bind(argument).map(|_| "listens".to_owned()),
        _ => return None,
    }))
}

/// What came of it; `NO:` and why it failed.
fn told(tried: io::Result<String>) -> String {
    tried.unwrap_or_else(|error| format!("NO: {error}"))
}

unsafe extern "C" {
    fn symlink(target: *const c_char, link: *const c_char) -> c_int;
}

/// Rust's own is not stable on this target, and C's is there.
fn soft_link(target: &str, link: &str) -> io::Result<String> {
    let (target, link) = (CString::new(target)?, CString::new(link)?);
    // SAFETY: both are texts of C, and live until it returns.
    match unsafe { symlink(target.as_ptr(), link.as_ptr()) } {
        0 => Ok("linked".to_owned()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn append(path: &str, text: &str) -> io::Result<String> {
    let mut file = fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok("appended".to_owned())
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

/// What the standard library does with files, but for what the other commands do; in a folder of its own.
fn every_call(folder: &Path) -> io::Result<String> {
    let (file, copy) = (folder.join("within/file"), folder.join("copy"));
    fs::create_dir_all(folder.join("within"))?;
    let mut open = fs::File::create_new(&file)?;
    open.write_all(b"0123456789")?;
    open.seek(SeekFrom::Start(2))?;
    open.write_all(b"xx")?;
    open.sync_all()?;
    open.sync_data()?;
    open.set_len(6)?;
    open.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))?;
    let seconds = fs::metadata(&file)?
        .modified()?
        .duration_since(SystemTime::UNIX_EPOCH);
    let copied = fs::copy(&file, &copy)?;
    let mut open = fs::OpenOptions::new().read(true).write(true).open(&copy)?;
    open.seek(SeekFrom::End(-1))?;
    let mut last = String::new();
    open.read_to_string(&mut last)?;
    let links = fs::symlink_metadata(&copy)?.is_symlink();
    let names = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?.len();
    fs::remove_file(copy)?;
    fs::remove_dir_all(folder)?;
    let left = fs::exists(folder)?;
    Ok(format!(
        "{seconds:?} {copied} {last} {links} {names} {left}"
    ))
}

/// What somebody says over TCP.
fn connect(target: &str) -> io::Result<String> {
    let mut answer = String::new();
    TcpStream::connect(target)?.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What somebody answers over UDP.
fn ask(from: &str, target: &str) -> io::Result<String> {
    let socket = UdpSocket::bind(from)?;
    socket.send_to(b"question", target)?;
    let mut buffer = [0; 100];
    let (count, _) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

/// The addresses that a name has.
fn look_up(name: &str) -> io::Result<String> {
    let mut addresses: Vec<_> = (name, 0)
        .to_socket_addrs()?
        .map(|address| address.ip().to_string())
        .collect();
    addresses.sort();
    Ok(addresses.join(" "))
}
