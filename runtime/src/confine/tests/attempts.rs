//! What is tried inside: by somebody who got out of the sandbox, and by a child that serves.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv, recvmsg, send};
use nix::unistd::{Pid, getppid};
use rustix::fs::{AtFlags, FileType, MemfdFlags, Mode, OFlags, ResolveFlags, Timestamps};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit,
};
use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::gates::Inside;
use super::raw;

pub(super) type Attempt = fn(&Inside<'_>) -> io::Result<()>;

pub(super) fn attempt_named(name: &str) -> Attempt {
    match name {
        "open-a-file" => |_| File::open("/etc/passwd").map(drop),
        "look-at-a-file" => |_| fs::metadata("/etc/passwd").map(drop),
        "connect-tcp" | "connect-tcp-with-directories" => {
            |inside| TcpStream::connect(inside.outside.tcp).map(drop)
        }
        "listen-tcp" => |_| TcpListener::bind("127.0.0.1:0").map(drop),
        "send-udp" | "send-udp-where-it-is-granted" | "send-udp-where-tcp-is-granted" => send_udp,
        "connect-unix" | "connect-unix-where-tcp-is-granted" => {
            |inside| UnixStream::connect(inside.outside.folder.join("socket")).map(drop)
        }
        "connect-abstract" => {
            |inside| UnixStream::connect_addr(&inside.outside.abstract_name()).map(drop)
        }
        "make-a-pair-of-packets" => |_| UnixDatagram::pair().map(drop),
        "fork" => fork,
        "start-a-thread" => |_| thread::Builder::new().spawn(|| ()).map(drop),
        "run-a-program" => |_| Command::new("/bin/true").status().map(drop),
        "become-a-program" => |_| Err(Command::new("/bin/true").exec()),
        "make-code" => |_| raw::make_code(),
        "share-memory" => |_| raw::share_memory(),
        "turn-data-into-code" => |_| raw::turn_data_into_code(),
        "signal-the-server" => |inside| signal(inside.outside.server),
        "signal-the-zygote" => |_| signal(getppid()),
        "trace-the-server" => trace,
        "receive-a-descriptor" => receive,
        "raise-a-limit" => |_| Ok(setrlimit(Resource::Stack, getrlimit(Resource::Stack))?),
        "make-a-file-of-memory" => {
            |_| Ok(rustix::fs::memfd_create("file", MemfdFlags::empty()).map(drop)?)
        }
        "take-memory" => |_| take_memory(512 << 20),
        "take-descriptors" => take_descriptors,
        "take-time" => take_time,
        "serve-a-stream" => serve_a_stream,
        "answer-over-a-channel" => answer_over_a_channel,
        "use-the-memory-that-is-its-due" => |_| take_memory(64 << 20),
        "have-no-privileges" => have_no_privileges,
        "abort" => |_| std::process::abort(),
        "be-killed-by-the-zygote" => be_killed,
        "read-in-a-directory" => read_in_a_directory,
        "write-in-a-directory-to-read" => write_to_read,
        "write-in-a-directory-to-write" => write_to_write,
        "open-beside-a-directory" => {
            |inside| File::open(inside.outside.folder.join("file")).map(drop)
        }
        "make-a-pipe-in-a-directory" => make_a_pipe,
        "connect-tcp-to-a-granted-port" => |inside| connect(inside.outside.tcp),
        "connect-tcp-to-another-port" | "connect-tcp-where-all-ports-are-granted" => {
            |inside| connect(inside.outside.other_tcp)
        }
        "bind-a-port" => {
            |_| asynchronously(async { TcpSocket::new_v4()?.bind(([127, 0, 0, 1], 1).into()) })
        }
        "listen-where-tcp-is-granted" => listen,
        other => panic!("no attempt {other}"),
    }
}

fn send_udp(inside: &Inside<'_>) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"hello", inside.outside.udp).map(drop)
}

fn fork(_: &Inside<'_>) -> io::Result<()> {
    raw::ended(raw::forked(|| Ok(()))?)?;
    Ok(())
}

/// Sends a signal that is ignored by default.
fn signal(process: Pid) -> io::Result<()> {
    Ok(kill(process, Signal::SIGWINCH)?)
}

fn trace(inside: &Inside<'_>) -> io::Result<()> {
    Ok(ptrace::seize(
        inside.outside.server,
        ptrace::Options::empty(),
    )?)
}

/// Calls what a descriptor could come in by.
fn receive(inside: &Inside<'_>) -> io::Result<()> {
    let mut bytes = [0; 16];
    let mut into = [io::IoSliceMut::new(&mut bytes)];
    recvmsg::<()>(
        inside.channel.as_raw_fd(),
        &mut into,
        None,
        MsgFlags::empty(),
    )?;
    Ok(())
}

fn take_memory(bytes: usize) -> io::Result<()> {
    let mut memory = Vec::new();
    let taken = memory.try_reserve_exact(bytes);
    taken.map_err(|_| io::Error::from(Errno::ENOMEM))?;
    memory.resize(1 << 20, 1_u8);
    std::hint::black_box(&memory);
    Ok(())
}

fn take_descriptors(inside: &Inside<'_>) -> io::Result<()> {
    let many = (0..500).map(|_| inside.channel.try_clone());
    many.collect::<io::Result<Vec<_>>>().map(drop)
}

/// Computes for longer than it may.
fn take_time(_: &Inside<'_>) -> io::Result<()> {
    while clock_gettime(ClockId::ProcessCPUTime).tv_sec < 10 {}
    Ok(())
}

fn have_no_privileges(_: &Inside<'_>) -> io::Result<()> {
    assert!(rustix::thread::no_new_privs()?);
    assert_eq!(dumpable_behavior()?, DumpableBehavior::NotDumpable);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    assert_eq!(getrlimit(Resource::Core), none);
    Ok(())
}

/// Runs a future as a child does: on this thread, with all that the async runtime has.
fn asynchronously(work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build()?.block_on(work)
}

fn serve_a_stream(inside: &Inside<'_>) -> io::Result<()> {
    let stream = inside.stream.try_clone()?;
    stream.set_nonblocking(true)?;
    asynchronously(async {
        let mut stream = tokio::net::TcpStream::from_std(stream)?;
        stream.set_nodelay(true)?;
        let mut request = Vec::new();
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, stream.read_to_end(&mut request)).await??;
        request.make_ascii_uppercase();
        stream.write_all(&request).await?;
        stream.shutdown().await
    })
}

fn answer_over_a_channel(inside: &Inside<'_>) -> io::Result<()> {
    let channel = inside.channel.as_raw_fd();
    let mut ready = [PollFd::new(
        std::os::fd::AsFd::as_fd(&inside.channel),
        PollFlags::POLLIN,
    )];
    poll(&mut ready, PollTimeout::NONE)?;
    let mut request = [0; 16];
    let length = recv(channel, &mut request, MsgFlags::empty())?;
    request.make_ascii_uppercase();
    send(channel, &request[..length], MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

/// Waits for what never comes.
fn be_killed(inside: &Inside<'_>) -> io::Result<()> {
    let mut request = [0; 16];
    loop {
        recv(inside.channel.as_raw_fd(), &mut request, MsgFlags::empty())?;
    }
}

/// Opens a granted directory as it is opened for a guest: by the descriptor that is held.
fn preopened(held: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", held.as_raw_fd());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(
        rustix::fs::CWD,
        path,
        flags,
        Mode::empty(),
    )?)
}

fn open_beneath(directory: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    let mode = if flags.contains(OFlags::CREATE) {
        Mode::RUSR | Mode::WUSR
    } else {
        Mode::empty()
    };
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(directory, name, flags, mode, beneath)?.into())
}

fn read_in_a_directory(inside: &Inside<'_>) -> io::Result<()> {
    let directory = preopened(&inside.directories[0])?;
    let mut text = String::new();
    open_beneath(&directory, "file", OFlags::RDONLY)?.read_to_string(&mut text)?;
    assert_eq!(text, "there");
    let listed = open_beneath(&directory, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let names = rustix::fs::Dir::read_from(listed)?.count();
    assert_eq!(names, 3, "., .. and the file");
    Ok(())
}

fn write_to_read(inside: &Inside<'_>) -> io::Result<()> {
    let directory = preopened(&inside.directories[0])?;
    open_beneath(&directory, "file", OFlags::WRONLY).map(drop)
}

fn write_to_write(inside: &Inside<'_>) -> io::Result<()> {
    let directory = preopened(&inside.directories[1])?;
    let mut file = open_beneath(&directory, "new", OFlags::CREATE | OFlags::WRONLY)?;
    file.write_all(b"text")?;
    file.set_len(2)?;
    file.sync_all()?;
    rustix::fs::mkdirat(&directory, "folder", Mode::RWXU)?;
    rustix::fs::renameat(&directory, "new", &directory, "folder/newer")?;
    rustix::fs::linkat(
        &directory,
        "folder/newer",
        &directory,
        "other",
        AtFlags::empty(),
    )?;
    rustix::fs::symlinkat("other", &directory, "link")?;
    let epoch = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: epoch,
        last_modification: epoch,
    };
    rustix::fs::utimensat(&directory, "other", &times, AtFlags::empty())?;
    rustix::fs::unlinkat(&directory, "folder/newer", AtFlags::empty())?;
    Ok(rustix::fs::unlinkat(
        &directory,
        "folder",
        AtFlags::REMOVEDIR,
    )?)
}

fn make_a_pipe(inside: &Inside<'_>) -> io::Result<()> {
    let directory = &inside.directories[1];
    Ok(rustix::fs::mknodat(
        directory,
        "pipe",
        FileType::Fifo,
        Mode::RWXU,
        0,
    )?)
}

/// Connects as wasmtime-wasi does.
fn connect(to: SocketAddr) -> io::Result<()> {
    asynchronously(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        socket.connect(to).await.map(drop)
    })
}

fn listen(_: &Inside<'_>) -> io::Result<()> {
    asynchronously(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        socket.listen(1).map(drop)
    })
}
